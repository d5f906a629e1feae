"""Tickets with the queue to which they belong, how urgent they are, and whether the customer is stuck."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from local.example_data.tickets import ASIDES, DEVICES, conversation, turns_of

SHARES = {"how_to": 0.70, "billing": 0.20, "delivery": 0.07, "safety": 0.03}
"""How often each queue is meant."""

PROMPTS, HOLDOUT = 1500, 640

_ABOUT = {
    "how_to": (
        "How do I descale the {0}?", "Which setting of the {0} is right for oats?",
        "Can the {0} be cleaned by machine?",
        "Where do I find the manual of the {0}?", "How do I replace the filter of the {0}?",
        "Which attachment of the {0} is for dough?", "How do I program the timer of the {0}?",
        "Can I use the {0} with almonds?", "How do I assemble the lid of the {0}?",
        "What does the blue lamp of the {0} mean?", "How much water goes into the {0}?",
        "Is there a recipe book for the {0}?", "How do I calibrate the {0}?", "Can I store the {0} upright?",
    ),
    "billing": (
        "I was charged twice for the {0}.", "The invoice for the {0} shows the wrong address.",
        "My refund for the {0} has not arrived.", "The discount code did not work for the {0}.",
        "Please send a receipt for the {0}.", "The instalment for the {0} is too high.",
        "My card was debited for a {0} that I cancelled.", "The tax on the invoice of the {0} is wrong.",
        "The voucher was not deducted from the price of the {0}.", "I paid for the {0} by transfer and got a reminder.",
    ),
    "delivery": (
        "The courier never came with the {0}.", "The tracking of the {0} has not moved for days.",
        "The parcel with the {0} was left in the rain.", "The shipment of the {0} went to another town.",
        "The {0} was dispatched to my old address.", "The carrier says that the {0} was handed over, it was not.",
    ),
    "safety": (
        "There is smoke from the {0}.", "The cable of the {0} gives sparks.", "I got an electric shock from the {0}.",
        "The {0} melted its own plug.", "The {0} caught fire for a second.", "The blade of the {0} broke and cut me.",
    ),
}  # fmt: skip
_URGENCY = {
    "high": (
        "I need an answer today.", "This is urgent.", "Please reply immediately.", "It cannot wait until tomorrow.",
        "Please call me at once.",
    ),
    "low": (
        "There is no hurry.", "Whenever you have time.", "It is not important.", "Take your time.",
        "Next month is early enough.",
    ),
    "normal": ("", "", "", "Please get back to me.", "I look forward to your reply."),
}  # fmt: skip
_STUCK = (
    "I am stuck.", "I cannot use it at all.", "Nothing works any more.", "It stands idle until then.",
    "I had to give up.",
)  # fmt: skip
_URGENCY_SHARES = {"normal": 0.6, "high": 0.2, "low": 0.2}
_STUCK_SHARE = 0.3


@dataclass(frozen=True)
class Ticket:
    """A ticket and what is true of it."""

    turns: tuple[str, ...]
    queue: str
    urgency: str
    stuck: bool

    @property
    def answer(self) -> str:
        """The trusted answer."""
        return json.dumps({"queue": self.queue, "urgency": self.urgency, "stuck": self.stuck})


def prompts() -> str:
    """Return the prompts, without answers."""
    return _lines(conversation(ticket.turns, slices={"queue": ticket.queue}) for ticket in tickets()[:PROMPTS])


def holdout() -> str:
    """Return the held-out prompts with their trusted answers."""
    found = tickets()[PROMPTS:]
    return _lines(conversation(ticket.turns, ticket.answer, {"queue": ticket.queue}) for ticket in found)


def tickets(seed: int = 2026) -> list[Ticket]:
    """Draw all tickets, prompts first; no two have the same text."""
    draw = random.Random(seed)  # noqa: S311 (no secret)
    found: dict[tuple[str, ...], Ticket] = {}
    for count in (PROMPTS, HOLDOUT):
        queues = [queue for queue, share in SHARES.items() for _ in range(round(share * count))]
        draw.shuffle(queues)
        for queue in queues:
            ticket = next(ticket for ticket in _drawn(draw, queue) if ticket.turns not in found)
            found[ticket.turns] = ticket
    return list(found.values())


def _drawn(draw: random.Random, queue: str) -> Iterator[Ticket]:
    while True:
        device = draw.choice(DEVICES)
        urgency = draw.choices(list(_URGENCY_SHARES), list(_URGENCY_SHARES.values()))[0]
        stuck = draw.random() < _STUCK_SHARE
        parts = [draw.choice(ASIDES), draw.choice(ASIDES), draw.choice(_ABOUT[queue]).format(device)]
        parts += [draw.choice(_URGENCY[urgency]), draw.choice(_STUCK) if stuck else ""]
        sentences = list(dict.fromkeys(part for part in parts if part))
        draw.shuffle(sentences)
        yield Ticket(tuple(turns_of(draw, sentences)), queue, urgency, stuck)


def _lines(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
