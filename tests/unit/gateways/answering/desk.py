"""A buyer of answers with everything around it in memory, and questions for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from lambdas.domain.dataset.records import Turn
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.questions.answers import Question
from lambdas.gateways.answering.answer_recorder import Books, Kept, ModelUse
from lambdas.gateways.answering.answer_store import AnswerStore
from lambdas.gateways.answering.answerer import Answerer
from lambdas.gateways.answering.failure_store import FailureStore
from lambdas.gateways.answering.shared_limit import Limits
from lambdas.gateways.registry.run_ledger import RunLedger
from tests.unit.gateways.fakes import FakeRuntime, MemoryBucket, MemoryLedger, converse_answer

TEACHER = "us.amazon.nova-pro-v1:0"
USE = ModelUse(stage="GenerateTeacherData", identity=TEACHER, invoke_id=TEACHER, price_model=TEACHER)


class Desk:
    """A buyer with everything around it, which outlives a crash."""

    def __init__(self) -> None:
        self.bucket, self.ledger = MemoryBucket(), MemoryLedger()
        self.seconds_left = 900.0
        self.attempt = 1

    def answerer(
        self,
        runtime: FakeRuntime,
        calls_at_once: int = 4,
        limits: Limits | None = None,
        callable_model: Callable[[str], str] = str,
    ) -> Answerer:
        bucket = self.bucket.as_bucket()
        kept = Kept(AnswerStore(bucket, "video"), FailureStore(bucket, "video", f"video-1-{self.attempt}"))
        return Answerer(
            cast("Any", runtime),
            Books(
                kept,
                RunLedger(
                    self.ledger.as_registry(), PriceBook.shipped(), "video-1", lambda: "2026-11-24T10:00:00.000Z"
                ),
            ),
            limits=limits or Limits(calls_at_once),
            seconds_left=lambda: self.seconds_left,
            backoff_s=0.001,
            callable_model=callable_model,
        )


def questions(count: int, first: int = 0) -> list[Question]:
    return [
        Question(record_id=f"{number:016x}", system="long prompt", turns=(Turn("user", f"query {number}"),))
        for number in range(first, first + count)
    ]


def good(_text: str, _earlier: int) -> dict[str, Any]:
    return converse_answer()
