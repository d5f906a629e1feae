"""Is prompting enough? The student beside its base model with the long prompt, which nobody has to distil."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.evaluation.contestant_summary import summarise
from lambdas.domain.evaluation.measurements import PROMPTED, Measurement, check_complete
from lambdas.domain.gate.prompting import prompting
from lambdas.domain.gate.prompting_document import PromptingDocument
from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rules import judge_gate
from lambdas.domain.serving.break_even import work_out
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.gate.gate_samples import GOOD_JUDGE, ON_DEMAND
from tests.unit.domain.gate.test_gate_costs import HOUR
from tests.unit.domain.samples import BOOK, MICRO, PUBLISHED, Scored, grouped, measured

LONG_TOKENS = (222, 68)
BY_THE_HOUR = {"expected_requests_per_month": 100_000_000}
"""A volume at which $20 an hour is $0.146 for 1,000 requests, ten times what the prompted base costs."""


def asked(
    *, serving: dict[str, Any], judge: JudgeRecord | None = None, trusted: bool = True, **rival: Any
) -> PromptingDocument:
    found = grouped()
    prompted = Scored(**{"model": MICRO, "score": 4.0, "latency_ms": 840, "tokens": LONG_TOKENS, **rival})
    found[PROMPTED] = measured(PROMPTED, prompted)
    book, task = BOOK.with_lines([HOUR]), TaskDefinition.from_document({"serving": serving})
    models = {role: one.model for role, one in PUBLISHED.items()} | {PROMPTED: MICRO}
    added_up = {role: summarise(items, models[role], book) for role, items in found.items()}
    even, ids = work_out(added_up, task, book, MICRO), {item.record_id for item in found["student"]}
    on_demand = replace(task, serving=replace(task.serving, mode="on_demand"))

    def gate(measurements: Any, sums: Any, held: TaskDefinition = on_demand) -> Any:
        return judge_gate(measurements, sums, held, even, judge or JudgeRecord(), (), ids if trusted else set()).lines

    document = prompting(found, added_up, task, even, ids if trusted else None, gate(found, added_up, task), gate)
    assert document is not None
    return document


def test_a_base_that_is_as_good_and_costs_less_than_a_throughput_is_enough() -> None:
    # Given a base that misses a rule of the gate: it is too slow
    found = asked(serving=BY_THE_HOUR, latency_ms=1_700)

    # Then
    assert (found["enough"], found["within_margin"], found["passes_gate"]) == (True, True, False)
    assert found["sentence"].startswith(f"Prompting is enough: {MICRO} with the long prompt scores 4.00 beside")
    assert "costs no more: $0.0173 per 1,000 requests on demand beside the student's $0.1460" in found["sentence"]


def test_a_base_that_passes_the_gate_itself_is_enough_whatever_it_costs() -> None:
    # Given / When
    found = asked(serving=ON_DEMAND)

    # Then it costs more than the student by the token, and needs no distillation
    assert (found["enough"], found["passes_gate"]) == (True, True)
    assert found["usd_per_1k_requests"] > found["student_usd_per_1k_requests"]
    assert "passes every rule of the gate itself" in found["sentence"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"score": 3.0}, id="worse"),
        pytest.param({"score": 3.85}, id="not shown to be as good"),
        pytest.param({"broken": 100}, id="breaks the schema"),
        pytest.param({"judge": JudgeRecord(agreement=replace(GOOD_JUDGE, within_one=0.2), drift=0.0)}, id="no judge"),
    ],
)
def test_what_is_not_shown_is_not_said(change: dict[str, Any]) -> None:
    # Given / When
    found = asked(serving=BY_THE_HOUR, **change)

    # Then
    assert not found["enough"]
    assert not found["sentence"].startswith("Prompting is enough")


def test_likeness_to_the_teacher_says_so_and_passes_no_gate() -> None:
    # Given / When
    found = asked(serving=BY_THE_HOUR, trusted=False)

    # Then as near to the teacher as the student, for less; of the baseline nothing is said
    assert (found["enough"], found["passes_gate"], found["evidence"]) == (True, False, "fidelity")
    assert "against the teacher's answers" in found["sentence"]


@pytest.mark.parametrize("there", [0, 1, 399, 400])
def test_a_rival_of_which_records_are_missing_is_no_reason_to_end_the_run(there: int) -> None:
    # Given
    found = grouped()
    rival: list[Measurement] = measured(PROMPTED, PUBLISHED["undistilled_student"])[:there]
    ids = {item.record_id for item in found["student"]}

    # When
    whole = check_complete([item for one in [*found.values(), rival] for item in one], ids)

    # Then
    assert (PROMPTED in whole) is (there == len(ids))
    assert set(found) <= set(whole)
