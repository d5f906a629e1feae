"""What parts the calls of one caller: other prompts do, the values of a variable and later versions do not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.discovery.grouping import rules_of_calls
from lambdas.domain.discovery.masking import features_of
from lambdas.domain.discovery.rules import UNASSIGNED
from lambdas.domain.discovery.sampled_call import SampledCall
from lambdas.domain.discovery.templates import DIFFERENT, difference

SALT = "s" * 64
FRAME = (
    "You work for a travel agency. Be brief and polite in every answer. Never promise a price. "
    "Ask for the date of the journey where it is missing. Keep what the customer has said to yourself."
)
ROUTE = " Sort the message of the customer into one of our four queues for the desk."
REFUND = " Work out the refund that the customer may claim under our terms of trade."


def call(system: str, moment: float = 0.0, user: str = "When does it leave?", *manner: str) -> SampledCall:
    return SampledCall("app", "", moment, None, tuple(features_of(system, user, SALT)), manner)


def tasks(calls: list[SampledCall], *systems: str) -> list[str]:
    rules = rules_of_calls(calls)
    return [rules.task_of(call(system)) for system in systems]


LANGUAGES = tuple(f"{FRAME} Answer in the language {name} only." for name in ("German", "French", "Polish"))


def test_a_line_with_few_values_parts_no_task() -> None:
    # Given calls that are alike but for the language that one line names
    calls = [call(LANGUAGES[n % 3], float(n), f"Question {n}", "pro", str(n % 5)) for n in range(300)]

    # Then they are one task
    assert len(set(tasks(calls, *LANGUAGES))) == 1
    assert tasks(calls, LANGUAGES[0]) != [UNASSIGNED]


BEGINS_THE_TURN = (
    "Classify the complaint below under the luggage and hand luggage rules of the policy.",
    "Score the draft below for the delays and cancelled journeys rules of the policy.",
)
ENDS_THE_SYSTEM_TEXT = (
    "Classify the complaint of the customer under our rules of luggage.",
    "Score the draft of an answer by the tone that our house is known for.",
)


@pytest.mark.parametrize("in_user", [True, False], ids=["begins the turn of the user", "ends the system text"])
def test_an_instruction_of_one_line_is_a_task_however_alike_the_calls_are(in_user: bool) -> None:
    # Given one policy, asked of one model in two ways that differ in a single line
    def asked(n: int) -> SampledCall:
        if in_user:
            return call(FRAME, float(n), f"{BEGINS_THE_TURN[n % 2]}\n\nLetter {n}", "pro")
        return call(f"{FRAME} {ENDS_THE_SYSTEM_TEXT[n % 2]}", float(n), f"Letter {n}", "pro")

    calls = [asked(n) for n in range(300)]

    # Then each is a task
    rules = rules_of_calls(calls)
    found = [rules.task_of(one) for one in calls[:2]]
    assert len(set(found)) == 2
    assert UNASSIGNED not in found


def test_instructions_are_tasks_beside_chat_under_the_same_assistant() -> None:
    # Given one short system text, under which most calls are chat and some have an instruction
    system = "You are the helpful assistant of a travel agency. Answer truthfully."
    words = [chr(97 + n % 26) * 3 + chr(97 + n // 26) * 3 for n in range(400)]
    turns = (
        "{0} talk with {0}",
        "{0} more of {0}",
        "Summarize the complaint of the following letter in three points:\n\n{0}",
        "{0} night\n\nName the queue to which the message above belongs and no other.",
    )
    models = ("pro", "pro", "pro", "lite")
    calls = [call(system, float(n), turns[n % 4].format(words[n]), models[n % 4]) for n in range(400)]

    # Then what begins the turn, and what is asked in another manner, is a task of its own, and the chat is one
    rules = rules_of_calls(calls)
    found = [rules.task_of(one) for one in calls[:4]]
    assert found[0] == found[1] != UNASSIGNED
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    "value",
    [
        "Write in the manner of {} when you answer a customer of this house",
        "When you answer a customer of this house write in the manner of a {}",
    ],
)
def test_a_value_within_a_long_line_parts_no_task(value: str) -> None:
    # Given one long line that differs in a word, within it or at its end
    values = [f"{FRAME} {value.format(name)}." for name in ("butlers", "pilots", "sailors")]
    calls = [call(values[n % 3], float(n), f"Question {n}", "pro") for n in range(300)]

    # Then they are one task
    assert len(set(tasks(calls, *values))) == 1


def test_one_line_parts_tasks_where_the_calls_differ_by_it() -> None:
    """The very same texts, asked of another model for each: what changes with a line is another piece of work."""
    calls = [call(LANGUAGES[n % 3], float(n), f"Question {n}", ("pro", "lite", "lite")[n % 3]) for n in range(300)]
    assert len(set(tasks(calls, *LANGUAGES))) == 3


def test_many_prompts_under_one_frame_are_tasks_and_many_values_are_not() -> None:
    # Given twenty prompts of several lines under the frame of the house, in five manners
    rules = [f" Rule {chr(65 + n)} is the first of this desk. Rule {chr(97 + n)} is its second one." for n in range(20)]
    prompts = [FRAME + rule for rule in rules]
    differing = [call(prompts[n % 20], float(n), f"Question {n}", f"model {n % 5}") for n in range(1_000)]
    alike = [replace(one, manner=("pro",)) for one in differing]

    # Then each is a task, and none where nothing but the text differs
    assert len(set(tasks(differing, *prompts))) == 20
    assert len(set(tasks(alike, *prompts))) == 1


OWN = (
    " Sort the message into one of four queues. Name the queue and no other one.",
    " Work out the refund under our terms. Show how you came to the sum.",
    " Write a greeting for the group. Keep it to three short sentences.",
)


@pytest.mark.parametrize("variable", ["", " {}"])
def test_a_line_that_most_prompts_share_parts_none_of_them_from_the_others(variable: str) -> None:
    # Given three prompts with a line in common, and a fourth of the same house without it, all called alike
    stock = " Remember that the desk closes at eight in the evening."
    last = f" Collect the seats that were booked{variable} for the day after tomorrow."
    last += f" List the rooms that are still free{variable} in the hotels of our group."
    values = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(600)]
    prompts = [[FRAME + stock + own for own in OWN] + [FRAME + last.format(value, value)] for value in values]
    calls = [call(prompts[n][n % 4], float(n), f"Question {n}", "pro") for n in range(600)]

    # Then each is a task
    found = tasks(calls, *prompts[-1])
    assert len(set(found)) == 4
    assert UNASSIGNED not in found


def test_a_short_line_that_two_prompts_end_with_gives_them_no_common_name() -> None:
    # Given two prompts that share no line but their last, which names a language and parts the calls
    other = FRAME.replace("travel agency", "library").replace("journey", "loan").replace("price", "book")
    ends = (" Answer in German alone.", " Answer in French alone.")
    prompts = [text + end for text in (FRAME + ROUTE, other + REFUND) for end in ends]
    calls = [call(prompts[n % 4], float(n), f"Question {n}", f"model {n % 4}") for n in range(400)]

    # Then the name of a task is not of that line alone
    assert len(set(tasks(calls, *prompts))) == 4


def test_a_caller_of_few_calls_has_a_task_where_they_share_a_text() -> None:
    # Given an application with ten calls of one prompt, and another whose ten calls share nothing
    words = [chr(97 + n) * 9 for n in range(10)]
    alike = [call(FRAME + ROUTE, float(n), f"{word} asks {word}") for n, word in enumerate(words)]
    other = [replace(call("", float(n), f"{word} and {word} again"), principal="lab") for n, word in enumerate(words)]

    # Then the first has a task
    rules = rules_of_calls([*alike, *other])
    assert len({rules.task_of(one) for one in alike} - {UNASSIGNED}) == 1
    assert {rules.task_of(one) for one in other} == {UNASSIGNED}
    # And seven calls are an accident
    assert {rules_of_calls(alike[:7]).task_of(one) for one in alike} == {UNASSIGNED}


def test_a_twin_that_was_there_all_the_time_is_no_version() -> None:
    # Given a task whose prompt changes in the middle, and one that shares its frame and stays
    later = f"{FRAME.replace('brief', 'friendly')} Name our office in the capital.{ROUTE}"
    steady = FRAME + REFUND
    calls = []
    for n in range(600):
        calls.append(call(steady, float(n), f"Question {n}", "pro"))
        calls.append(call(later if n >= 240 else FRAME + ROUTE, float(n), f"Question {n}", "lite"))

    # Then the change keeps the task's name, and the twin has another
    first, second, twin = tasks(calls, FRAME + ROUTE, later, steady)
    assert first == second != UNASSIGNED
    assert twin not in (first, UNASSIGNED)


def test_twins_that_change_on_one_day_keep_their_own_names() -> None:
    # Given three tasks of one frame, and another frame from the middle on
    changed = FRAME.replace("brief", "friendly").replace("Never promise", "Do not name") + " Name our office."
    ends = (ROUTE, REFUND, " Write a greeting for the card that goes with the tickets of the group.")
    calls = [
        call((FRAME if n < 200 else changed) + end, float(n), f"Question {n}", str(len(end)))
        for n in range(400)
        for end in ends
    ]

    # Then each new prompt belongs to the old one with its own last line
    before, after = tasks(calls, *(FRAME + end for end in ends)), tasks(calls, *(changed + end for end in ends))
    assert before == after
    assert len(set(before)) == 3


GROUPS = st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=40), min_size=1, max_size=5)


@settings(max_examples=40)
@given(GROUPS)
def test_a_difference_is_a_share_and_groups_that_are_the_same_have_none(groups: list[list[str]]) -> None:
    manners = [(value,) for group in groups for value in group]
    bits, at = [], 0
    for group in groups:
        bits.append(((1 << len(group)) - 1) << at)
        at += len(group)
    assert 0 <= difference(bits, manners) <= 1
    same = [(value,) for _ in range(3) for value in groups[0]]
    size = len(groups[0])
    assert difference([((1 << size) - 1) << (n * size) for n in range(3)], same) == 0


def test_models_that_differ_by_group_differ_and_no_knowledge_of_them_does_not() -> None:
    halves = [(1 << 50) - 1, ((1 << 50) - 1) << 50]
    assert difference(halves, [("a",)] * 50 + [("b",)] * 50) > DIFFERENT
    assert difference(halves, [()] * 100) == 0
