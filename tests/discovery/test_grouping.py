"""Calls of a whole account become its tasks: rules, dollars, and everything that is counted.

The seed is drawn at run time (``conftest.py``). Figures of quality are asked of two drawn accounts of three.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lambdas.domain.discovery.found_task import ModelTraffic
from lambdas.domain.discovery.grouping import rules_of_calls
from lambdas.domain.discovery.rules import UNASSIGNED, Rules
from lambdas.domain.discovery.spend import Spend
from lambdas.domain.task.settings import Settings
from tests.discovery.account import Account, known_calls, offloaded_of
from tests.discovery.account_logs import ADHOC, FAMILIES, Options
from tests.discovery.drawn import Drawn
from tests.discovery.everyday_prompts import EVERYDAY_FAMILIES
from tests.discovery.other_styles import OTHER_FAMILIES
from tests.discovery.scores import pairwise

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

    from lambdas.domain.discovery.found_task import FoundTask
    from lambdas.domain.discovery.sampled_call import SampledCall

CANARY = "zqcanaryqz"
HARD = Options(
    calls=20_000,
    tasks=45,
    one_role=True,
    variable_words=True,
    user_instructions=True,
    adhoc=0.05,
    metadata_tasks=1.0,
    canary=CANARY,
)
SAMPLE = 6_000


class Found:
    """One account, read once for all tests of this module."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.account = Account(folder, HARD, seed, FAMILIES + OTHER_FAMILIES + EVERYDAY_FAMILIES)
        self.account.extract()
        self.rows = self.account.calls()
        self.status = {row["request_id"]: row["status"] for row in self.rows}
        self.named = known_calls(self.rows, named=True)
        self.unnamed = known_calls(self.rows, named=False)
        self.account.read_offloaded(*offloaded_of(self.account.logs))
        self.rules = self.account.group(SAMPLE)
        self.rules_without_names = rules_of_calls([self.unnamed[i] for i in sorted(self.unnamed)[:SAMPLE]])
        self.tasks: list[FoundTask] = self.account.measure()

    def misplaced(self, task: str) -> int:
        """Count the calls without a name that are with the task and not of it, or of it and not with it."""
        truth = self.account.truth.tasks
        return sum((truth[i] == task) != (self.rules.task_of(call) == task) for i, call in self.unnamed.items())

    def wrong_dollars(self) -> dict[tuple[str, str], int]:
        """Give the named tasks whose dollars are not within 1 % of their bill, with their misplaced calls."""
        by_name = {task.task: task for task in self.tasks}
        prices, wrong = Settings.from_mapping({}).price_book(), {}
        for name, true in self.account.logs.tasks.items():
            if not true.named:
                continue
            models = tuple(ModelTraffic(model=m, **counts) for m, counts in true.traffic.items())
            paid = Spend.of(replace(self.tasks[0], models=models), prices, {}).usd
            assert paid
            said = Spend.of(by_name[name], prices, {}).usd if name in by_name else None
            if said is None or abs(said - paid) > paid / 100:
                wrong[name, true.family] = self.misplaced(name)
        return wrong

    def score(self, calls: dict[str, SampledCall], rules: Rules) -> float:
        truth = self.account.truth.tasks
        return pairwise((truth[i], rules.task_of(call)) for i, call in calls.items() if truth[i] != ADHOC)[2]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, discovery_seed: int) -> Drawn[Found]:
    return Drawn(lambda seed: Found(tmp_path_factory.mktemp("logs"), seed), discovery_seed)


@pytest.fixture(scope="module")
def found(drawn: Drawn[Found]) -> Found:
    return drawn[0]


def test_a_grouping_by_first_characters_would_not_do(found: Found) -> None:
    """What the grouping is held against: equal beginnings of system text or of the user's turn."""
    truth = found.account.truth.tasks
    groups: list[tuple[Hashable, Hashable]] = []
    for row in found.rows:
        if row["prefix_digests"] is not None and truth[row["request_id"]] != ADHOC:
            beginning = row["prefix_digests"][0] if row["prefix_digests"] else row["features"][0]
            groups.append((truth[row["request_id"]], (row["principal"], beginning)))
    assert pairwise(groups)[2] < 0.9


def test_calls_without_a_name_are_grouped_by_their_task(drawn: Drawn[Found]) -> None:
    def check(found: Found) -> None:
        assert found.score(found.unnamed, found.rules_without_names) >= 0.97

    drawn.most_hold(check)


def test_calls_whose_metadata_names_the_task_are_grouped_better_still(drawn: Drawn[Found]) -> None:
    def check(found: Found) -> None:
        assert found.score(found.named, found.rules) >= 0.99

    drawn.most_hold(check)


def test_chat_about_anything_stays_unassigned(drawn: Drawn[Found]) -> None:
    def check(found: Found) -> None:
        truth, rules = found.account.truth.tasks, found.rules_without_names
        chats = [call for i, call in found.unnamed.items() if truth[i] == ADHOC]
        assert sum(rules.task_of(call) == UNASSIGNED for call in chats) >= 0.8 * len(chats)

    drawn.most_hold(check)


def test_what_is_unassigned_has_its_dollars(found: Found) -> None:
    [rest] = [task for task in found.tasks if task.named_by == "none"]
    assert rest.task == UNASSIGNED
    assert sum(use.input_tokens for use in rest.models) > 0


def test_every_line_is_one_row_and_every_row_is_in_the_figures(found: Found) -> None:
    statuses = Counter(row["status"] for row in found.rows)
    assert statuses == found.account.truth.statuses
    assert sum(task.calls + task.failed_calls for task in found.tasks) + statuses["damaged"] == statuses.total()
    assert len({task.task for task in found.tasks}) == len(found.tasks)


def test_dollars_of_each_task_are_those_of_its_bill(drawn: Drawn[Found]) -> None:
    """Within 1 %; two small tasks may have five of their calls elsewhere."""

    def check(found: Found) -> None:
        wrong = found.wrong_dollars()
        assert {task: calls for task, calls in wrong.items() if calls > 5} == {}
        assert sum(calls > 2 for calls in wrong.values()) <= 2

    drawn.most_hold(check)


def test_all_tokens_together_are_exactly_those_of_the_truth(found: Found) -> None:
    sums, truth = Counter[str](), Counter[str]()
    for task in found.tasks:
        for use in task.models:
            sums.update(input_tokens=use.input_tokens, output_tokens=use.output_tokens)
            sums.update(cache_read_tokens=use.cache_read_tokens, cache_write_tokens=use.cache_write_tokens)
    for true in found.account.logs.tasks.values():
        for counts in true.traffic.values():
            truth.update({name: n for name, n in counts.items() if name != "calls"})
    assert +sums == +truth


def test_a_day_extracted_twice_leaves_the_same_rows(found: Found) -> None:
    # When
    found.account.extract(found.account.days[2])
    # Then
    assert sorted(map(repr, found.account.calls())) == sorted(map(repr, found.rows))


def test_no_word_of_a_prompt_or_an_answer_is_in_any_result(found: Found) -> None:
    results = [*found.rows, *found.account.sampled(SAMPLE), *(task.to_document() for task in found.tasks)]
    tables = found.account.duck.execute("SELECT line FROM logs.rules UNION ALL SELECT line FROM logs.bodies").fetchall()
    assert not [row for row in [*results, *tables] if CANARY in repr(row)]


def test_the_rules_are_the_same_after_they_were_written_and_read(found: Found) -> None:
    rules = found.rules_without_names
    read = Rules.from_lines(rules.to_lines())
    assert [read.task_of(c) for c in found.unnamed.values()] == [rules.task_of(c) for c in found.unnamed.values()]


def test_sql_and_python_give_a_call_to_the_same_task(found: Found) -> None:
    # Given
    rules = Rules.from_lines(line for (line,) in found.account.duck.execute("SELECT line FROM logs.rules").fetchall())
    counts = Counter(rules.task_of(call) for i, call in found.named.items() if found.status[i] == "answered")
    # Then
    for task in found.tasks:
        beside = task.offloaded_calls + task.unread_calls
        assert counts[task.task] <= task.calls <= counts[task.task] + beside + 20
