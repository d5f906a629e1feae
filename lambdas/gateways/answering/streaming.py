"""Questions to one model that come one by one, from several threads, while the first of them are answered already."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lambdas.domain.errors import ModelUnavailable, RetryLater

if TYPE_CHECKING:
    from lambdas.domain.questions.answers import Answer, Question
    from lambdas.gateways.answering.answer_recorder import Till
    from lambdas.gateways.answering.call_scheduler import Purchase


def settle(purchase: Purchase, till: Till) -> None:
    """Let a purchase run to its end, and write down what it brings, however it ends.

    Raises
    ------
    ModelUnavailable, RetryLater
        As :meth:`Purchase.events`.
    """
    try:
        for event in purchase.events(till.prove_that_it_can_be_kept):
            till.take(event)
    except ModelUnavailable:
        till.forget_failures()
        raise
    finally:
        till.flush()


class OpenAsking:
    """A purchase on a thread of its own, as a context: the end of the context waits for the last answer.

    A question whose content was put before is not asked again, so that equal answers of two contestants are judged
    once. Where the context ends with an error other than ``RetryLater``, what nobody has asked yet is not asked.

    Parameters
    ----------
    purchase : Purchase
    till : Till
        Its ``answers`` and ``failed`` are what is known already.
    identity : str
        What the answers are kept under.
    """

    def __init__(self, purchase: Purchase, till: Till, identity: str) -> None:
        self._purchase, self._till, self._identity = purchase, till, identity
        self._lock = threading.Lock()
        self._put = {*till.answers, *till.failed}
        self._executor = ThreadPoolExecutor(1)
        purchase.add((), known=len(till.answers))

    def __enter__(self) -> Self:
        """Begin to ask."""
        self._end = self._executor.submit(settle, self._purchase, self._till)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what was put; the caller's own error, if there is one, is not replaced.

        Raises
        ------
        ModelUnavailable, RetryLater
            As :meth:`Answerer.ask`.
        """
        self._purchase.close(abandoned=error is not None and not isinstance(error, RetryLater))
        self._executor.shutdown(wait=True)
        if error is None:
            self._end.result()

    def put(self, question: Question) -> None:
        """Have a question asked; its answer is there when the context has ended."""
        key = question.key(self._identity)
        with self._lock:
            if key in self._put:
                return
            self._put.add(key)
        self._purchase.add((question,))

    def answer(self, question: Question) -> Answer | None:
        """Give the answer to a question that was put, after the context."""
        return self._till.answers.get(question.key(self._identity))

    def failure(self, question: Question) -> str:
        """Say why a question that was put has no usable answer, after the context."""
        return self._till.failed[question.key(self._identity)]
