"""What a text may hold that is sent to a model or trained on."""

from __future__ import annotations

import re

RESERVED_WORDS = ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")
"""Words that fail a Nova job wherever they are in a prompt (Bedrock user guide, prepare data for fine-tuning)."""

_NO_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def reserved_word(text: str) -> str | None:
    """Name the reserved word that a text contains, if it does."""
    return next((word for word in RESERVED_WORDS if word in text), None)


def stray_character(text: str) -> str | None:
    """Describe the first character that is none: a control character, or half of a surrogate pair.

    Surrogates are what JSON can escape but UTF-8 cannot write: the dataset could not be stored.
    """
    found = _NO_CHARACTER.search(text)
    if found is None:
        return None
    code = ord(found[0])
    if code >= 0xD800:  # noqa: PLR2004 - the first surrogate, as in the expression above
        return "half of a surrogate pair, which is no character"
    return f"the control character U+{code:04X} at character {found.start() + 1}; only tab and line ends may be"
