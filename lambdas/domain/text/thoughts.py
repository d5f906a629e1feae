"""Find a model's thoughts, in tags, in what should be the answer alone.

Amazon Nova writes ``<thinking>`` into its text, gpt-oss ``<reasoning>``, DeepSeek and others ``<think>``; none of it
comes as a block of its own through Converse.
"""

from __future__ import annotations

import re

_TAG = re.compile(
    r"(?:<|&lt;)\s*/?\s*((?:ant)?thinking|think|thoughts?|reasoning|scratchpad|inner_?monologue|chain_?of_?thought)"
    r"\b[^<>&\n]{0,80}(?:>|&gt;)",
    re.IGNORECASE,
)


def thoughts_tag(text: str, asked_for: str = "") -> str | None:
    r"""Name the tag of thoughts that a text has, or ``None``; one without its other half counts too.

    Parameters
    ----------
    text : str
        An answer.
    asked_for : str
        The prompt that the answer is to be learnt under: a tag that it names belongs to the form of the answer.

    Examples
    --------
    >>> thoughts_tag("<thinking>\\nA printer is hardware.\\n</thinking>\\n\\nhardware")
    'thinking'
    >>> thoughts_tag("I was thinking of <b>hardware</b>")
    """
    named = {found[1].lower() for found in _TAG.finditer(asked_for)}
    return next((tag for found in _TAG.finditer(text) if (tag := found[1].lower()) not in named), None)
