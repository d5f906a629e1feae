"""Reading a training file as Bedrock does: invalid records are dropped without a word, reserved words are fatal.

Sources: the user guide's pages on preparing data for distillation and for fine-tuning Nova; the dataset validator of
amazon-bedrock-samples for what counts as a valid record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from local.bedrock_simulator.brains.base import Chance

SCHEMA_VERSION = "bedrock-conversation-2024"
# fine-tune-prepare-data: any of these in a prompt fails a Nova job.
RESERVED_WORDS = ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")
# custom-distill-prepare: 100 to 15,000 prompts; fine-tune-prepare-data: 8 to 20,000 samples.
RECORD_LIMITS = {"DISTILLATION": (100, 15_000), "FINE_TUNING": (8, 20_000)}
MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class TrainingRecord:
    """One valid record.

    Attributes
    ----------
    line : int
        Its line in the file.
    system : str
        The system prompt.
    question : str
        The texts of all turns before the answer, one below the other.
    answer : str or None
        The last assistant turn; ``None`` where the record is a bare prompt.
    prompt : str
        What may hold no reserved word: the system prompt and the user's turns.
    """

    line: int
    system: str
    question: str
    answer: str | None
    prompt: str


@dataclass(frozen=True)
class TrainingFile:
    """A training file as Bedrock sees it."""

    records: list[TrainingRecord]
    processed: int
    rejected: int

    def problem(self, customization: str) -> str | None:
        """Why the job must fail, or ``None``."""
        least, most = RECORD_LIMITS[customization]
        if not least <= len(self.records) <= most:
            return (
                f"The number of valid records in the training data is {len(self.records)}. "
                f"{customization} needs from {least} to {most} records."
            )
        for record in self.records:
            word = next((word for word in RESERVED_WORDS if word in record.prompt), None)
            if word:
                return f"The training data contains the reserved keyword {word} in the prompt of record {record.line}."
        return None


def read(body: bytes, customization: str, drop_fraction: float = 0.0, seed: int = 0) -> TrainingFile:
    """Read a training file.

    Parameters
    ----------
    body : bytes
        The file: one JSON record a line.
    customization : str
        ``DISTILLATION`` or ``FINE_TUNING``; the latter has no use for a record without an answer.
    drop_fraction, seed : float, int
        The ordered fault ``drop_records``: the share of valid records that is rejected without a reason.
    """
    records: list[TrainingRecord] = []
    processed = 0
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        processed += 1
        record = _record(line, number)
        unlucky = drop_fraction and Chance("drop", str(seed), str(number)).uniform() < drop_fraction
        if record and not unlucky and (record.answer is not None or customization == "DISTILLATION"):
            records.append(record)
    return TrainingFile(records, processed, processed - len(records))


def _record(line: bytes, number: int) -> TrainingRecord | None:
    try:
        raw = json.loads(line.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        return None
    if not isinstance(raw, dict) or raw.keys() - {"schemaVersion", "system", "messages"}:
        return None
    if raw.get("schemaVersion") != SCHEMA_VERSION:
        return None
    system = "" if "system" not in raw else _only_text(raw["system"])
    turns = _turns(raw.get("messages"))
    if system is None or not turns:
        return None
    prompts = [text for role, text in turns if role == "user"]
    answer = turns[-1][1] if turns[-1][0] == "assistant" else None
    asked = [text for _, text in (turns if answer is None else turns[:-1])]
    return TrainingRecord(number, system, "\n".join(asked), answer, "\n".join([system, *prompts]))


def _turns(messages: object) -> list[tuple[str, str]] | None:
    """Return (role, text) of each message: they alternate and begin with the user."""
    if not isinstance(messages, list) or not messages:
        return None
    turns = []
    for index, message in enumerate(messages):
        role = "assistant" if index % 2 else "user"
        if not isinstance(message, dict) or message.keys() != {"role", "content"} or message["role"] != role:
            return None
        text = _only_text(message["content"])
        if text is None:
            return None
        turns.append((role, text))
    return turns


def _only_text(content: Any) -> str | None:  # noqa: ANN401 (parsed JSON)
    """Return the text of a content list that holds exactly one non-empty text and nothing else."""
    if not isinstance(content, list) or len(content) != 1 or not isinstance(content[0], dict):
        return None
    text = content[0].get("text")
    return text if content[0].keys() == {"text"} and isinstance(text, str) and text.strip() else None
