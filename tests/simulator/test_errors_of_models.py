"""Teacher, baseline and judge are wrong as often as they are told; what a model says of its sureness says something."""

from __future__ import annotations

import json
import statistics
from html import escape
from typing import Any

import pytest

from local.bedrock_simulator.brains.base import Answer, Brain, Prompt
from local.bedrock_simulator.brains.confidence import Stating
from local.bedrock_simulator.brains.general import Baseline
from local.bedrock_simulator.brains.judge import TOOL, Judge
from local.bedrock_simulator.brains.student import Pair, Student
from local.bedrock_simulator.brains.teacher import Teacher
from local.bedrock_simulator.settings import Confidence, Errors, Settings, SettingsError
from local.bedrock_simulator.subjects import Subjects, TaskFacts, example_truths
from tests.simulator import tasks

PROMPT = "the prompt"
MADE = tasks.pairs("review", 900)


@pytest.fixture(scope="module")
def subjects() -> Subjects:
    known = Subjects()
    known.register(TaskFacts("review", (PROMPT,), schema=tasks.REVIEW_SCHEMA, examples=tuple(MADE[:300])))
    return known


def answers(model: Brain) -> list[dict[str, Any]]:
    found = [model.answer(Prompt(PROMPT, question, question)).data for question, _ in MADE]
    return [data for data in found if data is not None]


@pytest.mark.parametrize("share", [0.0, 0.03, 0.4])
def test_the_teacher_is_wrong_in_its_share(subjects: Subjects, share: float) -> None:
    # Given / When
    teacher = Teacher(subjects, lambda: Settings(errors=Errors(teacher=share)))
    wrong = [data != json.loads(answer) for data, (_, answer) in zip(answers(teacher), MADE, strict=True)]

    # Then in one field of a wrong answer, which keeps the form
    assert statistics.mean(wrong) == pytest.approx(share, abs=0.04)
    assert all(data.keys() == {"topic", "urgent", "stars"} for data in answers(teacher))


def test_the_teacher_is_wrong_unless_told_otherwise() -> None:
    # Given / When / Then
    assert 0 < Settings().errors.teacher < 0.1


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_baseline_chooses_wrongly_in_its_share(subjects: Subjects, share: float) -> None:
    # Given / When
    baseline = Baseline(subjects, lambda: Settings(errors=Errors(baseline=share)))
    pairs = zip(answers(baseline), MADE, strict=True)
    wrong = [data["topic"] != json.loads(answer)["topic"] for data, (_, answer) in pairs]

    # Then
    assert statistics.mean(wrong) == pytest.approx(share, abs=0.04)


class TestJudge:
    REFERENCE = "The parcel came late and the box was wet."

    def scores(self, errors: Errors, answer: str, reference: str | None = None) -> list[int]:
        judge = Judge(Student([Pair("q", "a")]), Subjects(), lambda: Settings(errors=errors))
        given = []
        for number in range(400):
            sections = {"question": f"q{number}", "reference": reference or self.REFERENCE, "answer": answer}
            text = "\n".join(f"<{name}>{escape(value)}</{name}>" for name, value in sections.items())
            data = judge.answer(Prompt("", text, str(number), TOOL)).data
            assert data is not None
            given.append(int(data["score"]))
        return given

    def test_without_errors_it_gives_what_the_answer_deserves(self) -> None:
        # Given / When / Then
        assert set(self.scores(Errors(judge_noise=0.0), self.REFERENCE)) == {5}

    def test_noise_moves_a_share_of_the_scores_by_one(self) -> None:
        # Given an answer that is in the middle
        half = "The parcel came late yesterday, they say, by a bike."
        [middle] = set(self.scores(Errors(judge_noise=0.0), half))

        # When
        given = self.scores(Errors(judge_noise=0.5), half)

        # Then to both sides
        assert middle in (2, 3)
        assert set(given) == {middle - 1, middle, middle + 1}
        assert statistics.mean(score != middle for score in given) == pytest.approx(0.5, abs=0.08)

    @pytest.mark.parametrize("bias", [-0.5, 0.25])
    def test_a_bias_shifts_the_mean(self, bias: float) -> None:
        # Given
        half = "The parcel came late yesterday, they say, by a bike."
        plain = statistics.mean(self.scores(Errors(judge_noise=0.0), half))

        # When / Then
        biased = statistics.mean(self.scores(Errors(judge_noise=0.0, judge_bias=bias), half))
        assert biased - plain == pytest.approx(bias, abs=0.08)

    def test_length_can_be_favoured(self) -> None:
        # Given a short answer, and the same with words that say nothing
        errors = Errors(judge_noise=0.0, judge_length=1.0)
        short, long = "The parcel came late.", "The parcel came late." + " Well, so to say." * 6

        # When / Then
        assert statistics.mean(self.scores(errors, long)) > statistics.mean(self.scores(errors, short)) + 0.3

    def test_without_a_reference_it_knows_what_is_right(self) -> None:
        # Given a judge that sees the prompt of an example's task and no reference
        truths = example_truths()
        [facts] = [facts for facts, _ in truths if facts.name == "ticket-triage"]
        judge = Judge(Student([Pair("q", "a")]), Subjects(truths), lambda: Settings(errors=Errors(judge_noise=0.0)))
        question = "There is smoke from the kettle. I am stuck."

        def score(answer: dict[str, Any]) -> int:
            text = f"<question>{question}</question>\n<answer>{escape(json.dumps(answer))}</answer>"
            data = judge.answer(Prompt(f"Judge this task: {facts.prompts[0]}", text, "k", TOOL)).data
            return int(data["score"]) if data else 0

        # When / Then
        assert score({"queue": "safety", "urgency": "normal", "stuck": True}) == 5
        assert score({"queue": "how_to", "urgency": "normal", "stuck": True}) <= 2


class TestConfidence:
    @staticmethod
    def gap(informative: float) -> float:
        """How much surer a student says that it is where it is right."""
        noisy = [
            Pair(
                question,
                json.dumps(json.loads(answer) | {"confidence": 0.5, "topic": "refund" if i % 3 == 0 else topic}),
            )
            for i, (question, answer) in enumerate(MADE[:60])
            for topic in [json.loads(answer)["topic"]]
        ]
        stated = Confidence(informative=informative)
        student = Stating(Student(noisy), lambda: Settings(confidence=stated))
        said: dict[bool, list[float]] = {True: [], False: []}
        for question, answer in MADE[300:]:
            data = student.answer(Prompt("", question, question)).data or {}
            said[data["topic"] == json.loads(answer)["topic"]].append(float(data["confidence"]))
        assert all(0 <= value <= 1 for values in said.values() for value in values)
        return statistics.mean(said[True]) - statistics.mean(said[False])

    def test_it_tells_as_much_as_it_shall(self) -> None:
        # Given / When / Then
        assert self.gap(1.0) > 0.1
        assert abs(self.gap(0.0)) < 0.06

    def test_an_answer_without_the_field_stays_as_it_is(self) -> None:
        # Given
        class Silent:
            def answer(self, _prompt: Prompt) -> Answer:
                return Answer.of({"topic": "login"}, 0.4)

        # When / Then
        assert Stating(Silent(), Settings).answer(Prompt("", "", "")).text == '{"topic":"login"}'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"errors": {"teacher": 1.5}}, "errors.teacher must be a share from 0 to 1"),
        ({"errors": {"judge_bias": 9}}, "errors.judge_bias must be a number of points from -4 to 4"),
        ({"errors": {"typist": 0.1}}, "errors has no 'typist'"),
        ({"confidence": {"informative": -1}}, "confidence.informative must be"),
        ({"confidence": {"field": 3}}, "confidence.field must be the name of a field"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(change: dict[str, Any], said: str) -> None:
    # Given / When / Then
    with pytest.raises(SettingsError, match=said):
        Settings().changed(change)
