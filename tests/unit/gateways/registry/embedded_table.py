"""The registry table in the emulator's DynamoDB, whose conditions, sets, indexes and transactions are DynamoDB's."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ministack.services import dynamodb as emulated_dynamodb

from lambdas.gateways.registry.table import BY_STATE, Table
from tests.in_process import emulated_client

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def dynamodb() -> Any:
    return emulated_client("dynamodb", emulated_dynamodb)


@pytest.fixture
def table(dynamodb: Any) -> Table:
    return create_registry(dynamodb, f"registry-{next(NUMBERS)}")


def create_registry(dynamodb: Any, name: str) -> Table:
    """Make an empty table with the keys and the index of the data stack."""
    attributes = ("pk", "sk", "state_group", "since")
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes],
        KeySchema=keys("pk", "sk"),
        GlobalSecondaryIndexes=[
            {"IndexName": BY_STATE, "KeySchema": keys("state_group", "since"), "Projection": {"ProjectionType": "ALL"}}
        ],
    )
    return Table(dynamodb, name)


def keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
