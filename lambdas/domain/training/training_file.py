"""The training file as Bedrock will judge it: checked before a job is paid that drops records without a word.

The rules are those of AWS's own dataset validator (amazon-bedrock-samples, model distillation, dataset validation) and
of the user guide, prepare training datasets for distillation and for fine-tuning. Where the validator takes a single
turn only and the guide says that Nova takes several, several are taken.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lambdas.domain.dataset.records import SCHEMA_VERSION
from lambdas.domain.errors import TeacherDataRefused
from lambdas.domain.task.sample_bounds import COMMON_STUDENT, sample_bounds
from lambdas.domain.text.text_rules import reserved_word

MAX_BYTES = 1 << 30
"""Largest training file that the validator takes."""


def check_training_file(lines: Sequence[str], *, training: str, student: str = COMMON_STUDENT) -> None:
    """Hold a training file against Bedrock's rules.

    Parameters
    ----------
    lines : sequence of str
        One record each, without line end.
    training : {"distillation", "fine_tuning"}
        Fine-tuning has no use for a record without an answer.
    student : str
        Any id of its base model, which decides with ``training`` how many records are taken.

    Raises
    ------
    TeacherDataRefused
        With the line and the rule. Training was not started.
    """
    size = sum(len(line.encode("utf-8", "replace")) + 1 for line in lines)
    bounds = sample_bounds(student, training)
    if not bounds.least <= len(lines) <= bounds.most:
        raise _refused(f"has {len(lines)} records; {bounds.least} to {bounds.most:,} are allowed")
    if size > MAX_BYTES:
        raise _refused(f"has {size:,} bytes; at most {MAX_BYTES:,} are allowed")
    for number, line in enumerate(lines, start=1):
        problem = record_problem(line, training=training)
        if problem is not None:
            raise _refused(f"breaks a rule of Bedrock in line {number}: {problem}")


def record_problem(line: str, *, training: str) -> str | None:
    """Say what Bedrock would find wrong with one record, or ``None``."""
    try:
        document = _parsed(line)
        texts = [*_system(document), *_texts(document.get("messages"), training)]
    except _Broken as problem:
        return str(problem)
    word = next(filter(None, map(reserved_word, texts)), None)
    return f"it has the reserved word '{word}'" if word else None


class _Broken(ValueError):
    """A rule that a record breaks."""


def _parsed(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise _Broken("it is not JSON") from None
    if not isinstance(document, dict) or document.keys() - {"schemaVersion", "system", "messages"}:
        raise _Broken("only 'schemaVersion', 'system' and 'messages' are allowed")
    if document.get("schemaVersion") != SCHEMA_VERSION:
        raise _Broken(f"'schemaVersion' must be \"{SCHEMA_VERSION}\"")
    return document


def _system(document: dict[str, Any]) -> list[str]:
    return [_only_text(document["system"], "'system'")] if "system" in document else []


def _texts(messages: object, training: str) -> list[str]:
    """Give the texts of messages that alternate, the user's first; AWS's validators look into answers too."""
    if not isinstance(messages, list) or not messages:
        raise _Broken("'messages' must be a list that begins with the user")
    texts = []
    for index, message in enumerate(messages):
        role = ("user", "assistant")[index % 2]
        if not isinstance(message, dict) or message.keys() != {"role", "content"} or message["role"] != role:
            raise _Broken(f"message {index + 1} must be the {role}'s, with 'role' and 'content' alone")
        texts.append(_only_text(message["content"], f"message {index + 1}"))
    if training == "fine_tuning" and len(messages) % 2:
        raise _Broken("fine-tuning needs an answer of the assistant at the end")
    return texts


def _only_text(content: Any, where: str) -> str:  # noqa: ANN401 - any JSON value
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        text = content[0].get("text")
        if content[0].keys() == {"text"} and isinstance(text, str) and text.strip():
            return text
    raise _Broken(f"{where} must hold exactly one text")


def _refused(what: str) -> TeacherDataRefused:
    return TeacherDataRefused(
        f"training.jsonl {what}. Training was not started, and nothing was paid for it. Mend the prompts, or the "
        "task.json that goes into each record, and upload again: the teacher's answers are kept"
    )
