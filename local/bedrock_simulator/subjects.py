"""What is right, by task: only simulated teachers, baselines and judges may know it, never a student.

An example's task has a truth: rules in :mod:`local.bedrock_simulator.rules`, which its held-out answers do not
influence. A user's task has none, so what is right is learned from the answers of the training side. A task is known by
its system prompts, which every request carries.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import fastjsonschema

from local.bedrock_simulator.brains.learning.documents import Path, leaves_of, rebuilt, structured
from local.bedrock_simulator.brains.learning.fields import Fields
from local.bedrock_simulator.brains.schema_fields import Choices, choices_of, hints_of
from local.bedrock_simulator.errors import validation

Right = Mapping[str, Any] | str
Rules = Callable[[str], Right]

LEAST_EXAMPLES = 20
"""Answers of the training side from which what is right can be learned."""

_EXAMPLES = FilePath(__file__).parents[2] / "examples"
_RULES = "local.bedrock_simulator.rules"


class NothingToLearnError(ValueError):
    """Nobody knows what is right for a task; the message says what is missing."""


@dataclass(frozen=True)
class TaskFacts:
    """What is told of a task: nothing of its held-out side.

    Attributes
    ----------
    name : str
        The task.
    prompts : tuple of str
        The system prompts with which it is asked; empty where there is none.
    rubric : str
        What the judge is given.
    schema : mapping or None
        What each answer must keep.
    examples : tuple of (str, str)
        Question and answer of the training side.
    """

    name: str
    prompts: tuple[str, ...] = ()
    rubric: str = ""
    schema: Mapping[str, Any] | None = None
    examples: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> TaskFacts:
        """Read what a command line sends.

        Raises
        ------
        ValueError
            Where a part of it is not there.
        """
        try:
            return cls(
                name=str(document["name"]),
                prompts=tuple(map(str, document["prompts"])),
                rubric=str(document.get("rubric") or ""),
                schema=document.get("schema"),
                examples=tuple((str(pair["question"]), str(pair["answer"])) for pair in document["examples"]),
            )
        except (KeyError, TypeError, AttributeError) as problem:
            raise ValueError(f"a task needs name, prompts and examples of question and answer: {problem!r}") from None


@dataclass(frozen=True)
class Subject:
    """What is right for one task.

    Attributes
    ----------
    name : str
        The task.
    answer : Rules
        What is right, by the texts of a conversation.
    choices : Choices
        The values of fields that have few.
    source : str
        Where this knowledge comes from, in words.
    """

    name: str
    answer: Rules
    choices: Choices = field(default_factory=dict)
    source: str = "rules"


class Subjects:
    """The tasks that somebody knows.

    Parameters
    ----------
    truths : iterable of (TaskFacts, Rules)
        The examples' tasks with what is right for them.
    default : Rules or None
        What is right for a request of no known task; without it, such a request is refused.
    """

    def __init__(self, truths: Iterable[tuple[TaskFacts, Rules]] = (), default: Rules | None = None) -> None:
        self._truths = [(facts, _subject_of_rules(facts, rules)) for facts, rules in truths]
        self._default = Subject("default", default) if default else None
        self._by_prompt: dict[str, Subject] = {}
        for facts, subject in self._truths:
            self._know(facts, subject)

    def register(self, facts: TaskFacts) -> Subject:
        """Make a task known.

        Raises
        ------
        NothingToLearnError
            Where it has no truth, and too few answers to learn from.
        """
        subject = self.known_truth(facts) or learned_subject(facts, [told.name for told, _ in self._truths])
        self._know(facts, subject)
        return subject

    def known_truth(self, facts: TaskFacts) -> Subject | None:
        """Return the truth of an example's task, known by one of its prompts, or by its name and its schema."""
        for told, subject in self._truths:
            same_prompt = any(prompt and prompt in told.prompts for prompt in facts.prompts)
            if told.schema == facts.schema and (same_prompt or told.name == facts.name):
                return subject
        return None

    def of(self, system: str) -> Subject:
        """Return what is right for a request with a system prompt.

        Raises
        ------
        ServiceError
            ``ValidationException`` where nobody knows.
        """
        found = self._by_prompt.get(system) or self._default
        if found is None:
            shown = " ".join(system.split())[:80]
            raise validation(
                f"The Bedrock simulator knows no task with the system prompt '{shown}', so it has no answer. Submit "
                "the task with 'python -m cli --local submit' or 'make demo TASK=...': both tell it what is right."
            )
        return found

    def judged(self, instructions: str, asked: str) -> Subject:
        """Return what is right for what a judge is asked: the task whose prompt or rubric it is shown.

        Raises
        ------
        ServiceError
            ``ValidationException`` where nobody knows.
        """
        for text in (instructions, asked):
            quoted = [prompt for prompt in self._by_prompt if prompt and prompt in text]
            if quoted:
                return self._by_prompt[max(quoted, key=len)]
        return self.of(instructions)

    def _know(self, facts: TaskFacts, subject: Subject) -> None:
        # A new map, since other threads read the old one.
        self._by_prompt = self._by_prompt | dict.fromkeys(facts.prompts, subject)
        if facts.rubric:
            self._by_prompt = self._by_prompt | {facts.rubric: subject}


def example_truths(folder: FilePath = _EXAMPLES) -> list[tuple[TaskFacts, Rules]]:
    """Return the tasks of the examples, each with its rules; an example without rules is a user's task."""
    found = []
    for path in sorted(folder.glob("*/task.json")):
        module = f"{_RULES}.{path.parent.name.replace('-', '_')}"
        if importlib.util.find_spec(module):
            task = json.loads(path.read_text(encoding="utf-8"))
            prompts = [task[name] for name in ("teacher_system_prompt", "student_system_prompt") if name in task]
            facts = TaskFacts(path.parent.name, tuple(prompts), task.get("judge_rubric", ""), task.get("output_schema"))
            found.append((facts, load_rules(module)))
    return found


def load_rules(module: str) -> Rules:
    """Load the rules of a task: a module with a function ``answer(question)`` that returns a mapping or a text.

    Raises
    ------
    ValueError
        Where the module has no such function.
    """
    answer = getattr(importlib.import_module(module), "answer", None)
    if not callable(answer):
        raise ValueError(f"the rules module {module} needs a function answer(question: str)")  # noqa: TRY004
    rules: Rules = answer
    return rules


def learned_subject(facts: TaskFacts, examples: Sequence[str] = ()) -> Subject:
    """Learn what is right from the answers of the training side.

    Raises
    ------
    NothingToLearnError
        Where they are too few.
    """
    checker = _Checker(facts.schema)
    pairs = [(question, answer) for question, answer in facts.examples if checker.keeps(answer)]
    if len(pairs) < LEAST_EXAMPLES:
        known = (
            f"It is none of the examples ({', '.join(examples)}), which have rules of their own. " if examples else ""
        )
        broken = len(facts.examples) - len(pairs)
        also = f" ({broken} more break 'output_schema')" if broken else ""
        raise NothingToLearnError(
            f"Nobody on this machine knows what a right answer to the task '{facts.name}' is. {known}The simulated "
            f"teacher can learn it from golden answers of training prompts: {len(pairs)} usable ones are there{also}, "
            f"and at least {LEAST_EXAMPLES} are needed. Give some prompts their answer as the last message, of role "
            "assistant; answers of held-out prompts and of holdout.jsonl do not count, because they measure. In a real "
            "account none of this is needed."
        )
    learned = _LearnedAnswers(pairs, facts.schema, checker)
    choices = learned.choices() | choices_of(facts.schema)
    return Subject(facts.name, learned.answer, choices, f"{len(pairs)} golden answers of its training side")


class _LearnedAnswers:
    """What is right, as the answers of the training side teach it."""

    def __init__(self, pairs: Sequence[tuple[str, str]], schema: Mapping[str, Any] | None, checker: _Checker) -> None:
        values = structured([answer for _, answer in pairs])
        objects = any(value is not None for value in values)
        kept = [
            (question, answer if value is None else value)
            for (question, answer), value in zip(pairs, values, strict=True)
            if value is not None or not objects
        ]
        self._fields = Fields(
            [question for question, _ in kept],
            [leaves_of(value) for _, value in kept],
            known_labels=choices_of(schema),
            hints=hints_of(schema),
        )
        self._checker = checker

    def choices(self) -> dict[Path, list[Any]]:
        """Return the values of the fields that turned out to have few."""
        return self._fields.choices()

    def answer(self, question: str) -> Right:
        """Return the answer; where what was learned breaks the schema, that of the nearest question."""
        learned = rebuilt(self._fields.answer(question).leaves)
        if not self._checker.fits(learned):
            learned = rebuilt(self._fields.nearest(question))
        if isinstance(learned, dict):
            return learned
        return learned if isinstance(learned, str) else json.dumps(learned, ensure_ascii=False)


class _Checker:
    """Holds answers against a schema, if there is one."""

    def __init__(self, schema: Mapping[str, Any] | None) -> None:
        self._validate = fastjsonschema.compile(dict(schema)) if schema is not None else None

    def keeps(self, answer: str) -> bool:
        """Whether a text is an answer that keeps the schema."""
        try:
            return self._validate is None or self.fits(json.loads(answer))
        except (ValueError, RecursionError):
            return False

    def fits(self, value: object) -> bool:
        """Whether a value keeps the schema."""
        if self._validate is None:
            return True
        try:
            self._validate(value)
        except fastjsonschema.JsonSchemaException:
            return False
        return True


def _subject_of_rules(facts: TaskFacts, rules: Rules) -> Subject:
    return Subject(facts.name, rules, choices_of(facts.schema), f"the rules of examples/{facts.name}")
