"""Fixtures of the stages' tests."""

from __future__ import annotations

import pytest

from lambdas.gateways.registry.table import Table
from tests.unit.gateways.registry.embedded_table import dynamodb, table
from tests.unit.support.workshop import Workshop

__all__ = ["dynamodb", "table", "workshop"]


@pytest.fixture
def workshop(table: Table) -> Workshop:
    return Workshop(table)
