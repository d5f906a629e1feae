"""The dashboard and the alarms: everything that they show is really emitted, and each alarm says what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from lambdas.domain.metrics import NAMESPACE
from lambdas.domain.task.settings import Settings
from lambdas.gateways.aws.endpoint_metrics import STATISTICS
from stacks.monitoring.alarms import MOST_QUERY_CHARACTERS, endpoint_errors_query
from tests.stacks.monitoring.shown import dashboard, shown_by, watched_by, widgets_with_metrics
from tests.stacks.templates import REPOSITORY, Deployment, listed, synthesize, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stacks.templates import Json

SERVICES_OWN = {
    # Step Functions developer guide, "Execution metrics".
    "AWS/States": (
        {"ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"},
        {"StateMachineArn"},
    ),
    # SQS developer guide, "Available CloudWatch metrics for Amazon SQS".
    "AWS/SQS": ({"ApproximateNumberOfMessagesVisible"}, {"QueueName"}),
    # Amazon Bedrock user guide, "Amazon Bedrock runtime metrics": what the pipeline itself reads.
    "AWS/Bedrock": (set(STATISTICS), {"ModelId"}),
}


def alarms(deployment: Deployment) -> dict[str, Json]:
    """Alarms by the name that their heading has."""
    found = deployment.of_type("AWS::CloudWatch::Alarm")
    return {re.sub(r"^Alarms|[0-9A-F]{8}$", "", name): properties for name, properties in found.items()}


def test_there_is_an_alarm_for_all_that_somebody_must_act_on(deployment: Deployment) -> None:
    assert set(alarms(deployment)) == {
        "RunsFailed",
        "RunsTimedOut",
        "RunsAborted",
        "EventsUndelivered",
        "JobStalled",
        "BudgetNearlyUsed",
        "IdleThroughput",
        "JanitorSilent",
        "RoutingOutOfBounds",
        "EndpointErrors",
    }


def test_an_alarm_says_what_to_do_and_names_a_heading_of_the_runbook(deployment: Deployment) -> None:
    headings = set(re.findall(r"^## (.+)$", (REPOSITORY / "docs" / "runbook.md").read_text(), re.MULTILINE))
    for name, alarm in alarms(deployment).items():
        assert alarm["AlarmDescription"].endswith(f"Runbook: docs/runbook.md, heading {name}.")
        assert name in headings
        assert "python -m cli" in alarm["AlarmDescription"]
        assert len(alarm["AlarmDescription"]) <= 1024


def test_an_alarm_tells_the_topic_which_cloudwatch_may_publish_to(deployment: Deployment) -> None:
    for name, alarm in alarms(deployment).items():
        assert ["Notifications" in text_of(action) for action in alarm["AlarmActions"]] == [True], name
        assert alarm.get("ActionsEnabled", True) is True
    [key] = deployment.of_type("AWS::KMS::Key").values()
    [statement] = [
        statement
        for statement in key["KeyPolicy"]["Statement"]
        if statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert set(listed(statement["Action"])) == {"kms:Decrypt", "kms:GenerateDataKey"}


def test_only_a_silent_janitor_is_alarming_without_a_value(deployment: Deployment) -> None:
    for name, alarm in alarms(deployment).items():
        expected = "breaching" if name == "JanitorSilent" else "notBreaching"
        assert alarm["TreatMissingData"] == expected, name


@pytest.mark.parametrize("hours", [1, 24])
def test_the_janitors_alarms_follow_its_schedule_within_cloudwatchs_limits(tmp_path: Path, hours: int) -> None:
    # When
    found = alarms(synthesize({"dev": {"reap_every_hours": hours}}, tmp_path)["dev"])
    # Then; CloudWatch API reference, PutMetricAlarm: seven days where a period is an hour or more
    for name in ("IdleThroughput", "JanitorSilent"):
        assert found[name]["Period"] == hours * 3600
        assert found[name]["Period"] * found[name]["EvaluationPeriods"] <= 7 * 86_400


def test_people_are_told_at_four_fifths_of_a_budget(deployment: Deployment) -> None:
    alarm = alarms(deployment)["BudgetNearlyUsed"]
    assert (alarm["Statistic"], alarm["Threshold"]) == ("Maximum", 80)
    assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"


def test_endpoint_errors_are_those_of_endpoints_and_each_has_its_own_alarm_state(deployment: Deployment) -> None:
    [query] = alarms(deployment)["EndpointErrors"]["Metrics"]
    assert query["Expression"].endswith(" GROUP BY ModelId ORDER BY SUM() DESC")
    for model in ("us.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "amazon.nova-micro-v1:0"):
        assert f"ModelId != '{model}'" in query["Expression"]


def test_the_query_stays_within_its_limit_however_many_models_there_are() -> None:
    models = {
        role: [f"us.{family}.{'m' * 100}-{number}" for number in range(5)]
        for role, family in (("teacher_models", "amazon"), ("judge_models", "anthropic"), ("baseline_models", "meta"))
    }
    query = endpoint_errors_query(Settings.from_mapping(models))
    assert MOST_QUERY_CHARACTERS - 200 < len(query) <= MOST_QUERY_CHARACTERS
    assert query.endswith(" DESC")


def test_no_two_widgets_overlap_and_all_lie_on_the_grid(deployment: Deployment) -> None:
    taken: dict[tuple[int, int], str] = {}
    widgets = dashboard(deployment)["widgets"]
    assert len(widgets) <= 500
    for widget in widgets:
        title = str(widget["properties"].get("title", widget["type"]))
        assert widget["x"] >= 0
        assert widget["width"] >= 6
        assert widget["x"] + widget["width"] <= 24
        for column in range(widget["x"], widget["x"] + widget["width"]):
            for line in range(widget["y"], widget["y"] + widget["height"]):
                assert (column, line) not in taken, f"{title} lies on {taken[column, line]}"
                taken[column, line] = title
    bottom = max(line for _, line in taken) + 1
    assert len(taken) == 24 * bottom, "the page has no holes"


def test_the_dashboard_shows_what_was_promised(deployment: Deployment) -> None:
    shown = {line for _, lines in widgets_with_metrics(dashboard(deployment)) for line in map(shown_by, lines)}
    assert {one.metric for one in shown} >= {
        "RunsEnded",
        "StageSeconds",
        "StageUsd",
        "SavingsAgainstBaseline",
        "BudgetUsed",
        "Invocations",
        "InvocationLatency",
        "InvocationServerErrors",
        "IdleUsdPerHour",
        "JobsStalled",
    }
    for widget in dashboard(deployment)["widgets"]:
        assert widget["type"] != "metric" or widget["properties"]["region"] == "us-east-1"


def test_ids_of_expressions_are_unique_in_their_graph_and_as_cloudwatch_wants_them(deployment: Deployment) -> None:
    for title, lines in widgets_with_metrics(dashboard(deployment)):
        ids = [line[0]["id"] for line in lines if isinstance(line[0], dict)]
        assert len(ids) == len(set(ids)), title
        assert all(re.fullmatch(r"[a-z][A-Za-z0-9_]*", one) for one in ids)


def test_the_dashboard_shows_every_alarm(deployment: Deployment) -> None:
    [widget] = [widget for widget in dashboard(deployment)["widgets"] if widget["type"] == "alarm"]
    ids = {arn.strip("<>").split(".")[0] for arn in widget["properties"]["alarms"]}
    assert ids == set(deployment.of_type("AWS::CloudWatch::Alarm"))


def test_what_is_not_the_pipelines_own_is_a_services_documented_metric(deployment: Deployment) -> None:
    shown = {line for _, lines in widgets_with_metrics(dashboard(deployment)) for line in map(shown_by, lines)}
    for one in shown | {watched_by(alarm) for alarm in alarms(deployment).values()}:
        if one.namespace != NAMESPACE:
            names, dimensions = SERVICES_OWN[one.namespace]
            assert one.metric in names
            assert one.dimensions == dimensions


def test_simulated_figures_are_labelled(tmp_path: Path) -> None:
    deployments = synthesize({"dev": {}, "local": {"simulated": True}}, tmp_path)
    for name, said in (("dev", False), ("local", True)):
        [text] = [widget for widget in dashboard(deployments[name])["widgets"] if widget["type"] == "text"]
        assert ("simulated" in text["properties"]["markdown"]) is said
