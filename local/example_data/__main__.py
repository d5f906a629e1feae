"""Write the examples' prompts anew: ``python -m local.example_data``."""

from __future__ import annotations

from pathlib import Path

from local.example_data import searches, summaries, triage

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def files() -> dict[str, str]:
    """Return the generated files below ``examples/``, with their content."""
    return {
        "ticket-triage/prompts.jsonl": triage.prompts(),
        "ticket-triage/holdout.jsonl": triage.holdout(),
        "ticket-summary/prompts.jsonl": summaries.prompts(),
        "video-search-intent/holdout.jsonl": searches.holdout(),
    }


if __name__ == "__main__":
    for name, content in files().items():
        (EXAMPLES / name).write_text(content, encoding="utf-8")
