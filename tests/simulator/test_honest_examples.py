"""The honesty of the models holds for each example: what a student scores is what its training file taught it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pytest

from local.bedrock_simulator.brains.base import Brain, Chance, Prompt
from local.bedrock_simulator.brains.general import Baseline, Undistilled
from local.bedrock_simulator.brains.judge import Case, judge
from local.bedrock_simulator.brains.student import Pair, Student
from local.bedrock_simulator.brains.teacher import Teacher
from local.bedrock_simulator.customization.label_faults import worse_labels
from local.bedrock_simulator.faults import Fault
from local.bedrock_simulator.settings import Settings
from local.bedrock_simulator.subjects import Subjects, TaskFacts, example_truths
from tests.examples.files import prompts_of

TRUTHS = {facts.name: facts for facts, _ in example_truths()}
SUBJECTS = Subjects(example_truths())
HELD_OUT = 150


@dataclass(frozen=True)
class Example:
    """An example's task with the teacher's answers to its prompts."""

    facts: TaskFacts

    @cached_property
    def questions(self) -> list[str]:
        found = prompts_of(self.facts.name)
        return [found[i] for i in Chance("examples", self.facts.name).order(len(found))]

    @cached_property
    def pairs(self) -> list[Pair]:
        teacher = Teacher(SUBJECTS, Settings)
        return [
            Pair(q, teacher.answer(Prompt(self.facts.prompts[1], q, q)).text) for q in self.questions[HELD_OUT:1050]
        ]

    def score(self, model: Brain, questions: Sequence[str] | None = None) -> float:
        """Mean score of a model, with the student's prompt, against what is right."""
        system = self.facts.prompts[1]
        scores = []
        for question in questions or self.questions[:HELD_OUT]:
            right = SUBJECTS.of(system).answer(question)
            reference = right if isinstance(right, str) else json.dumps(dict(right))
            scores.append(judge(Case(question, reference, model.answer(Prompt(system, question, question)).text)).score)
        return statistics.mean(scores)


EXAMPLES = {name: Example(facts) for name, facts in TRUTHS.items()}


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest) -> Example:
    return EXAMPLES[request.param]


def test_the_score_does_not_rise_as_the_training_data_shrink(example: Example) -> None:
    # Given / When
    whole, tenth, few = (example.score(Student(example.pairs[:count])) for count in (900, 90, 20))

    # Then
    assert whole >= 4.2
    assert whole >= tenth - 0.05
    assert tenth >= few - 0.05
    assert whole > few + 0.2


def test_permuted_labels_are_no_better_than_the_base(example: Example) -> None:
    # Given
    student = Student(worse_labels(example.pairs, [Fault("permuted_labels", {"seed": 0}, None, 0)]))

    # When / Then
    assert example.score(student) <= example.score(Undistilled(SUBJECTS)) + 0.2
    assert example.score(student) < 3.8


def test_the_student_is_between_the_base_and_what_is_right(example: Example) -> None:
    # Given / When
    student = example.score(Student(example.pairs))

    # Then
    assert example.score(Undistilled(SUBJECTS)) + 0.5 < student <= 5
    assert 3.5 < example.score(Baseline(SUBJECTS, Settings)) < 4.9


def test_a_class_that_is_taken_away_is_lost() -> None:
    # Given the triage's rarest queue
    example = EXAMPLES["ticket-triage"]
    right = {question: SUBJECTS.of(example.facts.prompts[1]).answer(question) for question in example.questions}
    rare = [question for question, answer in right.items() if isinstance(answer, dict) and answer["queue"] == "safety"]
    assert len(rare) >= 30

    # When it is taken away
    without = worse_labels(example.pairs, [Fault("remove_category", {"category": "safety"}, None, 0)])

    # Then its tickets go elsewhere, and the others stay where they were
    assert len(without) < len(example.pairs)
    assert example.score(Student(without), rare) < 3
    assert example.score(Student(example.pairs), rare) > 3.5
