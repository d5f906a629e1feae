"""A user's own task: what is right is learned from the training side's answers, or nobody says that it is known."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import Any

import pytest

from local.bedrock_simulator.brains.base import Brain, Prompt
from local.bedrock_simulator.brains.general import Baseline, Undistilled
from local.bedrock_simulator.brains.judge import Case, judge
from local.bedrock_simulator.brains.student import Pair, Student
from local.bedrock_simulator.brains.teacher import Teacher
from local.bedrock_simulator.errors import ServiceError
from local.bedrock_simulator.settings import Settings
from local.bedrock_simulator.subjects import (
    LEAST_EXAMPLES,
    NothingToLearnError,
    Subjects,
    TaskFacts,
    example_truths,
)
from tests.simulator import tasks

PROMPT = "the prompt of this task"


def known(name: str, golden: Sequence[tuple[str, str]]) -> Subjects:
    subjects = Subjects()
    subjects.register(TaskFacts(name, (PROMPT,), schema=tasks.TASKS[name][1], examples=tuple(golden)))
    return subjects


def score(brain: Brain, held_out: Sequence[tuple[str, str]]) -> float:
    """Mean score against the trusted answers of the held-out side."""
    return statistics.mean(
        judge(Case(question, answer, brain.answer(Prompt(PROMPT, question, question)).text)).score
        for question, answer in held_out
    )


def taught(brain: Brain, questions: Sequence[str]) -> list[Pair]:
    return [Pair(question, brain.answer(Prompt(PROMPT, question, question)).text) for question in questions]


@pytest.mark.parametrize("name", tasks.TASKS)
class TestALearnedTask:
    def test_the_teacher_answers_it_and_the_student_learns_it_from_its_file(self, name: str) -> None:
        # Given golden answers of some of the prompts
        made = tasks.pairs(name, 800)
        questions, held_out = [question for question, _ in made[:700]], made[700:]
        subjects = known(name, made[:150])
        teacher, baseline = Teacher(subjects, Settings), Baseline(subjects, Settings)

        # When a student learns the teacher's answers, and another one those to other questions
        pairs = taught(teacher, questions)
        student = Student(pairs)
        confused = Student(
            [Pair(ours.question, other.answer) for ours, other in zip(pairs, reversed(pairs), strict=True)]
        )

        # Then the one is good, and the other no better than a model that was not taught
        assert score(teacher, held_out) > 3.8
        assert score(student, held_out) > score(baseline, held_out) - 0.2
        assert score(student, held_out) > score(confused, held_out) + 0.7
        assert score(confused, held_out) <= score(Undistilled(subjects), held_out) + 0.2

    def test_every_answer_keeps_the_form_that_was_asked_for(self, name: str) -> None:
        # Given
        made = tasks.pairs(name, 300)
        subjects = known(name, made[:100])
        wanted = json.loads(made[0][1]) if tasks.TASKS[name][1] else None

        # When / Then
        for question, _ in made[100:]:
            right = subjects.of(PROMPT).answer(question)
            if wanted:
                assert isinstance(right, dict)
                assert set(right) - {"note"} == set(wanted) - {"note"}
            else:
                assert right


class TestNothingToLearn:
    @pytest.mark.parametrize("usable", [0, LEAST_EXAMPLES - 1])
    def test_too_few_answers_are_refused_and_it_is_said_what_is_missing(self, usable: int) -> None:
        # Given some answers that break the schema, and too few others
        made = tasks.pairs("review", 40)
        broken = [(question, "no JSON") for question, _ in made[-5:]]
        facts = TaskFacts("mine", (PROMPT,), schema=tasks.REVIEW_SCHEMA, examples=tuple(made[:usable] + broken))

        # When / Then
        with pytest.raises(NothingToLearnError) as refused:
            Subjects(example_truths()).register(facts)
        message = str(refused.value)
        assert "'mine'" in message
        assert f"{usable} usable ones are there (5 more break 'output_schema')" in message
        assert f"at least {LEAST_EXAMPLES} are needed" in message
        assert "ticket-triage" in message

    def test_a_request_of_no_known_task_is_refused(self) -> None:
        # Given the examples' tasks
        subjects = Subjects(example_truths())

        # When / Then nobody answers with one of their answers
        with pytest.raises(ServiceError, match=r"knows no task with the system prompt 'Write a poem\.'"):
            subjects.of("Write a poem.")


def test_a_prompt_that_contains_another_tasks_prompt_is_another_task() -> None:
    # Given a task with a short prompt
    subjects = Subjects()
    subjects.register(TaskFacts("mood", ("Sort.",), examples=tuple(tasks.pairs("mood", 50))))

    # When / Then only a judge, which is shown prompts, knows it by a part of what it is told
    with pytest.raises(ServiceError):
        subjects.of("Sort. Then translate.")
    assert subjects.judged("Judge by this prompt: Sort.", "a question").name == "mood"


class TestATaskWithATruth:
    def test_an_example_is_known_by_a_prompt_or_by_name_and_schema(self) -> None:
        # Given
        truths = example_truths()
        subjects = Subjects(truths)
        told = {facts.name: facts for facts, _ in truths}
        assert set(told) == {"ticket-summary", "ticket-triage", "video-search-intent"}

        # When / Then a copy under another name, and the example with other prompts, have the truth
        for facts in told.values():
            copy = TaskFacts("copy", facts.prompts[:1], schema=facts.schema)
            rephrased = TaskFacts(facts.name, ("other words",), schema=facts.schema)
            assert "rules of examples" in subjects.register(copy).source
            assert "rules of examples" in subjects.register(rephrased).source

    def test_another_task_of_the_same_name_has_not(self) -> None:
        # Given
        facts = TaskFacts("ticket-triage", (PROMPT,), schema=tasks.REVIEW_SCHEMA, examples=())

        # When / Then
        with pytest.raises(NothingToLearnError):
            Subjects(example_truths()).register(facts)


def test_words_of_a_schema_help_where_no_answer_shows_a_value() -> None:
    # Given a value that no golden answer has, and the schema's words for it
    words = {"const": "warranty", "description": "guarantee, warranty claim, defect within two years"}
    others = [{"const": name, "description": ""} for name in ("refund", "delivery")]
    schema: dict[str, Any] = {"type": "object", "properties": {"queue": {"oneOf": [words, *others]}}}
    said = {"refund": "money back please {}", "delivery": "parcel not here {}"}
    examples = [(text.format(i), json.dumps({"queue": name})) for i in range(20) for name, text in said.items()]
    subjects = Subjects()
    subject = subjects.register(TaskFacts("queues", (PROMPT,), schema=schema, examples=tuple(examples)))

    # When / Then
    assert subject.answer("this is a warranty claim, a defect") == {"queue": "warranty"}
