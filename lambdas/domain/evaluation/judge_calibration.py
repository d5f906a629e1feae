"""The judge measured on answers whose score is known, before it is believed."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lambdas.domain.documents import InvalidDocument, check_document, parse_document
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.identity import digest

FEWEST_CASES, MOST_CASES = 10, 500
"""Fewer cases measure nothing; more only cost."""

FEWEST_SCORES = 3
"""Distinct known scores that a set must have: on fewer, an order of answers says nothing."""

MOST_BYTES = 5_000_000

WITHOUT_VERDICT = 4
"""Points that a case counts as off where the judge gave no verdict: as far as a score can be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationCase:
    """An answer whose score is known.

    Attributes
    ----------
    question, reference, answer : str
        As the judge will see them.
    expected_score : int
        1 to 5, by the task's rubric and a person's eye.
    adversarial : bool
        Whether the answer tries to talk to the judge.
    contestant : str or None
        Whose answer it is, where that is said.
    """

    question: str
    reference: str
    answer: str
    expected_score: int
    adversarial: bool
    contestant: str | None = None

    @property
    def id(self) -> str:
        """Name the case by its content; as before there were contestants where it names none."""
        content = {name: value for name, value in asdict(self).items() if value is not None}
        return digest("calibration", content, length=16)


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """How far a judge agrees with the known scores.

    Attributes
    ----------
    cases, without_verdict : int
        All cases; those of them that the judge did not score.
    mean_error : float
        Mean absolute difference in points; a case without verdict counts :data:`WITHOUT_VERDICT`.
    within_one : float
        Share of the cases at most one point off.
    rank_correlation : float
        Spearman's, with mean ranks for ties; 0 where the judge gave every case the same score.
    adversarial : int
        Cases that try to talk to the judge.
    adversarial_lift : float
        Most points that such an answer got above its known score; 0 where there is none.
    """

    cases: int
    without_verdict: int
    mean_error: float
    within_one: float
    rank_correlation: float
    adversarial: int
    adversarial_lift: float

    def to_document(self) -> dict[str, Any]:
        """Give the figures as written to ``report.json``."""
        return asdict(self)


def read_calibration(content: bytes) -> list[CalibrationCase]:
    """Read ``calibration.jsonl``; equal cases count once, and cases that nobody has scored yet do not count.

    Returns
    -------
    list of CalibrationCase
        Empty where no case has a score: the set is still to be filled, as if there were none.

    Raises
    ------
    InvalidUpload
        With the line and what is allowed, or with what the set as a whole lacks.
    """
    if len(content) > MOST_BYTES:
        raise InvalidUpload(f"calibration.jsonl has {len(content):,} bytes; at most {MOST_BYTES:,} are read")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise InvalidUpload(f"calibration.jsonl is not UTF-8: byte {problem.start}; save it as UTF-8") from None
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    read = [_case(number, line) for number, line in lines]
    cases = list({case.id: case for case in read if case is not None}.values())
    if read and not cases:
        return []
    if not FEWEST_CASES <= len(cases) <= MOST_CASES:
        message = f"calibration.jsonl has {len(cases)} distinct cases; {FEWEST_CASES} to {MOST_CASES} measure a judge"
        raise InvalidUpload(f"{message}. Add or remove cases, or remove the file to go without")
    scores = {case.expected_score for case in cases}
    if len(scores) < FEWEST_SCORES:
        message = f"calibration.jsonl knows only the scores {sorted(scores)}; at least {FEWEST_SCORES} different ones"
        raise InvalidUpload(
            f"{message} are needed to see whether the judge orders answers. Add cases with other scores"
        )
    return cases


def agreement(cases: Sequence[CalibrationCase], scores: dict[str, int]) -> Agreement:
    """Compare a judge's scores with the known ones.

    Parameters
    ----------
    cases : sequence of CalibrationCase
        At least one.
    scores : dict of str to int
        The judge's score by case id; cases without a verdict are missing.
    """
    known = [case for case in cases if case.id in scores]
    errors = [abs(scores[case.id] - case.expected_score) if case.id in scores else WITHOUT_VERDICT for case in cases]
    lifts = [scores[case.id] - case.expected_score for case in known if case.adversarial]
    return Agreement(
        cases=len(cases),
        without_verdict=len(cases) - len(known),
        mean_error=statistics.fmean(errors),
        within_one=sum(error <= 1 for error in errors) / len(cases),
        rank_correlation=_spearman([case.expected_score for case in known], [scores[case.id] for case in known]),
        adversarial=sum(case.adversarial for case in cases),
        adversarial_lift=float(max(0, *lifts, 0)),
    )


def drift(before: dict[str, int], after: dict[str, int]) -> float | None:
    """Give the mean absolute difference, in points, of two scores of the same cases.

    A case that has a score only once counts :data:`WITHOUT_VERDICT`. ``None`` without any score.
    """
    scored = before.keys() | after.keys()
    moved = (abs(before[c] - after[c]) if c in before and c in after else WITHOUT_VERDICT for c in scored)
    return statistics.fmean(moved) if scored else None


def _case(number: int, line: str) -> CalibrationCase | None:
    where = f"calibration.jsonl, line {number}"
    try:
        document = parse_document(line, f"{where}: ")
    except InvalidDocument as problem:
        raise InvalidUpload(str(problem)) from None
    try:
        checked = check_document(document, "calibration.schema.json")
    except (InvalidDocument, RecursionError) as problem:
        raise InvalidUpload(f"{where}: {problem}") from None
    if checked["expected_score"] is None:
        return None
    texts = {name: _as_text(checked[name]) for name in ("question", "reference", "answer")}
    return CalibrationCase(
        **texts,
        expected_score=checked["expected_score"],
        adversarial=checked["adversarial"],
        contestant=checked.get("contestant"),
    )


def _as_text(value: object) -> str:
    """Take a text as it is; an object, which is easier to write by hand, as the JSON that a model would answer."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _spearman(first: Sequence[int], second: Sequence[int]) -> float:
    """Correlate ranks; ties share their mean rank."""
    if len(set(first)) < 2 or len(set(second)) < 2:  # noqa: PLR2004 - no order without two
        return 0.0
    return statistics.correlation(_ranks(first), _ranks(second))


def _ranks(values: Iterable[int]) -> list[float]:
    listed = list(values)
    ordered = sorted(listed)
    return [ordered.index(value) + (ordered.count(value) + 1) / 2 for value in listed]
