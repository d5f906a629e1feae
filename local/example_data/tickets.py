"""What tickets of a shop for kitchen devices have in common: devices, people, and how a conversation is written."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

VERSION = "bedrock-conversation-2024"
DEVICES = (
    "kettle", "toaster", "blender", "coffee grinder", "rice cooker", "juicer", "waffle iron", "food processor",
    "hand mixer", "bread maker", "steamer", "electric grill", "ice cream maker", "deep fryer", "espresso machine",
    "slow cooker", "milk frother", "vacuum sealer", "dehydrator", "egg boiler",
)  # fmt: skip
GREETINGS = (
    "Hello,", "Hi there,", "Good morning,", "Good evening,", "Dear team,", "Hi,", "Hello everybody,", "Good day,",
    "Greetings,", "To whom it may concern,",
)  # fmt: skip
ASIDES = (
    "I have been a customer for years.", "My sister recommended your shop.", "It was a present.",
    "We run a small cafe.", "I live on the third floor.", "My neighbour has the same one.",
    "I read the reviews beforehand.", "It stands beside the sink.", "We cook for a family of six.",
    "I moved house last month.", "The parcel came by bicycle.", "I keep the box in the cellar.",
    "My partner chose the colour.", "We bake every weekend.", "The kitchen is tiny.",
    "I had an older model for ten years.", "The children love it.", "I ordered on my phone.",
)  # fmt: skip
REPLIES = (
    "Thank you for writing. Could you tell us a little more?",
    "Thanks for getting in touch. What exactly can we do for you?",
    "We are sorry to hear that. May we ask for some details?",
    "Thank you, we have your message. Is there anything else that we should know?",
    "Thanks. Which device is it, and what have you tried so far?",
)
SIGNATURES = (
    "Regards, Jo", "Best, Mina", "Thanks, Oskar", "Cheers, Leila", "Yours, Tom", "Thank you, Ines", "Greetings, Paul",
    "Best wishes, Wanda", "Kind regards, Emre", "Thanks a lot, Suki", "Many thanks, Bruno", "Bye, Noor",
)  # fmt: skip


def conversation(turns: Sequence[str], answer: str | None = None, slices: dict[str, str] | None = None) -> str:
    """Write a conversation as one line; the turns are the customer's and the shop's in turn."""
    spoken = [*turns, answer] if answer is not None else list(turns)
    messages = [
        {"role": "assistant" if index % 2 else "user", "content": [{"text": text}]} for index, text in enumerate(spoken)
    ]
    document: dict[str, Any] = {"schemaVersion": VERSION, "messages": messages}
    return json.dumps(document | ({"slices": slices} if slices else {}), ensure_ascii=False)


def turns_of(draw: random.Random, sentences: Sequence[str]) -> list[str]:
    """Spread the sentences of a customer over one, two or three turns, with replies between."""
    count = min(len(sentences), draw.choice((1, 2, 2, 3)))
    cuts = sorted(draw.sample(range(1, len(sentences)), count - 1))
    parts = [list(sentences[start:end]) for start, end in zip([0, *cuts], [*cuts, len(sentences)], strict=True)]
    parts[0].insert(0, draw.choice(GREETINGS))
    parts[-1].append(draw.choice(SIGNATURES))
    turns: list[str] = []
    for part in parts:
        turns += ([draw.choice(REPLIES)] if turns else []) + [" ".join(part)]
    return turns
