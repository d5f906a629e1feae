"""The models are honest: what they score is measured, and what the student knows is in its training file."""

from __future__ import annotations

import ast
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.bedrock_simulator.brains.base import Brain, Chance, Prompt
from local.bedrock_simulator.brains.general import Baseline, Undistilled
from local.bedrock_simulator.brains.judge import Case, judge
from local.bedrock_simulator.brains.student import Pair, Student
from local.bedrock_simulator.settings import Settings
from local.bedrock_simulator.subjects import Subjects
from tests.simulator import toy
from tests.simulator.conftest import Account, record

ROOT = Path(__file__).parents[2]
SEEDS = ("a", "b", "c", "d")
RIGHT = Subjects(default=toy.answer)
HOLDOUT = toy.queries(120, "holdout")


def pairs(count: int, seed: str) -> list[Pair]:
    return [Pair(query, json.dumps(toy.answer(query))) for query in toy.queries(count, seed)]


def permuted(taught: list[Pair], seed: str) -> list[Pair]:
    order = Chance("permute", seed).order(len(taught))
    return [Pair(pair.question, taught[i].answer) for pair, i in zip(taught, order, strict=True)]


def score(brain: Brain, system: str = toy.SHORT_PROMPT) -> float:
    """Mean judge score over the holdout, against the teacher's answers."""
    return statistics.mean(
        judge(Case(q, json.dumps(toy.answer(q)), brain.answer(Prompt(system, q, q)).text)).score for q in HOLDOUT
    )


def valid_share(brain: Brain, system: str) -> float:
    def is_valid(text: str) -> bool:
        try:
            return bool(json.loads(text).keys() == {*toy.CUES, "reasoning"})
        except ValueError:
            return False

    return statistics.mean(is_valid(brain.answer(Prompt(system, q, q)).text) for q in HOLDOUT)


class TestStudent:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_its_score_does_not_rise_as_its_training_data_shrink(self, seed: str) -> None:
        # Given a good training set
        taught = pairs(900, seed)

        # When it shrinks to a half and to a tenth
        whole, half, tenth = (score(Student(taught[:count])) for count in (900, 450, 90))

        # Then so does the score
        assert whole >= half >= tenth
        assert whole > tenth + 0.3

    @pytest.mark.parametrize("seed", SEEDS)
    def test_permuted_labels_teach_it_nothing(self, seed: str) -> None:
        # Given labels that belong to other questions
        student = Student(permuted(pairs(900, seed), seed))

        # When / Then it is no better than the undistilled model, give or take
        assert score(student) <= score(Undistilled(RIGHT)) + 0.2

    def test_it_keeps_the_form_of_its_training_answers(self) -> None:
        # Given answers in a nested form with a category, a whole number and a constant sum
        def nested(query: str) -> dict[str, Any]:
            weights = toy.answer(query)
            first = max(toy.CUES, key=lambda kind: float(weights[kind]))
            return {"weights": {kind: weights[kind] for kind in toy.CUES}, "first": first, "words": len(query.split())}

        student = Student([Pair(q, json.dumps(nested(q))) for q in toy.queries(400, "form")])

        # When it answers
        answers = [json.loads(student.answer(Prompt("", q, q)).text) for q in HOLDOUT]

        # Then every answer has the form, the sum and plausible values
        for answer in answers:
            assert list(answer) == ["weights", "first", "words"]
            assert sum(answer["weights"].values()) == pytest.approx(1.0, abs=0.011)
            assert isinstance(answer["words"], int)
        right = statistics.mean(a["first"] == nested(q)["first"] for a, q in zip(answers, HOLDOUT, strict=True))
        assert right > 0.8

    def test_texts_come_from_the_nearest_question(self) -> None:
        # Given answers that are no JSON
        student = Student([Pair("where is the cat", "on the mat"), Pair("who is the dog", "a friend of mine")])

        # When / Then
        assert student.answer(Prompt("", "the dog, who?", "")).text == "a friend of mine"
        assert student.answer(Prompt("", "", "")).text == "on the mat"

    def test_words_that_it_never_saw_leave_it_with_the_average(self) -> None:
        # Given a student
        student = Student(pairs(400, "unknown"))

        # When it is asked about nothing it knows
        answer = json.loads(student.answer(Prompt("", "zzz qqq", "")).text)

        # Then no part stands out
        assert all(0.05 < answer[kind] < 0.5 for kind in toy.CUES)

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(st.tuples(st.text(max_size=30), st.text(max_size=60)), min_size=1, max_size=12), st.text(max_size=30)
    )
    def test_anything_can_be_learned_and_asked(self, taught: list[tuple[str, str]], question: str) -> None:
        # Given / When any texts are training pairs
        answer = Student([Pair(q, a) for q, a in taught]).answer(Prompt("", question, ""))

        # Then it answers with one of them, or with an object in their form
        assert answer.data is not None or answer.text in {text for _, text in taught}

    @settings(max_examples=40, deadline=None)
    @given(
        st.lists(
            st.dictionaries(
                st.sampled_from("abc"),
                st.one_of(st.floats(-5, 5), st.integers(-9, 9), st.booleans(), st.text(max_size=5), st.none()),
                min_size=1,
            ),
            min_size=1,
            max_size=12,
        )
    )
    def test_any_objects_can_be_learned(self, answers: list[dict[str, Any]]) -> None:
        # Given / When any objects are answers
        student = Student([Pair(f"question {i}", json.dumps(answer)) for i, answer in enumerate(answers)])

        # Then the student's answer has the keys of one of them
        assert {*json.loads(student.answer(Prompt("", "question 1", "")).text)} in [{*answer} for answer in answers]


class TestWhatTheStudentMayImport:
    @staticmethod
    def imports_of(module: str) -> Iterator[str]:
        path = ROOT / Path(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                parent = ROOT / Path(*node.module.split("."))
                yield from (f"{node.module}.{a.name}" for a in node.names if (parent / f"{a.name}.py").exists())

    def test_the_rules_are_not_in_its_import_graph(self) -> None:
        # Given the student's module
        seen: set[str] = set()
        waiting = ["local.bedrock_simulator.brains.student"]

        # When its imports within this repository are followed to the end, packages included
        while waiting:
            module = waiting.pop()
            if module in seen or not module.startswith("local"):
                continue
            seen.add(module)
            waiting += [module.rpartition(".")[0], *self.imports_of(module)] if module else []

        # Then neither rules nor teacher are among them
        assert "local.bedrock_simulator.brains.base" in seen
        assert not [module for module in seen if "rules" in module or "teacher" in module or "general" in module]

    def test_nor_are_they_loaded_with_it(self) -> None:
        # Given a fresh interpreter
        program = (
            "import sys, local.bedrock_simulator.brains.student\n"
            "print([m for m in sys.modules if m.startswith('local') and ('rules' in m or 'teacher' in m)])"
        )

        # When the student's module is loaded
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )

        # Then the rules are not
        assert done.stdout.strip() == "[]"


class TestGeneralModels:
    def test_the_undistilled_model_breaks_the_schema_with_the_short_prompt(self) -> None:
        # Given / When / Then nearly always, and less with guidelines, but poor either way
        model = Undistilled(RIGHT)
        assert valid_share(model, toy.SHORT_PROMPT) < 0.15
        assert 0.6 < valid_share(model, toy.LONG_PROMPT) < 0.97
        assert score(model) < score(model, toy.LONG_PROMPT) < 4.0

    def test_the_baseline_is_about_as_good_as_published(self) -> None:
        # Given / When / Then
        model = Baseline(RIGHT, Settings)
        assert score(model, toy.LONG_PROMPT) == pytest.approx(4.0, abs=0.25)
        assert valid_share(model, toy.LONG_PROMPT) > 0.93


class TestTraining:
    """The same through real jobs and endpoints."""

    @staticmethod
    def measured(account: Account, name: str) -> float:
        endpoint = account.deploy(account.train(name), name)
        answers = {query: account.text(endpoint, query) for query in HOLDOUT[:60]}
        account.bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=endpoint)
        return statistics.mean(judge(Case(q, json.dumps(toy.answer(q)), a)).score for q, a in answers.items())

    def test_faults_on_the_training_file_are_seen_in_the_score(self, account: Account) -> None:
        # Given a good training file
        account.put_training(toy.queries(900, "train"))
        good = self.measured(account, "good")
        worse = {}

        # When it is spoiled in each way in turn
        spoiled: dict[str, dict[str, Any]] = {
            "permuted_labels": {},
            "one_category_only": {},
            "keep_records": {"records": 100},
            "keep_fraction": {"fraction": 0.1, "seed": 3},
            "label_noise": {"fraction": 0.5},
        }
        for kind, options in spoiled.items():
            account.control.order(kind, count=1, **options)
            worse[kind] = self.measured(account, kind.replace("_", "-"))

        # Then every student is worse than the good one
        assert good > 4.0
        assert all(measured < good - 0.2 for measured in worse.values()), worse

    @pytest.mark.parametrize(("semantics", "expected"), [("regenerate", 1.0), ("verbatim", 0.0)])
    def test_label_semantics_decide_whose_answers_are_learned(
        self, account: Account, semantics: str, expected: float
    ) -> None:
        # Given golden answers that always say visual
        wrong = {"visual": 1.0, "audio": 0.0, "transcription": 0.0, "metadata": 0.0, "reasoning": "always"}
        account.put_lines([json.dumps(record(q, json.dumps(wrong))) for q in toy.queries(300, "train")])
        account.control.change(label_semantics=semantics)

        # When a student learns under DISTILLATION
        endpoint = account.deploy(account.train())
        answer = json.loads(account.text(endpoint, "guitar song applause"))

        # Then it learned the teacher's answers, or exactly these
        assert (answer["audio"] > 0.4) == bool(expected)
        assert (answer["reasoning"] == "always") == (not expected)

    def test_fine_tuning_learns_exactly_our_answers(self, account: Account) -> None:
        # Given answers that the teacher would not give
        backwards: Callable[[str], dict[str, Any]] = lambda query: {"length": len(query)}  # noqa: E731
        account.put_training(toy.queries(60, "train"), backwards)

        # When a student is fine-tuned
        endpoint = account.deploy(account.train(customizationType="FINE_TUNING", customizationConfig=None))

        # Then it answers in their form
        assert list(json.loads(account.text(endpoint, "guitar song"))) == ["length"]
