"""What a deployed pipeline logs is what its deployed dashboard shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lambdas.domain.metrics import JOBS_STALLED, NAMESPACE
from tests.end_to_end.account import example_lines, lenient
from tests.stacks.monitoring.shown import Shown, emitted, shown_by, widgets_with_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.end_to_end.account import Account

pytestmark = pytest.mark.end_to_end


def logged_lines(account: Account) -> Iterator[str]:
    """Every line that the Lambdas wrote."""
    logs = account.aws.client("logs")
    for page in logs.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            for events in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                yield from (event["message"] for event in events["events"])


def test_a_promoted_run_logs_every_metric_of_the_dashboard(account: Account) -> None:
    # Given
    prompts = example_lines()[:200]
    upload = account.upload("on-the-dashboard", prompts, **lenient())
    run = account.ended(upload.run_id)
    assert run.outcome == "PROMOTED", run.reason
    # When the janitor has looked too, and the month was exported
    account.invoke("ReapFunction", {"reap": "report"})
    pages = account.functions.get_paginator("list_functions").paginate()
    names = [function["FunctionName"] for page in pages for function in page["Functions"]]
    [export] = [name for name in names if "ExportCosts" in name]
    answer = account.functions.invoke(FunctionName=export, Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
    # Then
    lines = list(logged_lines(account))
    found = emitted(lines)
    name = account.outputs["DashboardName"]
    body = json.loads(account.aws.client("cloudwatch").get_dashboard(DashboardName=name)["DashboardBody"])
    shown = {line for _, graph in widgets_with_metrics(body) for line in map(shown_by, graph)}
    own = {one for one in shown if one.namespace == NAMESPACE}
    # Unless a job of another test in the same account has stalled
    assert own - found.keys() <= {Shown(NAMESPACE, JOBS_STALLED.name, frozenset(JOBS_STALLED.dimensions))}
    # And every stage but the last one has a duration, the dollars are the ledger's, and no line has a prompt
    mine = [line for documents in found.values() for line in documents]
    assert {line["Environment"] for line in mine} == {"local"}
    stages = {line["Stage"] for line in mine if "StageSeconds" in line}
    assert stages >= {"PrepareDataset", "CheckRun", "LaunchDistillation", "DeployCandidate", "PromoteStudent"}
    texts = [json.loads(prompt)["prompt"] for prompt in prompts]
    assert not [line for line in lines if any(text in line for text in texts if len(text) > 20)]


def test_the_dollars_that_were_measured_are_those_of_the_ledgers(account: Account) -> None:
    # Given
    before = sum(measured_usd(account))
    # When
    run = account.ended(account.upload("counted", example_lines()[:200], **lenient()).run_id)
    # Then
    measured = sum(measured_usd(account)) - before
    assert measured == pytest.approx(account.report(run)["total_usd"], abs=1e-6)


def measured_usd(account: Account) -> list[float]:
    """Dollars of every line of a log."""
    by_metric = emitted(logged_lines(account))
    return [line["StageUsd"][0] for lines in by_metric.values() for line in lines if "StageUsd" in line]
