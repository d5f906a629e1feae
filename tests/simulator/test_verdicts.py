"""Verdicts by a judge that is wrong in a known way, and about a job that leaves nothing to read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lambdas.domain.questions import concurrency_limit
from lambdas.domain.run_facts import Approval
from lambdas.gateways.registry.table import Table
from lambdas.states.publish_report.stage import execute as publish_report
from local.bedrock_simulator.brains.judge import Case, judge
from tests.report_fields import documented, names_in, section_of
from tests.simulator import toy
from tests.simulator.conftest import Account
from tests.simulator.verdict_stages import VerdictStages
from tests.unit.gateways.registry.embedded_table import dynamodb, table

__all__ = ["dynamodb", "table"]

PROMPTS = list(dict.fromkeys(toy.queries(1_000, "verdicts")))
TASK: dict[str, Any] = {
    "teacher_system_prompt": toy.LONG_PROMPT,
    "student_system_prompt": toy.SHORT_PROMPT,
    "serving": {"mode": "on_demand"},
}


@pytest.fixture
def stages(account: Account, table: Table, monkeypatch: pytest.MonkeyPatch) -> Iterator[VerdictStages]:
    monkeypatch.setattr(concurrency_limit, "FIRST_PAUSE_S", 0.005)
    monkeypatch.setattr(concurrency_limit, "LONGEST_PAUSE_S", 0.05)
    made = VerdictStages(account.url, account.objects, account.clock, table)
    with made.connected():
        yield made


def known_scores() -> list[dict[str, Any]]:
    """Make answers that are more and more wrong, with the scores that a judge who is right gives them."""
    cases = []
    for number, query in enumerate(dict.fromkeys(toy.queries(40, "known"))):
        reference = toy.answer(query)
        weights = {kind: float(reference[kind]) for kind in toy.CUES}
        first, last = max(weights, key=lambda kind: weights[kind]), min(weights, key=lambda kind: weights[kind])
        moved = 0.07 * (number % 8)
        wrong = reference | {first: round(weights[first] - moved, 2), last: round(weights[last] + moved, 2)}
        given, wanted = json.dumps(wrong), json.dumps(reference)
        score = judge(Case(query, wanted, given)).score
        cases.append({"question": query, "reference": wanted, "answer": given, "expected_score": score})
    return cases


def line(report: dict[str, Any], rule: str) -> dict[str, Any]:
    [found] = [line for line in report["gate"] if line["rule"] == rule]
    return dict(found)


def test_a_student_trained_on_good_data_passes_and_its_report_has_the_documented_fields(
    stages: VerdictStages,
) -> None:
    # Given
    run = stages.candidate(PROMPTS, TASK, known_scores())

    # When
    report = stages.verdict(run)

    # Then
    assert (report["decision"], report["reasons"]) == ("PROMOTE", [])
    assert not stages.pipeline.registry.run(run.run_id).may_be_retried("REJECTED"), "a person's no is final"
    assert all(rule["passed"] for rule in report["gate"])
    learnt = report["training"]["learnt"]
    assert learnt["counts"]["accepted"] == learnt["sent"] == report["training"]["records"]
    assert learnt["last_loss"] < learnt["first_loss"]
    phases = report["training"]["phases"]
    assert [phase["name"] for phase in phases] == ["validation", "data processing", "training"]
    assert all(phase["started_at"] <= phase["ended_at"] for phase in phases)

    # When it has been promoted, by a person who knew the price of an hour
    approval: Approval = {
        "answer": "approved",
        "why": "",
        "at": "2026-11-01T00:00:00.000Z",
        "report_sha256": "0" * 64,
        "explicitly": False,
        "accepted": [],
        "by": {"arn": "arn:aws:iam::1:user/a", "account": "1", "user_id": "A", "at": "2026-11-01T00:00:00Z"},
        "usd_per_unit_hour": 3.0,
    }
    stages.pipeline.registry.record_facts(run.run_id, endpoint_arn="arn:endpoint", approval=approval)
    publish_report(stages.stage("PublishReport", run, outcome="PROMOTED"))
    text = stages.pipeline.runs.read(run.files.report(run.attempt, "report.json"))
    report = json.loads(text)

    # Then the registry has the hash of that very text
    assert stages.pipeline.registry.run(run.run_id).report_sha256 == hashlib.sha256(text).hexdigest()

    # And every field is documented, and every documented field is there
    sections = documented()
    there: dict[str, set[str]] = {title: set() for title in sections}
    for field, value in report.items():
        there[section_of(field)] |= {field, *(() if field == "files" else names_in(value))}
    undocumented = {title: names - sections[title].names - {title} for title, names in there.items()}
    assert undocumented == {title: set() for title in sections}
    missing = {title: sections[title].fields - names for title, names in there.items()}
    assert missing == {title: set() for title in sections}


def test_a_job_without_outputs_leaves_its_counts_unknown_and_the_gate_decides(
    account: Account, stages: VerdictStages
) -> None:
    # Given a job that completes, and writes neither a manifest nor metrics
    account.control.order("no_outputs")

    # When
    report = stages.verdict(stages.candidate(PROMPTS, TASK))

    # Then nothing is guessed about its records, and the student is judged by what it answers
    learnt = report["training"]["learnt"]
    assert (learnt["counts"], learnt["lost_share"], learnt["curve"]) == (None, None, [])
    assert learnt["sent"] == report["training"]["records"] > 0
    assert (report["decision"], report["reasons"]) == ("PROMOTE", [])

    # And the teacher, whose answers came by batch, has a latency of its own
    teacher = next(one for one in report["contestants"] if one["role"] == "teacher")
    assert report["training"]["batch"]["way"] == "batch"
    assert 0 < teacher["timed"] == teacher["timed_apart"] <= teacher["records"] == 100
    assert teacher["latency_ms"]["p50"] > 1_000


def test_a_judge_that_gives_six_to_more_than_two_percent_makes_no_verdict(
    account: Account, stages: VerdictStages
) -> None:
    # Given a student that would pass, and a judge that always gives some of its cases a score that does not exist
    run = stages.candidate(PROMPTS, TASK)
    account.control.order("wrong_judge", how="six", fraction=0.05, seed=1)

    # When
    report = stages.verdict(run)

    # Then
    assert report["decision"] == "INSUFFICIENT EVIDENCE"
    failures = line(report, "max_judge_failures")
    assert not failures["passed"]
    assert failures["threshold"] == 0.02 < failures["measured"]
    assert report["judge"]["failures"] > 0
    assert "max_judge_failures" in " ".join(report["reasons"])

    # And another attempt may ask the judge again: this was no verdict
    assert stages.pipeline.registry.run(run.run_id).may_be_retried("REJECTED")


def test_a_judge_that_drifts_while_it_judges_makes_no_verdict(account: Account, stages: VerdictStages) -> None:
    # Given a judge that agreed with known scores before the evaluation, and then becomes a point too kind
    run = stages.candidate(PROMPTS, TASK, known_scores())
    account.control.order("wrong_judge", how="drift")

    # When
    report = stages.verdict(run)

    # Then
    assert report["decision"] == "INSUFFICIENT EVIDENCE"
    drift = line(report, "max_judge_drift")
    assert not drift["passed"]
    assert drift["threshold"] < drift["measured"] <= 1
    assert report["judge"]["calibration"]["drift"] == drift["measured"]
