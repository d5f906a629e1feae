"""Metrics: counted once whatever is repeated, with dimensions that are bounded, and never a word of a prompt."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from lambdas.domain import metrics
from lambdas.domain.evaluation.contestant_document import ContestantDocument
from lambdas.domain.metrics import Metric, measure_contestants
from lambdas.domain.outcomes import FAILED
from lambdas.gateways.aws.metric_writer import Meter
from lambdas.operations.reap_idle_throughput.reporting import measure
from lambdas.operations.reconcile_runs.stage import measure_budget
from lambdas.states.publish_report.stage import execute as publish_report
from tests.unit.support.measured import QUESTION, end, measure_everything, paid, stall
from tests.unit.support.workshop import Workshop

Capture = pytest.CaptureFixture[str]


class Log:
    """What was written, metric by metric."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def documents(self) -> list[dict[str, Any]]:
        """Every line of a metric since the last look."""
        lines = self._capture.readouterr().out.splitlines()
        return [json.loads(line) for line in lines if line.startswith('{"_aws"')]

    def values(self, metric: Metric) -> list[tuple[str | None, float]]:
        """Value of its own dimension, and the value."""
        found = [document for document in self.documents() if metric.name in document]
        return [(document.get(metric.by or ""), document[metric.name][0]) for document in found]


@pytest.fixture
def log(capsys: Capture) -> Log:
    return Log(capsys)


@pytest.mark.parametrize(("metric", "of"), [(metrics.RUNS_ENDED, None), (metrics.JOBS_STALLED, "LaunchDistillation")])
def test_a_metric_without_its_dimension_or_with_one_that_it_has_not_is_refused(metric: Metric, of: str | None) -> None:
    with pytest.raises(ValueError, match=metric.name):
        Meter("dev").emit(metric, 1, of)


def test_a_line_has_namespace_unit_and_exactly_the_dimensions_of_its_metric(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given variables of a Lambda, from which Powertools would take one more dimension
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "publish_report")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Other")
    # When
    Meter("dev").emit(metrics.STAGE_SECONDS, 12.5, "CheckRun")
    # Then
    [line] = log.documents()
    [described] = line["_aws"]["CloudWatchMetrics"]
    assert described["Namespace"] == "Distillation"
    assert described["Dimensions"] == [["Environment", "Stage"]]
    assert described["Metrics"] == [{"Name": "StageSeconds", "Unit": "Seconds"}]
    assert (line["Environment"], line["Stage"], line["StageSeconds"]) == ("dev", "CheckRun", [12.5])


def test_lines_of_many_threads_stay_whole(log: Log) -> None:
    # Given
    meter = Meter("dev")

    def emit_many() -> None:
        for _ in range(200):
            meter.emit(metrics.STAGE_USD, 1, "EvaluateStudent")

    threads = [threading.Thread(target=emit_many) for _ in range(8)]
    # When
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then
    assert len(log.values(metrics.STAGE_USD)) == 1600


def test_every_line_of_the_ledger_is_measured_once_and_a_corrected_one_by_its_difference(
    workshop: Workshop, log: Log
) -> None:
    # Given
    run_id, registry = workshop.run().run_id, workshop.pipeline.registry
    # When a line is written, repeated as after a crash, corrected, and one is a bound
    for entry in (paid("a", 2.0), paid("a", 2.0), paid("a", 2.5), paid("b", 1.0), paid("c", 9.0, kind="at most")):
        registry.record_cost(run_id, entry)
    # Then
    assert log.values(metrics.STAGE_USD) == [
        ("GenerateTeacherData", 2.0),
        ("GenerateTeacherData", 0.5),
        ("GenerateTeacherData", 1.0),
        ("GenerateTeacherData", 9.0),
    ]
    assert sum(entry.usd for entry in registry.ledger(run_id)) == 12.5


def test_a_stage_lasts_from_its_first_call_to_the_first_call_of_the_next(workshop: Workshop, log: Log) -> None:
    # Given
    run = workshop.run()
    # When a stage is polled, and the next one begins
    for _ in range(3):
        workshop.stage("LaunchDistillation", run).progress(phase="training")
        workshop.pass_time(minutes=5)
    workshop.stage("DeployCandidate", run).progress()
    workshop.stage("DeployCandidate", run).progress()
    # Then
    assert log.values(metrics.STAGE_SECONDS) == [("LaunchDistillation", 900.0)]


def test_neither_the_queue_between_two_attempts_nor_a_late_release_is_a_stage(workshop: Workshop, log: Log) -> None:
    # Given an attempt that ended with its report
    run = workshop.run()
    workshop.stage("PublishReport", run).progress()
    workshop.pass_time(days=1)
    again = workshop.fail_and_retry(run)
    # When the next one begins, ends, and its leftovers are released a week later
    workshop.stage("PrepareDataset", again).progress()
    workshop.pipeline.registry.end(run.run_id, again.attempt, FAILED, "why", workshop.now(), None)
    workshop.pass_time(days=7)
    workshop.stage("ReleaseResources", again).progress()
    # Then
    assert log.values(metrics.STAGE_SECONDS) == []


def test_an_outcome_is_counted_once_however_often_it_is_reported(workshop: Workshop, log: Log) -> None:
    # Given
    run = end(workshop, "1", "REJECTED")
    documents = log.documents()
    # When
    publish_report(workshop.stage("PublishReport", run, outcome="FAILED"))
    # Then
    assert [line["Outcome"] for line in documents if "RunsEnded" in line] == ["REJECTED"]
    assert [line["RunSeconds"] for line in documents if "RunSeconds" in line] == [[270.0]]
    assert [line["BudgetUsed"] for line in documents if "BudgetUsed" in line] == [[85.0]]
    assert log.values(metrics.RUNS_ENDED) == []


def test_a_run_that_failed_before_anything_was_known_is_still_counted(workshop: Workshop, log: Log) -> None:
    run = workshop.run()
    workshop.bucket.write_json(run.files.task_definition, {})
    publish_report(workshop.stage("PublishReport", run, outcome="FAILED", error={"Error": "PriceMissing"}))
    assert [line for line in log.documents() if "BudgetUsed" in line] == []


def test_only_a_student_that_serves_saves_anything() -> None:
    contestants: list[ContestantDocument] = [
        {"role": role, "usd_per_1k_requests": usd, "judge_score": {"mean": None}, "latency_ms": None}
        for role, usd in (("student", 0.1), ("baseline", 2.0))
    ]
    saved = {
        promoted: [
            one.value for one in measure_contestants(contestants, promoted=promoted) if one.metric is metrics.SAVINGS
        ]
        for promoted in (True, False)
    }
    assert saved == {True: [pytest.approx(95.0)], False: []}


def test_a_run_under_way_shows_its_share_of_the_budget_once_that_is_known(workshop: Workshop, log: Log) -> None:
    # Given
    run_id, registry = workshop.run().run_id, workshop.pipeline.registry
    measure_budget(workshop.pipeline, registry.run(run_id))
    # When
    registry.record_facts(run_id, budget_usd=50)
    registry.record_cost(run_id, paid("a", 41.0))
    measure_budget(workshop.pipeline, registry.run(run_id))
    # Then
    [(_, value)] = log.values(metrics.BUDGET_USED)
    assert value == pytest.approx(82.0)


def test_a_job_that_stalled_is_measured_when_it_is_stopped(workshop: Workshop, log: Log) -> None:
    stall(workshop)
    assert log.values(metrics.JOBS_STALLED) == [(None, 1.0)]


def test_idle_throughput_is_counted_although_its_price_is_not_known_and_nothing_is_counted_twice() -> None:
    # Given
    def finding(arn: str, **fields: Any) -> dict[str, Any]:
        return {"arn": arn, "reason": "UNUSED", "kind": "provisioned_throughput", "done": "", **fields}

    found = [
        finding("arn:priceless"),
        finding("arn:due", reason="REVIEW_DUE"),
        finding("arn:due", reason="END_OF_LIFE"),
        finding("arn:gone", done="deleted"),
        finding("arn:deployment", kind="custom_model_deployment"),
        finding("arn:old", reason="END_OF_LIFE"),
    ]
    # When, Then
    measured = {one.metric.name: one.value for one in measure({"findings": found, "usd_per_hour": 0.0})}
    assert measured == {"IdleUsdPerHour": 0.0, "IdleThroughputs": 2, "RoutingOutOfBounds": 0}


def test_no_metric_carries_a_run_a_task_a_model_or_a_word_of_a_prompt(workshop: Workshop, log: Log) -> None:
    # When everything is measured, with prompts in the evaluation and in an error
    measure_everything(workshop)
    # Then
    documents = log.documents()
    assert {metric.name for metric in metrics.ALL} == {
        line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"] for line in documents
    }
    for line in documents:
        text = json.dumps(line)
        assert not any(word in text for word in (*QUESTION.split(), "video", "arn:", "nova"))
        assert line.keys() - {"_aws", "Environment", "Stage", "Outcome", "Role"} <= {one.name for one in metrics.ALL}
