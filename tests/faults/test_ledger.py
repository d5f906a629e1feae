"""The ledger is what was billed, to the cent: in runs that are retried, stopped, crashed, or reuse what exists."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest

from lambdas.domain.costs.ledger import AT_MOST
from lambdas.gateways.registry.runs import RETRYABLE
from local.bedrock_simulator.protocol.service import Request
from tests.faults.scenarios import finish, upload
from tests.faults.strikes import ANSWER_LOST, DIES, KILL, SERVICE, Fault
from tests.faults.verdicts import UNSAVED
from tests.faults.world import World, deployed
from tests.stacks.templates import Deployment

REPORTED, WORKED_OUT = ("converse", "batch"), ("teacher_calls", "training")
"""What the services say of a call, and what follows from a job's training file."""

CENT = 0.005


def fault(state: str, kind: str, call: str = "", error: str = "", count: int | None = None) -> Fault:
    service, _, operation = call.partition(".")
    return Fault(scenario="", state=state, kind=kind, service=service, operation=operation, error=error, count=count)


THROTTLED, BROKEN = "ThrottlingException", "InternalError"
FAULTS = (
    fault("EvaluateStudent", SERVICE, "bedrock-runtime.Converse", THROTTLED, 5),
    fault("EvaluateStudent", SERVICE, "bedrock-runtime.Converse", "ValidationException"),
    fault("EvaluateStudent", SERVICE, "s3.PutObject", BROKEN),
    fault("CollectTeacherData", SERVICE, "s3.PutObject", BROKEN),
    fault("RunTeacherBatch", ANSWER_LOST, "bedrock.CreateModelInvocationJob"),
    fault("LaunchDistillation", ANSWER_LOST, "bedrock.CreateModelCustomizationJob"),
    fault("PromoteStudent", SERVICE, "bedrock-runtime.Converse", "ModelErrorException"),
    *(
        fault(state, KILL)
        for state in (
            "RunTeacherBatch",
            "LaunchDistillation",
            "WaitForDistillation",
            "EachHoldoutShard",
            "ScoreEvaluation",
            "PromoteStudent",
        )
    ),
)


@pytest.fixture
def world(deployment: Deployment) -> Iterator[World]:
    with deployed(deployment) as made:
        yield made


def ledger_is_the_bill(world: World, run_ids: Sequence[str]) -> None:
    """Hold the simulator's own billing record against the ledgers of all runs that were paid."""
    charges = world.aws.simulator.world.billing
    reported, worked_out = (
        sum(charge.usd or 0.0 for charge in charges if charge.kind in kinds) for kinds in (REPORTED, WORKED_OUT)
    )
    entries = [entry for run_id in run_ids for entry in world.registry.ledger(run_id)]
    actual, derived, bound = (
        sum(entry.usd for entry in entries if entry.kind == kind) for kind in ("actual", "derived", AT_MOST)
    )
    assert reported > 0
    assert actual == pytest.approx(reported, abs=1e-9)
    assert derived - CENT <= worked_out <= derived + bound + CENT


def struck(world: World, run_id: str, wrong: Fault) -> None:
    """Let something go wrong in the first attempt; events, the schedule and a retry finish the run."""
    execution, striker = world.execution(run_id), world.striker
    while wrong.kind == KILL and execution.state != wrong.state:
        execution.step()
    striker.hits, striker.fault = 0, wrong
    if wrong.kind == KILL:
        execution.stop()
    while execution.state is not None and execution.status == "RUNNING":
        execution.step()
    assert striker.hits or wrong.kind == KILL
    striker.fault = None
    world.close(execution)
    if world.run(run_id).outcome in RETRYABLE:
        world.call("start_run", {"retry": run_id})
        finish(world, run_id, attempt=2)


@pytest.mark.parametrize("wrong", FAULTS, ids=str)
def test_whatever_goes_wrong_the_ledger_is_what_was_billed(world: World, wrong: Fault) -> None:
    # Given
    run_id = upload(world, "counted", "of the day")
    # When
    struck(world, run_id, wrong)
    # Then
    ledger_is_the_bill(world, [run_id])


def test_a_second_run_that_reuses_answers_counts_only_what_it_bought(world: World) -> None:
    # Given
    first = upload(world, "counted", "of the day")
    finish(world, first)
    # When the same prompts are uploaded again
    again = upload(world, "counted", "of the day")
    finish(world, again)
    # Then
    assert again != first
    ledger_is_the_bill(world, [first, again])
    spent = [sum(entry.usd for entry in world.registry.ledger(run_id)) for run_id in (first, again)]
    assert spent[1] < spent[0] / 2


def test_paid_answers_that_nobody_can_use_are_in_the_ledger_and_named(world: World) -> None:
    # Given a judge that gives a six now and then
    body = json.dumps({"kind": "wrong_judge", "how": "six", "fraction": 0.3}).encode()
    assert world.aws.simulator.handle(Request("POST", "/_simulator/faults", "", {}, body)).status == 200
    # When
    run_id = upload(world, "counted", "of the day")
    finish(world, run_id)
    # Then
    ledger_is_the_bill(world, [run_id])
    usages = [entry.usage for entry in world.registry.ledger(run_id)]
    assert sum(usage.get("wasted_calls", 0) for usage in usages) > 0


@pytest.mark.parametrize("state", ["CalibrateJudge", "EvaluateStudent"])
def test_a_lambda_that_is_cut_off_loses_no_more_lines_than_answers(world: World, state: str) -> None:
    # Given a process that ends after a call, before it could write down what it paid since its last line
    run_id = upload(world, "counted", "of the day")
    # When
    struck(world, run_id, fault(state, DIES, "bedrock-runtime.Converse", count=1))
    # Then what the ledger lacks is less than the answers that such a process may lose cost
    charges = [charge for charge in world.aws.simulator.world.billing if charge.kind in REPORTED]
    actual = sum(entry.usd for entry in world.registry.ledger(run_id) if entry.kind == "actual")
    lost = sum(charge.usd or 0.0 for charge in charges) - actual
    print(f"lost {lost:.6f}")
    dearest = max((charge.usd or 0.0) / max(charge.requests, 1) for charge in charges)
    assert -1e-9 <= lost <= UNSAVED * dearest
