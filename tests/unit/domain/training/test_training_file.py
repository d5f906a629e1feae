"""What Bedrock would drop without a word is named before the job is paid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.domain.errors import TeacherDataRefused
from lambdas.domain.task.sample_bounds import SampleBounds, sample_bounds
from lambdas.domain.text.text_rules import RESERVED_WORDS
from lambdas.domain.training.training_file import check_training_file, record_problem
from local.bedrock_simulator.customization.training_data import read

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["role", "content", "text", "system"]), inner),
    max_leaves=8,
)


def message(role: str, text: str = "red cats") -> dict[str, Any]:
    return {"role": role, "content": [{"text": text}]}


def line(**changes: Any) -> str:
    document = {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": "Be short."}],
        "messages": [message("user"), message("assistant", "yes")],
    }
    return json.dumps({name: value for name, value in {**document, **changes}.items() if value is not ...})


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ("{", "it is not JSON"),
        ("[]", "only 'schemaVersion'"),
        (line(slices={}), "only 'schemaVersion'"),
        (line(schemaVersion="bedrock-conversion-2024"), "'schemaVersion' must be"),
        (line(system=[]), "'system' must hold exactly one text"),
        (line(system=[{"text": "a"}, {"text": "b"}]), "'system' must hold exactly one text"),
        (line(messages=[]), "'messages' must be a list"),
        (line(messages=[message("assistant")]), "message 1 must be the user's"),
        (line(messages=[message("user"), message("user")]), "message 2 must be the assistant's"),
        (line(messages=[{**message("user"), "id": 1}]), "message 1 must be the user's"),
        (line(messages=[{"role": "user", "content": [{"image": {}}]}]), "message 1 must hold exactly one text"),
        (line(messages=[message("user", " ")]), "message 1 must hold exactly one text"),
        (line(messages=[message("user", "User: red cats")]), "the reserved word 'User:'"),
        (line(system=[{"text": "System: be short"}]), "the reserved word 'System:'"),
    ],
)
def test_a_record_that_bedrock_would_drop_is_named_with_its_line(broken: str, rule: str) -> None:
    with pytest.raises(TeacherDataRefused, match=f"line 101: .*{rule}"):
        check_training_file([*[line()] * 100, broken], training="distillation")


@pytest.mark.parametrize("count", [99, 15_001])
def test_too_few_and_too_many_records_are_refused(count: int) -> None:
    with pytest.raises(TeacherDataRefused, match=f"has {count} records; 100 to 15,000 are allowed"):
        check_training_file([line()] * count, training="distillation")


def test_a_file_over_a_gigabyte_is_refused() -> None:
    heavy = line(messages=[message("user", "x" * 100_000)])
    with pytest.raises(TeacherDataRefused, match="bytes; at most 1,073,741,824"):
        check_training_file([heavy] * 11_000, training="distillation")


def test_a_prompt_without_an_answer_is_for_distillation_only() -> None:
    bare = line(messages=[message("user")])
    assert record_problem(bare, training="distillation") is None
    assert record_problem(bare, training="fine_tuning") == "fine-tuning needs an answer of the assistant at the end"


@pytest.mark.parametrize(
    "good",
    [
        line(),
        line(system=...),
        line(messages=[message("user"), message("assistant"), message("user"), message("assistant")]),
        line(messages=[message("user"), message("assistant", "user : is no reserved word")]),
    ],
)
def test_what_the_guide_allows_is_taken(good: str) -> None:
    check_training_file([good] * 100, training="fine_tuning")


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("word", RESERVED_WORDS)
def test_a_reserved_word_is_refused_in_prompts_and_in_answers(word: str, role: str) -> None:
    texts = {"user": "a question", "assistant": "an answer", role: f"he said {word} and went"}
    broken = line(messages=[message(name, text) for name, text in texts.items()])

    assert word in str(record_problem(broken, training="fine_tuning"))


@pytest.mark.parametrize(
    ("student", "training", "least", "most"),
    [
        ("amazon.nova-micro-v1:0:128k", "distillation", 100, 15_000),
        ("amazon.nova-micro-v1:0:128k", "auto", 100, 15_000),
        ("amazon.nova-micro-v1:0:128k", "fine_tuning", 100, 20_000),
        ("amazon.nova-2-lite-v1:0:256k", "fine_tuning", 200, 20_000),
        ("amazon.nova-2-lite-v1:0:256k", "auto", 200, 20_000),
        ("us.amazon.nova-2-lite-v1:0", "fine_tuning", 200, 20_000),
    ],
)
def test_how_many_records_are_taken_depends_on_student_and_way(
    student: str, training: str, least: int, most: int
) -> None:
    assert sample_bounds(student, training) == SampleBounds(least, most)


def test_a_file_is_held_against_the_bounds_of_its_student() -> None:
    # Given what is enough for Nova Micro and not for Nova 2 Lite
    records = [line()] * 199

    # When / Then
    check_training_file(records, training="fine_tuning")
    with pytest.raises(TeacherDataRefused, match="has 199 records; 200 to 20,000 are allowed"):
        check_training_file(records, training="fine_tuning", student="amazon.nova-2-lite-v1:0:256k")
    check_training_file([line()] * 15_001, training="fine_tuning")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["schemaVersion", "system", "messages", "other"]), ANY_JSON).map(json.dumps))
def test_nothing_breaks_the_check_and_the_service_never_takes_less(text: str) -> None:
    # Given a reader written after the service, not after this check
    taken = read(text.encode(), "DISTILLATION").records
    # When / Then
    assert bool(record_problem(text, training="distillation")) or taken
