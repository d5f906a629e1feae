"""Calls whose metadata names their task teach the rules of those that have no name."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.domain.discovery.grouping import rules_of_calls
from lambdas.domain.discovery.masking import feature
from lambdas.domain.discovery.rules import UNASSIGNED, Rules
from lambdas.domain.discovery.sampled_call import SampledCall
from lambdas.domain.discovery.taught import NAMED_CALLS

POLICY = [f"rule {n} of the house, which every prompt of it begins with" for n in range(20)]
SUMMARISE, CLASSIFY = "Summarise the complaint below in one sentence", "Classify the complaint below by its urgency"


def call(lines: list[str], name: str | None = None, **fields: Any) -> SampledCall:
    known = {"principal": "gateway", "tools": "", "moment": 0.0, **fields}
    return SampledCall(named_task=name, features=tuple(feature(f"l{line}", "s") for line in lines), **known)


def text(n: int) -> str:
    """Give a line that no other call has."""
    return f"what customer {n} wrote"


def several(
    count: int, lines: list[str], name: str | None = None, *, first: int = 0, **fields: Any
) -> list[SampledCall]:
    return [call([*lines, text(first + n)], name, **fields) for n in range(count)]


def taken(rules: Rules, *lines: str) -> str:
    return rules.task_of(call([*lines, text(10**6)]))


def test_fewer_named_calls_than_teach_make_no_rule() -> None:
    rules = rules_of_calls(several(NAMED_CALLS - 1, ["the only line of a prompt that few send"], "rare"))
    assert taken(rules, "the only line of a prompt that few send") == UNASSIGNED


def test_named_calls_without_a_line_of_their_own_teach_nothing() -> None:
    # Given two names for the very same prompt
    calls = several(40, POLICY, "one") + several(40, POLICY, "other", first=100)
    # When
    rules = rules_of_calls(calls)
    # Then it is neither's
    assert taken(rules, *POLICY) not in ("one", "other", UNASSIGNED)


def test_a_rule_for_something_else_does_not_get_the_name_of_the_few_calls_that_it_took() -> None:
    # Given a stock line under calls about anything, ten of which are of a task
    stock = "This message is confidential and meant for its addressee only, so delete it"
    calls = several(60, [SUMMARISE], "summaries") + several(10, [SUMMARISE, stock], "summaries", first=100)
    calls += several(110, [stock], first=200)
    # When
    rules = rules_of_calls(calls)
    # Then
    assert taken(rules, stock) != "summaries"
    assert taken(rules, SUMMARISE) == taken(rules, SUMMARISE, stock) == "summaries"


def test_what_a_taught_rule_leaves_of_an_older_one_does_not_keep_the_name() -> None:
    # Given a task whose words are in other calls too, one by one, and half of whose calls begin as a few others do
    start, words = "Country by country, for each company", ["revenue", "quarter", "forecast"]
    calls = several(60, [start, *words], "reports") + several(60, words, "reports", first=100)
    calls += [one for n, word in enumerate(words) for one in several(90, [word], first=200 + 100 * n)]
    calls += several(9, [start], first=500) + several(30, [start, *words], first=600)
    # When
    rules = rules_of_calls(calls)
    # Then
    assert taken(rules, start, *words) == taken(rules, *words) == "reports"
    assert taken(rules, start) != "reports"


def test_a_taught_rule_takes_no_calls_of_a_prompt_that_nobody_named() -> None:
    # Given a named task whose one line is also in a prompt without a name
    unnamed = [CLASSIFY, *POLICY]
    calls = several(20, [CLASSIFY], "urgency", tools="t") + several(200, unnamed, first=100, tools="t")
    # When
    rules = rules_of_calls(calls)
    # Then
    assert rules.task_of(call([*unnamed, text(9)], tools="t")) != "urgency"


def test_two_tasks_under_one_long_text_are_told_apart_by_what_their_named_calls_say() -> None:
    # Given: one line of twenty differs, and one of them is asked so seldom that texts alone see a variable
    calls = several(300, [*POLICY, CLASSIFY], "urgency") + several(60, [*POLICY, SUMMARISE], "summaries", first=400)
    # When
    rules = rules_of_calls(calls)
    # Then
    assert taken(rules, *POLICY, CLASSIFY) == "urgency"
    assert taken(rules, *POLICY, SUMMARISE) == "summaries"


@pytest.mark.parametrize("count", [NAMED_CALLS, 12, 31])
def test_a_task_of_too_few_calls_for_a_template_is_found_by_its_named_ones(count: int) -> None:
    rules = rules_of_calls(several(count, POLICY, "rare", tools="five of its own"))
    assert rules.task_of(call([*POLICY, text(7)], tools="five of its own")) == "rare"
    assert rules.task_of(call([text(8), text(9)], tools="five of its own")) == UNASSIGNED


def test_rules_of_one_caller_have_orders_of_their_own() -> None:
    calls = several(300, [*POLICY, CLASSIFY], "urgency") + several(60, [*POLICY, SUMMARISE], "summaries", first=400)
    calls += several(200, ["a prompt that nobody named, in one line of its own"], first=500)
    orders = [rule.order for rule in rules_of_calls(calls).rules]
    assert sorted(orders) == list(range(len(orders)))
