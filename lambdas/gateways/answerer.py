"""Ask a model many questions: only those not answered before, each answer kept and each dollar written down."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambdas.domain.answers import Answer, Asked, Question
from lambdas.domain.call_limit import CallLimit
from lambdas.domain.errors import ModelUnavailable
from lambdas.domain.ledger import entry_for_answers
from lambdas.domain.prices import PriceBook
from lambdas.domain.prompt_caching import decide
from lambdas.gateways.answer_store import AnswerStore
from lambdas.gateways.failure_store import Failure, FailureStore
from lambdas.gateways.purchase import FIRST_BACKOFF_S, Bought, Purchase, Request
from lambdas.gateways.registry import Registry
from lambdas.gateways.shared_limit import SharedLimit

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

FLUSH_EVERY = 50
"""Answers after which a batch is stored: what a crash can lose at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelUse:
    """Which model is asked, and on whose account.

    Attributes
    ----------
    stage : str
        Stage that pays.
    identity : str
        What answers are kept under: for a student its custom model, whichever endpoint serves it.
    invoke_id : str
        What Converse takes as ``modelId``.
    price_model : str or None
        Model whose price holds; ``None`` where calls are not billed one by one (provisioned throughput).
    """

    stage: str
    identity: str
    invoke_id: str
    price_model: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """Where answers and failures are kept."""

    answers: AnswerStore
    failures: FailureStore


class Limits:
    """The limit of each model, shared by everything in one process and kept while its Lambda stays warm.

    Parameters
    ----------
    most : int
        Upper bound of the calls under way at one model.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limits: dict[str, SharedLimit] = {}

    def of(self, model: str) -> SharedLimit:
        """Give the limit of a model."""
        return self._limits.setdefault(model, SharedLimit(CallLimit(self._most)))


@dataclass(slots=True)
class _Batch:
    """What was bought or failed and is not yet stored; ``wasted`` answers were paid for and turned out unusable."""

    pool: str
    shard: str
    good: list[Answer] = field(default_factory=list)
    wasted: list[Answer] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    entry_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.next_entry()

    def next_entry(self) -> None:
        """Name the next ledger line; not by content: the same answers bought again after a crash were paid again."""
        self.entry_id = f"{self.pool}.{self.shard}.{uuid.uuid4().hex[:16]}"


class Answerer:
    """Buys missing answers. Several threads may ask at once; calls to the same model share its limit.

    Parameters
    ----------
    runtime : bedrock-runtime client
        With one attempt a call: throttles are counted and paused for here.
    kept : Kept
        Answers of the task and failures of this attempt.
    registry : Registry
        Keeps the ledger.
    prices : PriceBook
    run_id : str
        Run that pays.
    limits : Limits
        Calls under way at once, model by model.
    seconds_left : callable
        Gives the seconds that the Lambda may still run.
    backoff_s : float
        First pause after an error of the service; shortened in tests.
    callable_model : callable
        Gives what a call to a model names, such as the model's application inference profile. Neither the keys of
        answers nor prices, limits or prompt caching know of it.
    """

    def __init__(  # noqa: PLR0913 - what is bought, where it is kept, and how a call is made
        self,
        runtime: BedrockRuntimeClient,
        kept: Kept,
        registry: Registry,
        prices: PriceBook,
        *,
        run_id: str,
        limits: Limits,
        seconds_left: Callable[[], float],
        backoff_s: float = FIRST_BACKOFF_S,
        callable_model: Callable[[str], str] = str,
    ) -> None:
        self._callable_model = callable_model
        self._runtime, self._kept, self._registry, self._prices = runtime, kept, registry, prices
        self._run_id, self._limits = run_id, limits
        self._seconds_left, self._backoff_s = seconds_left, backoff_s
        self._lock, self._bought = threading.Lock(), 0

    @property
    def bought(self) -> int:
        """Answers bought so far, by all threads."""
        return self._bought

    def ask(
        self,
        questions: Sequence[Question],
        use: ModelUse,
        shard: str,
        unusable: Callable[[Answer], str | None] = lambda _answer: None,
    ) -> Asked:
        """Give an answer to every question, or the reason why there is none.

        Parameters
        ----------
        questions : sequence of Question
            At most one a record, all of the same pool.
        use : ModelUse
        shard : str
            Range of partitions that the records lie in.
        unusable : callable
            Says why an answer cannot be kept and must be asked for again, or ``None``.

        Returns
        -------
        Asked
            Answers and failures of this attempt; both are stored, so that asking again costs nothing.

        Raises
        ------
        ModelUnavailable
            The service refuses the model, or every request, for good.
        RetryLater
            Throttled or out of time; what was bought is stored.
        """
        asked = Asked({}, {})
        if not questions:
            return asked
        pool = questions[0].pool(use.identity)
        known, failed = self._kept.answers.load(pool, shard), self._kept.failures.load(pool)
        missing: list[Question] = []
        for question in questions:
            key = question.key(use.identity)
            if key in known:
                asked.answers[question.record_id] = known[key]
            elif key in failed:
                asked.failed[question.record_id] = failed[key]
            else:
                missing.append(question)
        if missing:
            request = Request(
                model=self._callable_model(use.invoke_id),
                identity=use.identity,
                cache_point=_shares_a_cacheable_prompt(missing, use),
                unusable=unusable,
            )
            self._buy(missing, use, request, _Batch(pool, shard), asked)
        return asked

    def _buy(self, questions: list[Question], use: ModelUse, request: Request, batch: _Batch, asked: Asked) -> None:
        purchase = Purchase(
            self._runtime,
            self._limits.of(use.invoke_id),
            request,
            self._seconds_left,
            answers_known=len(asked.answers),
            backoff_s=self._backoff_s,
        )
        self._prove_that_it_can_be_kept(use, batch)
        try:
            for event in purchase.events(questions):
                if isinstance(event, Bought):
                    (batch.good if event.usable else batch.wasted).append(event.answer)
                else:
                    question = event.question
                    key = question.key(use.identity)
                    batch.failed.append(Failure(key=key, record_id=question.record_id, reason=event.reason))
                if len(batch.good) + len(batch.wasted) >= FLUSH_EVERY:
                    self._flush(use, batch, asked)
        except ModelUnavailable:
            batch.failed.clear()  # it was not the records
            raise
        finally:
            self._flush(use, batch, asked)

    def _prove_that_it_can_be_kept(self, use: ModelUse, batch: _Batch) -> None:
        """Write to both places before anything is bought: a Task that cannot keep its answers buys them at each try."""
        self._kept.answers.prove_writable()
        if use.price_model:
            self._registry.record_cost(
                self._run_id, entry_for_answers(batch.entry_id, use.stage, use.price_model, [], self._prices)
            )

    def _flush(self, use: ModelUse, batch: _Batch, asked: Asked) -> None:
        """Write the ledger first: the money is spent even if the answers were lost in the next moment.

        The answers are kept even where the ledger cannot be written: the next try must not buy them again.
        """
        try:
            if (batch.good or batch.wasted) and use.price_model:
                entry = entry_for_answers(
                    batch.entry_id, use.stage, use.price_model, batch.good, self._prices, wasted=batch.wasted
                )
                self._registry.record_cost(self._run_id, entry)
                batch.next_entry()
        finally:
            if batch.good:
                self._kept.answers.save(batch.pool, batch.shard, batch.good)
        batch.wasted.clear()
        if batch.failed:
            self._kept.failures.save(batch.pool, batch.shard, batch.failed)
        with self._lock:
            self._bought += len(batch.good)
        asked.answers.update({answer.record_id: answer for answer in batch.good})
        asked.failed.update({failure.record_id: failure.reason for failure in batch.failed})
        batch.good.clear()
        batch.failed.clear()


def _shares_a_cacheable_prompt(questions: Sequence[Question], use: ModelUse) -> bool:
    """Tell whether keeping the system prompt pays: one call, or a prompt of each record's own, would only write it."""
    shared = len(questions) > 1 and len({question.system for question in questions}) == 1
    return shared and decide(questions[0], use.invoke_id).point
