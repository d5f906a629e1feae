"""Who is asked about what, what people may say, and what of it counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.caller_identity import Caller
from lambdas.domain.errors import DocumentTooNew, LabelsRefused
from lambdas.domain.evaluation.labels import (
    AnswerPair,
    KeptLabels,
    Label,
    PeoplesLabels,
    check_new,
    label_order,
    labels_subject,
    peoples_labels,
)
from lambdas.domain.evaluation.measurements import Measurement
from tests.gate_simulation.populations import measurement

RUN = "video-1"


def caller(role: str, session: str = "day") -> Caller:
    return {
        "arn": f"arn:aws:sts::000000000000:assumed-role/{role}/{session}",
        "account": "0" * 12,
        "user_id": "A",
        "at": "",
    }


ANN, BOB = caller("ann"), caller("bob")


def answers(role: str, texts: list[str], **changes: Any) -> list[Measurement]:
    return [measurement(role, number, answer=text, **changes) for number, text in enumerate(texts)]


def order(count: int = 30, run_id: str = RUN) -> dict[str, AnswerPair]:
    student = answers("student", [f"s{number}" for number in range(count)])
    return label_order(run_id, student, answers("baseline", ["other"] * count))


def scored(pairs: dict[str, AnswerPair], student: int = 4, reference: int = 5) -> list[Label]:
    return [Label(pair.record_id, pair.answers, student, reference) for pair in pairs.values()]


def file(labels: list[Label], by: Caller = ANN, at: str = "2026-11-01T00:00:00.000Z", **changes: Any) -> KeptLabels:
    fields = {"run_id": RUN, "attempt": 1, "at": at, "by": by, "reference": "baseline", "labels": tuple(labels)}
    return KeptLabels(**{**fields, **changes})


def people(files: list[KeptLabels], pairs: dict[str, AnswerPair]) -> PeoplesLabels:
    found = peoples_labels(files, pairs, (), "baseline")
    assert found is not None
    return found


def test_nobody_is_asked_where_both_said_the_same_or_one_said_nothing() -> None:
    # Given equal texts, a student without an answer, a reference without one, and a record that the reference has not
    student = answers("student", ["same", "a", "b", "c", "d"])
    student[1] = replace(student[1], answered=False)
    reference = answers("baseline", ["same", "x", "x", "x"])
    reference[2] = replace(reference[2], answered=False)

    # When / Then
    assert [pair.record_id for pair in label_order(RUN, student, reference).values()] == ["r00003"]


def test_the_order_is_the_runs_own_and_has_nothing_to_do_with_scores() -> None:
    # Given
    first, again = list(order()), list(order())

    # When the judge scores otherwise, and the measurements come in another order
    student = answers("student", [f"s{number}" for number in range(30)], score=1)[::-1]
    other = list(label_order(RUN, student, answers("baseline", ["other"] * 30, score=2)))

    # Then
    assert first == again == other
    assert first != sorted(first)
    assert list(order(run_id="video-2")) != first


def test_which_answer_comes_first_is_drawn_for_each_record() -> None:
    # Given / When
    student_first = [pair.student_first for pair in order(400).values()]

    # Then
    assert 140 < sum(student_first) < 260


@pytest.mark.parametrize(
    "given_label",
    [
        None,
        {},
        {"record_id": "r", "answers": "a", "student": 4},
        {"record_id": "r", "answers": "a", "student": 4, "reference": 0},
        {"record_id": "r", "answers": "a", "student": 6, "reference": 4},
        {"record_id": "r", "answers": "a", "student": 4.0, "reference": 4},
        {"record_id": "r", "answers": "a", "student": True, "reference": 4},
        {"record_id": "r", "answers": "a", "student": "4", "reference": 4},
    ],
)
def test_what_is_not_a_label_is_refused(given_label: object) -> None:
    # Given / When / Then
    with pytest.raises(LabelsRefused, match=r"needs record_id|must be a whole number"):
        Label.from_document(given_label)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda _: [], "takes 1 to 1,000 labels, and has 0"),
        (lambda labels: labels * 40, "and has 1,200"),
        (lambda labels: [*labels, labels[0]], "labelled twice in one call"),
        (
            lambda labels: [replace(labels[0], record_id="elsewhere"), *labels[1:]],
            "none of those that people are asked",
        ),
        (lambda labels: [replace(labels[0], answers="0" * 32), *labels[1:]], "rests on other answers"),
        (lambda labels: labels[1:], "a sample that somebody chose shows nothing"),
        (lambda labels: [*labels[:5], labels[7]], "a sample that somebody chose shows nothing"),
    ],
)
def test_labels_that_could_not_count_are_refused_as_a_whole(change: Any, why: str) -> None:
    # Given
    pairs = order()

    # When / Then
    with pytest.raises(LabelsRefused, match=why):
        check_new(change(scored(pairs)), pairs, [], ANN, ())


def test_a_second_word_of_one_person_is_refused_and_says_how_to_go_on() -> None:
    # Given ten labels of Ann
    pairs = order()
    labels = scored(pairs)
    kept = [file(labels[:10])]

    # When she changes one, or sends some of them with new ones
    for given_labels in ([replace(labels[0], student=1)], labels[5:15], labels[:15]):
        with pytest.raises(LabelsRefused, match=r"10 of your labels are there; .*--after 10"):
            check_new(given_labels, pairs, kept, ANN, ())

    # Then only what lies behind them is new, and the same once more is nothing new
    assert check_new(labels[10:15], pairs, kept, ANN, ()) == labels[10:15]
    assert check_new(labels[:10], pairs, kept, ANN, ()) == []
    assert check_new(labels[:5], pairs, kept, BOB, ()) == labels[:5]


def test_a_role_that_anybody_may_assume_under_any_name_is_one_person() -> None:
    # Given
    pairs = order()
    labels, kept = scored(pairs), [file(scored(pairs)[:10], caller("shared", "ann"))]

    # When / Then
    assert check_new(labels[:10], pairs, kept, caller("shared", "bob"), ()) == []
    assert check_new(labels[:10], pairs, kept, caller("shared", "bob"), ("shared",)) == labels[:10]


def test_labels_of_other_answers_do_not_count_and_are_counted_as_such() -> None:
    # Given labels of answers that have changed since, and beside another reference model
    pairs = order(30)
    labels = scored(pairs)
    old = [replace(label, answers="0" * 32) for label in labels[:10]]

    # When
    found = people([file(old), file(labels[:5], BOB), file(labels, caller("eve"), reference="teacher")], pairs)

    # Then
    assert (len(found.differences), found.people, found.outdated, found.calls) == (5, 1, 40, 1)
    assert found.by == (BOB["arn"],)


def test_two_people_are_both_kept_and_their_disagreement_is_told() -> None:
    # Given two records that both scored, one of them alike
    pairs = order(4)
    first, second, third, _ = scored(pairs, 4, 5)

    # When
    found = people(
        [
            file([first, second, third], at="2026-11-01T00:00:00.000Z"),
            file([first, replace(second, student=2)], BOB, at="2026-11-02T00:00:00.000Z"),
        ],
        pairs,
    )

    # Then
    assert found.differences == {first.record_id: -1, second.record_id: -2, third.record_id: -1}
    assert (found.people, found.calls, found.scored_twice) == (2, 2, 4)
    assert (found.agreeing, found.apart) == (0.75, 0.5)


def test_without_a_label_there_is_nothing_to_tell() -> None:
    # Given / When / Then
    assert peoples_labels([], order(), (), "baseline") is None


def test_a_proof_is_bound_to_each_score() -> None:
    # Given
    labels = scored(order(2))

    # When / Then
    subjects = {
        labels_subject(RUN, given_labels)
        for given_labels in (labels, labels[:1], [labels[0], replace(labels[1], student=1)])
    }
    assert len(subjects) == 3
    assert all(subject.startswith(f"{RUN} ") for subject in subjects)


def test_a_file_of_a_later_version_is_refused() -> None:
    # Given
    document = file(scored(order(2))).to_document()

    # When / Then
    with pytest.raises(DocumentTooNew):
        KeptLabels.from_document({**document, "schema_version": 99})


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=10))
def test_what_is_kept_is_read_as_it_was(scores: list[tuple[int, int]]) -> None:
    # Given
    pairs = list(order(10).values())
    labels = [Label(pair.record_id, pair.answers, *both) for pair, both in zip(pairs, scores, strict=False)]

    # When / Then
    kept = file(labels)
    assert KeptLabels.from_document(kept.to_document()) == kept
    assert "s1" not in str(kept.to_document())
