"""Fixtures of the gateways' tests."""

from tests.unit.gateways.registry.embedded_table import dynamodb, table

__all__ = ["dynamodb", "table"]
