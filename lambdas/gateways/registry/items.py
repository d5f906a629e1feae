"""DynamoDB items as plain values: whole and broken numbers, sets, maps, in and out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Item = dict[str, Any]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_values(document: Item) -> dict[str, Any]:
    """Turn plain values into DynamoDB's attribute values; floats become decimals of at most 12 digits."""
    return {name: _serialize(_with_decimals(value)) for name, value in document.items()}


def from_values(values: dict[str, Any]) -> Item:
    """Turn DynamoDB's attribute values into plain values; decimals become int where whole, else float."""
    return {name: _without_decimals(_deserialize(value)) for name, value in values.items()}


def known_fields(kind: type[DataclassInstance], item: Mapping[str, Any]) -> Item:
    """Pick what a dataclass knows of an item: keys, index attributes and fields of later versions are left out."""
    return {known.name: item[known.name] for known in fields(kind) if known.name in item}


def missing_fields(kind: type[DataclassInstance], item: Mapping[str, Any]) -> list[str]:
    """Name the fields without a default that an item lacks: half an item, which a write after a deletion made."""
    return [
        one.name
        for one in fields(kind)
        if one.default is MISSING and one.default_factory is MISSING and one.name not in item
    ]


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
