"""A long day of an application: failures, a promotion and a rollback, and no question without its answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any
from unittest import mock

import pytest

from bedrock_student import Answer, Metrics, Student
from bedrock_student import client as student_client
from bedrock_student.breaker import Breaker
from tests.end_to_end.account import example_lines
from tests.faults.__main__ import local_deployment
from tests.faults.world import World, deployed
from tests.least_privilege.scene import TASK, order, promoted, roll_back
from tests.least_privilege.walks import ON_DEMAND

pytestmark = pytest.mark.timeout(900)

SECONDS_A_QUESTION = 0.2


class Application:
    """Asks the student of a world, in the world's time, and keeps books.

    Attributes
    ----------
    answers : list of Answer
    billed : float
        What the simulated Bedrock charged for its calls.
    """

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.answers, self.billed, self._draw = world, list[Answer](), 0.0, Random(seed)  # noqa: S311
        clients = {name: world.aws.client(name) for name in ("ssm", "bedrock-runtime", "s3")}
        self.student = Student(TASK, environment="local", clients=clients, metrics=Metrics())
        self.student._pointer._clocks = lambda: (self.now(),)
        self._questions = [json.loads(line)["prompt"] for line in example_lines()]

    def now(self) -> float:
        return float(self.world.clock.now().timestamp())

    def ask(self, questions: int) -> None:
        """Ask so many questions."""
        billing = self.world.aws.simulator.world.billing
        begun = len(billing)
        for _ in range(questions):
            answer = self.student.ask(self._draw.choice(self._questions))
            assert_right_leg(answer)
            self.answers.append(answer)
            self.world.clock.advance(SECONDS_A_QUESTION)
        self.billed += sum(entry.usd or 0.0 for entry in billing[begun:] if entry.kind.startswith("converse"))

    def legs(self, since: int) -> Counter[str]:
        return Counter(answer.leg for answer in self.answers[since:])


def assert_right_leg(answer: Answer) -> None:
    """Hold an answer against its own calls: the student's wherever the student gave one, else the fallback's."""
    gave = [call for call in answer.calls if call.error is None]
    assert len(gave) == 1
    assert answer.leg == gave[0].leg
    asked = [call for call in answer.calls if call.leg == "student"]
    assert answer.leg == "student" or answer.reason in ("unanswered", "breaker_open")
    assert answer.reason != "unanswered" or (asked and all(call.error for call in asked))
    assert answer.reason != "breaker_open" or not asked


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with deployed(local_deployment()) as made:
        promoted(made, serving=ON_DEMAND)
        yield made


@pytest.fixture
def application(world: World) -> Iterator[Application]:
    made = Application(world, seed=1)
    with mock.patch.object(student_client, "Breaker", partial(Breaker, made.now)):
        yield made
    world.aws.simulator.faults.withdraw()


def withdraw(world: World) -> None:
    world.aws.simulator.faults.withdraw()


@pytest.mark.parametrize("questions", [600, pytest.param(50_000, marks=pytest.mark.thorough)])
def test_nobody_waits_in_vain_and_the_books_are_right(application: Application, questions: int) -> None:
    # Given
    world, part = application.world, questions // 6
    first = application.student.ask("red cats").run_id
    # When all is well
    application.ask(part)
    assert application.legs(0) == {"student": part}
    # When one call in twenty fails
    order(world, kind="endpoint_errors", error="ThrottlingException", fraction=0.05)
    application.ask(part)
    withdraw(world)
    # When the endpoint is out for a while
    order(world, kind="endpoint_errors", error="ServiceUnavailableException", fraction=1.0)
    begun = len(application.answers)
    application.ask(part)
    assert application.legs(begun) == {"fallback": part}
    withdraw(world)
    # When another student is promoted meanwhile
    second = promoted(world, questions, serving=ON_DEMAND)
    application.ask(part)
    # When a person rolls back, and Systems Manager is out besides
    roll_back(world)
    with mock.patch.object(application.student, "_read", side_effect=OSError):
        application.ask(part)
    application.ask(part)
    # Then
    answers = application.answers
    assert len(answers) == 6 * part
    assert sum(answer.valid for answer in answers) >= 0.99 * len(answers), "as the gate asks of a student"
    assert sum(answer.usd or 0.0 for answer in answers) == pytest.approx(application.billed)
    assert {answer.run_id for answer in answers} == {first, second}
    assert answers[-1].run_id == first
    wasted = sum(call.leg == "student" for answer in answers[begun : begun + part] for call in answer.calls)
    assert wasted <= 3 + part * SECONDS_A_QUESTION / 8 + 6, "three to open the breaker, then one probe at a time"


def test_what_is_billed_would_be_missed(application: Application) -> None:
    """The books are compared with another's: a call that the client forgot would be on the bill."""
    application.ask(5)
    world: Any = application.world.aws.simulator.world
    assert application.billed > 0
    assert sum(answer.usd or 0.0 for answer in application.answers[:4]) < application.billed
    assert world.billing[-1].kind == "converse"
