"""Ask a model many questions: only those not answered before, some at once, each dollar written down."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.domain.answers import Answer, Asked, Question
from lambdas.domain.errors import ModelUnavailable, RetryLater
from lambdas.domain.ledger import entry_for_answers
from lambdas.domain.prices import PriceBook
from lambdas.gateways.answer_store import AnswerStore
from lambdas.gateways.clients import LONGEST_CALL_S
from lambdas.gateways.failure_store import Failure, FailureStore
from lambdas.gateways.registry import Registry
from lambdas.gateways.storage import error_code

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

FLUSH_EVERY = 50
"""Answers after which a batch is stored: what a crash can lose at most."""

MAX_ATTEMPTS = 8
"""Attempts of one call before the stage gives up and lets the state machine wait."""

MAX_UNUSABLE = 3
"""Paid tries of one question whose answers cannot be used: at temperature 0 more of them would rarely help."""

REFUSALS_OF_THE_MODEL = 10
"""Refused requests, and not one answer, after which it is the model that refuses and not the record."""

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


@dataclass(frozen=True, slots=True)
class Kept:
    """Where answers and failures are kept."""

    answers: AnswerStore
    failures: FailureStore


@dataclass(slots=True)
class _Batch:
    """Answers bought but not yet stored, and answers paid for that turned out unusable."""

    good: list[Answer] = field(default_factory=list)
    wasted: list[Answer] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    refusals: int = 0

    def take(self, future: Future[Answer]) -> BaseException | None:
        """Add the outcome of a call; give the error that ends the stage."""
        problem = future.exception()
        if problem is None:
            self.good.append(future.result())
        elif isinstance(problem, _RecordFailed):
            self.failed.append(problem.failure)
            self.refusals += problem.refused
        else:
            return problem
        return None


class _RecordFailed(Exception):
    """One question gets no usable answer."""

    def __init__(self, failure: Failure, *, refused: bool = False) -> None:
        super().__init__(failure.reason)
        self.failure, self.refused = failure, refused


class Answerer:
    """Buys missing answers.

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
        kept: Kept,
        registry: Registry,
        prices: PriceBook,
        *,
        run_id: str,
        calls_at_once: int,
        seconds_left: Callable[[], float],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._runtime, self._store, self._failures = runtime, kept.answers, kept.failures
        self._registry, self._prices = registry, prices
        self._run_id, self._calls_at_once = run_id, calls_at_once
        self._seconds_left, self._pause = seconds_left, pause
        self.bought = 0

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
        known, failed = self._store.load(pool, shard), self._failures.load(pool)
        missing: list[Question] = []
        for question in questions:
            key = question.key(use.identity)
            if key in known:
                asked.answers[question.record_id] = known[key]
            elif key in failed:
                asked.failed[question.record_id] = failed[key]
            else:
                missing.append(question)
        self._buy(pool, missing, use, shard, unusable, asked)
        return asked

    def _buy(
        self,
        pool: str,
        questions: list[Question],
        use: ModelUse,
        shard: str,
        unusable: Callable[[Answer], str | None],
        asked: Asked,
    ) -> None:
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
                    problem = batch.take(future)
                    failure = problem or failure
                if batch.refusals >= REFUSALS_OF_THE_MODEL and not asked.answers and not batch.good:
                    failure = ModelUnavailable(_refusal(use, batch.failed[-1].record_id, batch.failed[-1].reason))
                if len(batch.good) >= FLUSH_EVERY:
                    self._flush(pool, use, shard, batch, asked)
        if isinstance(failure, ModelUnavailable):
            batch.failed.clear()  # it was not the records
        self._flush(pool, use, shard, batch, asked)
        if failure:
            raise failure

    def _flush(self, pool: str, use: ModelUse, shard: str, batch: _Batch, asked: Asked) -> None:
        """Write the ledger first: the money is spent even if the answers were lost in the next moment."""
        wasted = list(batch.wasted)  # other threads add to it meanwhile
        paid = batch.good + wasted
        if paid and use.price_model:
            # Not named by content: the same answers bought again after a crash were paid again.
            entry_id = f"{pool}.{shard}.{uuid.uuid4().hex[:16]}"
            entry = entry_for_answers(entry_id, use.stage, use.price_model, paid, self._prices)
            self._registry.record_cost(self._run_id, entry)
        if batch.good:
            self._store.save(pool, shard, list(batch.good))
        if batch.failed:
            self._failures.save(pool, shard, batch.failed)
        self.bought += len(batch.good)
        asked.answers.update({answer.record_id: answer for answer in batch.good})
        asked.failed.update({failure.record_id: failure.reason for failure in batch.failed})
        batch.good.clear()
        batch.failed.clear()
        del batch.wasted[: len(wasted)]

    def _call(
        self,
        question: Question,
        use: ModelUse,
        unusable: Callable[[Answer], str | None],
        wasted: list[Answer],
    ) -> Answer:
        problem, useless = "", 0
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
                failed_tries = attempt - useless
                answer = Answer.from_api(question, use.identity, _plain(response), client_ms, failed_tries)
                problem = unusable(answer) or ""
                if not problem:
                    return answer
                wasted.append(answer)
                useless += 1
                if useless == MAX_UNUSABLE:
                    raise _RecordFailed(_failure(question, use, f"no usable answer in {useless} tries: {problem}"))
            self._pause(random.uniform(0, min(LONGEST_PAUSE_S, 0.2 * 2**attempt)))  # noqa: S311 - jitter, not a secret
        raise RetryLater(f"{use.invoke_id} gave no usable answer in {MAX_ATTEMPTS} attempts, at last: {problem}")

    @staticmethod
    def _passing(refused: ClientError, use: ModelUse, question: Question) -> str:
        code = error_code(refused)
        if code in PASSING:
            return code
        reason = f"{code}: {refused.response['Error'].get('Message')}"
        if code == "ValidationException":
            raise _RecordFailed(_failure(question, use, f"refused: {reason}"), refused=True) from None
        raise ModelUnavailable(_refusal(use, question.record_id, reason)) from None


def _failure(question: Question, use: ModelUse, reason: str) -> Failure:
    return Failure(key=question.key(use.identity), record_id=question.record_id, reason=reason)


def _refusal(use: ModelUse, record_id: str, reason: str) -> str:
    return (
        f"{use.invoke_id} refused the request for record {record_id}: {reason}. Mend what it names (access to the "
        "model, or that record in the upload), then retry the run: answers that were bought are kept"
    )


def _plain(response: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's response types differ by stub version
    return dict(response)
