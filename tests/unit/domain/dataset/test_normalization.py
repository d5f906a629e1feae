"""The fast ways to the normal form give what its definition says: an id that changes buys every answer again."""

from __future__ import annotations

import hashlib
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset.line_errors import RejectedLine
from lambdas.domain.dataset.normalization import content_identity, normal_bytes, normalise
from lambdas.domain.dataset.records import parse_line

UNSEEN = {
    # DerivedCoreProperties.txt of Unicode 16, Default_Ignorable_Code_Point, apart from the code; and U+2800.
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x180B, 0x1810), *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
}  # fmt: skip


def by_definition(text: str) -> str:
    text = "".join(character for character in text if ord(character) not in UNSEEN)
    folded = unicodedata.normalize("NFKC", text).casefold()
    seen = (character for character in folded if ord(character) not in UNSEEN)
    return "".join(character for character in seen if unicodedata.category(character)[0] not in "PZC")


@given(st.text() | st.text(st.characters(max_codepoint=127)) | st.text(st.characters()))
def test_the_normal_form_is_its_definition(text: str) -> None:
    # Given any text / When / Then
    assert normalise(text) == by_definition(text)


def test_every_character_alone_is_normalised_by_the_definition() -> None:
    # Given every code point of the basic plane, surrogates included / When / Then
    assert all(normalise(chr(code)) == by_definition(chr(code)) for code in range(0x10000))


def test_what_nobody_sees_makes_no_new_record_and_alone_is_empty() -> None:
    # Given each such character
    plain = parse_line(b'{"prompt": "red cats"}').id
    for unseen in map(chr, UNSEEN - set(range(0xE0100, 0xE1000))):
        # When / Then
        assert parse_line(json.dumps({"prompt": f"red{unseen} cats{unseen}"}).encode()).id == plain
        with pytest.raises(RejectedLine, match="has no letter or digit"):
            parse_line(json.dumps({"prompt": unseen * 3}, ensure_ascii=False).encode())


@pytest.mark.parametrize("unseen", ["\u034f", "\u200b", "\u2060", "\ufe0f"])
@pytest.mark.parametrize(("letter", "mark"), [("e", "\u0301"), ("A", "\u030a"), ("\u1112", "\u1161"), ("か", "\u3099")])
def test_what_nobody_sees_does_not_part_a_letter_from_its_mark(letter: str, mark: str, unseen: str) -> None:
    # Given / When / Then
    assert normalise(f"x{letter}{unseen}{mark}y") == normalise(f"x{letter}{mark}y")
    assert len(normalise(f"{letter}{unseen}{mark}")) == 1


@given(st.text(st.sampled_from("aAäÄe\u0301é ß“”…½🙂\u200d👩💻❤\ufe0fहिन्दी\u200cक्षمی日本한글")))
def test_ordinary_texts_keep_the_normal_form_that_they_had(text: str) -> None:
    # Given letters, emoji joined by what nobody sees, and scripts that use such joiners between letters
    folded = unicodedata.normalize("NFKC", text).casefold()
    seen = (character for character in folded if ord(character) not in UNSEEN)

    # When / Then nothing changes but where an accent stands behind a joiner
    before = "".join(character for character in seen if unicodedata.category(character)[0] not in "PZC")
    assert unicodedata.normalize("NFKC", normalise(text)) == unicodedata.normalize("NFKC", before)


@given(st.text(), st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text()), min_size=1, max_size=4))
def test_the_id_is_the_hash_of_the_joined_normal_forms(system: str, turns: list[tuple[str, str]]) -> None:
    # Given
    parts = [by_definition(system), *(f"{role}\x1f{by_definition(text)}" for role, text in turns)]

    # When
    identity = content_identity(normal_bytes(system), [(role, normal_bytes(text)) for role, text in turns])

    # Then
    assert f"{identity:016x}" == hashlib.sha256("\x1e".join(parts).encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Red cats", "ca67746ed71f4643"),
        ("Gr\xf6\xdfe: 5 \u20ac!", "30d282d12885bcc9"),
        ("\uff46\uff55\uff4c\uff4c\u3000\uff57\uff49\uff44\uff54\uff48", "449fe3886664e89d"),
        ("\u2167 \ufb01ne \u0130stanbul", "cb8c8aa8adada4e9"),
        ("\u65e5\u672c\u8a9e\u306e\u8cea\u554f\u3001\u3067\u3059\u3002", "481c4db90ed7ff26"),
        ("e\u0301te\u0301 \U0001f642 \U0001f469\u200d\U0001f4bb", "5a07433c1af40ab9"),
        ("a+b", "418c4d3ee155067a"),
        ("\u1fb3 \u1e9e \u03a3\u0391\u03a3", "620d1766d9f24c7a"),
    ],
)
def test_ids_of_earlier_releases_stay(text: str, known: str) -> None:
    # Given texts whose ids answers were bought under / When / Then
    assert parse_line(json.dumps({"prompt": text}).encode()).id == known
