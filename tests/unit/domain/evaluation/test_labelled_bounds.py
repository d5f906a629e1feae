"""The judge corrected by people is bounded whatever it is blind to, and says how many labels would do."""

from __future__ import annotations

import pytest

from lambdas.domain.evaluation.labelled import FEWEST_LABELS, Corrected, labelled_bounds

HALF = {f"r{number}": float(number % 5 - 2) for number in range(300)}
"""What people see of 300 records: two points worse to two points better."""


def some(values: dict[str, float], count: int) -> dict[str, float]:
    return dict(list(values.items())[:count])


def corrected(judged: dict[str, float], human: dict[str, float], labels: int) -> Corrected:
    return labelled_bounds(judged, some(human, labels))


def test_a_judge_that_sees_half_of_each_difference_is_no_surer_than_people_would_be_alone() -> None:
    # Given every record labelled, so that people alone know all that there is to know
    shrunk = {record: value / 2 for record, value in HALF.items()}

    # When
    found, alone = corrected(shrunk, HALF, 300), corrected(HALF, HALF, 300)

    # Then the judge makes it no narrower
    assert found.bounds.mean == pytest.approx(alone.bounds.mean)
    assert found.bounds.resampled_low == pytest.approx(alone.bounds.resampled_low, rel=0.02)


def test_labels_that_agree_with_the_judge_leave_room_for_what_they_need_not_have_shown() -> None:
    # Given a judge that is right wherever somebody has looked
    same = dict.fromkeys(HALF, 0.0)

    # When
    lows = [corrected(same, same, labels).bounds.low for labels in (20, 50, 100)]

    # Then a judge that is blind to terrible answers in some percent is not excluded by few labels
    assert lows == pytest.approx([-0.56, -0.23, -0.12], abs=0.01)


def test_what_nobody_needs_to_look_at_needs_no_label() -> None:
    # Given 200 records where both gave the same text
    judged = {record: 0.0 if number < 200 else 1.0 for number, record in enumerate(HALF)}
    others = set(list(judged)[200:])
    labels = dict.fromkeys(list(judged)[200:230], 0.8)

    # When
    found = labelled_bounds(judged, labels, drawn_from=others)

    # Then the correction counts for a third of the records
    assert found.bounds.mean == pytest.approx(1 / 3 - 0.2 / 3)
    assert (found.labels, found.drawn_from) == (30, 100)
    assert found.bounds.low > labelled_bounds(judged, labels).bounds.low


def test_records_of_a_group_count_once() -> None:
    # Given
    groups = {record: int(record[1:]) // 10 for record in HALF}

    # When
    found = labelled_bounds(HALF, some(HALF, 100), groups)

    # Then
    assert (found.labels, found.bounds.groups, found.bounds.records) == (10, 30, 300)


def test_it_says_how_many_labels_show_the_margin_and_when_none_do() -> None:
    # Given a judge that is off by a point to either side
    noise = {record: value / 4 + (1 if number % 2 else -1) for number, (record, value) in enumerate(HALF.items())}
    quarter = {record: value / 4 for record, value in HALF.items()}

    # When
    found = corrected(noise, quarter, 30)

    # Then
    wanted = found.labels_needed(0.3)
    assert wanted is not None
    assert 50 < wanted < 300
    assert found.labels_needed(0.01) is None
    assert found.labels_needed(4.0) == FEWEST_LABELS


def test_a_later_look_is_bounded_with_less_error() -> None:
    # Given / When / Then
    assert labelled_bounds(HALF, some(HALF, 100), error=0.01).bounds.low < corrected(HALF, HALF, 100).bounds.low
