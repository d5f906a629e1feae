"""Thoughts that a model writes into its text are found by their tags, and nothing else is taken for them."""

from __future__ import annotations

import pytest

from lambdas.domain.text.thoughts import thoughts_tag


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("<thinking>\nA printer is hardware.\n</thinking>\n\nhardware", "thinking"),
        ("<reasoning>short label wanted</reasoning>hardware", "reasoning"),
        ("<think>\nok\n</think>\nhardware", "think"),
        ("ok, so a printer</think>hardware", "think"),
        ("<Thinking >hm", "thinking"),
        ('<thinking mode="brief">hm</thinking>hardware', "thinking"),
        ("hardware\n<thinking>why did I say so?</thinking>", "thinking"),
        ("&lt;thinking&gt;hm&lt;/thinking&gt; hardware", "thinking"),
        ("```\n<think>hm</think>\n```", "think"),
    ],
)
def test_thoughts_are_found(text: str, tag: str) -> None:
    assert thoughts_tag(text) == tag


@pytest.mark.parametrize(
    "text",
    [
        "hardware",
        "I think <b>hardware</b>",
        "thinking > reasoning",
        "<thinker>x</thinker>",
        '{"reasoning": "short"}',
        "",
        "a < think",
    ],
)
def test_nothing_else_is_taken_for_thoughts(text: str) -> None:
    assert thoughts_tag(text) is None


def test_a_tag_that_the_student_is_asked_for_belongs_to_the_answer() -> None:
    # Given
    text = "<reasoning>cheap and quick</reasoning><answer>hardware</answer>"

    # When / Then
    assert thoughts_tag(text, "Give your <reasoning> and then the <answer>.") is None
    assert thoughts_tag(f"<think>hm</think>{text}", "Give your <reasoning> and then the <answer>.") == "think"
