"""Attacks on the gate: students that are quietly worse, as somebody would build them who wants one promoted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.evaluation.pairs import Pair, judged_pair
from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rule_result import PROMOTE, RuleResult, decide, to_accept
from lambdas.domain.gate.rules import judge_gate
from lambdas.domain.serving.break_even import work_out
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.gate.gate_samples import GOOD_JUDGE, line_of
from tests.unit.domain.samples import BOOK, MICRO, grouped, summaries

SCHEMA = {"type": "object", "properties": {"queue": {"enum": ["billing", "repair", "fraud", "loss", "theft"]}}}
LENIENT = {"min_judge_score": 1.0}


def equal(records: int = 300) -> dict[str, list[Measurement]]:
    """Measure a student that is as good as its baseline, record by record."""
    measurements = grouped(**{role: {"records": records} for role in ("student", "baseline", "teacher")})
    measurements["student"] = [
        replace(item, score=other.score, slices={})
        for item, other in zip(measurements["student"], measurements["baseline"], strict=True)
    ]
    return measurements


def changed(
    measurements: dict[str, list[Measurement]], change: Callable[[int, Measurement], Measurement], role: str = "student"
) -> dict[str, list[Measurement]]:
    found = [change(number, item) for number, item in enumerate(measurements[role])]
    return {**measurements, role: found}


def held_against(
    measurements: dict[str, list[Measurement]],
    *,
    judge: JudgeRecord | None = None,
    trusted: bool = True,
    gate: dict[str, Any] | None = None,
    schema: dict[str, Any] | None = None,
) -> list[RuleResult]:
    document: dict[str, Any] = {"gate": {**LENIENT, **(gate or {})}, "serving": {"mode": "on_demand"}}
    task = TaskDefinition.from_document({**document, "output_schema": schema} if schema else document)
    added_up = summaries(measurements)
    even = work_out(added_up, task, BOOK, MICRO)
    ids = {item.record_id for item in measurements["student"]} if trusted else set[str]()
    return judge_gate(measurements, added_up, task, even, judge or JudgeRecord(), (), ids).lines


def asked(lines: list[RuleResult]) -> list[str]:
    assert decide(lines) == PROMOTE
    return [reason["name"] for reason in to_accept(lines)]


def test_a_student_as_good_as_its_baseline_passes_unasked() -> None:
    # Given / When / Then: what follows is not refused for the sample's own sake
    assert asked(held_against(equal())) == []


# One slice lost


def lost_slice(share: int, points: int, records: int = 300) -> dict[str, list[Measurement]]:
    """Let the student be worse by so many points in one of so many records, which are a slice of their own."""

    def worse(number: int, item: Measurement) -> Measurement:
        rare = number % share == 0
        score = max(1, (item.score or 1) - points) if rare else item.score
        return replace(item, score=score, slices={"language": "de" if rare else "en"})

    return changed(equal(records), worse)


@pytest.mark.parametrize(("share", "points"), [(20, 3), (25, 4), (12, 2)])
def test_a_slice_that_is_lost_needs_a_word_though_no_floor_names_it(share: int, points: int) -> None:
    # Given a drop of the mean that is within the margin
    lines = held_against(lost_slice(share, points), gate={"max_quality_drop": 0.5})

    # Then
    assert line_of(lines, "max_quality_drop").passed
    assert asked(lines) == ["slice_drop.language=de"]


@pytest.mark.parametrize(("slices", "told"), [(1, True), (20, False)])
def test_the_more_slices_there_are_the_less_chance_asks_about_one(slices: int, *, told: bool) -> None:
    # Given a slice of forty records in which the student is 0.7 points worse
    def worse(number: int, item: Measurement) -> Measurement:
        if number >= 40:
            return replace(item, slices={"kind": str(number % (slices - 1) + 1)} if slices > 1 else {})
        return replace(item, slices={"kind": "0"}, score=(item.score or 1) - (number % 10 < 7))

    # When
    lines = held_against(changed(equal(800), worse))

    # Then
    assert line_of(lines, "max_quality_drop").passed
    assert asked(lines) == (["slice_drop.kind=0"] if told else [])


@pytest.mark.parametrize("seed", range(20))
def test_an_equal_student_is_asked_about_none_of_twenty_slices(seed: int) -> None:
    # Given noise of a point to either side, and many slices
    random = Random(seed)  # noqa: S311 - the same each time

    def noisy(_: int, item: Measurement) -> Measurement:
        score = min(5, max(1, (item.score or 1) + random.choice((-1, 0, 0, 0, 1))))
        return replace(item, score=score, slices={"kind": str(random.randrange(20))})

    # When / Then
    lines = held_against(changed(equal(), noisy))
    assert [line.rule for line in lines if line.rule.startswith("slice_drop")] == []


# Classes lost


def labelled(queues: list[str], answer: Callable[[str], str], *, form: bool) -> dict[str, list[Measurement]]:
    """Let the student answer with a queue; the scores are as if nobody minded."""

    def given(number: int, item: Measurement) -> Measurement:
        wanted, said = queues[number], answer(queues[number])
        if form:
            wanted, said = json.dumps({"queue": wanted}), json.dumps({"queue": said})
        return replace(item, reference=wanted, answer=said)

    return changed(equal(len(queues)), given)


def test_the_majority_answer_needs_a_word_for_the_class_that_it_never_finds() -> None:
    # Given a class of 3.8 % of 99 records
    queues = ["fraud" if number % 26 == 5 else "billing" for number in range(99)]

    # When / Then
    lines = held_against(labelled(queues, lambda _: "billing", form=True), schema=SCHEMA)
    assert asked(lines) == ['recall.queue="fraud"']


def test_a_lost_class_behind_a_reference_needs_the_same_word() -> None:
    # Given the schema as a generator writes it
    measurements = labelled(["billing"] * 194 + ["fraud"] * 6, lambda _: "billing", form=True)
    queue = {"$ref": "#/$defs/Queue"}
    schema = {"type": "object", "properties": {"queue": queue}, "$defs": {"Queue": {"enum": ["billing", "fraud"]}}}

    # When / Then
    assert asked(held_against(measurements, schema=schema)) == ['recall.queue="fraud"']


def test_classes_that_are_too_rare_to_tell_alone_are_lost_together() -> None:
    # Given three classes of two records each
    rare = {3: "fraud", 40: "fraud", 7: "loss", 50: "loss", 9: "theft", 60: "theft"}
    queues = [rare.get(number, "billing") for number in range(99)]

    # When
    lost = held_against(labelled(queues, lambda _: "billing", form=True), schema=SCHEMA)
    found = held_against(labelled(queues, lambda queue: queue, form=True), schema=SCHEMA)

    # Then
    assert asked(lost) == ["recall.queue=rare values"]
    assert "in 0 of the 6 records" in line_of(lost, "recall.queue=rare values").explanation
    assert asked(found) == []


def test_a_class_is_lost_without_a_schema_too_where_answers_are_a_few_words() -> None:
    # Given
    queues = ["Fraud." if number % 20 == 5 else "Billing." for number in range(100)]

    # When / Then: case and punctuation are not another answer
    assert asked(held_against(labelled(queues, lambda _: "billing", form=False))) == ["recall.answer=Fraud."]
    assert asked(held_against(labelled(queues, lambda queue: queue.lower().rstrip("."), form=False))) == []


def test_texts_that_say_something_else_each_time_are_no_classes() -> None:
    # Given
    queues = [f"the answer to question {number} of many" for number in range(100)]

    # When / Then
    lines = held_against(labelled(queues, lambda _: "no idea", form=False))
    assert not [line.rule for line in lines if line.rule.startswith("recall")]


# Latency


def test_a_heavy_tail_behind_a_good_mean_needs_a_word() -> None:
    # Given one answer in twelve that takes four seconds
    lines = held_against(
        changed(equal(), lambda number, item: replace(item, latency_ms=4_000.0 if number % 12 == 0 else 400.0))
    )

    # Then
    line = line_of(lines, "min_latency_reduction")
    assert line.measured is not None
    assert line.measured > line.threshold
    assert asked(lines) == ["min_latency_reduction"]
    assert "the slowest wait longer than with the baseline" in line.explanation


# A judge that tells nothing apart


def in_pairs(ours: int, theirs: int) -> dict[str, list[Measurement]]:
    pair = judged_pair("baseline", (ours, theirs), (theirs, ours)).to_document()
    return changed(equal(), lambda _, item: replace(item, pair=pair))


def test_a_judge_that_gives_everything_a_five_promotes_nobody_by_itself() -> None:
    # Given / When
    unknown = held_against(in_pairs(5, 5), trusted=False)
    known = held_against(in_pairs(5, 5), trusted=False, judge=JudgeRecord(agreement=GOOD_JUDGE, drift=0.0))

    # Then
    assert asked(unknown) == ["max_quality_drop"]
    assert "which a judge does too that tells nothing apart" in line_of(unknown, "max_quality_drop").explanation
    # And a judge that told known scores apart is believed
    assert asked(known) == []


TIE, FIRST, STUDENT, OTHER = (
    judged_pair("baseline", *orders)
    for orders in (((5, 5), (5, 5)), ((5, 2), (5, 2)), ((5, 4), (4, 5)), ((4, 5), (5, 4)))
)
NO_ANSWER = Pair(against="baseline", difference=None, outcome="unanswered")


def ended(pairs: Callable[[int], Pair]) -> dict[str, list[Measurement]]:
    return changed(equal(), lambda number, item: replace(item, pair=pairs(number).to_document()))


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param(lambda _: FIRST, id="the first answer is always preferred"),
        pytest.param(
            lambda number: FIRST if number % 2 else TIE, id="the first answer is preferred in every second pair"
        ),
        pytest.param(lambda number: TIE if number else NO_ANSWER, id="ties but for a record that was not answered"),
        pytest.param(lambda number: TIE if number else STUDENT, id="ties but for one"),
    ],
)
def test_a_judge_that_prefers_hardly_any_answer_promotes_nobody_by_itself(pairs: Callable[[int], Pair]) -> None:
    # Given / When
    unknown = held_against(ended(pairs), trusted=False)
    known = held_against(ended(pairs), trusted=False, judge=JudgeRecord(agreement=GOOD_JUDGE, drift=0.0))

    # Then
    assert asked(unknown) == ["max_quality_drop"]
    assert asked(known) == []


def test_a_judge_that_prefers_an_answer_now_and_then_promotes_an_equal_student() -> None:
    # Given nine of ten pairs that tie, as those of two good models do
    pairs = ended(lambda number: TIE if number % 10 else (STUDENT if number % 20 else OTHER))

    # When / Then
    assert asked(held_against(pairs, trusted=False)) == []


# Copies of a wrong teacher


def test_a_copy_of_a_wrong_teacher_is_not_promoted_by_its_likeness() -> None:
    # Given a student that is like the teacher each time, and a baseline that is not; the judge prefers the baseline
    measurements = changed(in_pairs(3, 4), lambda _, item: replace(item, score=5))
    measurements = changed(measurements, lambda _, item: replace(item, score=1), "baseline")

    # When / Then
    lines = held_against(measurements, trusted=False)
    assert decide(lines) != PROMOTE
    assert not line_of(lines, "max_quality_drop").passed
