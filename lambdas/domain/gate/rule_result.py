"""One rule of the gate as it is in the report: what kind of rule it is, on what it rests, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason

ROUNDING = 1e-9
"""What binary fractions may be off: 4.0 - 3.8 is more than 0.2."""

PROMOTE, REJECT, INSUFFICIENT_EVIDENCE = "PROMOTE", "REJECT", "INSUFFICIENT EVIDENCE"
"""Decisions. Only the first promotes; the last says that nothing was shown, in either direction."""

MUST_BE_SHOWN, REFUSED_WHEN_SHOWN, INFORMS = "must_be_shown", "refused_when_shown", "informs"
"""Kinds of rules: its bound decides; the measured value passes and only a bound refuses; it decides nothing."""

MAY_BE_ACCEPTED: Mapping[str, str] = {
    "min_judge_score": "its mean score may lie below the task's floor",
    "slices": "it may be worse on these requests, of which the holdout has too few to tell",
    "slice_drop": "it is worse than the reference on these requests, though not on the mean of all",
    "recall": "it misses answers of this kind, which callers may need most",
    "min_schema_validity": "callers may meet more answers that break the schema than the task allows",
    "min_latency_reduction": "callers may wait longer than the task allows",
    "min_cost_reduction": "what bills by the hour may cost more than the teacher does by the token",
    "max_quality_drop": "nothing measured compares it with the reference",
}
"""Undecided rules that a person may accept with an explicit word, by name before the first dot, and what that person
takes on. Every other undecided rule ends the run for want of evidence, and so does one of these whose line says so."""


class RuleDocument(TypedDict, total=False):
    """One rule as written to ``evaluation.json`` and ``report.json``; see :class:`RuleResult`.

    ``kind``, ``evidence`` and ``acceptable`` are missing from what was written before they were known.
    """

    rule: str
    kind: str
    evidence: str | None
    threshold: float
    measured: float | None
    bound: float | None
    passed: bool
    undecided: bool
    acceptable: bool
    explanation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleResult:
    """One rule.

    Attributes
    ----------
    kind : {"must_be_shown", "refused_when_shown", "informs"}
    evidence : str or None
        On what a line about quality rests (:mod:`lambdas.domain.evaluation.evidence`).
    threshold, measured : float or None
        ``measured`` is ``None`` where there was nothing to measure.
    bound : float or None
        The one-sided 95 % confidence bound that decides, where one does; else the measured value decides.
    passed : bool
    undecided : bool
        Whether it is for lack of evidence that the rule is not passed.
    acceptable : bool
        Whether a person may accept it all the same; only where it is undecided.
    """

    rule: str
    kind: str = REFUSED_WHEN_SHOWN
    evidence: str | None = None
    threshold: float
    measured: float | None
    bound: float | None = None
    passed: bool
    undecided: bool = False
    acceptable: bool = False
    explanation: str

    def to_document(self) -> RuleDocument:
        """Give the line as written to ``report.json``."""
        return {
            "rule": self.rule,
            "kind": self.kind,
            "evidence": self.evidence,
            "threshold": self.threshold,
            "measured": self.measured,
            "bound": self.bound,
            "passed": self.passed,
            "undecided": self.undecided,
            "acceptable": self.acceptable,
            "explanation": self.explanation,
        }


def at_least(rule: str, threshold: float, measured: float | None, explanation: str) -> RuleResult:
    """Decide a rule by the measured value; nothing measured is not evidence."""
    passed = measured is not None and measured >= threshold - ROUNDING
    undecided = measured is None
    return RuleResult(
        rule=rule, threshold=threshold, measured=measured, passed=passed, undecided=undecided, explanation=explanation
    )


def at_most(rule: str, threshold: float, measured: float | None, explanation: str, *, evidence: bool) -> RuleResult:
    """Decide a rule by the measured value; ``evidence`` says that breaking it leaves the run undecided."""
    passed = measured is not None and measured <= threshold + ROUNDING
    undecided = not passed and (evidence or measured is None)
    return RuleResult(
        rule=rule, threshold=threshold, measured=measured, passed=passed, undecided=undecided, explanation=explanation
    )


def level(rule: str, threshold: float, measured: float | None, high: float | None, explanation: str) -> RuleResult:
    """Decide a level: the measured value passes it, and below it only what is shown to be below refuses.

    A level is never demanded at a bound: 270 valid answers of 270 show no more than 0.989.

    Parameters
    ----------
    rule, explanation : str
    threshold, measured : float
        ``measured`` is ``None`` where there was nothing to measure.
    high : float or None
        Upper one-sided bound of what was measured; ``None`` where nothing bounds it, so that nothing is shown.
    """
    line = at_least(rule, threshold, measured, explanation)
    if line.passed or measured is None:
        return line
    shown = high is not None and high < threshold - ROUNDING
    text = explanation if shown else f"{explanation}; too few measurements to show it below {threshold:g}"
    return replace(line, bound=high, undecided=not shown, explanation=text)


def accepted_by_a_person(line: RuleResult) -> RuleResult:
    """Mark an undecided line that is on the list of those that a person may accept."""
    return replace(line, acceptable=line.undecided and line.rule.partition(".")[0] in MAY_BE_ACCEPTED)


def decide(lines: Sequence[RuleResult]) -> str:
    """Decide by all rules: a rule that was shown to be broken rejects, whatever else is not known.

    What is undecided and may be accepted keeps the student from nothing but a promotion without a person's word
    (:func:`to_accept`).
    """
    left = [line for line in lines if not line.passed and line.kind != INFORMS]
    if any(not line.undecided for line in left):
        return REJECT
    return PROMOTE if all(line.acceptable for line in left) else INSUFFICIENT_EVIDENCE


def to_accept(lines: Sequence[RuleResult]) -> list[ExplicitReason]:
    """Say which rules a person must accept, where the student is promoted if somebody does; else none."""
    if decide(lines) != PROMOTE:
        return []
    return [explicit_reason(line.rule, _taken_on(line)) for line in lines if line.acceptable and line.kind != INFORMS]


def reasons(lines: Sequence[RuleResult]) -> list[str]:
    """Say in one short sentence each which rules were not kept, those that decided first; none where all may go on."""
    left = [line for line in lines if not line.passed and line.kind != INFORMS]
    if all(line.acceptable for line in left):
        return []
    return [_reason(line) for line in sorted(left, key=lambda line: line.undecided)]


def _taken_on(line: RuleResult) -> str:
    return f"Undecided: {_reason(line)}. Whoever accepts it knows that {MAY_BE_ACCEPTED[line.rule.partition('.')[0]]}"


def _reason(line: RuleResult) -> str:
    limit = f"{'at most' if line.rule.startswith('max') else 'at least'} {_figure(line.threshold)}"
    measured = "not measured" if line.measured is None else f"measured {_figure(line.measured)}"
    bound = "" if line.bound is None else f", bound {_figure(line.bound)}"
    kind = "insufficient evidence, " if line.undecided else ""
    return f"{line.rule}: {kind}{measured}{bound}, {limit} ({line.explanation})"


def _figure(value: float) -> str:
    """Write counts as they are, and shares and points with three digits."""
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"
