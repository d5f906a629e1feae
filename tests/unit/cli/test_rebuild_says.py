"""``rebuild-registry`` asks nobody to write what is not missing."""

from __future__ import annotations

from typing import Any

import pytest

from cli.lost_registry import Rebuilt
from cli.rebuild import _last
from cli.session import Session
from lambdas.gateways.registry.items import to_values
from lambdas.gateways.registry.runs import Run
from tests.unit.cli.conftest import FakeAws, ended
from tests.unit.cli.test_champions_now import CHAMPION


def rebuilt() -> Rebuilt:
    run = Run.from_item(ended("PROMOTED"))
    made: dict[str, Any] = {"runs": [run], "champions": {"greetings": object()}}
    return Rebuilt(**made)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (True, "The registry lacks nothing of this: there is nothing to write."),
        (False, "The registry lacks 1 runs and 1 champions; nothing was written. Write them: python -m cli rebuild-"),
    ],
)
def test_only_what_is_missing_is_to_be_written(aws: FakeAws, there: bool, said: str) -> None:
    # Given
    aws.run_in_registry(ended("PROMOTED") if there else None)
    task = {"pk": "TASK#greetings", "champion": CHAMPION} if there else {"pk": "TASK#greetings"}
    aws.stub("dynamodb").add_response("get_item", {"Item": to_values(task)})
    # When / Then
    assert _last(Session(aws.deployment, as_json=False), rebuilt(), None).startswith(said)


def test_what_was_written_is_counted(aws: FakeAws) -> None:
    assert "1 runs, 0 champions" in _last(Session(aws.deployment, False), rebuilt(), {"runs": 1, "champions": 0})
