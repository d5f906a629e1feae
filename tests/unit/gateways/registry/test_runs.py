"""The registry decides: one claim, no more runs than slots, the first end stands, a retry only where it helps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.domain.errors import RetryRefused, RunNotFound
from lambdas.domain.identity import Upload
from lambdas.domain.outcomes import EXPIRED, FAILED, PROMOTED, REJECTED, STOPPED
from lambdas.domain.run_facts import Approval, ShardFailure
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING, Registry, Run
from lambdas.gateways.registry.table import Table

NOW, LATER, LAST = "2026-09-01T10:00:00.000Z", "2026-09-01T11:00:00.000Z", "2026-09-01T12:00:00.000Z"


@pytest.fixture
def registry(table: Table) -> Registry:
    return Registry(table)


def claim(registry: Registry, version: str = "1", now: str = NOW) -> Run:
    return registry.claim(Upload("uploads", "video/a.jsonl", version), "t1", None, now)


def running(registry: Registry, version: str = "1") -> Run:
    run = claim(registry, version)
    assert registry.take_slot(run.run_id, 100, NOW)
    return registry.run(run.run_id)


def ended(registry: Registry, outcome: str) -> Run:
    run = running(registry)
    assert registry.end(run.run_id, 1, outcome, "why", LATER, None)
    registry.free_slot(run.run_id)
    return registry.run(run.run_id)


def test_an_unknown_run_is_named(registry: Registry) -> None:
    # Given an empty registry / When / Then
    with pytest.raises(RunNotFound, match="knows no run 'video-1'"):
        registry.run("video-1")
    assert registry.find("video-1") is None


def test_fifty_deliveries_of_one_event_claim_one_run(registry: Registry) -> None:
    # Given fifty deliveries at once, each seeing other task files
    upload = Upload("uploads", "video/a.jsonl", "1")

    # When
    with ThreadPoolExecutor(8) as executor:
        runs = list(executor.map(lambda n: registry.claim(upload, f"t{n}", f"h{n}", f"{NOW}{n}"), range(50)))

    # Then all of them got what the first one wrote
    assert all(run == runs[0] for run in runs)
    assert [run.run_id for run in registry.in_state(QUEUED)] == [upload.run_id]


def test_a_claim_of_a_run_that_ended_changes_nothing(registry: Registry) -> None:
    # Given
    before = ended(registry, REJECTED)

    # When
    again = claim(registry, now=LAST)

    # Then
    assert again == before
    assert again.state == ENDED


def test_no_more_runs_than_slots_even_when_all_ask_at_once(registry: Registry) -> None:
    # Given eight queued runs and three slots
    runs = [claim(registry, str(number)) for number in range(8)]

    # When
    with ThreadPoolExecutor(8) as executor:
        taken = list(executor.map(lambda run: registry.take_slot(run.run_id, 3, LATER), runs))

    # Then
    assert sum(taken) == 3
    assert len(registry.slots()) == 3
    assert {run.run_id for run in registry.in_state(RUNNING)} == registry.slots()
    assert len(list(registry.in_state(QUEUED))) == 5


def test_a_run_takes_one_slot_however_often_it_asks(registry: Registry) -> None:
    # Given
    run = claim(registry)

    # When
    answers = [registry.take_slot(run.run_id, 1, LATER) for _ in range(3)]

    # Then
    assert answers == [True, True, True]
    assert registry.slots() == {run.run_id}
    assert registry.run(run.run_id).started_at == LATER


def test_a_freed_slot_is_free_for_the_next_and_may_be_freed_twice(registry: Registry) -> None:
    # Given
    first, second = claim(registry, "1"), claim(registry, "2")
    registry.take_slot(first.run_id, 1, NOW)
    assert not registry.take_slot(second.run_id, 1, NOW)

    # When
    registry.end(first.run_id, 1, REJECTED, "why", LATER, None)
    registry.free_slot(first.run_id)
    registry.free_slot(first.run_id)

    # Then
    assert registry.slots() == set()
    assert registry.take_slot(second.run_id, 1, LATER)


def test_a_run_that_ended_takes_no_slot(registry: Registry) -> None:
    # Given
    run = ended(registry, FAILED)

    # When / Then
    assert not registry.take_slot(run.run_id, 5, LAST)
    assert registry.slots() == set()


def test_the_first_end_stands(registry: Registry) -> None:
    # Given
    run = running(registry)
    assert registry.end(run.run_id, 1, PROMOTED, "good", LATER, "arn:endpoint")

    # When
    again = registry.end(run.run_id, 1, FAILED, "late", LAST, None)

    # Then
    after = registry.run(run.run_id)
    assert not again
    assert (after.outcome, after.reason, after.ended_at, after.endpoint_arn) == (
        PROMOTED,
        "good",
        LATER,
        "arn:endpoint",
    )


def test_an_attempt_that_was_superseded_ends_nothing(registry: Registry) -> None:
    # Given
    run = ended(registry, FAILED)
    registry.begin_retry(run.run_id, LAST)

    # When / Then
    assert not registry.end(run.run_id, 1, FAILED, "late", LAST, None)
    assert registry.run(run.run_id).state == QUEUED


@pytest.mark.parametrize("outcome", [PROMOTED, REJECTED])
def test_a_run_with_a_verdict_is_not_tried_again(registry: Registry, outcome: str) -> None:
    # Given
    run = ended(registry, outcome)

    # When / Then
    wanted = "FAILED, EXPIRED or STOPPED, or REJECTED for too little evidence,"
    with pytest.raises(RetryRefused, match=f"is {outcome}; only a run that is {wanted}"):
        registry.begin_retry(run.run_id, LAST)


def test_a_run_under_way_is_not_tried_again(registry: Registry) -> None:
    # Given
    run = running(registry)

    # When / Then
    with pytest.raises(RetryRefused, match="is RUNNING"):
        registry.begin_retry(run.run_id, LATER)


def test_a_run_whose_slot_is_not_free_yet_is_not_tried_again(registry: Registry) -> None:
    # Given an end whose execution is still being closed
    run = running(registry)
    registry.end(run.run_id, 1, FAILED, "why", LATER, None)

    # When / Then
    with pytest.raises(RetryRefused, match="has just ended"):
        registry.begin_retry(run.run_id, LATER)


def test_a_run_with_too_little_evidence_is_queued_again_and_its_next_verdict_is_final(registry: Registry) -> None:
    # Given
    run = ended(registry, REJECTED)
    registry.record_facts(run.run_id, undecided=True)

    # When
    retried = registry.begin_retry(run.run_id, LAST)

    # Then
    assert (retried.state, retried.attempt) == (QUEUED, 2)
    assert not retried.may_be_retried(REJECTED)


@pytest.mark.parametrize("outcome", [FAILED, EXPIRED, STOPPED])
def test_a_failed_expired_or_stopped_run_is_queued_as_its_next_attempt(registry: Registry, outcome: str) -> None:
    # Given
    run = ended(registry, outcome)
    late: Approval = {"answer": "rejected", "why": "too late", "at": NOW}
    failure: ShardFailure = {"name": "QuotaTooLow", "message": "of the first attempt"}
    registry.record_facts(run.run_id, custom_model_arn="arn:model", failure=failure, approval=late)

    # When
    retried = registry.begin_retry(run.run_id, LAST)

    # Then what earlier attempts made is still known, why they ended is not
    assert (retried.state, retried.attempt, retried.outcome, retried.ended_at) == (QUEUED, 2, None, None)
    assert retried.facts == {"custom_model_arn": "arn:model"}
    assert [item.run_id for item in registry.in_state(QUEUED)] == [run.run_id]


def test_of_two_retries_at_once_one_is_refused(registry: Registry) -> None:
    # Given
    run = ended(registry, FAILED)

    def retry(_number: int) -> str:
        try:
            return str(registry.begin_retry(run.run_id, LAST).attempt)
        except RetryRefused:
            return "refused"

    # When
    with ThreadPoolExecutor(6) as executor:
        answers = sorted(executor.map(retry, range(6)))

    # Then
    assert answers == ["2"] + ["refused"] * 5


def test_runs_are_listed_in_the_order_in_which_they_came(registry: Registry) -> None:
    # Given
    for number in (3, 1, 2):
        claim(registry, str(number), f"2026-09-0{number}T00:00:00.000Z")

    # When / Then
    assert [run.version for run in registry.in_state(QUEUED)] == ["1", "2", "3"]
    assert [run.version for run in registry.in_state(QUEUED, newest_first=True)] == ["3", "2", "1"]


def test_progress_keeps_since_when_a_stage_is_under_way(registry: Registry) -> None:
    # Given
    run = running(registry)
    registry.record_progress(run.run_id, "PrepareDataset", NOW)
    registry.record_progress(run.run_id, "LaunchDistillation", LATER, phase="validation")

    # When
    registry.record_progress(run.run_id, "LaunchDistillation", LAST, phase="training", phases=[{"name": "validation"}])

    # Then
    progress = registry.run(run.run_id).progress
    assert (progress["stage"], progress["since"], progress["updated_at"]) == ("LaunchDistillation", LATER, LAST)
    assert progress["phase"] == "training"


def test_the_same_cost_written_twice_is_paid_once_and_fractions_of_a_cent_survive(registry: Registry) -> None:
    # Given
    run = running(registry)
    entry = LedgerEntry(
        id="pool.00-63.1", stage="GenerateTeacherData", model="m", kind="actual", usage={"calls": 3.0}, usd=0.000012345
    )
    other = LedgerEntry(id="training.1", stage="LaunchDistillation", model="m", kind="derived", usd=1.25)

    # When
    for item in (entry, other, entry):
        registry.record_cost(run.run_id, item)

    # Then
    assert registry.ledger(run.run_id) == [entry, other]
    assert registry.ledger("video-other") == []
