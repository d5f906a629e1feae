"""One failed shard ends its map: the report names the shard's own error and says that none is tolerated."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.domain.shards import MAP_FAILED
from lambdas.gateways.registry import Run
from lambdas.publish_report.stage import execute as publish
from tests.unit.stages.test_evaluate_student import SHARD, decided, known_scores, measured, ready
from tests.unit.stages.test_evaluate_student import Models as Scripted
from tests.unit.stages.workshop import Workshop

RAISED = {"Error": MAP_FAILED, "Cause": "The specified tolerated failure threshold was exceeded"}


def failed(workshop: Workshop, run: Run, error: dict[str, str]) -> dict[str, Any]:
    workshop.bucket.write_json(run.files.task_definition, {})
    publish(workshop.stage("PublishReport", run, outcome="FAILED", error=error))
    found: dict[str, Any] = workshop.bucket.read_json(run.files.report(1, "report.json"))
    return found


def test_the_report_names_the_error_of_the_shard(workshop: Workshop) -> None:
    # Given a shard that said why it failed, which its map only counts
    run = workshop.run()
    noted = {"name": "ModelUnavailable", "message": "the teacher refused record 7"}
    workshop.pipeline.registry.record_facts(run.run_id, failure=noted)

    # When
    report = failed(workshop, run, RAISED)

    # Then
    told = "the teacher refused record 7 (0% of the shards may fail: one that does ends the run)"
    assert report["error"] == {"name": "ModelUnavailable", "message": told}
    assert report["outcome"] == "FAILED"
    assert report["evaluation"] == {"shards": None, "tolerated_failure_percent": 0}


def test_a_shard_that_died_without_a_word_is_told_by_its_map(workshop: Workshop) -> None:
    # Given / When
    report = failed(workshop, workshop.run(), RAISED)

    # Then
    assert report["error"]["name"] == MAP_FAILED
    assert report["error"]["message"].endswith("(0% of the shards may fail: one that does ends the run)")


def test_an_error_outside_a_map_says_nothing_of_shards(workshop: Workshop) -> None:
    # Given / When
    cause = json.dumps({"errorType": "BudgetExceeded", "errorMessage": "too dear"})
    report = failed(workshop, workshop.run(), {"Error": "BudgetExceeded", "Cause": cause})

    # Then
    assert report["error"] == {"name": "BudgetExceeded", "message": "too dear"}


def test_report_and_page_say_that_every_shard_was_measured(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    models = Scripted(known_scores)
    monkeypatch.setattr("lambdas.gateways.clients.bedrock_runtime", lambda: models)
    run = ready(workshop, calibration=False)
    measured(workshop, run)
    assert workshop.bucket.find(run.files.evaluation(1, f"{SHARD}.jsonl"))

    # When
    decided(workshop, run)

    # Then
    report = workshop.bucket.read_json(run.files.report(1, "report.json"))
    assert report["evaluation"] == {"shards": 1, "tolerated_failure_percent": 0}
    page = workshop.bucket.read(run.files.report(1, "report.html")).decode()
    assert "1, all measured; 0% of them may fail" in page
