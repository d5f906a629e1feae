"""In which direction the judge errs and for whom, and what a small calibration set cannot show."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.errors import InvalidUpload
from lambdas.domain.evaluation.judge_calibration import CalibrationCase, read_calibration
from lambdas.domain.evaluation.judge_error import error_document

MARGIN = 0.2


def cases(count: int, contestant: str | None = None, expected: int = 3) -> list[CalibrationCase]:
    return [
        CalibrationCase(
            question=f"q{number}",
            reference="r",
            answer=f"answer of {contestant}",
            expected_score=expected,
            adversarial=False,
            contestant=contestant,
        )
        for number in range(count)
    ]


def test_a_judge_that_favours_one_contestant_is_told_apart_from_one_that_is_kind_to_all() -> None:
    # Given a judge that is right on average, a point too kind to the student and a point too strict to the baseline
    students, baselines = cases(100, "student"), cases(100, "baseline")
    scores = {case.id: 4 for case in students} | {case.id: 2 for case in baselines}

    # When
    document = error_document([*students, *baselines], scores, MARGIN)

    # Then
    means = {line["contestant"]: line["mean"] for line in document["signed_errors"]}
    assert means == {"all": 0.0, "baseline": -1.0, "student": 1.0}
    assert all(line["low"] < line["mean"] < line["high"] for line in document["signed_errors"])
    assert [line["cases"] for line in document["signed_errors"]] == [200, 100, 100]
    assert sum("larger than that by itself" in text for text in document["cannot_show"]) == 2


@pytest.mark.parametrize(("count", "shown"), [(10, False), (40, False), (100, True), (500, True)])
def test_a_set_that_is_too_small_says_so_even_where_the_judge_made_no_error(count: int, shown: bool) -> None:
    # Given a judge without an error
    made = [*cases(count, "student"), *cases(count, "baseline")]

    # When
    document = error_document(made, {case.id: 3 for case in made}, MARGIN)

    # Then
    about_contestants = [text for text in document["cannot_show"] if " of the " in text]
    assert (not about_contestants) == shown
    assert all("would show an error below that" in text for text in about_contestants)


def test_a_set_that_names_no_contestant_cannot_show_whom_the_judge_favours() -> None:
    # Given / When
    made = cases(200)
    document = error_document(made, {case.id: 3 for case in made}, MARGIN, "teacher")

    # Then
    (said,) = document["cannot_show"]
    assert "of the student and of the teacher" in said
    assert [line["contestant"] for line in document["signed_errors"]] == ["all"]


def test_cases_without_a_verdict_show_no_direction() -> None:
    # Given / When / Then
    made = cases(20, "student")
    assert error_document(made, {}, MARGIN)["signed_errors"] == []
    assert error_document(made, {made[0].id: 5}, MARGIN)["signed_errors"][0]["cases"] == 1


def test_contestants_are_read_from_the_file_and_old_cases_keep_their_names() -> None:
    # Given
    lines = [
        {"question": f"q{n}", "reference": "r", "answer": "a", "expected_score": 1 + n % 5, "contestant": "student"}
        for n in range(12)
    ]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    old = "\n".join(json.dumps({k: v for k, v in line.items() if k != "contestant"}) for line in lines).encode()

    # When / Then
    assert {case.contestant for case in read_calibration(content)} == {"student"}
    assert {case.id for case in read_calibration(old)}.isdisjoint(case.id for case in read_calibration(content))
    assert read_calibration(old)[0].id == "f9436e93d84864b7"  # pragma: allowlist secret
    with pytest.raises(InvalidUpload, match="contestant"):
        read_calibration(content.replace(b'"student"', b'"rival"'))
