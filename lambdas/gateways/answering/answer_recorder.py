"""Where paid answers are written down: the ledger first, then the answers, in batches that a crash can lose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.gateways.answering.call_scheduler import Bought, Event
from lambdas.gateways.answering.failure_store import Failure

if TYPE_CHECKING:
    from lambdas.domain.questions.answers import Answer
    from lambdas.gateways.answering.answer_store import AnswerStore
    from lambdas.gateways.answering.failure_store import FailureStore
    from lambdas.gateways.registry.run_ledger import RunLedger

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
    counted_as : str or None
        Name of a count of its own in the ledger, for calls with a purpose that stage and model do not tell.
    most_at_once : int or None
        Calls that may be in progress at once in one process, where that is fewer than the settings allow.
    """

    stage: str
    identity: str
    invoke_id: str
    price_model: str | None
    counted_as: str | None = None
    most_at_once: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """Where answers and failures are kept."""

    answers: AnswerStore
    failures: FailureStore


@dataclass(frozen=True, slots=True)
class Books:
    """Where a run's answers and dollars are written down.

    Attributes
    ----------
    kept : Kept
        Answers of the task and failures of this attempt.
    ledger : RunLedger
        Of the run that pays.
    """

    kept: Kept
    ledger: RunLedger


class Till:
    """What one purchase brought. It belongs to the thread that iterates over the purchase.

    Parameters
    ----------
    books : Books
    use : ModelUse
    pool, shard : str
        Where the answers lie: see :class:`AnswerStore`.
    stored : callable
        Told the number of answers that were stored.

    Attributes
    ----------
    answers : dict of str to Answer
        By content key; what is known already is put there by the owner.
    failed : dict of str to str
        Content key to the reason why there is no usable answer.
    """

    def __init__(self, books: Books, use: ModelUse, pool: str, shard: str, stored: Callable[[int], None]) -> None:
        self._books, self._use, self._pool, self._shard, self._stored = books, use, pool, shard, stored
        self._good: list[Answer] = []
        self._wasted: list[Answer] = []
        self._failures: list[Failure] = []
        self._line = self._new_line()
        self.answers: dict[str, Answer] = {}
        self.failed: dict[str, str] = {}

    def take(self, event: Event) -> None:
        """Take what was paid or failed, and store a full batch."""
        if isinstance(event, Bought):
            (self._good if event.usable else self._wasted).append(event.answer)
        else:
            key = event.question.key(self._use.identity)
            self._failures.append(Failure(key=key, record_id=event.question.record_id, reason=event.reason))
        if len(self._good) + len(self._wasted) >= FLUSH_EVERY:
            self.flush()

    def forget_failures(self) -> None:
        """Drop what failed and is not stored yet: it was not the records, but the model."""
        self._failures.clear()

    def prove_that_it_can_be_kept(self) -> None:
        """Write to both places before anything is paid: a Task that cannot keep answers pays for them at each try."""
        self._books.kept.answers.prove_writable()
        self._enter()

    def _enter(self) -> None:
        use = self._use
        if use.price_model:
            self._books.ledger.write_answers(
                self._line, use.stage, use.price_model, self._good, wasted=self._wasted, counted_as=use.counted_as
            )

    def _new_line(self) -> str:
        return self._books.ledger.new_line(f"{self._pool}.{self._shard}")

    def flush(self) -> None:
        """Write the ledger first: the money is spent even if the answers were lost in the next moment.

        The answers are kept even where the ledger cannot be written: the next try must not pay for them again.
        """
        try:
            if self._good or self._wasted:
                self._enter()
                self._line = self._new_line()
        finally:
            if self._good:
                self._books.kept.answers.save(self._pool, self._shard, self._good)
        self._wasted.clear()
        if self._failures:
            self._books.kept.failures.save(self._pool, self._shard, self._failures)
        self._stored(len(self._good))
        self.answers.update({answer.key: answer for answer in self._good})
        self.failed.update({failure.key: failure.reason for failure in self._failures})
        self._good.clear()
        self._failures.clear()
