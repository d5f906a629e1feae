"""Tickets to be summarised in one sentence: a device, what is wrong with it, since when, and what is wanted."""

from __future__ import annotations

import random

from local.example_data.tickets import ASIDES, DEVICES, conversation, turns_of

PROMPTS = 1200
_PROBLEMS = (
    "will not switch on", "leaks at the bottom", "is far too loud", "smells of plastic", "stops after a minute",
    "no longer heats up", "has a cracked lid", "came without its cable", "shows an error code", "vibrates strongly",
    "overheats quickly", "has a loose handle", "trips the fuse", "does not close properly", "rusts on the inside",
)  # fmt: skip
_SINCE = (
    "since Monday", "since last week", "since the first day", "since the summer", "since I cleaned it",
    "since the last power cut", "since yesterday", "since we moved",
)  # fmt: skip
_WISHES = (
    "Could I have my money back?", "Please give me my money back.", "Please send me a new one.",
    "I would like a new one.", "Can somebody repair it?", "Please have it repaired.", "Just send the missing part.",
    "A spare part would be enough.", "What can I do myself?", "Please tell me what to do.",
)  # fmt: skip


def prompts(seed: int = 417) -> str:
    """Return the prompts; no two are equal."""
    draw = random.Random(seed)  # noqa: S311 (no secret)
    lines: dict[str, None] = {}
    while len(lines) < PROMPTS:
        device, problem, since = draw.choice(DEVICES), draw.choice(_PROBLEMS), draw.choice(_SINCE)
        told = draw.choice((f"The {device} {problem} {since}.", f"My {device} {problem}, and that {since}."))
        order = f"The order number is {draw.choice('ABKX')}-{draw.randrange(10_000, 99_999)}."
        sentences = [draw.choice(ASIDES), told, order, draw.choice(_WISHES)]
        draw.shuffle(sentences)
        lines[conversation(turns_of(draw, sentences))] = None
    return "".join(f"{line}\n" for line in lines)
