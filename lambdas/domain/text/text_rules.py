"""What a text may hold that is sent to a model or trained on."""

from __future__ import annotations

import re

RESERVED_WORDS = (
    "User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]",
    "USER:", "BOT:", "ASSISTANT:", "SYSTEM:", "Thought:", "<unk>",
)  # fmt: skip
"""Words that fail a Nova job, in prompts and in answers.

The first seven are those of the Bedrock user guide, prepare data for fine-tuning; the others are refused besides by the
dataset validators in amazon-bedrock-samples and in amazon-nova-samples.
"""

_OTHER_CASE = re.compile("|".join(sorted({re.escape(word.lower()) for word in RESERVED_WORDS})), re.IGNORECASE)

_NO_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def reserved_word(text: str) -> str | None:
    """Name the reserved word that a text contains, if it does."""
    return next((word for word in RESERVED_WORDS if word in text), None)


def reserved_in_other_case(text: str) -> str | None:
    """Give the words of a text that are reserved but for the case of their letters, the first of them.

    No source says that these fail a job; none says either that case counts.
    """
    return next((found[0] for found in _OTHER_CASE.finditer(text) if found[0] not in RESERVED_WORDS), None)


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
