"""In which direction a judge errs, whose answers it favours, and how far a set of known scores can show it.

A judge that is one point too kind to everybody changes no comparison. One that is kind to the student alone does, and
the mean distance from the known scores does not tell the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lambdas.domain.evaluation.confidence_bounds import mean_bounds
from lambdas.domain.evaluation.judge import MOST_DIFFERENCE
from lambdas.domain.evaluation.measurements import BASELINE, STUDENT
from lambdas.domain.evaluation.sample_sizes import holdout_records_needed

if TYPE_CHECKING:
    from lambdas.domain.evaluation.judge_calibration import CalibrationCase

EVERYBODY = "all"
"""Name of the line about all cases, whoever gave the answers."""


def signed_error(contestant: str, errors: Sequence[float]) -> dict[str, Any]:
    """Give the mean of the judge's score minus the known one, in points, with one-sided 95 % bounds.

    Parameters
    ----------
    contestant : str
        Whose answers they are.
    errors : sequence of float
        At least one.

    Returns
    -------
    dict
        ``contestant``, ``cases``, ``mean``, ``low``, ``high``, ``spread``. Neither bound is closer to the mean than
        what so few cases need not have shown (:func:`~lambdas.domain.evaluation.confidence_bounds.mean_bounds`).
    """
    bounds = mean_bounds(errors, (-MOST_DIFFERENCE, MOST_DIFFERENCE))
    figures = {"mean": bounds.mean, "low": bounds.low, "high": bounds.high, "spread": bounds.spread}
    return {"contestant": contestant, "cases": bounds.records, **figures}


def error_document(
    cases: Sequence[CalibrationCase], scores: Mapping[str, int], margin: float, reference: str = BASELINE
) -> dict[str, Any]:
    """Give the judge's signed errors, and what the calibration set is too small to show.

    Parameters
    ----------
    cases : sequence of CalibrationCase
    scores : mapping of str to int
        The judge's, by case id; a case without one shows no direction.
    margin : float
        Points that decide: ``gate.max_quality_drop``.
    reference : str
        With whom the student is compared: ``gate.reference``.

    Returns
    -------
    dict
        ``signed_errors``, first of all cases and then of each contestant, and the sentences ``cannot_show``.
    """
    errors: dict[str, list[float]] = {}
    for case in cases:
        if case.id in scores:
            for name in (EVERYBODY, case.contestant):
                if name is not None:
                    errors.setdefault(name, []).append(float(scores[case.id] - case.expected_score))
    lines = [signed_error(name, found) for name, found in errors.items()]
    lines.sort(key=lambda line: (line["contestant"] != EVERYBODY, line["contestant"]))
    return {"signed_errors": lines, "cannot_show": _cannot_show(lines, margin, reference)}


def _cannot_show(lines: Sequence[Mapping[str, Any]], margin: float, reference: str) -> list[str]:
    found = [_too_few(line, margin) for line in lines if max(line["high"], -line["low"]) > margin]
    named = {line["contestant"] for line in lines} - {EVERYBODY}
    missing = [role for role in (STUDENT, reference) if role not in named]
    if missing:
        whose = " and of the ".join(missing)
        found.append(
            f"no case of calibration.jsonl says that its answer is of the {whose} ('contestant'), so nothing shows "
            "whether the judge favours one of the two that are compared"
        )
    return found


def _too_few(line: Mapping[str, Any], margin: float) -> str:
    whose = "" if line["contestant"] == EVERYBODY else f" of the {line['contestant'].replace('_', ' ')}"
    text = (
        f"{line['cases']} cases{whose} leave the judge's error between {line['low']:+.2f} and {line['high']:+.2f} "
        f"points, and {margin:g} decide"
    )
    if abs(line["mean"]) > margin:
        return f"{text}; the error that was measured is larger than that by itself"
    return f"{text}; about {holdout_records_needed(margin, line['spread'])} would show an error below that"
