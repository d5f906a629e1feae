"""The examples as they lie in the repository."""

from __future__ import annotations

import json
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def prompts_of(name: str) -> list[str]:
    """Return the texts of an example's prompts, as the simulator reads them."""
    lines = (EXAMPLES / name / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    return [question_of(line) for line in lines]


def question_of(line: str) -> str:
    """Return the texts of all turns of a line that the customer and the assistant said before the answer."""
    entry = json.loads(line)
    if "prompt" in entry:
        return str(entry["prompt"])
    texts = [message["content"][0]["text"] for message in entry["messages"]]
    return "\n".join(texts if len(texts) % 2 else texts[:-1])
