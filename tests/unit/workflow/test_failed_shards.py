"""One failed shard ends its map: the report names the shard's own error and says that none is tolerated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.dataset.shards import MAP_FAILED
from lambdas.domain.errors import ModelUnavailable, RetryLater
from lambdas.domain.run_facts import ShardFailure
from lambdas.gateways.registry.runs import Run
from lambdas.states.publish_report.stage import execute as publish
from lambdas.states.release_resources.stage import execute as release
from lambdas.workflow import stage
from lambdas.workflow.stage import Stage
from tests.unit.states.test_evaluate_student import SHARD, decided, known_scores, measured, ready
from tests.unit.states.test_evaluate_student import Models as Scripted
from tests.unit.support.fake_bedrock import refuse
from tests.unit.support.workshop import Workshop

RAISED = {"Error": MAP_FAILED, "Cause": "The specified tolerated failure threshold was exceeded"}


class Context:
    """Lambda's context, as far as it is read."""

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def in_this_process(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "deployed_pipeline", lambda: workshop.pipeline)


def handler(execute: Any, name: str) -> Any:
    return stage.stage_handler(name, execute)


def event(run: Run, **payload: str) -> dict[str, Any]:
    return {"run_id": run.run_id, "attempt": run.attempt, **payload}


def throttled() -> dict[str, Any]:
    raise RetryLater("the teacher throttled 12 times")


def denied() -> dict[str, Any]:
    raise refuse("AccessDenied", "PutObject")


def failed(workshop: Workshop, run: Run, error: dict[str, str]) -> dict[str, Any]:
    workshop.bucket.write_json(run.files.task_definition, {})
    publish(workshop.stage("PublishReport", run, outcome="FAILED", error=error))
    found: dict[str, Any] = workshop.bucket.read_json(run.files.report(1, "report.json"))
    return found


def test_the_report_names_the_error_of_the_shard(workshop: Workshop) -> None:
    # Given a shard that said why it failed, which its map only counts
    run = workshop.run()
    noted: ShardFailure = {"name": "ModelUnavailable", "message": "the teacher refused record 7"}
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
    assert "out of memory or time; the log group of its Lambda" in report["error"]["message"]
    assert report["error"]["message"].endswith("(0% of the shards may fail: one that does ends the run)")


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("ends_well", [True, False])
def test_what_a_shard_said_before_it_was_retried_well_is_not_told_of_another_one(
    workshop: Workshop, ends_well: bool
) -> None:
    # Given a shard that was throttled, and goes through when it is tried again, or dies without a word
    run = workshop.run()
    with pytest.raises(RetryLater):
        handler(lambda _stage: throttled(), "GenerateTeacherData")(event(run, shard="00-31"), Context())
    if ends_well:
        handler(lambda _stage: {}, "GenerateTeacherData")(event(run, shard="32-63"), Context())
        handler(lambda _stage: {}, "EvaluateStudent")(event(run, shard="00-31"), Context())
        assert workshop.pipeline.registry.run(run.run_id).facts["failure"]["name"] == "RetryLater"
        handler(lambda _stage: {}, "GenerateTeacherData")(event(run, shard="00-31"), Context())

    # When a map fails
    report = failed(workshop, run, RAISED)

    # Then
    assert report["error"]["name"] == (MAP_FAILED if ends_well else "RetryLater")


@pytest.mark.usefixtures("in_this_process")
def test_a_defect_in_a_shard_is_named_too(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    with pytest.raises(ClientError):
        handler(lambda _stage: denied(), "EvaluateStudent")(event(run, shard="00-31"), Context())
    # And a stage after it that fails as well, and then goes through
    with pytest.raises(RetryLater):
        handler(lambda _stage: throttled(), "ReleaseResources")(event(run), Context())
    handler(lambda _stage: {}, "ReleaseResources")(event(run), Context())

    # When
    report = failed(workshop, run, RAISED)

    # Then
    assert report["error"].keys() == {"name", "message"}
    assert report["error"]["name"] == "ClientError"
    assert "AccessDenied" in report["error"]["message"]


@pytest.mark.usefixtures("in_this_process")
def test_what_outlives_its_failed_map_does_not_hide_why_it_failed(workshop: Workshop) -> None:
    # Given a shard that failed, and another one whose Lambda goes on while the candidate is deleted
    run = workshop.run()
    with pytest.raises(RetryLater):
        handler(lambda _stage: throttled(), "EvaluateStudent")(event(run, shard="00-31"), Context())

    def deleted(_stage: Stage) -> dict[str, Any]:
        release(workshop.stage("ReleaseResources", run, outcome="FAILED"))
        raise ModelUnavailable("there is no such deployment")

    with pytest.raises(ModelUnavailable):
        handler(deleted, "EvaluateStudent")(event(run, shard="32-63"), Context())

    # When
    report = failed(workshop, run, RAISED)

    # Then
    assert report["error"]["name"] == "RetryLater"


@pytest.mark.usefixtures("in_this_process")
def test_what_outlives_its_attempt_tells_nothing_of_the_next_one(workshop: Workshop) -> None:
    # Given a shard's Lambda that goes on while its run fails and is retried
    run = workshop.run()

    def retried(_stage: Stage) -> dict[str, Any]:
        workshop.fail_and_retry(run)
        raise ModelUnavailable("there is no such deployment")

    # When
    with pytest.raises(ModelUnavailable):
        handler(retried, "EvaluateStudent")(event(run, shard="32-63"), Context())

    # Then
    assert "failure" not in workshop.pipeline.registry.run(run.run_id).facts


def test_an_error_outside_a_map_says_nothing_of_shards(workshop: Workshop) -> None:
    # Given / When
    cause = json.dumps({"errorType": "BudgetExceeded", "errorMessage": "too dear"})
    report = failed(workshop, workshop.run(), {"Error": "BudgetExceeded", "Cause": cause})

    # Then
    assert report["error"] == {"name": "BudgetExceeded", "message": "too dear"}


def test_report_and_page_say_that_every_shard_was_measured(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    models = Scripted(known_scores)
    monkeypatch.setattr("lambdas.gateways.aws.clients.bedrock_runtime", lambda: models)
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
