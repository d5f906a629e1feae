"""What is stored is read by what is known of it; what a later version means by other fields is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import DocumentTooNew
from lambdas.domain.stored import DOCUMENT_VERSION, check_schema_version, known_fields, missing_fields, read_as


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What some earlier version stored."""

    name: str
    usd: float = 0.0


@pytest.mark.parametrize("version", [2, "2", "2.0", "2.1.7", 10, "next", "", [], {}])
def test_a_document_of_a_later_major_version_is_refused_and_says_what_to_do(version: Any) -> None:
    with pytest.raises(DocumentTooNew, match=r"plan.json of run 'a' has schema_version .* reads up to 1: .*[Uu]pgrade"):
        check_schema_version({"schema_version": version}, "plan.json of run 'a'")


@pytest.mark.parametrize("document", [{}, {"schema_version": 1}, {"schema_version": "1"}, {"schema_version": "1.9"}])
def test_a_document_of_this_major_version_or_of_none_is_read(document: dict[str, Any]) -> None:
    check_schema_version(document, "a document")
    assert DOCUMENT_VERSION == 1


@given(st.dictionaries(st.text(max_size=5), st.integers()))
def test_unknown_fields_are_left_out_and_missing_ones_have_their_defaults(later: dict[str, int]) -> None:
    # Given
    document = {**later, "name": "a"}
    document.pop("usd", None)
    # When, Then
    assert read_as(Kept, document) == Kept(name="a")
    assert read_as(Kept, {**document, "usd": 2.0}) == Kept(name="a", usd=2.0)
    assert known_fields(Kept, document) == {"name": "a"}


def test_a_field_without_a_default_must_be_there() -> None:
    assert missing_fields(Kept, {"usd": 1.0}) == ["name"]
    with pytest.raises(TypeError):
        read_as(Kept, {"usd": 1.0, "later": 2})
