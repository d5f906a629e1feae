"""Ask a model many questions: only those not answered before, some at once, each dollar written down."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.domain.answers import Answer, Question
from lambdas.domain.errors import ModelUnavailable, RetryLater
from lambdas.domain.ledger import entry_for_answers
from lambdas.domain.prices import PriceBook
from lambdas.gateways.answer_store import AnswerStore
from lambdas.gateways.clients import LONGEST_CALL_S
from lambdas.gateways.registry import Registry
from lambdas.gateways.storage import error_code

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

FLUSH_EVERY = 50
"""Answers after which a batch is stored: what a crash can lose at most."""

MAX_ATTEMPTS = 8
"""Attempts of one call before the stage gives up and lets the state machine wait."""

LONGEST_PAUSE_S = 20.0

PASSING = (
    "ThrottlingException",
    "TooManyRequestsException",
    "ServiceUnavailableException",
    "InternalServerException",
    "ModelTimeoutException",
    "ModelNotReadyException",
    "ModelErrorException",
)
"""Errors of Converse that may go away; botocore itself retries neither ModelTimeout nor ModelError."""


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


@dataclass(slots=True)
class _Batch:
    """Answers bought but not yet stored, and answers paid for that turned out unusable."""

    good: list[Answer] = field(default_factory=list)
    wasted: list[Answer] = field(default_factory=list)


class Answerer:
    """Buys missing answers.

    Parameters
    ----------
    runtime : bedrock-runtime client
        With one attempt a call: throttles are counted and paused for here.
    store : AnswerStore
    registry : Registry
        Keeps the ledger.
    prices : PriceBook
    run_id : str
        Run that pays.
    calls_at_once : int
        Calls under way at once.
    seconds_left : callable
        Gives the seconds that the Lambda may still run.
    pause : callable
        Waits some seconds; replaced in tests.
    """

    def __init__(
        self,
        runtime: BedrockRuntimeClient,
        store: AnswerStore,
        registry: Registry,
        prices: PriceBook,
        *,
        run_id: str,
        calls_at_once: int,
        seconds_left: Callable[[], float],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._runtime, self._store, self._registry, self._prices = runtime, store, registry, prices
        self._run_id, self._calls_at_once = run_id, calls_at_once
        self._seconds_left, self._pause = seconds_left, pause
        self.bought = 0

    def ask(
        self,
        questions: Sequence[Question],
        use: ModelUse,
        shard: str,
        unusable: Callable[[Answer], str | None] = lambda _answer: None,
    ) -> dict[str, Answer]:
        """Give an answer to every question.

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
        dict of str to Answer
            By record id.

        Raises
        ------
        ModelUnavailable
            The service refuses the model or the request for good.
        RetryLater
            Throttled, out of time, or unusable answers only; what was bought is stored.
        """
        if not questions:
            return {}
        pool = questions[0].pool(use.identity)
        known = self._store.load(pool, shard)
        found: dict[str, Answer] = {}
        missing: list[Question] = []
        for question in questions:
            answer = known.get(question.key(use.identity))
            if answer is None:
                missing.append(question)
            else:
                found[question.record_id] = answer
        for answer in self._buy(pool, missing, use, shard, unusable):
            found[answer.record_id] = answer
        return found

    def _buy(
        self,
        pool: str,
        questions: list[Question],
        use: ModelUse,
        shard: str,
        unusable: Callable[[Answer], str | None],
    ) -> Iterator[Answer]:
        batch = _Batch()
        remaining = iter(questions)
        failure: BaseException | None = None
        with ThreadPoolExecutor(self._calls_at_once) as executor:
            running: set[Future[Answer]] = set()
            while True:
                while failure is None and len(running) < 2 * self._calls_at_once:
                    question = next(remaining, None)
                    if question is None:
                        break
                    running.add(executor.submit(self._call, question, use, unusable, batch.wasted))
                if not running:
                    break
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    failure = future.exception() or failure
                    if future.exception() is None:
                        batch.good.append(future.result())
                if len(batch.good) >= FLUSH_EVERY:
                    yield from self._flush(pool, use, shard, batch)
        yield from self._flush(pool, use, shard, batch)
        if failure:
            raise failure

    def _flush(self, pool: str, use: ModelUse, shard: str, batch: _Batch) -> list[Answer]:
        """Write the ledger first: the money is spent even if the answers were lost in the next moment."""
        wasted = list(batch.wasted)  # other threads add to it meanwhile
        paid = batch.good + wasted
        if paid and use.price_model:
            # Not named by content: the same answers bought again after a crash were paid again.
            entry_id = f"{pool}.{shard}.{uuid.uuid4().hex[:16]}"
            entry = entry_for_answers(entry_id, use.stage, use.price_model, paid, self._prices)
            self._registry.record_cost(self._run_id, entry)
        flushed = list(batch.good)
        if flushed:
            self._store.save(pool, shard, flushed)
        self.bought += len(flushed)
        batch.good.clear()
        del batch.wasted[: len(wasted)]
        return flushed

    def _call(
        self,
        question: Question,
        use: ModelUse,
        unusable: Callable[[Answer], str | None],
        wasted: list[Answer],
    ) -> Answer:
        problem = ""
        for attempt in range(MAX_ATTEMPTS):
            # A call that is cut off with its Lambda is paid, and neither kept nor written down.
            if self._seconds_left() < LONGEST_CALL_S:
                raise RetryLater(f"out of time for {use.invoke_id}; answered records are kept")
            started = time.perf_counter()
            try:
                response = self._runtime.converse(modelId=use.invoke_id, **question.to_api())
            except ClientError as refused:
                problem = self._passing(refused, use, question)
            except BotoCoreError as broken:
                problem = type(broken).__name__
            else:
                client_ms = (time.perf_counter() - started) * 1000
                answer = Answer.from_api(question, use.identity, _plain(response), client_ms)
                problem = unusable(answer) or ""
                if not problem:
                    return answer
                wasted.append(answer)
            self._pause(random.uniform(0, min(LONGEST_PAUSE_S, 0.2 * 2**attempt)))  # noqa: S311 - jitter, not a secret
        raise RetryLater(f"{use.invoke_id} gave no usable answer in {MAX_ATTEMPTS} attempts, at last: {problem}")

    @staticmethod
    def _passing(refused: ClientError, use: ModelUse, question: Question) -> str:
        code = error_code(refused)
        if code in PASSING:
            return code
        message = (
            f"{use.invoke_id} refused the request for record {question.record_id}: {code}: "
            f"{refused.response['Error'].get('Message')}. Mend what it names (access to the model, or that record in "
            "the upload), then retry the run: answers that were bought are kept"
        )
        raise ModelUnavailable(message) from None


def _plain(response: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's response types differ by stub version
    return dict(response)
