"""Every payment of a run goes through one writer, under ids and fields that stored ledgers have."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

import lambdas
from lambdas.domain.costs.ledger import BatchUse, LedgerEntry
from lambdas.domain.costs.training_cost import TrainingVolume
from lambdas.domain.errors import PriceMissing
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.questions.answers import Answer
from lambdas.domain.task.model_choice import ModelChoice
from lambdas.gateways.registry.run_ledger import PaidJob, RunLedger
from lambdas.gateways.registry.runs import Registry

TEACHER, STUDENT = "us.amazon.nova-pro-v1:0", "us.amazon.nova-micro-v1:0"
MODELS = ModelChoice(
    teacher=TEACHER, student=STUDENT, student_customization="amazon.nova-micro-v1:0:128k", baseline=TEACHER,
    judge=TEACHER, training="distillation",
)  # fmt: skip
VOLUME = TrainingVolume(records=100, prompt_tokens=10_000.0, answer_tokens=2_000.0)
ANSWER = Answer(
    key="k", record_id="r", model=TEACHER, text="yes", stop_reason="end_turn", input_tokens=1_000, output_tokens=100,
    latency_ms=5, client_ms=6,
)  # fmt: skip
NOW, ENDED = "2026-11-24T10:00:00.000Z", "2026-11-23T10:00:00.000Z"
USE = BatchUse(calls=12, wasted=2, input_tokens=1_200, output_tokens=120)

Pays = Callable[[RunLedger], None]


class Lines:
    """What a registry keeps: one line an id."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], LedgerEntry] = {}

    def record_cost(self, run_id: str, entry: LedgerEntry, *, opened: bool = False) -> None:
        assert not opened
        self.kept[run_id, entry.id] = entry

    def ledger(self) -> RunLedger:
        return RunLedger(cast("Registry", self), PriceBook.shipped(), "video-1", lambda: NOW)


def written(*pays: Pays, run_id: str = "video-1") -> list[LedgerEntry]:
    lines = Lines()
    for pay in pays:
        pay(lines.ledger())
    return [entry for (payer, _), entry in lines.kept.items() if payer == run_id]


def test_a_model_without_a_price_is_refused_and_nothing_is_written() -> None:
    lines = Lines()
    with pytest.raises(PriceMissing):
        lines.ledger().write_answers("a.b", "EvaluateStudent", "nobody.knows-v1:0", [ANSWER])
    assert lines.kept == {}


def test_a_batch_that_used_nothing_has_no_line() -> None:
    nothing = BatchUse(calls=3, wasted=3, input_tokens=0, output_tokens=0)
    assert written(lambda ledger: ledger.write_batch(PaidJob("j1", ENDED), TEACHER, nothing)) == []


@pytest.mark.parametrize(
    ("pay", "id_", "stage", "kind", "usage"),
    [
        (
            lambda ledger: ledger.write_batch(PaidJob("j1", ENDED), TEACHER, USE),
            "batch.j1", "RunTeacherBatch", "actual",
            {"batch_calls": 12, "wasted_calls": 2, "input_tokens": 1_200, "output_tokens": 120},
        ),
        (
            lambda ledger: ledger.write_training(PaidJob("job", ENDED), MODELS, VOLUME, whole=True),
            "training.job", "LaunchDistillation", "derived", {"training_tokens": 24_000.0},
        ),
        (
            lambda ledger: ledger.write_training(PaidJob("job", ENDED), MODELS, VOLUME, whole=False),
            "training.job", "LaunchDistillation", "at most", {"training_tokens": 24_000.0},
        ),
        (
            lambda ledger: ledger.write_own_calls(PaidJob("job", ENDED), MODELS, VOLUME, whole=True),
            "own-teacher-calls.job", "LaunchDistillation", "derived",
            {"calls": 100.0, "input_tokens": 10_000.0, "output_tokens": 2_000.0},
        ),
        (
            lambda ledger: ledger.write_own_calls(PaidJob("job", ENDED), MODELS, VOLUME, whole=False),
            "own-teacher-calls.job", "LaunchDistillation", "at most",
            {"calls": 100.0, "input_tokens": 10_000.0, "output_tokens": 2_000.0},
        ),
    ],
    ids=["batch", "training", "stopped training", "own calls", "stopped own calls"],
)  # fmt: skip
def test_what_a_job_cost_is_one_line_however_often_it_is_written(
    pay: Pays, id_: str, stage: str, kind: str, usage: dict[str, float]
) -> None:
    [entry] = written(pay, pay)
    assert (entry.id, entry.stage, entry.kind, entry.usage) == (id_, stage, kind, usage)
    assert entry.usd > 0
    # And its time is the job's end, so that whoever writes it again moves it to no other month
    assert entry.at == ENDED


def test_answers_that_are_paid_again_are_another_line() -> None:
    def pay(ledger: RunLedger) -> None:
        line = ledger.new_line("pool.00-63")
        ledger.write_answers(line, "EvaluateStudent", TEACHER, [ANSWER], wasted=[ANSWER], counted_as="latency_calls")

    first, second = written(pay, pay)
    assert first.id != second.id
    assert first.at == NOW
    assert {first.id[:11], second.id[:11]} == {"pool.00-63."}
    assert first.usage == second.usage == {
        "calls": 2, "input_tokens": 2_000, "output_tokens": 200, "wasted_calls": 1, "latency_calls": 2,
        "wasted_usd": pytest.approx(first.usd / 2),
    }  # fmt: skip


def test_a_job_that_was_adopted_is_paid_by_the_run_that_started_it() -> None:
    def pay(ledger: RunLedger) -> None:
        ledger.of("video-0").write_batch(PaidJob("j1", ENDED), TEACHER, USE)

    assert written(pay) == []
    assert [entry.id for entry in written(pay, run_id="video-0")] == ["batch.j1"]


def test_of_a_job_whose_end_nobody_knows_the_present_is_its_time() -> None:
    [entry] = written(lambda ledger: ledger.write_batch(PaidJob("j1"), TEACHER, USE))
    assert entry.at == NOW


def test_nothing_else_in_the_lambdas_writes_into_a_ledger() -> None:
    root = Path(lambdas.__file__).parent
    writers = set()
    for path in root.rglob("*.py"):
        called = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
        names = {getattr(func, "attr", getattr(func, "id", "")) for func in called}
        if names & {"record_cost", "entry_for_answers", "entry_for_batch", "training_entry", "own_calls_entry"}:
            writers.add(path.relative_to(root).as_posix())
    assert writers == {"gateways/registry/run_ledger.py"}
