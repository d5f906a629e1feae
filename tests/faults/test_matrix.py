"""A part of the matrix that every change is tried against; ``make faults`` tries all of it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from functools import partial

import pytest

from tests.faults.__main__ import Choice, summary
from tests.faults.cases import documented_errors, faults_of, operations, stages
from tests.faults.classes import class_of, named_codes, one_of_each_class
from tests.faults.matrix import Matrix
from tests.faults.scenarios import LOG_STATES, SCENARIOS
from tests.faults.strikes import DIES, KILL, LAMBDA, LAMBDA_ERRORS, SERVICE, Fault
from tests.stacks.templates import Deployment, all_states, listed

SEED = 20261124


def once_a_state(working: set[str], faults: list[Fault]) -> Iterable[Fault]:
    """Choose one fault of each Task, always the same, and of a first run a kill before each state that does something.

    These kills replace most of the stops of the end-to-end tests (decision 0110).
    """
    chance = random.Random(SEED)  # noqa: S311 - a choice, not a secret
    by_state: dict[str, list[Fault]] = {}
    for fault in faults:
        if fault.kind != KILL:
            by_state.setdefault(fault.state, []).append(fault)
    yield from (chance.choice(some) for some in by_state.values())
    killed = [fault for fault in faults if fault.kind == KILL]
    first = [fault for fault in killed if fault.scenario == "first"]
    yield from [fault for fault in first if fault.state in working] or killed[::4]


def test_every_task_of_the_machine_is_in_the_matrix(deployment: Deployment) -> None:
    tasks = {name for name, state in all_states(deployment.definition()) if state["Type"] == "Task"}
    struck = {stage.name for stage in stages(deployment) for scenario in SCENARIOS if scenario.concerns(stage.name)}
    assert struck == tasks


def test_a_state_that_is_new_brings_its_faults(deployment: Deployment) -> None:
    # Given
    stage = next(stage for stage in stages(deployment) if stage.name == "DeployCandidate")
    called = [("bedrock", "CreateCustomModelDeployment")]
    # When
    faults = list(faults_of("first", stage, called))
    # Then
    assert stage.allowed >= set(called)
    errors = {fault.error for fault in faults if fault.kind == SERVICE}
    assert errors == set(documented_errors(*called[0])) >= {"ServiceQuotaExceededException", "TooManyTagsException"}
    assert sum(fault.kind == DIES for fault in faults) == 1


def test_an_action_that_nobody_thought_of_is_not_passed_over(deployment: Deployment) -> None:
    with pytest.raises(AssertionError, match="events:PutEvents"):
        operations("events:PutEvents")
    for statements in deployment.policy_documents().values():
        for statement in statements:
            for action in listed(statement.get("Action", [])):
                if action.partition(":")[0] in ("bedrock", "s3", "dynamodb"):
                    assert operations(action) is not None


def test_a_class_leaves_out_only_what_nothing_of_ours_tells_apart(deployment: Deployment) -> None:
    # Given every fault of a run that calls everything that it may
    scenario = SCENARIOS[0]
    known = [stage for stage in stages(deployment) if scenario.concerns(stage.name)]
    faults = [fault for stage in known for fault in faults_of(scenario.name, stage, stage.allowed)]
    # When
    chosen = list(one_of_each_class(deployment)(faults))
    # Then every state, operation and kind of fault is struck
    assert {(one.state, one.kind, one.operation, one.count) for one in chosen} == {
        (one.state, one.kind, one.operation, one.count) for one in faults
    }
    assert len(chosen) < len(faults)
    # And every code that a line of ours names
    services = [fault for fault in faults if fault.kind == SERVICE]
    left_out = {fault.error for fault in services} - {fault.error for fault in chosen}
    assert left_out
    assert not left_out & named_codes()
    assert {"ServiceQuotaExceededException", "ThrottlingException"} <= named_codes()


def test_an_error_that_a_catch_names_is_a_class_of_its_own(deployment: Deployment) -> None:
    # Given
    state = dict(all_states(deployment.definition()))["RequestApproval"]
    fault = partial(Fault, scenario="first", state="RequestApproval", kind=LAMBDA)
    # Then
    classes = [class_of(fault(error=error), state) for error in LAMBDA_ERRORS]
    ways = {"States.Timeout", "States.Runtime", "Lambda.Unknown", "Lambda.TooManyRequestsException"}
    assert len(set(classes)) == len(ways)
    assert len({class_of(fault(error=error), state) for error in ways}) == len(ways)
    assert class_of(fault(error="Lambda.Unknown"), state) == class_of(fault(error="Runtime.ExitError"), state)
    assert class_of(fault(error="Lambda.Unknown", count=1), state) not in classes


def test_the_last_line_says_what_was_struck(deployment: Deployment) -> None:
    faults = [Fault(scenario="first", state="CheckRun", kind=LAMBDA, error=error) for error in LAMBDA_ERRORS]
    some, every = Choice(one_of_each_class(deployment)), Choice(list, re.compile("Timeout"))
    assert len(some(faults)) < len(faults)
    assert some.said(everything=False) == f"one of each class of {len(faults)}; --all strikes all"
    assert [fault.error for fault in every(faults)] == ["States.Timeout"]
    assert every.said(everything=True) == f"all of {len(faults)}; only those like 'Timeout'"


def test_a_fault_in_any_state_leaves_nothing_and_is_finished_by_a_retry(deployment: Deployment) -> None:
    # Given
    states = deployment.definition()["States"]
    working = {name for name, state in states.items() if state["Type"] in ("Task", "Map")}
    # When
    verdicts = Matrix(deployment, partial(once_a_state, working)).run()
    # Then
    killed = {verdict.fault for verdict in verdicts if "killed before" in verdict.fault}
    assert killed >= {f"first/{state}: killed before " for state in working - set(LOG_STATES)}
    assert {verdict.fault: verdict.said() for verdict in verdicts if not verdict.good} == {}
    assert summary(verdicts) == f"{len(verdicts)} faults: {len(verdicts)} terminal, 0 leaked, 0 paid twice"
