"""Every prompt ends as a training record, as a reference, or dropped with a reason."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset.records import Record, Turn
from lambdas.domain.errors import DatasetRefused, InvalidTaskDefinition, TeacherDataRefused
from lambdas.domain.logs.log_writer import NOT_LOGGED, why_not_logged
from lambdas.domain.questions.answers import Answer, Asked
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.text.refusals import is_refusal
from lambdas.domain.training.label_modes import check_logged, check_mode, labelled_ids, records_to_ask
from lambdas.domain.training.teacher_data import check_drops, check_references, collect, drop_rate

GOOD = Answer(
    key="k",
    record_id="r",
    model="m",
    text="yes",
    stop_reason="end_turn",
    input_tokens=1,
    output_tokens=1,
    latency_ms=1.0,
    client_ms=1.0,
)


def task(mode: str = "label", **changes: Any) -> TaskDefinition:
    return TaskDefinition.from_document({"teacher_data": {"mode": mode, **changes}})


def record(number: int, golden: str | None = None) -> Record:
    return Record(number, None, (Turn("user", f"q{number}"),), golden, {})


def answers(records: list[Record], **changes: Any) -> dict[str, Answer]:
    return {item.id: dataclasses.replace(GOOD, record_id=item.id, **changes) for item in records}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"stop_reason": "max_tokens"}, "truncated"),
        ({"stop_reason": "content_filtered"}, "content filtered"),
        ({"text": "I\u2019m sorry, but I can\u2019t help with that."}, "refused"),
        ({"text": "Assistant: yes"}, "reserved word 'Assistant:'"),
        ({"text": " "}, "empty"),
    ],
)
def test_an_answer_that_must_not_be_learnt_from_is_dropped_with_its_reason(
    changes: dict[str, Any], reason: str
) -> None:
    # Given one broken answer in training set and holdout each
    train, holdout = [record(1), record(2)], [record(3), record(4)]
    bad = answers([train[0], holdout[0]], **changes)
    # When
    asked = Asked({**answers(train + holdout), **bad}, {})
    collected = collect(train, holdout, asked, task(), own_holdout=False)
    # Then
    assert collected.dropped == [
        {"record_id": train[0].id, "part": "training", "reason": reason},
        {"record_id": holdout[0].id, "part": "holdout", "reason": reason},
    ]
    assert (len(collected.training), len(collected.references)) == (1, 1)


def test_a_record_that_the_service_refuses_is_dropped_with_the_service_s_words() -> None:
    train = [record(1), record(2)]
    asked = Asked({}, {train[0].id: "refused: ValidationException: too long"})
    collected = collect(train, [], asked, task(), own_holdout=False)
    reasons = [item["reason"] for item in collected.dropped]
    assert reasons == ["refused: ValidationException: too long", "no answer"]


def test_above_the_limit_the_run_stops_before_training_and_says_why() -> None:
    # Given 20 of 200 truncated where a twentieth may be
    train = [record(number) for number in range(200)]
    asked = Asked({**answers(train), **answers(train[:20], stop_reason="max_tokens")}, {})
    collected = collect(train, [], asked, task(), own_holdout=False)
    # When / Then
    with pytest.raises(TeacherDataRefused, match=r"10\.0% .* allows 5\.0%.*truncated \(20\)"):
        check_drops(collected, 200, task(max_drop_rate=0.05))
    check_drops(collected, 200, task(max_drop_rate=0.1))


@pytest.mark.parametrize("mode", ["label", "golden", "prompts_only", "logged"])
@pytest.mark.parametrize(
    ("holdout", "broken", "said"),
    [
        (100, 100, r"100\.0% .* 0 are left of at least 59.*truncated \(100\)"),
        (200, 21, r"10\.5% .* allows 10\.0%.* 179 are left"),
        (60, 2, r"3\.3% .* 58 are left of at least 59"),
    ],
)
def test_a_holdout_whose_references_are_missing_stops_the_run_before_training_in_every_mode(
    mode: str, holdout: int, broken: int, said: str
) -> None:
    # Given a teacher that breaks at the holdout alone
    train = [record(number) for number in range(200)]
    held = [record(1_000 + number) for number in range(holdout)]
    found = {**answers(train + held), **answers(held[:broken], stop_reason="max_tokens")}
    collected = collect(train, held, Asked(found, {}), task(mode), own_holdout=False)
    check_drops(collected, 200, task(mode))
    # When / Then
    with pytest.raises(TeacherDataRefused, match=said):
        check_references(collected, holdout, task(mode))


def test_a_tenth_of_the_references_may_be_missing() -> None:
    held = [record(number) for number in range(100)]
    found = {**answers(held), **answers(held[:10], stop_reason="max_tokens")}
    check_references(collect([], held, Asked(found, {}), task(), own_holdout=False), 100, task())


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)), st.sampled_from(["label", "golden", "prompts_only"]))
def test_every_prompt_is_in_exactly_one_place(missing: set[int], broken: set[int], mode: str) -> None:
    # Given
    records = [record(number) for number in range(40)]
    train, holdout = records[:30], records[30:]
    found = answers([item for number, item in enumerate(records) if number not in missing])
    found |= answers([item for number, item in enumerate(records) if number in broken], stop_reason="max_tokens")
    # When
    collected = collect(train, holdout, Asked(found, {}), task(mode), own_holdout=False)
    # Then
    parts = [item["part"] for item in collected.dropped]
    assert len(collected.training) + parts.count("training") == 30
    assert len(collected.references) + parts.count("holdout") == 10
    assert len({item["record_id"] for item in collected.dropped}) == len(collected.dropped)
    assert drop_rate(collected, 30) == pytest.approx(parts.count("training") / 30)


# Agreement with golden answers


SCHEMA = {"properties": {"weight": {"type": "number"}, "intent": {"enum": ["visual", "audio"]}}}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"weight": 0.5, "intent": "visual"}, None),
        ({"weight": 0.6, "intent": "visual"}, None),
        ({"weight": 0.61, "intent": "visual"}, "weight is off by more than 0.1"),
        ({"intent": "visual"}, "weight is off by more than 0.1"),
        ({"weight": 0.5, "intent": "audio"}, "intent is another choice"),
    ],
)
def test_a_teacher_that_disagrees_with_a_golden_answer_is_not_learnt_from(
    said: dict[str, Any], reason: str | None
) -> None:
    # Given
    rules = {"output_schema": SCHEMA, "teacher_data": {"max_disagreement": 0.1}}
    definition = TaskDefinition.from_document(rules)
    train = [record(1, golden='{"weight": 0.5, "intent": "visual"}')]
    asked = Asked(answers(train, text=json.dumps(said)), {})
    # When
    collected = collect(train, train, asked, definition, own_holdout=False)
    # Then the golden answer stays the reference of the holdout
    dropped = [f"disagrees with the golden answer: {reason}"] if reason else []
    assert [item["reason"] for item in collected.dropped] == dropped
    assert len(collected.training) == 1 - len(dropped)
    assert len(collected.references) == 1


def test_without_a_limit_golden_answers_are_not_compared() -> None:
    train = [record(1, golden="yes")]
    collected = collect(train, [], Asked(answers(train, text="no"), {}), task(), own_holdout=False)
    assert json.loads(collected.training[0])["messages"][1]["content"] == [{"text": "yes"}]


# Modes


def test_prompts_only_asks_about_the_holdout_alone_and_sends_no_answer() -> None:
    # Given a golden answer too: where labels are poor, none is sent
    train, holdout = [record(1, golden="yes"), record(2)], [record(3)]
    # When
    asked = records_to_ask(train, holdout, task("prompts_only"))
    collected = collect(train, holdout, Asked(answers(holdout), {}), task("prompts_only"), own_holdout=False)
    # Then
    assert asked == holdout
    assert [len(json.loads(line)["messages"]) for line in collected.training] == [1, 1]
    assert (collected.labelled, collected.dropped, len(collected.references)) == (0, [], 1)


def test_golden_takes_the_user_s_answers_first_and_asks_for_the_rest() -> None:
    # Given one golden answer and three examples wanted
    train = [record(number, golden="yes" if number == 5 else None) for number in range(10)]
    holdout, golden = [record(20)], task("golden", golden_examples=3)
    # When
    asked = records_to_ask(train, holdout, golden)
    collected = collect(train, holdout, Asked(answers(asked), {}), golden, own_holdout=False)
    # Then
    assert labelled_ids(train, golden) == {train[0].id, train[1].id, train[5].id}
    assert asked == [train[0], train[1], *holdout]
    assert (len(collected.training), collected.labelled) == (10, 3)


def test_a_golden_example_whose_answer_broke_is_sent_as_a_prompt() -> None:
    train, golden = [record(number) for number in range(3)], task("golden", golden_examples=2)
    asked = Asked(answers(train[:2], stop_reason="max_tokens"), {})
    collected = collect(train, [], asked, golden, own_holdout=False)
    assert (len(collected.training), collected.labelled, collected.dropped) == (3, 0, [])


@pytest.mark.parametrize("mode", ["golden", "prompts_only"])
def test_fine_tuning_needs_answers(mode: str) -> None:
    with pytest.raises(InvalidTaskDefinition, match=f'"{mode}", but the student can only be fine-tuned here'):
        check_mode(task(mode), "fine_tuning", from_logs=False)
    check_mode(task(mode), "distillation", from_logs=False)
    check_mode(task(), "fine_tuning", from_logs=False)


def test_logged_needs_logs_and_takes_either_way_of_training() -> None:
    for training in ("distillation", "fine_tuning"):
        with pytest.raises(InvalidTaskDefinition, match=r"come without any. Nothing was paid. Submit with --from-logs"):
            check_mode(task("logged"), training, from_logs=False)
        check_mode(task("logged"), training, from_logs=True)


def test_logged_needs_enough_answers_before_anything_is_paid() -> None:
    # Given one answer too few for a hundred pairs after the drops that are allowed
    with pytest.raises(DatasetRefused, match=r'the logs answer 111 of 500 training prompts.*needs 112.*"label"'):
        check_logged(111, 500, "a.teacher", task("logged"))
    check_logged(112, 500, "a.teacher", task("logged"))


def test_under_logged_only_the_holdout_is_asked_and_what_has_no_answer_is_dropped() -> None:
    # Given
    train, holdout = [record(1), record(2)], [record(3)]
    asked = Asked(answers([train[0], holdout[0]]), {train[1].id: why_not_logged(train[1])})
    # When
    collected = collect(train, holdout, asked, task("logged"), own_holdout=False)
    # Then
    assert records_to_ask(train, holdout, task("logged")) == holdout
    assert (len(collected.training), collected.labelled) == (1, 1)
    assert collected.dropped == [{"record_id": train[1].id, "part": "training", "reason": NOT_LOGGED}]
    # And what was never answered is no answer that had to be dropped
    assert drop_rate(collected, 1) == 0


# Refusals


@pytest.mark.parametrize(
    "text",
    [
        "I can't help with that.",
        "I'm sorry, but I cannot assist with this request.",
        "I\u2019m unable to provide medical advice.",
        "Sorry, I won't answer that.",
        "As an AI language model, I cannot discuss this.",
        "Unfortunately, I am not able to do that.",
        "**I must decline to answer.**",
    ],
)
def test_declining_is_a_refusal(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "I can't wait to see it!",
        "I cannot recommend this product enough.",
        "The customer says: I can't help my cat.",
        "Sorry for the delay. Your order ships today.",
        "I am able to help.",
        '{"intent": "I can\'t help"}',
        "I can't provide an exact date. " + "The parcel left the depot on Monday and is on its way. " * 12,
    ],
)
def test_what_only_sounds_like_one_is_not(text: str) -> None:
    assert not is_refusal(text)


@given(st.text(max_size=700))
def test_no_text_breaks_the_rule(text: str) -> None:
    assert is_refusal(text) in (True, False)
