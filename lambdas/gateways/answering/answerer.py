"""Ask a model many questions: only those not answered before, each answer kept and each dollar written down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lambdas.domain.costs.prompt_caching import decide
from lambdas.domain.questions.answers import Answer, Asked, Question
from lambdas.gateways.answering.answer_recorder import Books, ModelUse, Till
from lambdas.gateways.answering.call_scheduler import FIRST_BACKOFF_S, HOPELESS_AFTER, Purchase, Request
from lambdas.gateways.answering.streaming import OpenAsking, settle

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

    from lambdas.gateways.answering.shared_limit import Limits


Unusable = Callable[[Answer], str | None]
Then = Callable[[Question, Answer], None]


def _usable(_answer: Answer) -> None:
    """Find nothing wrong with an answer."""


def _nothing(_question: Question, _answer: Answer) -> None:
    """Do nothing about an answer."""


class Answerer:
    """Pays for missing answers. Several threads may ask at once; calls to the same model share its limit.

    Parameters
    ----------
    runtime : bedrock-runtime client
        With one attempt a call: throttles are counted and paused for here.
    books : Books
        Where answers and dollars are written down.
    limits : Limits
        Calls in progress at once, model by model.
    seconds_left : callable
        Gives the seconds that the Lambda may still run.
    backoff_s : float
        First pause after an error of the service; shortened in tests.
    callable_model : callable
        Gives what a call to a model names, such as the model's application inference profile. Neither the keys of
        answers nor prices, limits or prompt caching know of it.
    """

    def __init__(
        self,
        runtime: BedrockRuntimeClient,
        books: Books,
        *,
        limits: Limits,
        seconds_left: Callable[[], float],
        backoff_s: float = FIRST_BACKOFF_S,
        callable_model: Callable[[str], str] = str,
    ) -> None:
        self._callable_model = callable_model
        self._runtime, self._books, self._limits = runtime, books, limits
        self._seconds_left, self._backoff_s = seconds_left, backoff_s
        self._lock, self._paid = threading.Lock(), 0

    @property
    def paid(self) -> int:
        """Answers paid for so far, by all threads."""
        return self._paid

    def ask(
        self,
        questions: Sequence[Question],
        use: ModelUse,
        shard: str,
        unusable: Unusable = _usable,
        then: Then = _nothing,
        *,
        cache_point: bool | None = None,
        useless: Unusable = _usable,
        hopeless_after: int = HOPELESS_AFTER,
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
        then : callable
            Told each usable answer as it comes, known ones first; it must not raise.
        cache_point : bool, optional
            Whether requests carry a cache point; decided by how many share a prompt unless said.
        useless : callable
            Says why an answer that is kept is of no use all the same, or ``None``; an empty text where it says nothing.
        hopeless_after : int
            Answers that are unusable or of no use, and none of use, after which no more are paid for.

        Returns
        -------
        Asked
            Answers and failures of this attempt; both are stored, so that asking again costs nothing.

        Raises
        ------
        ModelUnavailable
            The service refuses the model, or every request, for good; or no answer is of use (``useless``).
        RetryLater
            Throttled or out of time; what was paid for is stored.
        """
        if not questions:
            return Asked({}, {})
        till = self._till(questions[0], use, shard, unusable)
        keys = {question.record_id: question.key(use.identity) for question in questions}
        known = [question for question in questions if keys[question.record_id] in till.answers]
        for question in known:
            then(question, till.answers[keys[question.record_id]])
        settled = {*till.answers, *till.failed}
        missing = [question for question in questions if keys[question.record_id] not in settled]
        if missing:
            point = _shares_a_cacheable_prompt(missing, use) if cache_point is None else cache_point
            purchase = self._purchase(
                use, unusable, then, cache_point=point, useless=useless, hopeless_after=hopeless_after
            )
            purchase.count_known(till.answers[keys[question.record_id]] for question in known)
            purchase.add(missing, known=len(known))
            purchase.close()
            settle(purchase, till)
        return Asked(
            {record: till.answers[key] for record, key in keys.items() if key in till.answers},
            {record: till.failed[key] for record, key in keys.items() if key in till.failed},
        )

    def known(self, questions: Sequence[Question], use: ModelUse, shard: str) -> dict[str, Answer]:
        """Give the answers that exist, by record id, without asking; parameters are those of :meth:`ask`."""
        if not questions:
            return {}
        answers = self._till(questions[0], use, shard).answers
        keys = {question.record_id: question.key(use.identity) for question in questions}
        return {record: answers[key] for record, key in keys.items() if key in answers}

    def open(self, sample: Question, use: ModelUse, shard: str, unusable: Unusable = _usable) -> OpenAsking:
        """Ask questions that come one by one; parameters, errors and what is stored are those of :meth:`ask`.

        Parameters
        ----------
        sample : Question
            Shares pool and system prompt with all that will come; it is not asked.
        use, shard, unusable
            As for :meth:`ask`.
        """
        till = self._till(sample, use, shard, unusable)
        purchase = self._purchase(use, unusable, _nothing, cache_point=decide(sample, use.invoke_id).point)
        return OpenAsking(purchase, till, use.identity)

    def _till(self, sample: Question, use: ModelUse, shard: str, unusable: Unusable = _usable) -> Till:
        """Give a till that holds what is known of a pool already.

        What an earlier version kept and this one cannot use is asked for again.
        """
        pool, kept = sample.pool(use.identity), self._books.kept
        till = Till(self._books, use, pool, shard, self._count)
        till.answers = kept.answers.load(pool, shard, unusable)
        till.failed = kept.failures.load(pool)
        return till

    def _purchase(
        self,
        use: ModelUse,
        unusable: Unusable,
        then: Then,
        *,
        cache_point: bool,
        useless: Unusable = _usable,
        hopeless_after: int = HOPELESS_AFTER,
    ) -> Purchase:
        request = Request(
            model=self._callable_model(use.invoke_id),
            identity=use.identity,
            cache_point=cache_point,
            unusable=unusable,
            then=then,
            useless=useless,
            hopeless_after=hopeless_after,
        )
        limit = self._limits.of(use.invoke_id, use.most_at_once)
        return Purchase(self._runtime, limit, request, self._seconds_left, backoff_s=self._backoff_s)

    def _count(self, stored: int) -> None:
        with self._lock:
            self._paid += stored


def _shares_a_cacheable_prompt(questions: Sequence[Question], use: ModelUse) -> bool:
    """Tell whether keeping the system prompt pays: one call, or a prompt of each record's own, would only write it."""
    shared = len(questions) > 1 and len({question.system for question in questions}) == 1
    return shared and decide(questions[0], use.invoke_id).point
