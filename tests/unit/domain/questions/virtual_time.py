"""Lambdas that answer shards at models with a quota, in virtual time: no thread, no clock, no service."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lambdas.domain.questions.concurrency_limit import CallLimit, Started

THROTTLE_SECONDS = 0.005


@dataclass
class Outcome:
    """What became of the calls to the model that is asked last."""

    wall: float = 0.0
    calls: int = 0
    throttled: int = 0
    highest: int = 0

    @property
    def share(self) -> float:
        return self.throttled / self.calls


@dataclass
class Worker:
    """A Lambda with a limit of each model: contestants first, whose answers are questions to the last one."""

    limits: list[CallLimit]
    to_start: list[int] = field(default_factory=list)
    """Questions to each model that wait."""
    unanswered: int = 0
    """Questions to the last model without an answer, those that are not put yet among them."""

    def begin(self, records: int) -> None:
        contestants = len(self.limits) - 1
        self.to_start = [records] * contestants + [0 if contestants else records]
        self.unanswered = records * max(1, contestants)

    def asks_last(self, model: int) -> bool:
        return model == len(self.limits) - 1


@dataclass(order=True)
class Call:
    ends: float
    order: int
    takes: float = field(compare=False)
    worker: Worker = field(compare=False)
    model: int = field(compare=False)
    started: Started = field(compare=False)


class Services:
    """Models that take ``quota`` calls each, ``most`` of them until a moment when strangers leave."""

    def __init__(self, quota: int, seconds: float, *, until: float, most: int, seed: int) -> None:
        self._quota, self._seconds, self._until, self._most = quota, seconds, until, most
        self._dice = random.Random(seed)  # noqa: S311 - reproducible
        self._running: dict[int, int] = {}

    def seconds_of_a_call(self, model: int, now: float) -> float:
        """Give the seconds that an accepted call takes; 0 for a throttled one."""
        running = self._running.get(model, 0)
        if running >= (self._most if now < self._until else self._quota):
            return 0.0
        self._running[model] = running + 1
        return self._seconds * self._dice.uniform(0.7, 1.3)

    def end(self, model: int) -> None:
        self._running[model] -= 1


class Asking:
    """Workers at their shards, as in a map: whoever has answered a shard takes the next one."""

    def __init__(self, workers: Sequence[Sequence[CallLimit]], shards: Sequence[int], services: Services) -> None:
        self._workers = [Worker(list(limits)) for limits in workers]
        self._shards, self._services = iter(shards), services
        self._calls: list[Call] = []
        self._started = 0
        self.outcome = Outcome()

    def run(self) -> Outcome:
        now = 0.0
        while True:
            next_start = min(now + self._start(worker, model, now) for worker, model in self._models())
            if self._calls and self._calls[0].ends <= next_start:
                now = self._calls[0].ends
                self._end(heapq.heappop(self._calls), now)
            elif next_start < float("inf"):
                now = next_start
            else:
                self.outcome.wall = now
                assert not any(worker.unanswered for worker in self._workers), "a limit waits for nothing"
                return self.outcome

    def _models(self) -> Iterator[tuple[Worker, int]]:
        for worker in self._workers:
            if not worker.unanswered:
                worker.begin(next(self._shards, 0))
            for model in range(len(worker.limits)):
                yield worker, model

    def _start(self, worker: Worker, model: int, now: float) -> float:
        """Start what may start now; gives the seconds until more may."""
        limit = worker.limits[model]
        while worker.to_start[model]:
            delay = limit.delay(now)
            if delay > 0:
                return delay
            worker.to_start[model] -= 1
            started, takes = limit.start(now), self._services.seconds_of_a_call(model, now)
            if worker.asks_last(model):
                self.outcome.calls += 1
                self.outcome.highest = max(self.outcome.highest, limit.running)
            self._started += 1
            ends = now + (takes or THROTTLE_SECONDS)
            heapq.heappush(self._calls, Call(ends, self._started, takes, worker, model, started))
        return float("inf")

    def _end(self, call: Call, now: float) -> None:
        worker, limit = call.worker, call.worker.limits[call.model]
        if not call.takes:
            self.outcome.throttled += worker.asks_last(call.model)
            limit.throttled(call.started, now)
            worker.to_start[call.model] += 1
            return
        self._services.end(call.model)
        limit.answered(call.started, call.takes)
        if worker.asks_last(call.model):
            worker.unanswered -= 1
        else:
            worker.to_start[-1] += 1


def ask(
    workers: Sequence[Sequence[CallLimit]],
    shards: Sequence[int],
    quota: int,
    seconds: float,
    *,
    shared: tuple[float, int] = (0.0, 0),
    seed: int = 1,
) -> Outcome:
    """Let workers answer shards.

    Parameters
    ----------
    workers : sequence of sequence of CallLimit
        A limit of each model, for each Lambda.
    shards : sequence of int
        Records of each.
    quota : int
        Calls at once that each model accepts.
    seconds : float
        A call's mean.
    shared : tuple of float and int
        Until the first strangers leave only the second of the quota.
    """
    until, most = shared
    services = Services(quota, seconds, until=until, most=most, seed=seed)
    return Asking(workers, shards, services).run()
