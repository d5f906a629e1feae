"""Tasks whose lever is known by construction are ranked by what it saves, as their calls in the log add it up.

The seed is drawn at run time (``conftest.py``); two drawn accounts of three have to hold.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.domain.discovery.opportunities import rank
from tests.discovery.account import Account
from tests.discovery.account_logs import ADHOC, FIRST_DAY, AccountLogs, Options, TrueTask
from tests.discovery.drawn import Drawn
from tests.unit.domain.discovery.found_tasks import MICRO, PRICES, SETTINGS, TODAY

if TYPE_CHECKING:
    from lambdas.domain.discovery.found_task import FoundTask
    from tests.discovery.account_logs import Writer

WAYS = ("cache", "batch", "reuse")
IN, OUT, READ = 0.035, 0.14, 0.00875
"""US dollars a million tokens of Nova Micro."""

LARGER = 300

STEADY = Options(calls=15_000, tasks=18, days=3, failed=0.0, damaged=0.0, unknown=0.0, offloaded=0.0, adhoc=0.0)


def of_way(w: Writer, o: Options) -> list[TrueTask]:
    """Give a task of one model that nothing is cheaper than; ``_made`` leaves what each way needs."""
    lines = w.draw.randint(70, 120)
    system = f"You check the {w.topic()} of {w.topic()}.\n{w.rules(lines, o, 'dash')}"
    return [TrueTask(name="", family=w.draw.choice(WAYS), system=system, user="{para}")]


class KnownLevers(AccountLogs):
    """A log in which each task has one lever."""

    def _made(self, families: Any) -> dict[str, TrueTask]:
        made = super()._made(families)
        for task in (task for name, task in made.items() if name != ADHOC):
            task.models, task.form, task.tools, task.images, task.cached = (MICRO,), "converse", (), 0.0, 0.0
            task.streamed, task.batch, task.duplicates = 0.0, task.family == "batch", 0.0
            task.weight = 10 ** self.draw.uniform(0.5, 1.7)
            if task.family == "cache":
                task.tools = ("look_up",)  # no student learns those: a cache is all that helps
            if task.family == "reuse":
                task.duplicates = self.draw.uniform(0.2, 0.8)
            if task.family != "cache":
                # Its prompt begins with what is new in each call, and is shorter than what Nova Micro caches.
                task.user, task.system = f"{{uuid}} {task.user}\n{(task.system or '')[:600]}", None
        return made

    def _moment(self, task: TrueTask) -> datetime:
        if not task.batch:
            return super()._moment(task)
        start = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
        return start + timedelta(days=self.draw.randrange(self.options.days), hours=2, seconds=self.draw.randrange(60))


def true_savings(logs: KnownLevers) -> dict[str, float]:
    """Add up, call by call, what the lever of each task would have saved in the range."""
    saved: defaultdict[str, float] = defaultdict(float)
    last: dict[str, datetime] = {}
    seen: set[str] = set()
    for found in KnownLevers(logs.options, logs.seed, logs.families).lines():
        task, entry = logs.tasks[str(found.task)], json.loads(found.line)
        sent, answered = entry["input"]["inputTokenCount"], entry["output"]["outputTokenCount"]
        each = (sent * IN + answered * OUT) / 1e6
        moment = datetime.fromisoformat(entry["timestamp"])
        if task.family == "batch":
            saved[task.name] += each / 2
        elif task.family == "reuse":
            request = json.dumps([task.name, entry["input"]["inputBodyJson"]])
            saved[task.name] += each if request in seen else 0.0
            seen.add(request)
        elif task.name in last and (moment - last[task.name]).total_seconds() <= 300:
            saved[task.name] += len(task.system or "") / 4 * (IN - READ) / 1e6
        last[task.name] = moment
    return dict(saved)


@pytest.fixture
def drawn(tmp_path_factory: pytest.TempPathFactory, discovery_seed: int) -> Drawn[tuple[Account, dict[str, float]]]:
    def known(seed: int) -> tuple[Account, dict[str, float]]:
        account = Account(tmp_path_factory.mktemp("logs"), STEADY, seed, (of_way,), logs=KnownLevers)
        account.extract()
        account.group(6_000)
        return account, true_savings(account.logs)  # type: ignore[arg-type]

    return Drawn(known, discovery_seed)


def _larger(task: FoundTask) -> FoundTask:
    """Let each call of the log stand for many like it: what a few thousand calls save is worth nobody's while."""
    counts = [{name: n * LARGER for name, n in asdict(use).items() if name != "model"} for use in task.models]
    models = tuple(replace(use, **more) for use, more in zip(task.models, counts, strict=True))
    return replace(task, models=models, calls=task.calls * LARGER)


def check_ranking(known: tuple[Account, dict[str, float]]) -> None:
    # Given
    account, truth = known
    owner = account.owners()
    # When
    ranked = rank([_larger(task) for task in account.measure()], PRICES, SETTINGS, TODAY)
    # Then nearly each task is found, and the order is that of what their calls add up to
    found = {owner[one.task.task]: one for one in ranked.found if one.task.named_by != "none"}
    assert len(found) >= 0.85 * len(truth)
    right = sorted(found, key=lambda name: -truth[name])
    distance = sum((list(found).index(name) - right.index(name)) ** 2 for name in right)
    assert 1 - 6 * distance / (len(right) * (len(right) ** 2 - 1)) >= 0.9
    # And the best lever is the one that each was made with; what it would have saved is a third off at most
    year = 365 / STEADY.days * LARGER
    best = {name: one.best for name, one in found.items() if one.best.name == account.logs.tasks[name].family}
    assert len(best) >= 0.8 * len(found)
    held = [0.75 * float(one.low_usd) <= truth[name] * year <= 1.33 * float(one.high_usd) for name, one in best.items()]
    assert sum(held) >= 0.8 * len(held)


def test_the_ranking_of_a_log_follows_the_savings_of_its_calls(
    drawn: Drawn[tuple[Account, dict[str, float]]],
) -> None:
    drawn.most_hold(check_ranking)
