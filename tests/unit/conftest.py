"""Fixtures of the stages' tests."""

from __future__ import annotations

import pytest

from lambdas.gateways.table import Table
from tests.unit.gateways.embedded_table import dynamodb, table
from tests.unit.stages.workshop import Workshop

__all__ = ["dynamodb", "table", "workshop"]


@pytest.fixture
def workshop(table: Table) -> Workshop:
    return Workshop(table)
