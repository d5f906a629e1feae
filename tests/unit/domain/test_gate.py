"""Each rule fails alone; the published figures pass; what pays is worked out from measured tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.break_even import BreakEven, work_out
from lambdas.domain.calibration import Agreement
from lambdas.domain.evaluation import summarise
from lambdas.domain.gate import judge_gate, reduction
from lambdas.domain.gate_line import INSUFFICIENT_EVIDENCE, PROMOTE, REJECT, GateLine, decide, reasons
from lambdas.domain.measurements import Measurement
from lambdas.domain.quality import JudgeRecord, worse_than_champion
from lambdas.domain.task_definition import TaskDefinition
from tests.unit.domain.samples import BOOK, HAIKU, MICRO, PUBLISHED, grouped, measured, published, summaries

GOOD_JUDGE = Agreement(
    cases=30,
    without_verdict=0,
    mean_error=0.1,
    within_one=1.0,
    rank_correlation=0.95,
    adversarial=5,
    adversarial_lift=0.0,
)


def gate(
    measurements: dict[str, list[Measurement]],
    *,
    judge: JudgeRecord | None = None,
    **document: Any,
) -> tuple[list[GateLine], BreakEven]:
    task = TaskDefinition.from_document(document)
    added_up = summaries(measurements)
    even = work_out(added_up, task, BOOK, MICRO)
    return judge_gate(measurements, added_up, task, even, judge or JudgeRecord()), even


def failed(lines: list[GateLine]) -> list[str]:
    return [line.rule for line in lines if not line.passed]


def line_of(lines: list[GateLine], rule: str) -> GateLine:
    return next(line for line in lines if line.rule == rule)


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("min_judge_score", {"score": 3.95}),
        ("min_schema_validity", {"broken": 8}),
        ("min_cost_reduction", {"model": HAIKU}),
        ("min_latency_reduction", {"latency_ms": 900.0}),
    ],
)
def test_each_rule_refuses_alone(rule: str, change: dict[str, Any]) -> None:
    # Given the published figures with one of them worse
    measurements = grouped(student=change)
    task = TaskDefinition.default()
    added_up = summaries(measurements)
    if rule == "min_cost_reduction":
        added_up["student"] = summarise(measurements["student"], HAIKU, BOOK)

    # When
    even = work_out(added_up, task, BOOK, MICRO)
    lines = judge_gate(measurements, added_up, task, even, JudgeRecord())

    # Then
    assert failed(lines) == [rule]
    assert decide(lines) == REJECT
    (reason,) = reasons(lines)
    assert reason.startswith(f"{rule}: measured ")
    assert "at least" in reason


def test_a_student_good_enough_by_itself_is_refused_below_a_better_baseline() -> None:
    # Given / When
    lines, _ = gate(grouped(baseline={"score": 4.5}))

    # Then even the smallest drop that the measurements allow is too large
    assert failed(lines) == ["max_quality_drop"]
    assert decide(lines) == REJECT
    assert "measured 0.5" in reasons(lines)[0]
    assert "even the smallest" in reasons(lines)[0]


def test_the_published_student_at_three_point_seven_is_refused() -> None:
    # Given / When
    lines, _ = gate(grouped(student={"score": 3.7}))

    # Then
    assert failed(lines) == ["min_judge_score", "max_quality_drop"]
    assert decide(lines) == REJECT


def test_the_published_figures_pass_with_the_published_conclusions() -> None:
    # Given / When
    lines, _ = gate(grouped())

    # Then
    assert failed(lines) == []
    assert reasons(lines) == []
    assert decide(lines) == PROMOTE
    assert line_of(lines, "min_latency_reduction").measured == pytest.approx(0.52, abs=0.005)
    assert (line_of(lines, "min_cost_reduction").measured or 0) > 0.95
    drop = line_of(lines, "max_quality_drop")
    assert drop.measured == pytest.approx(0.0)
    assert drop.bound is not None
    assert 0 < drop.bound < 0.2
    costs = {role: summary.usd_per_1k_requests for role, summary in published().items()}
    assert reduction(costs["student"], costs["baseline"]) > 0.95


def test_the_teacher_as_reference_is_what_the_student_is_held_against() -> None:
    # Given
    measurements = grouped(teacher={"score": 4.6})

    # When / Then
    assert failed(gate(measurements)[0]) == []
    assert failed(gate(measurements, gate={"reference": "teacher"})[0]) == ["max_quality_drop"]


def test_too_few_records_for_the_margin_are_no_verdict_and_the_number_needed_is_said() -> None:
    # Given the published scores over twelve records
    few = {role: {"records": 12} for role in PUBLISHED}

    # When
    lines, _ = gate(grouped(**few))

    # Then
    assert failed(lines) == ["max_quality_drop", "holdout_records"]
    assert decide(lines) == INSUFFICIENT_EVIDENCE
    needed = line_of(lines, "holdout_records").threshold
    assert f"{needed:.0f} records could decide it" in line_of(lines, "max_quality_drop").explanation
    assert 12 < needed < 300
    assert all("insufficient evidence" in reason for reason in reasons(lines))


def test_enough_records_that_do_not_show_it_are_a_refusal() -> None:
    # Given a drop of 0.18 with the promised number of records
    lines, _ = gate(grouped(student={"score": 4.0}, baseline={"score": 4.18}))

    # When / Then
    drop = line_of(lines, "max_quality_drop")
    assert failed(lines) == ["max_quality_drop"]
    assert not drop.undecided
    assert drop.bound is not None
    assert drop.measured is not None
    assert drop.measured < 0.2 < drop.bound
    assert decide(lines) == REJECT


def test_every_value_of_a_named_slice_has_its_floor() -> None:
    # Given a student that fails on a quarter of the records, which its mean of the rest makes up for
    measurements = grouped(student={"score": 4.6})
    measurements["student"] = [
        replace(item, score=2) if item.slices["intent"] == "visual" else item for item in measurements["student"]
    ]

    # When
    lines, _ = gate(measurements, gate={"slices": {"intent": 3.5}, "min_judge_score": 3.5, "max_quality_drop": 1})

    # Then
    assert failed(lines) == ["slices.intent=visual"]
    assert line_of(lines, "slices.intent=audio").passed
    assert decide(lines) == REJECT


def test_a_slice_that_no_record_has_or_few_records_have_is_no_evidence() -> None:
    # Given
    measurements = grouped()
    measurements["student"] = [
        replace(item, slices={"rare": "yes"} if number < 9 else {})
        for number, item in enumerate(measurements["student"])
    ]

    # When
    lines, _ = gate(measurements, gate={"slices": {"rare": 1, "absent": 1}})

    # Then
    assert failed(lines) == ["slices.absent", "slices.rare=yes"]
    assert decide(lines) == INSUFFICIENT_EVIDENCE


@pytest.mark.parametrize(("failures", "decision"), [(8, PROMOTE), (9, INSUFFICIENT_EVIDENCE)])
def test_more_than_two_percent_without_a_verdict_is_no_evidence(failures: int, decision: str) -> None:
    # Given 400 records of the baseline, some of which the judge never scored
    measurements = grouped(baseline={"score": 3.9})
    measurements["baseline"] = [
        replace(item, score=None, judge_problem="6") if number < failures else item
        for number, item in enumerate(measurements["baseline"])
    ]

    # When
    lines, _ = gate(measurements)

    # Then
    assert decide(lines) == decision
    assert line_of(lines, "max_judge_failures").measured == failures / 400
    assert "baseline" in line_of(lines, "max_judge_failures").explanation


def test_a_verdict_missing_where_the_student_is_bad_does_not_let_it_pass() -> None:
    # Given a student 0.14 points below the baseline, whom the judge does not score where it is at its worst
    measurements = grouped(student={"score": 4.1}, baseline={"score": 4.1})
    scores = [item.score or 0 for item in measurements["baseline"]]
    measurements["student"] = [
        replace(item, score=None if number < 8 else score - (number % 10 == 9))
        for number, (item, score) in enumerate(zip(measurements["student"], scores, strict=True))
    ]

    # When
    lines, _ = gate(measurements, gate={"min_judge_score": 3.0})
    told, _ = gate({**measurements, "student": [replace(i, score=i.score or 1) for i in measurements["student"]]})

    # Then as few failures as are tolerated leave undecided what a verdict of 1 on each of them would refuse
    drop = line_of(lines, "max_quality_drop")
    assert line_of(lines, "max_judge_failures").passed
    assert failed(lines) == ["max_quality_drop"]
    assert decide(lines) == INSUFFICIENT_EVIDENCE
    assert drop.measured is not None
    assert drop.bound is not None
    assert drop.measured < 0.12
    assert drop.bound > drop.threshold
    assert drop.bound == line_of(told, "max_quality_drop").bound
    assert "8 records without both verdicts count in it at their worst" in drop.explanation


@pytest.mark.parametrize(("score", "decision"), [(4.0, INSUFFICIENT_EVIDENCE), (4.1, PROMOTE), (3.9, REJECT)])
def test_a_floor_is_not_kept_by_the_answers_that_nobody_scored(score: float, decision: str) -> None:
    # Given a mean of 4.0 or so over what was judged, and eight answers that were not
    measurements = grouped(student={"score": score}, baseline={"score": 3.5})
    measurements["student"] = [
        *measurements["student"][:-8],
        *(replace(item, score=None) for item in measurements["student"][-8:]),
    ]
    kept = [item.score for item in measurements["student"] if item.score]

    # When
    lines, _ = gate(measurements, gate={"min_judge_score": sum(kept) / len(kept) if score == 4.0 else 4.0})

    # Then
    assert decide(lines) == decision
    assert failed(lines) == ([] if decision == PROMOTE else ["min_judge_score"])


def test_a_reference_that_does_not_answer_proves_nothing_for_the_student() -> None:
    # Given a student half a point below a baseline, which left every seventh question unanswered
    measurements = grouped(student={"score": 4.0}, baseline={"score": 4.5})
    measurements["baseline"] = [
        replace(item, score=1, answered=False, answer="") if number % 7 == 0 else item
        for number, item in enumerate(measurements["baseline"])
    ]

    # When
    lines, _ = gate(measurements)

    # Then its lowest scores there do not make up for the rest
    drop = line_of(lines, "max_quality_drop")
    assert failed(lines) == ["max_quality_drop"]
    assert decide(lines) == INSUFFICIENT_EVIDENCE
    assert drop.measured is not None
    assert drop.measured < 0.1
    assert "58 that the baseline did not answer" in drop.explanation


def test_a_slice_without_references_or_without_verdicts_does_not_disappear() -> None:
    # Given seven records of a slice that nobody scored, and another slice whose references are all missing
    measurements = grouped(student={"score": 4.5})
    measurements["student"] = [
        replace(item, score=None if number < 7 else item.score, slices={"language": "de" if number < 7 else "en"})
        for number, item in enumerate(measurements["student"])
    ]
    task, added_up = TaskDefinition.from_document({"gate": {"slices": {"language": 3.0}}}), summaries(measurements)
    even = work_out(added_up, task, BOOK, MICRO)

    # When
    unmeasured = [{"language": "fi"}] * 30 + [{"language": "en"}] * 2 + [{}]
    lines = judge_gate(measurements, added_up, task, even, JudgeRecord(), unmeasured)

    # Then
    assert failed(lines) == ["slices.language=de", "slices.language=fi"]
    assert decide(lines) == INSUFFICIENT_EVIDENCE
    assert "30 more have no reference and were not measured" in line_of(lines, "slices.language=fi").explanation
    assert "2 more have no reference" in line_of(lines, "slices.language=en").explanation


@pytest.mark.parametrize(("records", "margin"), [(1, 3.0), (4, 1.0), (20, 0.2)])
def test_a_few_equal_scores_show_nothing(records: int, margin: float) -> None:
    # Given a student that is scored like the baseline in each of a handful of records
    measurements = {role: found[:records] for role, found in grouped().items()}
    measurements["student"] = [
        replace(ours, score=theirs.score)
        for ours, theirs in zip(measurements["student"], measurements["baseline"], strict=True)
    ]

    # When
    lines, _ = gate(measurements, gate={"max_quality_drop": margin, "min_judge_score": 1})

    # Then
    drop, size = line_of(lines, "max_quality_drop"), line_of(lines, "holdout_records")
    assert failed(lines) == ["max_quality_drop", "holdout_records"]
    assert decide(lines) == INSUFFICIENT_EVIDENCE
    assert (drop.measured, size.measured) == (0, records)
    assert drop.bound is not None
    assert drop.bound > margin
    assert size.threshold > records


def test_a_small_steady_drop_that_few_records_leave_room_beside_says_how_many_would_do() -> None:
    # Given 99 records, every tenth of which is one point worse than the baseline: a bootstrap alone would pass it
    measurements = {role: found[:99] for role, found in grouped(baseline={"score": 4.4}).items()}
    measurements["student"] = [
        replace(ours, score=(theirs.score or 0) - (number % 10 == 0))
        for number, (ours, theirs) in enumerate(zip(measurements["student"], measurements["baseline"], strict=True))
    ]

    # When
    lines, _ = gate(measurements)

    # Then
    needed = line_of(lines, "holdout_records").threshold
    assert failed(lines) == ["max_quality_drop", "holdout_records"]
    assert decide(lines) == INSUFFICIENT_EVIDENCE
    assert 99 < needed < 150
    assert f"{needed:.0f} records could decide it" in line_of(lines, "max_quality_drop").explanation


def test_no_score_at_all_is_no_evidence_and_no_crash() -> None:
    # Given
    measurements = grouped()
    measurements = {role: [replace(item, score=None) for item in found] for role, found in measurements.items()}

    # When
    lines, _ = gate(measurements)

    # Then
    assert decide(lines) == INSUFFICIENT_EVIDENCE
    assert reasons(lines)[0].startswith("min_judge_score: insufficient evidence, not measured")


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("min_judge_agreement", {"within_one": 0.8}),
        ("min_judge_correlation", {"rank_correlation": 0.6}),
        ("max_judge_error", {"mean_error": 0.6}),
        ("max_adversarial_lift", {"adversarial_lift": 2.0}),
    ],
)
def test_a_judge_that_disagrees_with_known_scores_makes_no_verdict(rule: str, change: dict[str, float]) -> None:
    # Given a student that this judge likes, and one that it does not
    judge = JudgeRecord(agreement=replace(GOOD_JUDGE, **change), drift=0.1)  # type: ignore[arg-type]

    # When
    liked, _ = gate(grouped(), judge=judge)
    disliked, _ = gate(grouped(student={"score": 2.0}), judge=judge)

    # Then its scores prove nothing, in either direction
    assert failed(liked) == [rule]
    assert decide(liked) == decide(disliked) == INSUFFICIENT_EVIDENCE


@pytest.mark.parametrize("drift", [0.7, None])
def test_a_judge_that_drifts_or_could_not_be_measured_again_makes_no_verdict(drift: float | None) -> None:
    # Given / When
    lines, _ = gate(grouped(), judge=JudgeRecord(agreement=GOOD_JUDGE, drift=drift))

    # Then
    assert failed(lines) == ["max_judge_drift"]
    assert decide(lines) == INSUFFICIENT_EVIDENCE


@pytest.mark.parametrize("role", ["student", "baseline"])
@pytest.mark.parametrize(("timed", "passed"), [(0, False), (9, False), (10, True)])
def test_latency_that_was_hardly_ever_measured_is_no_evidence(role: str, timed: int, *, passed: bool) -> None:
    # Given a contestant that was throttled at nearly every record
    measurements = grouped()
    measurements[role] = [replace(item, throttled=number >= timed) for number, item in enumerate(measurements[role])]

    # When
    lines, _ = gate(measurements)

    # Then
    assert failed(lines) == ([] if passed else ["min_latency_reduction"])
    assert decide(lines) == (PROMOTE if passed else INSUFFICIENT_EVIDENCE)


def test_a_baseline_without_a_clock_is_no_evidence_and_no_crash() -> None:
    # Given / When
    lines, _ = gate(grouped(baseline={"latency_ms": 0.0}))

    # Then
    assert failed(lines) == ["min_latency_reduction"]
    assert decide(lines) == INSUFFICIENT_EVIDENCE


@pytest.mark.parametrize(("role", "decision"), [("student", REJECT), ("teacher", INSUFFICIENT_EVIDENCE)])
def test_a_contestant_that_answered_nothing_is_not_called_cheap(role: str, decision: str) -> None:
    # Given
    measurements = grouped()
    nothing = {"answered": False, "score": 1, "problem": "refused", "input_tokens": 0, "output_tokens": 0}
    measurements[role] = [replace(item, **nothing) for item in measurements[role]]  # type: ignore[arg-type]

    # When
    lines, _ = gate(measurements)

    # Then nothing is said of its price, and there is no crash
    cost = line_of(lines, "min_cost_reduction")
    assert (cost.measured, cost.passed, cost.undecided) == (None, False, True)
    assert f"no answer of the {role} has a price: 400 were not given" in cost.explanation
    assert decide(lines) == decision


@pytest.mark.parametrize(("score", "said"), [(None, False), (3.5, False), (4.0, False), (4.15, True), (4.6, True)])
def test_a_student_worse_than_the_champion_that_it_would_replace_needs_a_word(
    score: float | None, *, said: bool
) -> None:
    # Given a student at 4.0, as good as the baseline, and a champion that is not measured or measured at this score
    measurements = grouped()
    if score is not None:
        measurements["champion"] = measured("champion", replace(PUBLISHED["student"], score=score))

    # When
    lines, _ = gate({role: found for role, found in measurements.items() if role != "champion"})
    found = worse_than_champion(measurements, TaskDefinition.default().gate)

    # Then no rule of the gate asks for it
    assert decide(lines) == PROMOTE
    assert len(found) == said
    assert all("within 0.2 judge points of the champion" in text for text in found)


@pytest.mark.parametrize("old", [0.0, -1.0])
def test_nothing_is_compared_with_nothing(old: float) -> None:
    # Given / When / Then
    with pytest.raises(ValueError, match="nothing can be compared"):
        reduction(1.0, old)
