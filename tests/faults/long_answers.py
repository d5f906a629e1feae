"""Rules of a teacher that explains itself at length: answers of about 300 tokens instead of 40."""

from __future__ import annotations

from typing import Any

from local.bedrock_simulator.rules.video_search_intent import answer as short

_EXPLANATION = (
    "Each index was weighed by how far its kind of evidence is named in the query, by how often editors of this "
    "archive describe such material in that way, and by what a viewer would have to be shown or told to accept a "
    "result as the right one. Words that fit several indexes were shared out among them; names and dates count for "
    "the catalogue only where they stand beside a title. Nothing else in the query favours another reading. "
)


def answer(question: str) -> dict[str, Any]:
    """Answer as the example's rules do, with a longer reasoning."""
    return lengthened(short(question))


def lengthened(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "reasoning": f"{found.get('reasoning', '')} {_EXPLANATION * 2}".strip()}
