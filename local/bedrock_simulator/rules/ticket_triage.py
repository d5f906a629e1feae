"""What is right for tickets of a shop: the queue, the urgency, and whether the customer is stuck, by cue phrases.

The rules read the whole conversation. They were written beside the generator of the example's prompts, not derived
from it; a test says how often both agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_QUEUES: Final[Mapping[str, str]] = {
    "safety": r"smoke|sparks?|electric shock|melt(?:s|ed)?|caught fire|burn(?:s|ed|t)|cut me|injur\w+|explod\w+",
    "delivery": r"courier|tracking|parcel with|shipment|shipped|dispatched|carrier|not delivered|late delivery",
    "billing": (
        r"charged|invoice|refund|discount|receipt|instalment|debited|voucher|reminder|price of|paid|payment|tax|"
        r"money back"
    ),
}
_HIGH: Final = r"today|urgent(?:ly)?|immediately|cannot wait|at once|right away|as soon as possible"
_LOW: Final = r"no hurry|whenever|not important|take your time|early enough|no rush"
_STUCK: Final = r"stuck|cannot use|nothing works|stands idle|give up|gave up|unusable"


def answer(question: str) -> dict[str, str | bool]:
    """Sort one conversation.

    Parameters
    ----------
    question : str
        The texts of its turns.

    Returns
    -------
    dict
        ``queue``, ``urgency`` and ``stuck``.
    """
    text = question.casefold()
    queue = next((name for name, cues in _QUEUES.items() if _says(cues, text)), "how_to")
    urgency = "high" if _says(_HIGH, text) else "low" if _says(_LOW, text) else "normal"
    return {"queue": queue, "urgency": urgency, "stuck": _says(_STUCK, text)}


def _says(cues: str, text: str) -> bool:
    return re.search(rf"\b(?:{cues})\b", text) is not None
