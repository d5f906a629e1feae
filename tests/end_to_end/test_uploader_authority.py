"""Whoever may put into a task's folder cannot take an approved champion's place: it ends in a request to a person."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.gateways.registry.runs import Run
from lambdas.gateways.registry.tasks import TaskBook
from tests.end_to_end.account import Account, example_lines, lenient

pytestmark = pytest.mark.end_to_end

ON_DEMAND = {"mode": "on_demand"}
NO_GATE = {"min_judge_score": 1, "max_quality_drop": 4, "min_schema_validity": 0, "min_cost_reduction": 0}
NO_GATE |= {"min_latency_reduction": 0, "min_judge_agreement": 0, "min_judge_correlation": -1, "max_judge_error": 4}


def score(account: Account, run: Run, role: str = "student") -> float:
    contestants = account.report(run)["contestants"]
    return float(next(one["judge_score"]["mean"] for one in contestants if one["role"] == role))


def answered(account: Account, run: Run, **word: Any) -> dict[str, Any]:
    payload = {"run_id": run.run_id, "answer": "approved", "report_sha256": run.report_sha256}
    champion = account.report(run)["champion_before"]
    return account.invoke("AnswerApprovalFunction", {**payload, "expected_champion": champion["run_id"], **word})


def test_an_upload_that_asks_nobody_and_has_no_gate_does_not_replace_an_approved_champion(account: Account) -> None:
    # Given a champion that a person approved
    task = "authority"
    gate = {**NO_GATE, "min_judge_score": 2.0, "max_quality_drop": 1.0, "min_cost_reduction": 0.1}
    first = account.upload(task, example_lines()[:300], **lenient(approval="required", gate=gate, serving=ON_DEMAND))
    assert account.answer(account.approval_wanted(first.run_id))["answer"] == "approved"
    champion = account.ended(first.run_id)
    assert champion.outcome == "PROMOTED", champion.reason

    # When somebody uploads another task.json: no gate, no person, a million of budget; and the training is spoilt
    account.simulator.order("label_noise", fraction=0.9)
    attack = lenient(approval="automatic", budget_usd=1_000_000, gate=NO_GATE, serving=ON_DEMAND)
    second = account.upload(task, example_lines()[:360], **attack)
    asked = account.approval_wanted(second.run_id)

    # Then a person is asked, and told what is looser and how much worse the student is
    report = account.report(asked)
    assert report["decision"] == "PROMOTE"
    assert score(account, asked) < score(account, asked, "champion") - 0.5
    said = " | ".join(one["sentence"] for one in report["explicit_reasons"])
    assert "approval automatic; the champion that it would replace was approved under required" in said
    assert "gate.min_judge_score 1; the champion that it would replace was approved under 2" in said
    assert "budget_usd 1,000,000.00" in said
    assert "not shown to be within 1 judge points of the champion" in said

    # And a yes that does not say so explicitly is refused, while the champion serves
    refused = answered(account, asked)
    assert refused["errorType"] == "AnswerRefused"
    assert "needs your explicit word" in refused["errorMessage"]
    state = TaskBook(account.table).state(task)
    assert state.champion is not None
    assert state.champion.run_id == champion.run_id

    # When a person says no
    assert answered(account, asked, answer="rejected")["answer"] == "rejected"
    ended = account.ended(second.run_id)

    # Then
    assert ended.outcome == "REJECTED"
    after = TaskBook(account.table).state(task).champion
    assert after is not None
    assert (after.run_id, after.endpoint_arn) == (champion.run_id, champion.endpoint_arn)
    assert account.bills_what_the_registry_says(task)
