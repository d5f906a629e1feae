"""One rule of the gate as it is in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

ROUNDING = 1e-9
"""What binary fractions may be off: 4.0 - 3.8 is more than 0.2."""

PROMOTE, REJECT, INSUFFICIENT_EVIDENCE = "PROMOTE", "REJECT", "INSUFFICIENT EVIDENCE"
"""Decisions. Only the first promotes; the last says that nothing was shown, in either direction."""


class RuleDocument(TypedDict):
    """One rule as written to ``evaluation.json`` and ``report.json``; see :class:`RuleResult`."""

    rule: str
    threshold: float
    measured: float | None
    bound: float | None
    passed: bool
    undecided: bool
    explanation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleResult:
    """One rule.

    Attributes
    ----------
    threshold, measured : float or None
        ``measured`` is ``None`` where there was nothing to measure.
    bound : float or None
        The one-sided 95 % confidence bound that decides, where one does; else the measured value decides.
    passed : bool
    undecided : bool
        Whether it is for lack of evidence that the rule is not passed.
    """

    rule: str
    threshold: float
    measured: float | None
    bound: float | None = None
    passed: bool
    undecided: bool = False
    explanation: str

    def to_document(self) -> RuleDocument:
        """Give the line as written to ``report.json``."""
        return {
            "rule": self.rule,
            "threshold": self.threshold,
            "measured": self.measured,
            "bound": self.bound,
            "passed": self.passed,
            "undecided": self.undecided,
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


def decide(lines: Sequence[RuleResult]) -> str:
    """Decide by all rules: a rule that was shown to be broken rejects, whatever else is not known."""
    if all(line.passed for line in lines):
        return PROMOTE
    shown = any(not line.passed and not line.undecided for line in lines)
    return REJECT if shown else INSUFFICIENT_EVIDENCE


def reasons(lines: Sequence[RuleResult]) -> list[str]:
    """Say in one short sentence each which rules were not kept, those that decided first."""
    open_lines = sorted((line for line in lines if not line.passed), key=lambda line: line.undecided)
    return [_reason(line) for line in open_lines]


def _reason(line: RuleResult) -> str:
    limit = f"{'at most' if line.rule.startswith('max') else 'at least'} {_figure(line.threshold)}"
    measured = "not measured" if line.measured is None else f"measured {_figure(line.measured)}"
    bound = "" if line.bound is None else f", bound {_figure(line.bound)}"
    kind = "insufficient evidence, " if line.undecided else ""
    return f"{line.rule}: {kind}{measured}{bound}, {limit} ({line.explanation})"


def _figure(value: float) -> str:
    """Write counts as they are, and shares and points with three digits."""
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"
