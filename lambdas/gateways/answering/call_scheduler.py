"""Calls in progress at one model: as many as the account's quota allows, each question tried again while it helps."""

from __future__ import annotations

import heapq
import itertools
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lambdas.domain.errors import DailyQuotaUsed, ModelUnavailable, OutOfTime, RetryLater
from lambdas.domain.questions.answers import Answer, Question
from lambdas.gateways.answering.converse import Answered, Broken, Outcome, Refused, Throttled, call
from lambdas.gateways.aws.clients import LONGEST_CALL_S

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

    from lambdas.domain.questions.concurrency_limit import Started
    from lambdas.gateways.answering.shared_limit import SharedLimit

MAX_BROKEN = 6
"""Tries of one question that end in an error of the service before it is given up."""

MAX_UNUSABLE = 3
"""Paid tries of one question whose answers cannot be used: at temperature 0 more of them would rarely help."""

MAX_STREAK = 12
"""Throttles in a row, with growing pauses and no answer between them, before the state machine is let wait."""

REFUSALS_OF_THE_MODEL = 10
"""Refused requests, and not one answer, after which it is the model that refuses and not the record."""

OTHERS_END_S = 0.05
"""How often a full limit is looked at again: the call that ends may be another purchase's."""

HOPELESS_AFTER = 20
"""Paid answers of no use, and not one of use, after which no more are paid for: a model of whose answers half can be
used gives so many in a row once in a million times."""

UNTIL_TOMORROW = (
    "The quota resets within a day; what was bought is kept. A larger one is asked for in Service Quotas (Amazon "
    "Bedrock, 'Model invocation max tokens per day')"
)

FIRST_BACKOFF_S = 0.2
LONGEST_BACKOFF_S = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """How the questions are asked.

    Attributes
    ----------
    model : str
        What Converse takes as ``modelId``.
    identity : str
        What the answers are kept under.
    cache_point : bool
        Whether the shared system prompt is to be kept by the service.
    unusable : callable
        Says why an answer cannot be kept, or ``None``.
    then : callable
        Told each usable answer as it comes.
    useless : callable
        Says why an answer that is kept is of no use all the same, or ``None``; an empty text where it says nothing.
    hopeless_after : int
        Answers of no use, and none of use, after which no more are paid for.
    """

    model: str
    identity: str
    cache_point: bool
    unusable: Callable[[Answer], str | None]
    then: Callable[[Question, Answer], None]
    useless: Callable[[Answer], str | None] = lambda _answer: None
    hopeless_after: int = HOPELESS_AFTER

    @property
    def named(self) -> str:
        """The model as a person knows it: what is called may be an inference profile with a name of no meaning."""
        return self.identity.partition("#")[0]


@dataclass(slots=True)
class Try:
    """One question and what became of its tries so far."""

    question: Question
    failed: int = 0
    broken: int = 0
    useless: int = 0


class Bought(NamedTuple):
    """A paid answer; ``usable`` or to be asked for again."""

    answer: Answer
    usable: bool


class Failed(NamedTuple):
    """A question that gets no usable answer."""

    question: Question
    reason: str


Event = Bought | Failed


class _Ended(NamedTuple):
    """A call that has ended."""

    tried: Try
    started: Started
    outcome: Outcome | BaseException


class _Added(NamedTuple):
    """Questions from another thread; ``known`` are answers that exist already, and show that the model answers."""

    questions: tuple[Question, ...] = ()
    known: int = 0


class _Closed(NamedTuple):
    """No more questions come; ``abandoned``: and those that nobody has asked yet are not asked."""

    abandoned: bool


class Purchase:
    """Ask questions; the limit, the order of tries and all decisions belong to the one thread that iterates.

    Questions may be added by any thread until it is closed, also while the first ones are asked.

    Parameters
    ----------
    runtime : bedrock-runtime client
    limit : SharedLimit
        Of the model, shared by all purchases of the process.
    request : Request
    seconds_left : callable
    backoff_s : float
        First pause after an error of the service.
    """

    def __init__(
        self,
        runtime: BedrockRuntimeClient,
        limit: SharedLimit,
        request: Request,
        seconds_left: Callable[[], float],
        *,
        backoff_s: float = FIRST_BACKOFF_S,
    ) -> None:
        self._runtime, self._limit, self._request = runtime, limit, request
        self._seconds_left, self._backoff_s = seconds_left, backoff_s
        self._answered, self._refusals, self._added = 0, 0, 0
        self._paid, self._useful, self._useless = False, False, Counter[str]()
        # A warm Lambda that is tried again still has the streak that it gave up at: the new try has its own patience.
        self._last_streak = limit.streak + MAX_STREAK
        self._ready: deque[Try] = deque()
        self._later: list[tuple[float, int, Try]] = []
        self._order = itertools.count()
        self._news: queue.SimpleQueue[_Ended | _Added | _Closed] = queue.SimpleQueue()
        self._running, self._closed, self._abandoned = 0, False, False
        self._refused: tuple[Question, str] | None = None
        self._end: BaseException | None = None

    def add(self, questions: Iterable[Question], *, known: int = 0) -> None:
        """Add questions, and say how many others have answers already."""
        self._news.put(_Added(tuple(questions), known))

    def count_known(self, answers: Iterable[Answer]) -> None:
        """Count answers to the very questions of this purchase that exist already, of use or not."""
        for answer in answers:
            self._weigh(self._request.useless(answer))

    def close(self, *, abandoned: bool = False) -> None:
        """Say that no more questions come; :meth:`events` ends when all are settled, or at once when abandoned."""
        self._news.put(_Closed(abandoned))

    def events(self, before: Callable[[], None]) -> Iterator[Event]:
        """Yield what was paid and what failed, as it happens, until it is closed.

        Parameters
        ----------
        before : callable
            Called once, before the first call, and not where nothing is asked; what it raises ends the purchase.

        Raises
        ------
        ModelUnavailable, RetryLater
            After every call that was in progress has ended and been yielded.
        """
        try:
            with ThreadPoolExecutor(self._limit.most) as executor:
                yield from self._until_done(executor, before)
        finally:
            # Calls that nobody waited for, after a crash: the limit outlives this purchase.
            for _ in range(self._running):
                self._limit.ended()
        if self._end is None and self._refused and self._refusals == self._added > 1 and not self._answered:
            question, problem = self._refused
            self._end = self._refusal(question, f"{problem} (as every request of this shard)")
        if self._end:
            raise self._end

    def _until_done(self, executor: ThreadPoolExecutor, before: Callable[[], None]) -> Iterator[Event]:
        proved = False
        while True:
            if self._ready and not proved:
                before()
                proved = True
            patience = self._start(executor)
            if self._running == 0 and (self._end or self._is_through()):
                return
            try:
                news = self._news.get(timeout=patience)
            except queue.Empty:
                continue
            if isinstance(news, _Added):
                self._ready.extend(map(Try, news.questions))
                self._added += len(news.questions)
                self._answered += news.known
            elif isinstance(news, _Closed):
                self._closed, self._abandoned = True, news.abandoned
            else:
                self._running -= 1
                yield from self._settle(news)

    def _is_through(self) -> bool:
        return self._closed and (self._abandoned or not (self._ready or self._later))

    def _start(self, executor: ThreadPoolExecutor) -> float | None:
        """Start what may start now; give the seconds after which more may, or ``None`` where only an own end helps."""
        while self._end is None and not self._abandoned:
            now = time.monotonic()
            while self._later and self._later[0][0] <= now:
                self._ready.append(heapq.heappop(self._later)[2])
            if not self._ready:
                return self._later[0][0] - now if self._later else None
            # A call that is cut off with its Lambda is paid, and neither kept nor written down.
            delay = self._limit.delay()
            waited = 0.0 if delay == float("inf") else delay
            if self._seconds_left() - waited < LONGEST_CALL_S:
                # Whoever paid nothing has no more right to another Lambda than one that failed.
                said = f"out of time for {self._request.named}; answered records are kept"
                self._end = OutOfTime(said) if self._paid else RetryLater(said, busy=self._limit.streak > 0)
                return None
            if delay > 0:
                return min(delay, OTHERS_END_S)
            started = self._limit.start()
            if started:
                self._running += 1
                executor.submit(self._call, self._ready.popleft(), started)
        return None

    def _call(self, tried: Try, started: Started) -> None:
        outcome: Outcome | BaseException
        try:
            api = tried.question.to_api(cache_point=self._request.cache_point)
            outcome = call(self._runtime, self._request.model, api)
        except BaseException as crashed:  # noqa: BLE001 - raised again by the thread that iterates
            outcome = crashed
        self._news.put(_Ended(tried, started, outcome))

    def _settle(self, ended: _Ended) -> Iterator[Event]:
        tried, started, outcome = ended.tried, ended.started, ended.outcome
        if isinstance(outcome, Answered):
            self._limit.answered(started, outcome.client_ms / 1000)
            self._last_streak = MAX_STREAK
            yield from self._take(tried, outcome)
        elif isinstance(outcome, Throttled):
            self._limit.throttled(started, outcome.retry_after)
            tried.failed += 1
            self._ready.appendleft(tried)  # the limit paces it
            if outcome.for_today:
                said = f"a quota of the day is used up for {self._request.named}: {outcome.problem.rstrip('.')}"
                self._end = self._end or DailyQuotaUsed(f"{said}. {UNTIL_TOMORROW}")
            elif self._limit.streak >= self._last_streak:
                said = f"{self._request.named} throttled {MAX_STREAK} times without an answer: {outcome.problem}"
                self._end = self._end or RetryLater(f"{said}; answered records are kept", busy=True)
        else:
            self._limit.ended()
            if isinstance(outcome, Broken):
                yield from self._try_again(tried, outcome)
            elif isinstance(outcome, Refused):
                yield from self._refuse(tried, outcome)
            else:
                self._end = self._end or outcome

    def _take(self, tried: Try, outcome: Answered) -> Iterator[Event]:
        question, request = tried.question, self._request
        answer = Answer.from_api(question, request.identity, outcome.response, outcome.client_ms, tried.failed)
        problem = request.unusable(answer)
        self._weigh(problem or request.useless(answer))
        yield Bought(answer, usable=problem is None)
        if problem is None:
            self._answered += 1
            self._paid = True
            request.then(question, answer)
            return
        tried.useless += 1
        if tried.useless == MAX_UNUSABLE:
            yield Failed(question, f"no usable answer in {MAX_UNUSABLE} tries: {problem}")
        else:
            self._ready.append(tried)

    def _weigh(self, problem: str | None) -> None:
        """Count an answer as of use or not, and end a purchase that nothing of use is to be hoped for from."""
        self._useful = self._useful or problem is None
        if problem:
            self._useless[problem] += 1
        if not self._useful and self._useless.total() >= self._request.hopeless_after:
            self._end = self._end or self._hopeless()

    def _hopeless(self) -> ModelUnavailable:
        (reason, times), *_ = self._useless.most_common(1)
        message = (
            f"{self._request.named} gave {self._useless.total()} answers and none that can be used, most often "
            f"({times} times): {reason}. No more were paid for"
        )
        cure = "Mend what the reason names, or name another model in the settings, and retry the run"
        return ModelUnavailable(f"{message}. {cure}", useless=reason)

    def _try_again(self, tried: Try, outcome: Broken) -> Iterator[Event]:
        tried.failed += 1
        tried.broken += 1
        if tried.broken < MAX_BROKEN:
            pause = min(LONGEST_BACKOFF_S, self._backoff_s * 2.0**tried.broken)
            heapq.heappush(self._later, (time.monotonic() + pause, next(self._order), tried))
        elif outcome.about_the_request and self._answered:
            # Others are answered, so this one question must not hold the run up for ever.
            yield Failed(tried.question, f"no answer in {MAX_BROKEN} tries: {outcome.problem}")
        else:
            said = f"{self._request.named} gave no answer in {MAX_BROKEN} tries, at last: {outcome.problem}"
            self._end = self._end or RetryLater(said, busy=True)

    def _refuse(self, tried: Try, outcome: Refused) -> Iterator[Event]:
        if not outcome.request:
            self._end = self._refusal(tried.question, outcome.problem)
            return
        self._refusals += 1
        self._refused = self._refused or (tried.question, outcome.problem)
        if self._refusals >= REFUSALS_OF_THE_MODEL and not self._answered:
            self._end = self._refusal(tried.question, outcome.problem)
        yield Failed(tried.question, f"refused: {outcome.problem}")

    def _refusal(self, question: Question, problem: str) -> ModelUnavailable:
        message = (
            f"{self._request.named} refused the request for record {question.record_id}: {problem}. Mend access to the "
            "model and retry the run, or mend that record and upload again: answers that were paid for are kept"
        )
        return ModelUnavailable(message, said=problem)
