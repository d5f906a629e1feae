"""The second fear: what a killed run leaves behind. StopExecution runs no Catch; the reconciler must do without."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from lambdas.domain.evaluation.latency_sample import TEACHER_JUDGED, TIMED_RECORDS
from lambdas.domain.task.settings import Settings
from tests.end_to_end.account import Account, example_lines, lenient, until

pytestmark = pytest.mark.end_to_end

OK = 200

STATES = (
    "PrepareDataset",
    "CheckRun",
    "CalibrateJudge",
    "RunTeacherBatch",
    "EachTeacherShard",
    "CollectTeacherData",
    "LaunchDistillation",
    "DeployCandidate",
    "EachHoldoutShard",
    "ScoreEvaluation",
    "RequestApproval",
    "PromoteStudent",
    "BakeStudent",
    "ReleaseResources",
)
"""Every state that does something, in the machine's order; the test below holds them against the machine itself."""

SHOWS_WHAT_THE_KILL_MATRIX_CANNOT = {
    "RunTeacherBatch": "the reconciler's role may stop a batch, which goes on while it is asked",
    "LaunchDistillation": "the reconciler's role may stop a training, which goes on while it is asked",
    "EachHoldoutShard": "the children of a map, several at work at once, end with their parent",
    "RequestApproval": "the token that a person's answer needs is gone with the execution, and a retry has its own",
    "PromoteStudent": "an endpoint that is being created is deleted once it exists, under the reconciler's role",
}
"""Why these are stopped in every run; the others are in ``make thorough`` and in the kill matrix (decision 0110)."""


def stop(number: int, state: str) -> Any:
    """Give the parameters of a state."""
    marks = () if state in SHOWS_WHAT_THE_KILL_MATRIX_CANNOT else (pytest.mark.thorough,)
    return pytest.param(number, state, id=state, marks=marks)


def prompts(number: int) -> list[bytes]:
    """Give 200 prompts that no other test of this module uses, so that every run buys everything itself."""
    suffix = f" in reel {number:02d}"
    lines = [json.loads(line) for line in example_lines()[:200]]
    return [json.dumps({**line, "prompt": line["prompt"] + suffix}).encode() for line in lines]


def stopped_after(account: Account, state: str, number: int) -> str:
    """Upload, wait until the state has been entered, pull the plug, and let the reconciler work."""
    approval = "required" if state == "RequestApproval" else "automatic"
    task = lenient(approval=approval)
    upload = account.upload(f"stopped-{number}", prompts(number), **task)
    until(lambda: account.entered(upload.run_id, state), state)
    account.stop(upload.run_id)
    return upload.run_id


def settle(account: Account, run_id: str) -> None:
    """Give the schedule its cycles: what is being created can only be deleted once it has been."""

    def clean() -> bool:
        account.look_after_all()
        mine = {item.arn for item in account.resources().of_run(run_id)}
        run = account.registry.run(run_id)
        left = {thing["arn"] for thing in account.billable()} & mine
        # A job may complete while it is being stopped: its model is not looked at by the release before the next cycle.
        undecided = {item.name for item in account.resources().of_run(run_id) if item.arn is None}
        came = {model["name"] for model in account.simulator.resources().models} & undecided
        return run_id not in account.registry.slots() and left <= {run.facts.get("endpoint_arn")} and not came

    until(clean, f"the release of {run_id}")


def paid(account: Account) -> Counter[str]:
    """Count the answers that were billed, by what was asked, on demand or in a batch."""
    bought: Counter[str] = Counter()
    for call in account.simulator.calls("Converse"):
        model = account.asked_model(str(call.params.get("modelId")))
        kind = model.split(":", 6)[5].split("/", 1)[0] if model.startswith("arn:") else model
        bought[kind] += call.status == OK
    for charge in account.simulator.billing():
        if charge.kind == "batch":
            bought[f"us.{charge.model}"] += charge.requests
    return bought


def price_of_a_run(holdout: int) -> Counter[str]:
    """Say what an undisturbed run on 200 prompts pays: each answer and each verdict once.

    The teacher answers the holdout once more, on demand: a batch, which gave its answers, has no latency.
    """
    settings = Settings.from_mapping({})
    return Counter(
        {
            settings.teacher_models[0]: 200 + min(holdout, TIMED_RECORDS),
            # The student's base model with the short prompt, and with the long one.
            settings.student_model: 2 * holdout,
            settings.baseline_models[0]: holdout,
            # Four contestants, some of the teacher's answers, and each pair in both orders.
            settings.judge_models[0]: 4 * holdout + min(holdout, TEACHER_JUDGED) + 2 * holdout,
            "custom-model-deployment": holdout,
        }
    )


def first_questions(account: Account, run_id: str) -> Counter[str]:
    """Count the one question to each chosen model: CheckRun asks it in every attempt, since models come and go."""
    asked: Counter[str] = Counter()
    for line in account.registry.ledger(run_id):
        asked[line.model] += int(line.usage["calls"]) if line.stage == "CheckRun" else 0
    return asked


@pytest.mark.parametrize(("number", "state"), [stop(*one) for one in enumerate(STATES)])
def test_a_run_stopped_after_any_state_leaves_nothing_and_is_finished_by_retry(
    account: Account, number: int, state: str
) -> None:
    # Given
    before, bill = paid(account), account.bill()
    # When: somebody stops the execution
    run_id = stopped_after(account, state, number)
    settle(account, run_id)
    # Then: nothing bills on, and the run says what happened
    run = account.registry.run(run_id)
    crowned = run.facts.get("endpoint_arn") is not None
    mine = {item.arn for item in account.resources().of_run(run_id)}
    left = {thing["arn"] for thing in account.billable()} & mine
    assert left == ({run.facts["endpoint_arn"]} if crowned else set())
    # And the janitor finds nothing of it that the registry does not hold
    found = account.invoke("ReapFunction", {"reap": "delete_unused"})["findings"]
    assert [finding for finding in found if finding["task"] == f"stopped-{number}"] == []
    assert account.bills_what_the_registry_says(f"stopped-{number}")
    if crowned:  # the student serves: there is nothing to finish, and the report may have been under way already
        assert run.outcome == "PROMOTED", run.reason
        bill.is_the_ledger_of(run)
        return
    assert run.outcome == "STOPPED"
    assert str(run.reason) == "a person stopped the run"
    # When
    assert account.invoke("StartRunFunction", {"retry": run_id})["attempt"] == 2
    answer_approval(account, run_id, wanted=state == "RequestApproval")
    ended = account.ended(run_id, attempt=2)
    # Then: it is finished, and what was bought was not bought again
    assert ended.outcome == "PROMOTED", ended.reason
    bought = paid(account) - before
    del bought["provisioned-model"]  # smoke tests: a new endpoint is asked before it is believed
    answers = price_of_a_run(account.report(ended)["dataset"]["holdout"])
    expected, teacher = answers + first_questions(account, run_id), Settings.from_mapping({}).teacher_models[0]
    # What a stopped batch did not answer is asked on demand, and such an answer has its time already.
    assert expected[teacher] - TIMED_RECORDS <= bought.pop(teacher) <= expected.pop(teacher)
    assert bought == expected
    # And the ledger of both attempts is what was billed
    bill.is_the_ledger_of(ended)
    trained = [job for job in account.simulator.resources().jobs if job["arn"] in mine and job["status"] == "Completed"]
    assert len(trained) <= 1


def answer_approval(account: Account, run_id: str, *, wanted: bool) -> None:
    if not wanted:
        return

    def asked() -> Any:
        run = account.registry.run(run_id)
        return run if run.attempt == 2 and run.progress.get("stage") == "RequestApproval" else None

    run = until(asked, "the second request for approval")
    answer = {"run_id": run_id, "answer": "approved", "report_sha256": run.report_sha256}
    until(lambda: account.invoke("AnswerApprovalFunction", answer).get("answer"), "an answer that counts")


def test_every_state_that_does_something_is_stopped_once(account: Account) -> None:
    # Given
    machine = account.states.describe_state_machine(stateMachineArn=account.outputs["StateMachineArn"])
    # When
    working = {
        name for name, state in json.loads(machine["definition"])["States"].items() if state["Type"] in ("Task", "Map")
    }
    # Then: PublishReport ends the run itself, so that nothing is left to retry after it; logs have tests of their own
    assert working - {"PublishReport", "ListInvocationLogs", "EachLogShard"} == set(STATES)
    assert set(SHOWS_WHAT_THE_KILL_MATRIX_CANNOT) < set(STATES)
