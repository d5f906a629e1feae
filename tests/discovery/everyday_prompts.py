"""Families of everyday prompts: one short instruction, one assistant for several purposes, rules of a whole house.

What tutorials and first versions of applications look like, where :mod:`tests.discovery.account_logs` and
:mod:`tests.discovery.other_styles` have longer prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.discovery.account_logs import TrueTask

if TYPE_CHECKING:
    from tests.discovery.account_logs import Family, Options, Writer


def _instruction(w: Writer) -> str:
    """Give the turn of a user that begins or ends with one line of instruction."""
    return w.draw.choice(
        [
            f"Summarize the {w.topic()} of the following article in five points:\n\n{{long}}",
            f"Classify the {w.topic()} of this review as positive, negative or neutral.\n\nReview: {{para}}\nClass:",
            f"Extract all {w.topic()} entities from the text below and return JSON.\n\nText: {{para}}",
            f"Fix the {w.topic()} of this text and return only the corrected text:\n{{para}}",
            f"Write a {w.topic()} text for {{few}}. Keywords: {{few}}, {{few}}. Its {w.topic()} tone is {{word}}.",
            f"Answer yes or no: does this message ask for a {w.topic()}?\n\n{{para}}",
            f"{{long}}\n\nList the {w.topic()} items of the transcript above with the person who is responsible.",
            f"Given the {w.topic()} conversation:\n{{para}}\n{{para}}\nRate how {w.topic()} it is from 1 to 5.",
        ]
    )


def alone(w: Writer, _options: Options) -> list[TrueTask]:
    return [TrueTask(name="", family="alone", user=_instruction(w))]


def one_assistant(w: Writer, _options: Options) -> list[TrueTask]:
    """Several instructions, and chat without any, under one system text of a line or two."""
    system = w.draw.choice(
        [
            f"You are a helpful assistant for {w.topic()}.",
            f"You are a helpful, precise {w.topic()} assistant. Answer truthfully.",
            f"You are an AI assistant by {w.topic()} Corp.",
        ]
    )
    users = [*(_instruction(w) for _ in range(w.draw.randint(2, 3))), "{para}"]
    return [TrueTask(name="", family="one assistant", system=system, user=user) for user in users]


def house_rules(w: Writer, o: Options) -> list[TrueTask]:
    """Twenty rules of the house in each prompt, and a few lines that are a task's own."""
    shared = f"You work for {w.topic()} Ltd. {w.rules(20, o, 'dash')}"
    systems = [
        f"{shared}\n\n# Task\n{w.topic()} {w.topic()}. {w.rules(w.draw.randint(2, 4), o, 'run')}"
        for _ in range(w.draw.randint(3, 6))
    ]
    return [TrueTask(name="", family="house rules", system=system, user="{para}") for system in systems]


def database(w: Writer, _options: Options) -> list[TrueTask]:
    tables = "\n".join(
        f"CREATE TABLE {w.word()} ({w.word()} INT, {w.word()} TEXT, {w.word()} TIMESTAMP);"
        for _ in range(w.draw.randint(4, 12))
    )
    user = f"### Schema\n{tables}\n\n### Question\n{{few}} {{few}}?\n\n### SQL\n"
    return [TrueTask(name="", family="database", user=user)]


def code_review(w: Writer, o: Options) -> list[TrueTask]:
    system = f"Review the diff for {w.topic()} problems. Comment on each hunk. {w.rules(3, o, 'dash')}"
    user = "```diff\n{list}\n{list}\n```\nRepository {word}, branch {word}-{int}"
    return [TrueTask(name="", family="code review", system=system, user=user)]


def grader(w: Writer, o: Options) -> list[TrueTask]:
    head = f"You grade answers about {w.topic()}.\n{w.rules(4, o, 'number')}"
    user = (
        f"{head}\n\n<question>{{para}}</question>\n<answer>{{long}}</answer>\n<reference>{{para}}</reference>\nScore:"
    )
    return [TrueTask(name="", family="grader", user=user, answer="json")]


EVERYDAY_FAMILIES: tuple[Family, ...] = (
    alone,
    one_assistant,
    house_rules,
    database,
    code_review,
    grader,
)
