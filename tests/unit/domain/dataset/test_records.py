"""Any bytes become a record or a rejection with its reason, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset.line_errors import RejectedLine
from lambdas.domain.dataset.records import MAX_LINE_BYTES, PARTITIONS, Record, RecordParser, parse_line
from lambdas.domain.dataset.strict_json import decoded, quickly_decoded
from lambdas.domain.text.text_rules import RESERVED_WORDS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["prompt", "schemaVersion", "system", "messages", "slices", "role", "content", "text", "other"])


def conversation(*texts: str, **changes: Any) -> bytes:
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": [{"text": text}]} for index, text in enumerate(texts)]
    document = {"schemaVersion": "bedrock-conversation-2024", "messages": messages, **changes}
    return json.dumps(document).encode()


def turn(role: Any = "user", content: Any = None, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": [{"text": "cats"}] if content is None else content, **more}


def parsed(line: bytes) -> Record | None:
    try:
        return parse_line(line)
    except RejectedLine:
        return None


REJECTED = [
    pytest.param(b'{"prompt": "' + b"a" * MAX_LINE_BYTES + b'"}', f"at most {MAX_LINE_BYTES}", id="too long"),
    pytest.param(b'{"prompt": "caf\xe9"}', "byte 16 is not UTF-8 (0xe9)", id="latin 1"),
    pytest.param(b'{"prompt": "cats"', "not JSON: Expecting ',' delimiter at column 18", id="broken JSON"),
    pytest.param(b"[" * 20_000, "nested too deeply", id="nesting bomb"),
    pytest.param(b'{"prompt": ' + b"1" * 5_000 + b"}", "thousands of digits", id="digits bomb"),
    pytest.param(b'{"prompt": NaN}', "NaN is not a JSON value", id="NaN"),
    pytest.param(b'{"prompt": -Infinity}', "-Infinity is not a JSON value", id="infinity"),
    pytest.param(b'["cats"]', "each line must be an object", id="list"),
    pytest.param(
        b'{"prompt": "cats", "answer": "x"}', 'unknown "answer"; allowed: group, prompt, slices', id="unknown key"
    ),
    pytest.param(b'{"prompt": 7}', "'prompt' must be text, not int", id="number as prompt"),
    pytest.param(b'{"prompt": " \\t"}', "'prompt' has no letter or digit", id="white space"),
    pytest.param(b'{"prompt": "?!\\u200b"}', "no letter or digit", id="punctuation"),
    pytest.param(b'{"prompt": "cats \\ud83d"}', "half of a surrogate pair", id="lone surrogate"),
    pytest.param(
        b'{"prompt": "cats", "slices": {"i": "\\udc00"}}', "half of a surrogate pair", id="surrogate in slice"
    ),
    pytest.param(b'{"prompt": "cats", "slices": ["a"]}', "'slices' must be an object of texts", id="slices list"),
    pytest.param(b'{"prompt": "cats", "slices": {"i": 1}}', "'slices' must be an object of texts", id="slice number"),
    pytest.param(b"{}", "schemaVersion is null", id="no version"),
    pytest.param(conversation("cats", schemaVersion="v9"), 'schemaVersion is "v9"', id="other version"),
    pytest.param(conversation(), "at least one user message", id="no message"),
    pytest.param(conversation("x", messages="cats"), "'messages' must be a list", id="messages text"),
    pytest.param(conversation("x", messages=["cats"]), "messages[0] must be an object", id="message text"),
    pytest.param(conversation("x", messages=[turn("assistant")]), 'role is "assistant", expected "user"', id="order"),
    pytest.param(conversation("x", messages=[turn(), turn()]), 'messages[1].role is "user"', id="no turns"),
    pytest.param(conversation("x", messages=[turn(name="a")]), 'messages[0] has unknown "name"', id="message key"),
    pytest.param(conversation("x", messages=[turn(content=[])]), "exactly one object", id="no content"),
    pytest.param(conversation("x", messages=[turn(content="cats")]), "exactly one object", id="content text"),
    pytest.param(conversation("x", messages=[turn(content=[{"image": {}}])]), "text to text", id="image"),
    pytest.param(conversation("x", system="be short"), "system must be a list", id="system text"),
    pytest.param(conversation("x", system=[{"text": ""}]), "no letter or digit", id="empty system"),
    pytest.param(conversation("cats", ""), "no letter or digit", id="empty answer"),
    *(
        pytest.param(json.dumps({"prompt": f"a {word} b"}).encode(), "reserved word", id=word)
        for word in RESERVED_WORDS
    ),
]


@pytest.mark.parametrize("key", ["completion", "response", "answer", "referenceResponse"])
def test_an_answer_beside_the_prompt_is_told_where_it_goes(key: str) -> None:
    # Given the form of AWS's own sample file / When
    with pytest.raises(RejectedLine) as rejected:
        parse_line(json.dumps({"prompt": "cats", key: "yes"}).encode())

    # Then
    assert f'unknown "{key}"; allowed: group, prompt, slices' in str(rejected.value)
    assert '"role": "assistant", "content": [{"text": "the answer"}]' in str(rejected.value)
    assert "trusted answer in holdout.jsonl" in str(rejected.value)


def test_an_empty_list_is_no_system_text() -> None:
    # Given what SDKs write for a conversation without a system text
    empty, without = parse_line(conversation("cats", system=[])), parse_line(conversation("cats"))

    # When / Then
    assert empty == without
    assert empty.system is None


@pytest.mark.parametrize("word", RESERVED_WORDS)
def test_a_reserved_word_is_refused_in_an_answer_too(word: str) -> None:
    with pytest.raises(RejectedLine, match="reserved word"):
        parse_line(conversation("cats", f"a {word} b"))


@pytest.mark.parametrize(("line", "reason"), REJECTED)
def test_a_line_that_cannot_be_used_is_rejected_with_its_reason(line: bytes, reason: str) -> None:
    # Given a broken line / When it is parsed
    with pytest.raises(RejectedLine) as rejected:
        parse_line(line)

    # Then the reason says what is wrong
    assert reason in str(rejected.value)


@pytest.mark.parametrize(("characters", "fits"), [(27_000, True), (29_000, False)])
def test_a_prompt_that_does_not_fit_the_student_with_its_system_prompt_is_rejected(characters: int, fits: bool) -> None:
    # Given a student's prompt of 65,000 bytes, and a limit of 93,000 by the estimate
    parser = RecordParser(system_prompt="é" * 32_500)
    line = json.dumps({"prompt": "a" * characters}).encode()

    # When / Then
    if fits:
        assert parser.parse(line).turns[0].text == "a" * characters
    else:
        with pytest.raises(RejectedLine, match=r"about 31333 tokens .one for 3 bytes., at most 31000 fit"):
            parser.parse(line)


@given(st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_record_or_a_rejection(line: bytes) -> None:
    # Given any bytes / When / Then: no other exception gets out, and what got in can be stored
    record = parsed(line)
    assert record is None or Record.from_json(record.to_json().encode()) == record


@given(st.dictionaries(KEYS, JSON | st.just("bedrock-conversation-2024"), min_size=1))
def test_any_object_with_our_keys_gives_a_record_or_a_rejection(document: dict[str, Any]) -> None:
    # Given keys that lead deep into the parser, with any values
    line = json.dumps(document).encode()

    # When / Then
    record = parsed(line)
    assert record is None or record.turns[-1].role == "user"
    assert record is None or Record.from_json(record.to_json().encode()) == record


@pytest.mark.parametrize("depth", [200, 900, 990, 1_000, 1_100, 5_000])
def test_deep_nesting_where_a_text_belongs_is_a_rejection_at_every_depth(depth: int) -> None:
    # Given lists in lists in each place that the parser shows in its message
    deep = "[" * depth + "]" * depth
    lines = [
        f'{{"prompt": {deep}}}',
        f'{{"schemaVersion": {deep}}}',
        f'{{"schemaVersion": "bedrock-conversation-2024", "messages": [{{"role": {deep}}}]}}',
    ]

    # When / Then
    for line in lines:
        with pytest.raises(RejectedLine):
            parse_line(line.encode())


def test_the_short_form_and_the_long_form_of_a_prompt_are_the_same_record() -> None:
    # Given / When
    short, long = parse_line(b'{"prompt": "Red cats"}'), parse_line(conversation("Red cats"))

    # Then
    assert short == long
    assert short.golden is None


@pytest.mark.parametrize("other", ["red cats", "RED  cats!", "\uff32\uff45\uff44 cats", "Red\u00a0Cats."])
def test_near_duplicates_have_the_same_id(other: str) -> None:
    # Given texts that differ in case, width, white space or punctuation / When / Then
    assert parse_line(json.dumps({"prompt": other}).encode()).id == parse_line(b'{"prompt": "Red cats"}').id


def test_system_text_and_earlier_turns_are_part_of_the_identity_and_the_answer_is_not() -> None:
    # Given
    plain = parse_line(conversation("cats"))

    # When
    answered = parse_line(conversation("cats", "meow"))
    with_system = parse_line(conversation("cats", system=[{"text": "be short"}]))
    longer = parse_line(conversation("cats", "meow", "dogs"))

    # Then
    assert answered.id == plain.id
    assert answered.golden == "meow"
    assert len({plain.id, with_system.id, longer.id}) == 3
    assert [item.text for item in longer.turns] == ["cats", "meow", "dogs"]


def test_the_misspelt_schema_version_of_the_user_guide_is_accepted() -> None:
    # Given / When
    record = parse_line(conversation("cats", schemaVersion="bedrock-conversion-2024"))

    # Then
    assert record.id == parse_line(b'{"prompt": "cats"}').id


@given(st.text("abc \u00e9\u4e2d", max_size=40))
def test_partition_and_split_position_lie_in_their_ranges(text: str) -> None:
    # Given
    record = parse_line(json.dumps({"prompt": f"a {text}"}).encode())

    # When / Then
    assert 0 <= record.partition < PARTITIONS
    assert 0 <= record.split_position < 1


LIKE_JSON = st.text(st.sampled_from('{}[]":,\\\\u0d8ntrue1e+-. \t\x00\x7f\xe9\ud83d'), max_size=30)


@given(st.one_of(JSON.map(json.dumps), st.dictionaries(KEYS, JSON).map(json.dumps), LIKE_JSON))
def test_what_the_quick_reader_takes_the_exact_one_takes_too_with_the_same_texts(line: str) -> None:
    # Given
    raw = line.encode("utf-8", "surrogatepass")

    # When
    try:
        quick = quickly_decoded(raw)
    except ValueError:
        return

    # Then numbers alone may differ
    assert without_numbers(quick) == without_numbers(decoded(raw))


def without_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_numbers(inner) for inner in value]
    return 0 if isinstance(value, int | float) and not isinstance(value, bool) else value


@pytest.mark.parametrize(
    "first", [b"1" * 5_000, b"[" * 900 + b"]" * 900, b"1e999", b'"\\ud800"', b"[" * 1_020 + b"]" * 1_020]
)
def test_a_repeated_key_hides_nothing_that_a_reader_cannot_hold(first: bytes) -> None:
    # Given / When / Then
    with pytest.raises(RejectedLine):
        parse_line(b'{"prompt": ' + first + b', "prompt": "cats"}')
