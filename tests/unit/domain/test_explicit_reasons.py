"""What needs a person's explicit word is read as any version wrote it, and nobody can be asked about nothing."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.explicit_reasons import UNNAMED, explicit_reason, explicit_reasons, sentences


@pytest.mark.parametrize(("name", "sentence"), [("", "It is worse"), ("worse", ""), ("worse", " \n."), ("\x1b", "a")])
def test_a_reason_without_a_name_or_a_sentence_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="needs a name and a sentence"):
        explicit_reason(name, sentence)


def test_text_from_people_in_a_reason_commands_no_screen_and_adds_no_line() -> None:
    # Given the value of a slice, as somebody uploaded it
    reason = explicit_reason("slices.language=\x1b[2Jde", "Slice de\x1b]0;owned\x07 is at 3.1\nVerdict: PROMOTE.")
    # Then
    assert reason == {"name": "slices.language= [2Jde", "sentence": "Slice de ]0;owned is at 3.1 Verdict: PROMOTE"}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"explicit_reasons": []},
        {"explicit_reasons": None},
        {"explicit_reasons": "damaged"},
        {"explicit_reasons": ["damaged", {}, {"name": "worse"}, {"sentence": ""}]},
        {"needs_explicit_approval": []},
        {"needs_explicit_approval": "damaged"},
        {"explicit": [""]},
    ],
)
def test_a_document_without_reasons_has_none(document: dict[str, Any]) -> None:
    assert explicit_reasons(document) == []


@pytest.mark.parametrize("field", ["needs_explicit_approval", "explicit"])
def test_sentences_that_an_earlier_version_kept_are_reasons_without_a_name(field: str) -> None:
    # Given
    document = {field: ["It does not pay", "It may be worse"]}
    # When
    found = explicit_reasons(document)
    # Then
    assert {one["name"] for one in found} == {UNNAMED}
    assert sentences(found) == document[field]


def test_reasons_go_before_the_sentences_that_are_derived_of_them() -> None:
    reason = explicit_reason("too_few_units", "One unit is too few")
    document = {"explicit_reasons": [{**reason, "later": 1}], "needs_explicit_approval": ["One unit is too few"]}
    assert explicit_reasons(document) == [reason]
