"""RunTeacherBatch, GenerateTeacherData and CollectTeacherData against batch inference that ends in any way.

Whatever it does, every prompt is answered once or dropped with a reason, and the ledger says what the service bills.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from lambdas.domain.dataset.records import WHOLE_RANGE
from lambdas.domain.questions import concurrency_limit
from lambdas.domain.questions.prompts import teacher_question
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.gateways.answering.answer_store import AnswerStore
from lambdas.gateways.registry.table import Table
from tests.simulator import toy
from tests.simulator.conftest import Account
from tests.simulator.teacher_stages import MODELS, Outcome, TeacherStages
from tests.unit.gateways.registry.embedded_table import dynamodb, table

__all__ = ["dynamodb", "table"]

PROMPTS = list(dict.fromkeys(toy.queries(330, "stages")))[:300]
TASK = {
    "teacher_system_prompt": toy.LONG_PROMPT,
    "student_system_prompt": toy.SHORT_PROMPT,
    "gate": {"max_quality_drop": 0.5},  # so that a small holdout is enough
}
LEAST, MOST, JOBS_AT_ONCE = "L-2A3EB975", "L-9B651738", "SIM-BATCH-JOBS-NovaPro"
HOUR = 3600.0


@pytest.fixture
def stages(account: Account, table: Table, monkeypatch: pytest.MonkeyPatch) -> Iterator[TeacherStages]:
    # Pauses after throttles as they are, only shorter.
    monkeypatch.setattr(concurrency_limit, "FIRST_PAUSE_S", 0.005)
    monkeypatch.setattr(concurrency_limit, "LONGEST_PAUSE_S", 0.05)
    made = TeacherStages(account.url, account.objects, account.clock, table)
    with made.connected():
        yield made


def check(account: Account, stages: TeacherStages, outcome: Outcome) -> Counter[str]:
    """Check what must hold however a batch ends; give the requests that were billed, by kind."""
    assert len(outcome.records) == len(PROMPTS)
    assert outcome.places == Counter(record.id for record in outcome.records)
    assert all(entry["reason"] not in ("", "no answer", "None") for entry in outcome.dropped)
    charges = account.control.billing()
    assert outcome.ledger_usd == pytest.approx(sum(charge.usd or 0.0 for charge in charges))
    assert [item for item in stages.pipeline.resources.open() if item.run_id == outcome.run.run_id] == []
    requests: Counter[str] = Counter()
    for charge in charges:
        requests[charge.kind] += charge.requests
    return requests


def answers(stages: TeacherStages, outcome: Outcome) -> Counter[bool]:
    """Count the stored answers, by whether a batch gave them."""
    task = TaskDefinition.from_text(stages.pipeline.runs.read(outcome.run.files.task_definition))
    pool = teacher_question(outcome.records[0], task).pool(MODELS.teacher)
    stored = AnswerStore(stages.pipeline.runs, outcome.run.task).load(pool, WHOLE_RANGE)
    return Counter(answer.batch for answer in stored.values())


@pytest.mark.parametrize(
    ("status", "share", "from_batch"),
    [
        ("PartiallyCompleted", 0.4, 120),
        ("Failed", 0.4, 120),
        ("Failed", 0, 0),
        ("Stopped", 0.5, 150),
        ("Expired", 1, 0),
    ],
)
def test_what_an_ended_job_lacks_is_asked_on_demand(
    account: Account, stages: TeacherStages, status: str, share: float, from_batch: int
) -> None:
    # Given
    account.control.order("end_batch", status=status, share=share)
    # When
    outcome = stages.finish(stages.prepare(PROMPTS, TASK))
    # Then each prompt was paid once, where it was answered
    assert outcome.statuses == [status]
    assert outcome.dropped == []
    assert check(account, stages, outcome) == Counter(batch=from_batch, converse=300 - from_batch)
    assert answers(stages, outcome) == Counter({True: from_batch, False: 300 - from_batch})


def test_a_completed_job_answers_all_at_half_the_price(account: Account, stages: TeacherStages) -> None:
    # Given, When
    outcome = stages.finish(stages.prepare(PROMPTS, TASK))
    # Then
    assert outcome.statuses == ["Completed"]
    assert check(account, stages, outcome) == Counter(batch=300)
    assert answers(stages, outcome) == Counter({True: 300})


@pytest.mark.parametrize("phase", ["Submitted", "Validating", "Scheduled", "InProgress"])
def test_a_job_that_hangs_is_stopped_at_the_deadline(account: Account, stages: TeacherStages, phase: str) -> None:
    # Given a job that stays in a phase; while it works, half of it is done
    account.control.order("stall_batch", phase=phase)
    begun = account.clock.now()
    # When
    outcome = stages.finish(stages.prepare(PROMPTS, {**TASK, "teacher_data": {"deadline_hours": 2}}))
    # Then
    done = 150 if phase == "InProgress" else 0
    assert outcome.statuses == ["Stopped"]
    assert 2 * HOUR <= (account.clock.now() - begun).total_seconds() < 2.2 * HOUR
    assert check(account, stages, outcome) == Counter(batch=done, converse=300 - done)


def test_jobs_that_end_in_different_ways(account: Account, stages: TeacherStages) -> None:
    # Given an account whose jobs take a hundred records, two at once, and each of three ends in its own way
    account.control.change(quotas={MOST: 100, JOBS_AT_ONCE: 2})
    account.control.order("end_batch", status="Failed", share=0.3, count=1)
    account.control.order("end_batch", status="PartiallyCompleted", share=0.5, count=1)
    # When
    outcome = stages.finish(stages.prepare(PROMPTS, TASK))
    # Then
    assert outcome.statuses == ["Failed", "PartiallyCompleted", "Completed"]
    assert check(account, stages, outcome) == Counter(batch=30 + 50 + 100, converse=120)


def test_lost_records_are_asked_again(account: Account, stages: TeacherStages) -> None:
    # Given a job that calls itself completed without three of a hundred records
    account.control.order("lose_records", fraction=0.03)
    # When
    outcome = stages.finish(stages.prepare(PROMPTS, TASK))
    # Then
    assert outcome.statuses == ["Completed"]
    assert check(account, stages, outcome) == Counter(batch=291, converse=9)


def test_doubled_records_are_used_once_and_paid_twice(account: Account, stages: TeacherStages) -> None:
    # Given
    account.control.order("duplicate_records", fraction=0.05)
    # When
    outcome = stages.finish(stages.prepare(PROMPTS, TASK))
    # Then the ledger has what the service took for the second answers too
    assert outcome.batch["jobs"][0]["counts"] == {"answers": 300, "duplicates": 15}
    assert check(account, stages, outcome) == Counter(batch=315)
    assert answers(stages, outcome) == Counter({True: 300})


def test_what_a_cut_file_lacks_is_asked_again(account: Account, stages: TeacherStages) -> None:
    # Given an output file that breaks off in the middle of a line
    account.control.order("cut_output", fraction=0.5)
    # When
    outcome = stages.finish(stages.prepare(PROMPTS, TASK))
    # Then the whole job is in the ledger, as the manifest says
    counts = outcome.batch["jobs"][0]["counts"]
    assert counts["cut lines"] == 1
    assert 0 < counts["answers"] < 300
    assert check(account, stages, outcome) == Counter(batch=300, converse=300 - counts["answers"])


@pytest.mark.parametrize(("code", "called"), [(429, "passing errors"), (500, "passing errors"), (400, "refused")])
def test_error_records_are_asked_on_demand(account: Account, stages: TeacherStages, code: int, called: str) -> None:
    # Given
    account.control.order("error_records", fraction=0.1, code=code)
    # When
    outcome = stages.finish(stages.prepare(PROMPTS, TASK))
    # Then
    assert outcome.batch["jobs"][0]["counts"] == {"answers": 270, called: 30}
    assert check(account, stages, outcome) == Counter(batch=270, converse=30)


def test_everything_at_once_over_several_jobs(account: Account, stages: TeacherStages) -> None:
    # Given
    account.control.change(quotas={MOST: 100})
    account.control.order("end_batch", status="PartiallyCompleted", share=0.6, count=1)
    for kind in ("lose_records", "error_records", "duplicate_records"):
        account.control.order(kind, fraction=0.1)
    account.control.order("cut_output", fraction=0.7, skip=1, count=1)
    account.control.order_error("Converse", "ThrottlingException", count=40, skip=5)
    # When
    outcome = stages.finish(stages.prepare(PROMPTS, TASK))
    # Then
    check(account, stages, outcome)
    assert outcome.dropped == []
    assert answers(stages, outcome).total() == 300


@pytest.mark.parametrize(("error", "calls"), [("ThrottlingException", 60), ("ServiceUnavailableException", 20)])
def test_a_storm_on_demand(account: Account, stages: TeacherStages, error: str, calls: int) -> None:
    # Given a batch that gave nothing, and a service that refuses calls in a row once it has answered some
    account.control.order("end_batch", status="Expired")
    account.control.order_error("Converse", error, count=calls, skip=20)
    # When
    outcome = stages.finish(stages.prepare(PROMPTS, TASK))
    # Then no refused call made an answer twice or lost one
    assert outcome.dropped == []
    assert check(account, stages, outcome) == Counter(converse=300)


def test_what_the_model_refuses_is_dropped_with_its_reason(account: Account, stages: TeacherStages) -> None:
    # Given eight records that batch and Converse both refuse
    account.control.order("error_records", fraction=0.1, code=400)
    account.control.order_error("Converse", "ValidationException", message="Input is blocked.", count=8)
    # When
    outcome = stages.finish(stages.prepare(PROMPTS, TASK))
    # Then
    assert check(account, stages, outcome) == Counter(batch=270, converse=22)
    assert len(outcome.dropped) == 8
    assert all("ValidationException" in entry["reason"] for entry in outcome.dropped)


def test_a_second_grown_and_reordered_upload_buys_only_what_is_new(account: Account, stages: TeacherStages) -> None:
    # Given
    stages.finish(stages.prepare(PROMPTS[:200], TASK))
    before = sum(charge.usd or 0.0 for charge in account.control.billing())
    # When
    run = stages.prepare(PROMPTS[::-1], TASK, version="2")
    estimate = stages.estimated(run)
    outcome = stages.finish(run)
    # Then CheckRun knew it
    [teacher] = [line for line in estimate.values() if line["stage"] == "RunTeacherBatch"]
    assert teacher["usage"]["calls"] == 100
    assert (outcome.batch["asked"], outcome.batch["missing"]) == (300, 100)
    charges = account.control.billing()
    assert sum(charge.requests for charge in charges) == 300 + 4  # CheckRun asks each chosen model once
    assert outcome.ledger_usd == pytest.approx(sum(charge.usd or 0.0 for charge in charges) - before)


def test_a_second_run_on_the_same_prompts_is_estimated_to_buy_no_answer(
    account: Account, stages: TeacherStages
) -> None:
    # Given
    first = stages.prepare(PROMPTS, TASK)
    before = stages.estimated(first)
    stages.finish(first)
    # When
    after = stages.estimated(stages.prepare(PROMPTS, TASK, version="2"))
    # Then all else is asked as before, and answers are known to be as long as those were
    [paid] = [key for key in before if key.startswith(f"RunTeacherBatch.{MODELS.teacher}")]
    assert before.pop(paid)["usage"]["calls"] == len(PROMPTS)
    assert after.keys() == before.keys()
    for key, line in after.items():
        assert line["usage"].get("calls") == before[key]["usage"].get("calls")
    own = next(line for key, line in after.items() if "Bedrock's own calls" in key)
    billed = [charge.usage for charge in account.control.billing() if charge.kind == "batch"]
    answered = sum(count for usage in billed for name, count in usage.items() if "output-tokens" in name)
    assert own["usage"]["output_tokens"] / own["usage"]["calls"] == pytest.approx(answered / len(PROMPTS))
