"""A new champion that does badly goes back by itself; one without traffic is said to be without."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from lambdas.domain.errors import StudentRolledBack
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.endpoint_metrics import BEDROCK_NAMESPACE
from lambdas.gateways.registry.runs import Run
from lambdas.states.bake_student.stage import execute
from tests.unit.states.test_promote_student import champion, parameters, promoted, students
from tests.unit.support.workshop import Workshop

__all__ = ["parameters", "students"]


class Metrics:
    """CloudWatch: sums as tests set them, two values a metric as a period has them; and SNS."""

    def __init__(self) -> None:
        self.sums: dict[str, float] = {}
        self.endpoints: set[str] = set()
        self.mails: list[str] = []

    def get_paginator(self, operation: str) -> Metrics:
        assert operation == "get_metric_data"
        return self

    def paginate(self, *, MetricDataQueries: Any, StartTime: datetime, EndTime: datetime) -> list[Any]:  # noqa: N803
        assert StartTime <= EndTime
        results = []
        for query in MetricDataQueries:
            metric = query["MetricStat"]["Metric"]
            assert metric["Namespace"] == BEDROCK_NAMESPACE
            self.endpoints.add(metric["Dimensions"][0]["Value"])
            value = self.sums.get(metric["MetricName"])
            mean = query["MetricStat"]["Stat"] == "Average"
            values = [] if value is None else [value, value] if mean else [value / 2, value / 2]
            results.append({"Id": query["Id"], "Values": values})
        return [{"MetricDataResults": results[:2]}, {"MetricDataResults": results[2:]}]

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> None:  # noqa: N803 - the API's names
        del TopicArn, Subject
        self.mails.append(Message)


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    made = Metrics()
    monkeypatch.setattr(clients, "cloudwatch", lambda: made)
    monkeypatch.setattr(clients, "sns", lambda: made)
    return made


def bake(workshop: Workshop, run: Run) -> str:
    return str(execute(workshop.stage("BakeStudent", run))["status"])


def verdict(workshop: Workshop, run: Run) -> str:
    return str(workshop.pipeline.registry.run(run.run_id).facts["bake"]["verdict"])


BAD = [
    ({"Invocations": 90.0, "InvocationServerErrors": 10.0}, "10.0% of 100 requests ended in a server error"),
    ({"Invocations": 100.0, "InvocationLatency": 3001.0}, "mean latency is 3,001 ms"),
]
FINE = [
    ({}, "0 requests so far, too few"),
    ({"Invocations": 1.0, "InvocationServerErrors": 18.0}, "19 requests so far, too few"),
    ({"Invocations": 95.0, "InvocationServerErrors": 5.0}, "100 requests, 5 server errors"),
    ({"Invocations": 100.0, "InvocationLatency": 3000.0}, "100 requests, 0 server errors"),
    ({"Invocations": 100.0, "InvocationClientErrors": 400.0}, "100 requests, 0 server errors"),
    ({"Invocations": 100.0, "InvocationThrottles": 400.0}, "400 were throttled: ask for more model units"),
]


@pytest.mark.usefixtures("students", "parameters")
@pytest.mark.parametrize(("sums", "said"), BAD)
def test_a_bad_champion_is_rolled_back_and_its_run_fails(
    workshop: Workshop, metrics: Metrics, sums: dict[str, float], said: str
) -> None:
    # Given
    first, second = promoted(workshop, "1"), promoted(workshop, "2")
    metrics.sums = sums
    # When
    assert bake(workshop, second) == "ROLLING_BACK"
    for endpoint in workshop.client.endpoints.values():
        endpoint["status"] = "InService"
    # Then
    with pytest.raises(StudentRolledBack, match=said):
        bake(workshop, second)
    assert champion(workshop)[0] == first.run_id
    assert workshop.pipeline.tasks.state("video").lease_owner is None


@pytest.mark.usefixtures("students", "parameters")
@pytest.mark.parametrize(("sums", "_said"), BAD)
def test_a_bad_first_champion_goes_on_serving_and_that_is_said(
    workshop: Workshop, metrics: Metrics, sums: dict[str, float], _said: str
) -> None:
    # Given there is nothing to return to
    run = promoted(workshop, "1")
    metrics.sums = sums
    # When / Then
    assert bake(workshop, run) == "COMPLETED"
    assert _said in verdict(workshop, run)
    assert champion(workshop)[0] == run.run_id


@pytest.mark.usefixtures("students", "parameters")
@pytest.mark.parametrize(("sums", "said"), FINE)
def test_what_is_no_fault_of_the_student_moves_nothing(
    workshop: Workshop, metrics: Metrics, sums: dict[str, float], said: str
) -> None:
    # Given
    promoted(workshop, "1")
    second = promoted(workshop, "2")
    metrics.sums = sums
    # When / Then
    assert bake(workshop, second) == "BAKING"
    assert said in verdict(workshop, second)
    assert metrics.endpoints == {workshop.pipeline.tasks.state("video").champion.endpoint_arn}  # type: ignore[union-attr]


@pytest.mark.usefixtures("students", "parameters")
def test_people_are_told_once_that_the_student_serves(workshop: Workshop, metrics: Metrics) -> None:
    run = promoted(workshop, "1")
    assert [bake(workshop, run) for _ in range(3)] == ["BAKING"] * 3
    assert len(metrics.mails) == 1
    assert "watched for 60 minutes" in metrics.mails[0]


@pytest.mark.usefixtures("students", "parameters", "metrics")
def test_a_champion_that_was_replaced_by_hand_is_watched_no_longer(workshop: Workshop) -> None:
    first = promoted(workshop, "1")
    promoted(workshop, "2")
    assert bake(workshop, first) == "COMPLETED"
