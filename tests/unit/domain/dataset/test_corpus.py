"""Bad files as people make them: each is read to its end or refused as a whole, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.dataset.builder import Dataset, build_dataset
from lambdas.domain.dataset.line_reader import read_lines
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.task.task_definition import TaskDefinition

CORPUS = Path(__file__).resolve().parents[3] / "corpus"
LABEL = {"type": "object", "required": ["label"], "properties": {"label": {"type": "string"}}}

USED = {"bom.jsonl": 1, "crlf.jsonl": 1, "no_last_line_end.jsonl": 2, "blank_lines.jsonl": 1, "empty.jsonl": 0}
"""File to distinct prompts."""

REFUSED = {
    "utf16_le.jsonl": "the file is UTF-16; upload JSON Lines in UTF-8",
    "utf16_no_mark.jsonl": "the file is UTF-16 without byte order mark",
    "damaged.jsonl.gz": "the gzip data are damaged",
}

REJECTED = {
    "latin1.jsonl": (2, True, "byte 16 is not UTF-8 (0xe9); save as UTF-8"),
    "truncated.jsonl": (2, True, "not JSON: Unterminated string starting at column 12"),
    "two_objects.jsonl": (1, True, "not JSON: Extra data at column 17; each line must be one whole JSON object"),
    "nan.jsonl": (2, True, "NaN is not a JSON value"),
    "nesting_bomb.jsonl": (1, True, "at most five levels"),
    "digits_bomb.jsonl": (1, True, "thousands of digits"),
    "long_line.jsonl.gz": (1, True, "at most 65536 bytes are allowed"),
    "repeated_key.jsonl": (1, False, 'the key "prompt" stands twice'),
    "repeated_key_escaped.jsonl": (1, False, 'the key "prompt" stands twice'),
    "control_character.jsonl": (1, False, "the control character U+0000 at character 4; only tab and line ends may be"),
    "next_line_control.jsonl": (1, False, "U+0085"),
    "lone_surrogate.jsonl": (1, False, "half of a surrogate pair"),
    "image.jsonl": (1, False, "messages[0].content[0] is an image; distillation is text to text: only 'text'"),
    "document_beside_text.jsonl": (1, False, "messages[0].content[1] is a document"),
    "system_role.jsonl": (1, False, 'messages[0].role is "system", expected "user"'),
    "two_user_turns.jsonl": (1, False, 'messages[1].role is "user", expected "assistant"'),
    "reserved_word.jsonl": (1, False, "'User:', a reserved word"),
    "other_format.jsonl": (1, False, 'allowed is "bedrock-conversation-2024"'),
    "broken_golden.jsonl": (
        1,
        False,
        "the golden answer does not keep the task's 'output_schema': label breaks 'type'",
    ),
}
"""File to line, whether it is damage, and a part of the reason."""


def read(name: str) -> tuple[Dataset, list[dict[str, Any]]]:
    rejected: list[dict[str, Any]] = []
    task = TaskDefinition.from_document({"output_schema": LABEL})
    with (CORPUS / name).open("rb") as stream:
        return build_dataset(read_lines(stream), rejected.append, task=task), rejected


def test_every_file_of_the_corpus_is_expected_somewhere() -> None:
    # Given / When / Then
    assert {path.name for path in CORPUS.iterdir()} == {*USED, *REFUSED, *REJECTED, "misspelt_version.jsonl"}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_of_another_kind_is_refused_as_a_whole(name: str) -> None:
    # Given / When
    with pytest.raises(InvalidUpload) as refused:
        read(name)

    # Then
    assert REFUSED[name] in str(refused.value)


@pytest.mark.parametrize("name", REJECTED)
def test_a_bad_line_is_rejected_alone_with_its_number_and_what_is_allowed(name: str) -> None:
    # Given
    line, damage, reason = REJECTED[name]

    # When
    dataset, rejected = read(name)

    # Then
    assert [item["line"] for item in rejected] == [line]
    assert reason in rejected[0]["reason"]
    assert dataset.counts.damaged == damage
    assert len(dataset.train) + len(dataset.holdout) == dataset.counts.lines - 1


@pytest.mark.parametrize("name", USED)
def test_what_editors_do_to_a_good_file_is_accepted(name: str) -> None:
    # Given / When
    dataset, rejected = read(name)

    # Then
    assert rejected == []
    assert len(dataset.train) + len(dataset.holdout) == USED[name]


def test_the_misspelt_schema_version_is_accepted_counted_and_warned_of() -> None:
    # Given / When
    dataset, rejected = read("misspelt_version.jsonl")

    # Then
    assert rejected == []
    assert dataset.counts.misspelt_versions == 1
    assert dataset.summary()["warnings"] == [
        '1 usable lines have the schemaVersion "bedrock-conversion-2024"; it is "bedrock-conversation-2024"'
    ]
