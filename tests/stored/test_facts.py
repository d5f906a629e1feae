"""Every fact that 70254ec stored has a name and fields that the present code knows."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints, is_typeddict

import pytest
from boto3.dynamodb.types import TypeDeserializer

from lambdas.domain.run_facts import RunFacts
from lambdas.gateways.registry.items import from_values
from lambdas.gateways.registry.runs import Run
from tests.stored.snapshot import Document, stored

_plain = TypeDeserializer().deserialize


def run_items() -> list[Document]:
    items = stored()["tables"]["registry"]
    return [from_values(item) for item in items if item["sk"]["S"] == "RUN"]


def unknown(kind: Any, value: Any, path: str) -> list[str]:
    """Name what a stored value has and its type does not know."""
    for one in get_args(kind) or (kind,):
        if is_typeddict(one) and isinstance(value, list):
            return [name for item in value for name in unknown(one, item, path)]
        if is_typeddict(one) and isinstance(value, dict):
            hints = get_type_hints(one)
            strange = [f"{path}.{name}" for name in value if name not in hints]
            known = (unknown(hints[name], inner, f"{path}.{name}") for name, inner in value.items() if name in hints)
            return strange + [name for names in known for name in names]
    return []


def test_every_stored_fact_is_known() -> None:
    found = [name for item in run_items() for name in unknown(RunFacts, item["facts"], "facts")]
    assert found == []
    assert {name for item in run_items() for name in item["facts"]} >= {
        "approval",
        "bake",
        "failed_tries",
        "pointed_endpoint",
    }


@pytest.mark.parametrize("item", run_items(), ids=lambda item: str(item["task"]))
def test_a_fact_of_a_later_version_and_a_missing_one_are_borne(item: Document) -> None:
    # Given a field, a fact and a field of a fact that this version does not know, and facts that are not there
    later = {**item, "later": 1, "facts": {**item["facts"], "later": {"much": 1}}}
    # When
    run, bare = Run.from_item(later), Run.from_item({**item, "facts": {}})
    # Then
    assert run.run_id == bare.run_id == item["run_id"]
    assert run.upload.run_id == item["run_id"]
    assert run.facts == later["facts"]
    assert (bare.may_still_point_until(), bare.may_be_retried("REJECTED")) == (None, False)
