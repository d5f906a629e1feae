"""A bucket in memory, a ledger in a list, and a runtime that does what its script says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

from botocore.exceptions import ClientError

from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.domain.questions.answers import Question
from lambdas.gateways.answering.answer_store import PROBE
from lambdas.gateways.aws.storage import Bucket
from lambdas.gateways.registry.runs import Registry


class MemoryBucket:
    """The part of ``Bucket`` that answers need."""

    name = "runs"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.reads: list[str] = []

    def read(self, key: str) -> bytes:
        self.reads.append(key)
        return self.objects[key]

    def write(self, key: str, content: bytes, content_type: str = "") -> None:
        del content_type
        if not key.endswith(f"/{PROBE}"):
            self.objects[key] = content

    def keys(self, prefix: str) -> Iterator[str]:
        return iter(sorted(key for key in self.objects if key.startswith(prefix)))

    def as_bucket(self) -> Bucket:
        return cast("Bucket", self)


class MemoryLedger:
    """The part of ``Registry`` that a buyer of answers needs."""

    def __init__(self) -> None:
        self.entries: dict[str, LedgerEntry] = {}

    def record_cost(self, _run_id: str, entry: LedgerEntry, *, opened: bool = False) -> None:  # noqa: ARG002
        if entry.usage["calls"]:  # what is written before anything is bought counts nothing
            self.entries[entry.id] = entry

    def total(self, name: str) -> float:
        return sum(entry.usage[name] for entry in self.entries.values())

    def as_registry(self) -> Registry:
        return cast("Registry", self)


def refusal(code: str, message: str = "as the service words it") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Converse")


def converse_answer(text: str = "yes", tool: Any = None) -> dict[str, Any]:
    content = (
        [{"text": text}] if tool is None else [{"toolUse": {"toolUseId": "1", "name": "record_score", "input": tool}}]
    )
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": "end_turn" if tool is None else "tool_use",
        "usage": {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110},
        "metrics": {"latencyMs": 321},
    }


def judge_answer(request: dict[str, Any], score: int) -> dict[str, Any]:
    """Give every answer that the judge is asked about the same score, one alone or two beside each other."""
    name = request["toolConfig"]["toolChoice"]["tool"]["name"]
    fields = ("first_score", "second_score") if name == "record_scores" else ("score",)
    answer = converse_answer(tool={**dict.fromkeys(fields, score), "explanation": "because"})
    answer["output"]["message"]["content"][0]["toolUse"]["name"] = name
    return answer


class FakeRuntime:
    """Answers every call by ``behave(text of the question, number of calls for it so far)``; errors are raised."""

    def __init__(self, behave: Callable[[str, int], dict[str, Any] | Exception]) -> None:
        self._behave = behave
        self._lock = threading.Lock()
        self.calls: list[str] = []
        self.requests: list[dict[str, Any]] = []

    def converse(self, **request: Any) -> dict[str, Any]:
        text = request["messages"][-1]["content"][0]["text"]
        with self._lock:
            earlier = self.calls.count(text)
            self.calls.append(text)
            self.requests.append(request)
            answer = self._behave(text, earlier)
        if isinstance(answer, Exception):
            raise answer
        return answer


def distinct(questions: list[Question]) -> set[str]:
    return {question.turns[-1].text for question in questions}
