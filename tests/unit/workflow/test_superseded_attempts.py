"""A late call of an attempt that has a successor, or of an attempt that does not exist, does nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.domain.errors import AttemptSuperseded
from lambdas.workflow import stage
from lambdas.workflow.stage import Stage
from tests.unit.support.workshop import Workshop


@pytest.mark.parametrize("called", [0, 2])
def test_a_stage_of_another_attempt_than_the_runs_does_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, called: int
) -> None:
    # Given
    run = workshop.run()
    monkeypatch.setattr(stage, "deployed_pipeline", lambda: workshop.pipeline)
    done: list[str] = []

    def noted(of: Stage) -> dict[str, Any]:
        done.append(of.name)
        return {}

    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
    handler = stage.stage_handler("PromoteStudent", noted)
    # When
    with pytest.raises(AttemptSuperseded, match=f"attempt {called} of run '{run.run_id}' was superseded by attempt 1"):
        handler({"run_id": run.run_id, "attempt": called}, context)
    # Then
    assert done == []
    handler({"run_id": run.run_id, "attempt": 1}, context)
    assert done == ["PromoteStudent"]
