"""The gate and what is not known: missing verdicts and references, few records, a judge that cannot be believed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rule_result import INSUFFICIENT_EVIDENCE, PROMOTE, REJECT, decide, reasons, to_accept
from lambdas.domain.gate.rules import judge_gate
from lambdas.domain.serving.break_even import work_out
from tests.unit.domain.gate.gate_samples import GOOD_JUDGE, accepted_alone, failed, gate, line_of, task_of
from tests.unit.domain.samples import BOOK, MICRO, grouped, summaries


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


@pytest.mark.parametrize(("score", "decision", "asks"), [(4.0, PROMOTE, 1), (4.1, PROMOTE, 0), (3.85, REJECT, 0)])
def test_a_floor_is_not_kept_by_the_answers_that_nobody_scored(score: float, decision: str, asks: int) -> None:
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
    assert len(to_accept(lines)) == asks
    assert failed(lines) == (["min_judge_score"] if asks or decision == REJECT else [])


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
    task, added_up = task_of(gate={"slices": {"language": 3.0}}), summaries(measurements)
    even = work_out(added_up, task, BOOK, MICRO)

    # When
    unmeasured = [{"language": "fi"}] * 30 + [{"language": "en"}] * 2 + [{}]
    lines = judge_gate(measurements, added_up, task, even, JudgeRecord(), unmeasured).lines

    # Then
    assert failed(lines) == ["slices.language=de", "slices.language=fi"]
    assert accepted_alone(lines) == ["slices.language=de", "slices.language=fi"]
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
