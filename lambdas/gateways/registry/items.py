"""DynamoDB items as plain values: whole and broken numbers, sets, maps, in and out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

Item = dict[str, Any]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_values(document: Item) -> dict[str, Any]:
    """Turn plain values into DynamoDB's attribute values; floats become decimals of at most 12 digits."""
    return {name: _serialize(_with_decimals(value)) for name, value in document.items()}


def from_values(values: dict[str, Any]) -> Item:
    """Turn DynamoDB's attribute values into plain values; decimals become int where whole, else float."""
    return {name: _without_decimals(_deserialize(value)) for name, value in values.items()}


def _with_decimals(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return Decimal(f"{value:.12g}")
    if isinstance(value, dict):
        return {name: _with_decimals(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_decimals(inner) for inner in value]
    return value


def _without_decimals(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {name: _without_decimals(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_decimals(inner) for inner in value]
    return value
