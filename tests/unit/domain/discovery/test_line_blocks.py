"""Blocks of lines, families of them, and rules of small samples."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.discovery.grouping import rules_of, rules_of_calls
from lambdas.domain.discovery.line_blocks import blocks_of, exclusive_family, numbers_of
from lambdas.domain.discovery.masking import PART_BIT, USER_BIT, features_of, masked
from lambdas.domain.discovery.rules import UNASSIGNED, Rule, Rules
from lambdas.domain.discovery.sampled_call import SampledCall, sampled

SALT = "s" * 64


def call(system: str, user: str = "What is that?", **fields: object) -> SampledCall:
    known = {"principal": "app", "tools": "", "moment": 0.0, "named_task": None, **fields}
    return SampledCall(features=tuple(features_of(system, user, SALT)), **known)  # type: ignore[arg-type]


def prompt(topic: str) -> str:
    return f"You answer questions about {topic}. Be brief and polite in every answer. Never give advice on {topic} law."


def test_too_few_calls_make_no_rule() -> None:
    assert rules_of_calls([call(prompt("travel")) for _ in range(7)]).rules == ()


def test_calls_without_anything_in_common_make_no_rule() -> None:
    calls = [call("", f"{n} alpha{n} beta{n} gamma{n} delta{n} epsilon{n}") for n in map(chr, range(20_000, 20_100))]
    assert rules_of_calls(calls).rules == ()


def test_two_prompts_of_one_role_are_two_tasks_and_one_prompt_of_two_roles_is_one() -> None:
    # Given
    calls = [
        call(prompt(topic), principal=role) for topic in ("travel", "tax") for role in ("a", "b") for _ in range(50)
    ]
    # When
    rules = rules_of_calls(calls)
    tasks = [[rules.task_of(call(prompt(topic), principal=role)) for role in ("a", "b")] for topic in ("travel", "tax")]
    # Then
    assert [len(set(of_topic)) for of_topic in tasks] == [1, 1]
    assert tasks[0] != tasks[1]
    assert UNASSIGNED not in (*tasks[0], *tasks[1])


def test_a_later_version_of_a_prompt_keeps_the_tasks_name() -> None:
    # Given
    old = prompt("travel") + " Answer in one sentence only. Sign with the name of the team."
    new = prompt("travel") + " Answer with a list of steps. Add a link to the handbook."
    calls = [call(old if day < 5 else new, moment=float(day)) for day in range(10) for _ in range(20)]
    # When
    rules = rules_of_calls(calls)
    # Then
    assert rules.task_of(call(old)) == rules.task_of(call(new)) != UNASSIGNED


def test_two_variants_at_the_same_time_are_two_tasks() -> None:
    old = prompt("travel") + " Answer in one sentence only. Sign with the name of the team."
    new = prompt("travel") + " Answer with a list of steps. Add a link to the handbook."
    calls = [call(text, moment=float(day)) for day in range(10) for text in (old, new) for _ in range(10)]
    rules = rules_of_calls(calls)
    assert rules.task_of(call(old)) != rules.task_of(call(new))


def test_what_the_metadata_says_decides_and_names_the_rule() -> None:
    # Given
    calls = [call(prompt("travel"), named_task="trips" if n % 2 else None) for n in range(100)]
    # When
    rules = rules_of_calls(calls)
    # Then
    assert rules.task_of(call(prompt("travel"))) == "trips"
    assert rules.task_of(call(prompt("travel"), named_task="other")) == "other"
    assert [rule.named for rule in rules.rules] == [True]


def test_a_name_that_only_some_named_calls_have_names_no_rule() -> None:
    calls = [call(prompt("travel"), named_task=f"trip-{n % 3}") for n in range(99)]
    [rule] = rules_of_calls(calls).rules
    assert rule.task.startswith("t-")
    assert not rule.named


def test_another_sample_gives_the_same_name() -> None:
    calls = [call(prompt(topic), f"question {n} of somebody") for n in range(300) for topic in ("travel", "tax")]
    first, second = rules_of_calls(calls[:200]), rules_of_calls(calls[300:])
    assert {rule.task for rule in first.rules} == {rule.task for rule in second.rules}


FEATURES = st.lists(st.integers(1, 2**60), min_size=1, max_size=14, unique=True).map(tuple)
RULE = st.builds(
    Rule,
    principal=st.sampled_from(["", "a", 'b"c']),
    tools=st.sampled_from(["", "0f"]),
    order=st.integers(0, 50),
    task=st.text(min_size=1, max_size=8),
    named=st.booleans(),
    parts=st.lists(FEATURES, min_size=1, max_size=3).map(tuple),
)


@settings(max_examples=50)
@given(st.lists(RULE, max_size=5, unique_by=lambda rule: (rule.principal, rule.tools, rule.order)))
def test_rules_are_read_as_they_were_written(made: list[Rule]) -> None:
    assert set(Rules.from_lines(Rules(made).to_lines()).rules) == set(made)


def test_a_line_that_is_no_rule_is_refused() -> None:
    with pytest.raises(KeyError):
        Rules.from_lines([json.dumps({"principal": "a"})])


def test_a_row_of_the_sample_is_read_as_csv_has_it() -> None:
    row = {"principal": "", "tools_digest": "", "called_at": "no time", "named_task": "", "features": "3 1"}
    assert sampled(row) == SampledCall("", "", 0.0, None, (3, 1), ("", "", "", "0", ""))
    assert rules_of([row]).rules == ()


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 12).map(lambda n: n * 4096 + 20), max_size=8).map(lambda f: tuple(set(f)))))
def test_each_line_is_in_one_block_and_a_family_covers_no_more_than_all(calls: list[tuple[int, ...]]) -> None:
    # When
    blocks = blocks_of(calls, 2)
    family, covered = exclusive_family(blocks, max(1, len(calls)), 1, 1)
    # Then
    lines = [feature for block in blocks for feature in block.features]
    assert len(lines) == len(set(lines))
    assert 0 <= covered <= 1
    for block in blocks:
        assert all(number < len(calls) for number in numbers_of(block.calls))
    assert all(block in blocks for block in family)


def test_masks_hide_what_varies_and_features_say_whose_text_it_is() -> None:
    assert masked("mail a.b@c.example or https://x.example/y 12 deadbeefdeadbeef") == "mail @ or @ # #"
    system, user = features_of("A line of the system text.", "", SALT), features_of("", "A line of the user's.", SALT)
    assert not any(f & USER_BIT for f in system)
    assert all(f & USER_BIT for f in user)
    assert any(not f & PART_BIT for f in system)
