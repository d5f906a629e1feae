"""What people write reaches a terminal, a message or a log as one line of visible characters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.errors import ReasonTooLong
from lambdas.domain.text.plain_text import LONGEST_REASON, one_line, stated_reason


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b]0;owned\x07PROMOTED", "]0;owned PROMOTED"),
        ("\x9b31mred", "31mred"),
        ("two\r\nlines\u2028three", "two lines three"),
        ("abc\u202ecba\u2066", "abc cba"),
        ("  ordinary text, ä and 漢字 ", "ordinary text, ä and 漢字"),
    ],
)
def test_controls_and_direction_marks_are_gone(written: str, shown: str) -> None:
    assert one_line(written) == shown


@given(st.text())
def test_no_text_leaves_a_control_and_a_clean_text_stays(text: str) -> None:
    cleaned = one_line(text)
    assert not {unicodedata.category(one) for one in cleaned} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert one_line(cleaned) == cleaned


def test_a_reason_is_kept_whole_or_refused() -> None:
    assert stated_reason("w" * LONGEST_REASON) == "w" * LONGEST_REASON
    assert stated_reason(None) == ""
    with pytest.raises(ReasonTooLong):
        stated_reason("w" * (LONGEST_REASON + 1))
