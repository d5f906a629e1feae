"""Video searches whose weights were drawn before their words: the trusted answers of the first example.

A search says who does what, and has signs that speak for one index each. How many it gets is drawn first, the weights
follow from that by a table, and the words come last. Nothing here reads the teacher's lexicon.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

from local.example_data.tickets import conversation

INDEXES = ("visual", "audio", "transcription", "metadata")
SHARES = {"visual": 0.25, "audio": 0.20, "transcription": 0.20, "metadata": 0.15, "balanced": 0.20}
"""How often each index is meant, as in the prompts."""

HOLDOUT = 300

_WEIGHTS = {
    (): (25, 25, 25, 25), (1,): (45, 20, 20, 15), (2,): (65, 15, 10, 10), (3,): (85, 5, 5, 5),
    (2, 1): (55, 30, 10, 5),
}  # fmt: skip
"""Hundredths of the leading index and the others, by the number of signs of the first two: in twentieths, as a person
would write them, so that even a teacher that finds every sign is not exactly right."""

_FORMS = {(1,): 0.40, (2,): 0.30, (3,): 0.12, (2, 1): 0.18}
_WHO = (
    "a farmer", "her sister", "our neighbour", "the mayor", "a night nurse", "an old fisherman", "the goalkeeper",
    "a chess champion", "a lost tourist", "my cousin", "the baker", "a young mechanic", "a climber", "one of the twins",
    "a retired pilot",
)  # fmt: skip
_DOES = (
    "repairs a bicycle", "meets an old friend", "waits for the last bus", "bakes bread", "finds a lost dog",
    "leaves the village", "wins by one point", "misses the ferry", "opens a bakery", "learns to swim",
    "moves a wardrobe", "feeds the pigeons", "counts the votes", "paints the fence", "carries a ladder",
)  # fmt: skip
_WHERE = (
    "in Lisbon", "near the harbour", "after the storm", "at the market", "during the strike", "in spring",
    "before dawn", "behind the station", "at the wedding", "in the old town",
)  # fmt: skip
_SIGNS = {
    "visual": (
        "wearing a scarf", "in a red coat", "under a blue umbrella", "at sunset", "on the beach", "in the snow",
        "with long hair", "in a white van", "holding a lantern", "smiling", "walking slowly", "running uphill",
        "in a yellow raincoat", "beside a green door", "from a drone", "sitting on a bench", "standing on a roof",
        "in a black suit", "in a long dress", "with a straw hat", "riding a donkey", "jumping over a ditch",
        "dancing in the yard", "below a mountain",
    ),
    "audio": (
        "with loud neighbours", "bells in the distance", "with piano", "guitar in the background", "somebody humming",
        "dogs barking", "people laughing", "a baby crying", "thunder far away", "a jazz band", "with an orchestra",
        "a choir nearby", "children singing", "sirens outside", "applause at the end", "a violin", "drums",
        "an engine starts", "complete silence", "screaming fans", "whispering", "a strange noise", "a cheering crowd",
        "folk music",
    ),
    "transcription": (
        "he explains why", "she says sorry", "in an interview", "he mentions money", "talking with a friend",
        "a speech", "she tells the story", "they discuss the price", "he asks for help", "with her answer", "a quote",
        "he describes the place", "the dialogue", "in a lecture", "the question of the day", "he said no",
        "the conversation", "the exact words", "announces the winner",
    ),
    "metadata": (
        "episode three", "season two", "directed by a woman", "released in 1998", "a documentary",
        "uploaded yesterday", "the latest one", "in hd", "starring two brothers", "produced in Norway",
        "with subtitles", "published last spring", "by the same director", "on that channel", "duration under an hour",
        "rating above eight", "the series", "the year of the flood", "with that title",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Search:
    """A search and what is true of it."""

    text: str
    intent: str
    weights: tuple[int, int, int, int]
    signs: tuple[str, ...]

    @property
    def answer(self) -> str:
        """The trusted answer."""
        shown = {index: hundredths / 100 for index, hundredths in zip(INDEXES, self.weights, strict=True)}
        why = f"it says '{', '.join(self.signs)}'" if self.signs else "nothing in it favours one index"
        return json.dumps({**shown, "reasoning": why})


def holdout() -> str:
    """Return the held-out searches with their trusted answers."""
    lines = (conversation([search.text], search.answer, {"intent": search.intent}) for search in searches())
    return "".join(f"{line}\n" for line in lines)


def searches(seed: int = 1998) -> list[Search]:
    """Draw all searches; no two have the same text."""
    draw = random.Random(seed)  # noqa: S311 (no secret)
    intents = [intent for intent, share in SHARES.items() for _ in range(round(share * HOLDOUT))]
    draw.shuffle(intents)
    found: dict[str, Search] = {}
    for intent in intents:
        search = next(search for search in _drawn(draw, intent) if search.text not in found)
        found[search.text] = search
    return list(found.values())


def _drawn(draw: random.Random, intent: str) -> Iterator[Search]:
    while True:
        form: tuple[int, ...] = () if intent == "balanced" else draw.choices(list(_FORMS), list(_FORMS.values()))[0]
        others = [index for index in INDEXES if index != intent]
        draw.shuffle(others)
        ranked = others if intent == "balanced" else [intent, *others]
        by_index = dict(zip(ranked, _WEIGHTS[form], strict=False))
        signs = [sign for index, count in zip(ranked, form, strict=False) for sign in draw.sample(_SIGNS[index], count)]
        draw.shuffle(signs)
        parts = [
            f"{draw.choice(_WHO)} {draw.choice(_DOES)}",
            *([] if len(signs) > 1 else [draw.choice(_WHERE)]),
            *signs,
        ]
        weights = tuple(by_index.get(index, _WEIGHTS[()][0]) for index in INDEXES)
        yield Search(", ".join(parts), intent, weights, tuple(signs))  # type: ignore[arg-type] # of four indexes
