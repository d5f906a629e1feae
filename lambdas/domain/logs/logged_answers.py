"""Answers that the teacher gave in production: taken for training where it saw what it would be asked now.

They belong to one run and never enter the store of paid answers: production asks with other temperatures and lengths,
and the store's keys say at which ones an answer was given.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.model_ids import model_behind
from lambdas.domain.questions.answers import Answer, Question
from lambdas.domain.questions.endings import COMPLETE, ending_problem

FILE = "logged_answers.jsonl"
"""Beside the dataset; there only for tasks whose teacher data take logged answers."""


@dataclass(frozen=True, slots=True)
class ReusedAnswer:
    """An answer of the teacher in production, when it was given (ISO 8601) and in which request."""

    answer: Answer
    timestamp: str
    request_id: str


@dataclass(slots=True)
class LoggedAnswers:
    """Logged answers by record and model; of several the first in the log that is complete."""

    _found: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _broken: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, record_id: str, answer: dict[str, Any]) -> None:
        """Add an answer; one that was cut or filtered, or that a guardrail spoke, is kept for its reason alone."""
        kept = self._found if answer["stop_reason"] in COMPLETE else self._broken
        kept.setdefault((record_id, model_behind(answer["model"])), answer)

    def to_json_lines(self) -> bytes:
        """Write the answers in the order of record and model."""
        answers = {**self._broken, **self._found}
        lines = (
            json.dumps({"record_id": record_id, "answer": answer}, ensure_ascii=False, sort_keys=True)
            for (record_id, _model), answer in sorted(answers.items(), key=lambda item: item[0])
        )
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")

    @classmethod
    def from_json_lines(cls, text: bytes) -> LoggedAnswers:
        """Read what :meth:`to_json_lines` wrote."""
        answers = cls()
        for line in text.split(b"\n"):
            if line:
                document = json.loads(line)
                answers.add(document["record_id"], document["answer"])
        return answers

    def problem(self, record_id: str, teacher: str) -> str | None:
        """Say why the teacher's answer to a record cannot be used, or ``None`` where the logs have none at all."""
        broken = self._broken.get((record_id, model_behind(teacher)))
        return ending_problem(broken["stop_reason"]) if broken else None

    def answer(self, question: Question, teacher: str, logged_system: str | None) -> ReusedAnswer | None:
        """Give the answer to a question, or ``None`` where the teacher was not asked it in production.

        Parameters
        ----------
        question : Question
            What the teacher would be asked.
        teacher : str
            As it would be called.
        logged_system : str or None
            System text of the record, as logged: another one than the question's is another question.
        """
        found = self._found.get((question.record_id, model_behind(teacher)))
        if found is None or question.system != logged_system or found["output_tokens"] > question.max_tokens:
            return None
        latency = found["latency_ms"] or 0.0
        answer = Answer(
            key=question.key(teacher),
            record_id=question.record_id,
            model=found["model"],
            text=found["text"],
            stop_reason=found["stop_reason"],
            input_tokens=found["input_tokens"],
            output_tokens=found["output_tokens"],
            latency_ms=latency,
            client_ms=latency,
        )
        return ReusedAnswer(answer, found["timestamp"], found["request_id"])
