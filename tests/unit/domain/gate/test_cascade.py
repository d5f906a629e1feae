"""The cascade what-if: who is passed on, and what that does to quality, cost and time."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.gate.cascade import REASONS, what_if, with_months
from lambdas.domain.task.task_definition import CascadeRules
from tests.unit.domain.samples import BOOK, MICRO, PREMIER

RULES = CascadeRules(confidence_field="confidence", below=0.5)
MODELS = {"student": MICRO, "teacher": PREMIER}
STUDENT_USD, TEACHER_USD = (40 * 0.035 + 60 * 0.14) / 1e6, (400 * 2.5 + 60 * 12.5) / 1e6


def answer(role: str, record: int, score: int | None = 4, **changes: Any) -> Measurement:
    student = role == "student"
    known: dict[str, Any] = {
        "answer": json.dumps({"confidence": 0.9}),
        "problem": None,
        "latency_ms": 100.0 if student else 1_000.0,
        "client_ms": 100.0,
        "stop_reason": "end_turn",
    }
    return Measurement(
        record_id=f"r{record}",
        role=role,
        model=MODELS[role],
        question="q",
        reference="r",
        input_tokens=40 if student else 400,
        output_tokens=60,
        score=score,
        explanation="e",
        **{**known, **changes},
    )


def found(student: list[Measurement], teacher: list[Measurement], rules: CascadeRules | None = None) -> dict[str, Any]:
    document = what_if(student, teacher, MODELS, BOOK, rules)
    assert document is not None
    json.dumps(document, allow_nan=False)
    return document


def teachers(count: int, score: int = 5, **changes: Any) -> list[Measurement]:
    return [answer("teacher", record, score, **changes) for record in range(count)]


def test_without_a_record_that_was_judged_for_both_there_is_no_what_if() -> None:
    # Given each is judged where the other is not
    student = [answer("student", 0), answer("student", 1, None)]
    teacher = [answer("teacher", 0, None), answer("teacher", 1)]

    # When / Then
    assert what_if(student, teacher, MODELS, BOOK, None) is None


def test_a_student_that_is_always_usable_is_promotion_alone() -> None:
    # Given
    student = [answer("student", record, 3) for record in range(4)]

    # When
    document = found(student, teachers(4))

    # Then
    assert document["escalated"] == 0
    assert document["cascade"] == document["student"]
    assert document["against_student"] == {"mean": 0, "low": 0, "high": 0}
    assert document["best_routing_score"] == 5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"answered": False, "problem": "refused"}, "unanswered"),
        ({"stop_reason": "max_tokens"}, "truncated"),
        ({"stop_reason": "max_tokens", "problem": "not JSON"}, "truncated"),
        ({"problem": "not JSON", "repaired_problem": "not JSON"}, "breaks_schema"),
        ({"answer": '{"confidence": 0.49}'}, "low_confidence"),
        ({"answer": '{"confidence": "high"}'}, "low_confidence"),
        ({"answer": '{"confidence": true}'}, "low_confidence"),
        ({"answer": "[]"}, "low_confidence"),
        ({"answer": '{"confidence": 0.5}'}, None),
    ],
)
def test_the_teacher_is_asked_for_one_reason_each(changes: dict[str, Any], reason: str | None) -> None:
    # Given one answer of two that is not like the other
    student = [answer("student", 0), answer("student", 1, 1, **changes)]

    # When
    document = found(student, teachers(2), RULES)

    # Then
    assert {name: count for name, count in document["reasons"].items() if count} == ({reason: 1} if reason else {})
    assert document["escalated_share"] == (0.5 if reason else 0)


def test_score_cost_time_and_validity_are_those_of_the_answers_that_a_caller_would_get() -> None:
    # Given four answers of which one is broken and one is not sure
    student = [
        answer("student", 0, 5),
        answer("student", 1, 4),
        answer("student", 2, 1, problem="not JSON", repaired_problem=None),
        answer("student", 3, 2, answer='{"confidence": 0.1}'),
    ]

    # When
    document = found(student, teachers(4, 4), RULES)

    # Then the broken one could have been repaired: a part of the broken ones, not one more
    assert document["reasons"] == {
        "unanswered": 0,
        "truncated": 0,
        "breaks_schema": 1,
        "low_confidence": 1,
        "repairable": 1,
    }
    cascade = document["cascade"]
    assert cascade["score"] == (5 + 4 + 4 + 4) / 4
    assert cascade["schema_validity"] == 1
    assert cascade["usd_per_1k_requests"] == pytest.approx(1000 * (STUDENT_USD + TEACHER_USD / 2))
    assert cascade["latency_ms"] == {"p50": 100, "p95": 1_100}
    assert document["student"]["score"] == 3
    assert document["student"]["schema_validity"] == 0.75
    assert document["student"]["usd_per_1k_requests"] == pytest.approx(1000 * STUDENT_USD)
    assert document["teacher"]["usd_per_1k_requests"] == pytest.approx(1000 * TEACHER_USD)
    assert document["teacher"]["latency_ms"] == {"p50": 1_000, "p95": 1_000}
    assert document["against_student"]["mean"] == pytest.approx(1.25)
    assert document["against_teacher"]["mean"] == pytest.approx(0.25)


def test_a_teacher_that_answered_by_batch_makes_only_those_times_unknown_that_need_it() -> None:
    # Given one of ten is passed on
    student = [answer("student", record, problem="not JSON" if record == 0 else None) for record in range(10)]

    # When
    document = found(student, teachers(10, batch=True, latency_ms=0.0))

    # Then the median is known, the slowest twentieth is not
    assert document["cascade"]["latency_ms"] == {"p50": 100, "p95": None}
    assert document["teacher"]["latency_ms"] == {"p50": None, "p95": None}


def test_throttled_calls_say_nothing_about_time() -> None:
    # Given
    student = [answer("student", 0), answer("student", 1, latency_ms=90_000.0, throttled=3)]

    # When / Then
    assert found(student, teachers(2))["cascade"]["latency_ms"] == {"p50": 100, "p95": 100}


def test_a_request_without_an_answer_costs_what_the_others_do() -> None:
    # Given
    student = [answer("student", 0), replace(answer("student", 1, 1), answered=False, input_tokens=0, output_tokens=0)]

    # When / Then
    assert found(student, teachers(2))["student"]["usd_per_1k_requests"] == pytest.approx(1000 * STUDENT_USD)


def test_other_thresholds_run_from_few_to_many_that_are_passed_on() -> None:
    # Given students that are the worse the less sure they are
    student = [
        answer("student", record, 1 + record % 5, answer=json.dumps({"confidence": record % 5 / 5}))
        for record in range(50)
    ]

    # When
    curve = found(student, teachers(50), RULES)["curve"]

    # Then
    assert [point["below"] for point in curve] == [0, 0.2, 0.4, 0.6, 0.8]
    assert [point["escalated_share"] for point in curve] == [0, 0.2, 0.4, 0.6, 0.8]
    assert [point["score"] for point in curve] == sorted(point["score"] for point in curve)
    assert [point["usd_per_1k_requests"] for point in curve] == sorted(point["usd_per_1k_requests"] for point in curve)


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(1, 5),
            st.none() | st.integers(1, 5),
            st.booleans(),
            st.floats(0, 1),
            st.sampled_from(["end_turn", "max_tokens", ""]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.none() | st.floats(0, 1),
)
def test_a_cascade_lies_between_the_worst_and_the_best_choice(
    records: list[tuple[int | None, int | None, bool, float, str]], below: float | None
) -> None:
    # Given any measurements
    student = [
        answer(
            "student",
            number,
            ours,
            problem="not JSON" if broken else None,
            stop_reason=stop,
            answer=json.dumps({"confidence": sure}),
        )
        for number, (ours, _, broken, sure, stop) in enumerate(records)
    ]
    teacher = [answer("teacher", number, theirs) for number, (_, theirs, *_) in enumerate(records)]
    rules = None if below is None else CascadeRules(confidence_field="confidence", below=below)
    both = [(ours, theirs) for ours, theirs, *_ in records if ours is not None and theirs is not None]

    # When
    document = what_if(student, teacher, MODELS, BOOK, rules)

    # Then
    if document is None:
        assert not both
        return
    lowest, highest = (sum(pick(pair) for pair in both) / len(both) for pick in (min, max))
    assert document["records"] == len(both) == len(records) - document["not_judged_for_both"]
    assert lowest - 1e-9 <= document["cascade"]["score"] <= highest + 1e-9
    assert document["best_routing_score"] == pytest.approx(highest)
    assert sum(document["reasons"][name] for name in REASONS) == document["escalated"]
    assert document["reasons"]["repairable"] <= document["reasons"]["breaks_schema"]
    share = document["escalated_share"]
    assert document["cascade"]["usd_per_1k_requests"] == pytest.approx(1000 * (STUDENT_USD + share * TEACHER_USD))


def test_a_month_takes_the_student_as_the_task_serves_it() -> None:
    # Given every second request is passed on
    student = [answer("student", 0), answer("student", 1, problem="not JSON")]
    document = found(student, teachers(2))
    monthly: dict[str, float | None] = {"student_on_demand": 9.8, "student_provisioned_throughput": 1_460.0}
    facts = {"mode": "on_demand", "expected_requests_per_month": 1_000_000, "usd_per_month": monthly}

    # When
    on_demand = with_months(document, facts)
    provisioned = with_months(document, {**facts, "mode": "provisioned_throughput"})

    # Then
    assert on_demand is not None
    assert provisioned is not None
    assert on_demand["usd_per_month"] == pytest.approx({"student": 9.8, "cascade": 884.8, "teacher": 1_750.0})
    assert provisioned["usd_per_month"] == pytest.approx({"student": 1_460.0, "cascade": 2_335.0, "teacher": 1_750.0})


def test_without_volume_or_price_a_month_is_not_known() -> None:
    # Given
    document = found([answer("student", 0)], teachers(1))
    unknown = {"student_on_demand": 9.8, "student_provisioned_throughput": None}

    # When / Then
    assert with_months(None, None) is None
    for facts in (
        None,
        {"mode": "on_demand", "expected_requests_per_month": None, "usd_per_month": None},
        {"mode": "provisioned_throughput", "expected_requests_per_month": 10, "usd_per_month": unknown},
    ):
        priced = with_months(document, facts)
        assert priced is not None
        assert priced["usd_per_month"] is None
