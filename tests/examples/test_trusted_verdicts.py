"""The gate on the first example's trusted answers: a good student passes, and one that learned something else does not.

The answers are the simulated models', the truth was drawn apart from them, and the gate is the pipeline's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import pytest

from lambdas.domain.evaluation.contestant_summary import ContestantSummary, summarise
from lambdas.domain.evaluation.measurements import PROMPTED, Measurement
from lambdas.domain.gate.prompting import prompting
from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rule_result import MUST_BE_SHOWN, PROMOTE, REJECT, RuleResult, decide, to_accept
from lambdas.domain.gate.rules import judge_gate
from lambdas.domain.serving.break_even import work_out
from lambdas.domain.task.settings import Settings as PipelineSettings
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.text.answer_repair import repaired
from lambdas.domain.text.output_schema import OutputChecker
from local.bedrock_simulator.brains.base import Brain, Prompt, estimate_tokens
from local.bedrock_simulator.brains.general import Baseline, Undistilled
from local.bedrock_simulator.brains.judge import Case, judge
from local.bedrock_simulator.brains.student import Pair, Student
from local.bedrock_simulator.brains.teacher import Teacher
from local.bedrock_simulator.customization.label_faults import worse_labels
from local.bedrock_simulator.faults import Fault
from local.bedrock_simulator.rules import video_search_intent as rules
from local.bedrock_simulator.settings import Settings
from local.bedrock_simulator.subjects import Subjects, example_truths
from local.embedded_aws.deploy import ENVIRONMENTS
from local.example_data.searches import SHARES, searches
from tests.examples.files import EXAMPLES, prompts_of

NAME = "video-search-intent"
TASK = TaskDefinition.from_text((EXAMPLES / NAME / "task.json").read_bytes())
LONG, SHORT = str(TASK.teacher_system_prompt), str(TASK.student_system_prompt)
SUBJECTS = Subjects(example_truths())
BOOK = PipelineSettings.from_mapping(json.loads(ENVIRONMENTS.read_text())["local"]).price_book()
MICRO, HAIKU, PRO = "amazon.nova-micro-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0", "us.amazon.nova-pro-v1:0"
CONSTANT = json.dumps({**dict.fromkeys(rules.MODALITIES, 0.25), "reasoning": "all the same"})
LATENCY_MS = {"baseline": 1_741.0, "teacher": 1_500.0}
Answers = Callable[[str], str]


def told(brain: Brain, system: str) -> Answers:
    return lambda query: brain.answer(Prompt(system, query, query)).text


@cache
def labels(system: str) -> tuple[Pair, ...]:
    """Let the teacher label the prompts, asked with one of the two prompts."""
    teacher = told(Teacher(SUBJECTS, Settings), system)
    return tuple(Pair(query, teacher(query)) for query in prompts_of(NAME))


def spoiled(asked_with: str, kind: str, **options: object) -> Answers:
    return told(Student(worse_labels(list(labels(asked_with)), [Fault(kind, options, None, 0)])), SHORT)


def measured(role: str, model: str, answers: Answers, prompt: str) -> list[Measurement]:
    checker, found = OutputChecker(TASK.output_schema), []
    for number, search in enumerate(searches()):
        text = answers(search.text)
        problem = checker.problem(text)
        latency = LATENCY_MS.get(role, 820.0) * (0.9 if number % 2 else 1.1)
        found.append(
            Measurement(
                record_id=f"r{number:03}",
                role=role,
                model=model,
                question=search.text,
                reference=search.answer,
                answer=text,
                problem=problem,
                repaired_problem=problem and checker.problem(repaired(text)),
                latency_ms=latency,
                client_ms=latency,
                input_tokens=estimate_tokens(prompt + search.text),
                output_tokens=estimate_tokens(text),
                score=judge(Case(search.text, search.answer, text)).score,
                explanation="",
                slices={"intent": search.intent},
            )
        )
    return found


@cache
def rivals() -> dict[str, list[Measurement]]:
    base = Undistilled(SUBJECTS)
    return {
        "undistilled_student": measured("undistilled_student", MICRO, told(base, SHORT), SHORT),
        PROMPTED: measured(PROMPTED, MICRO, told(base, LONG), LONG),
        "teacher": measured("teacher", PRO, told(Teacher(SUBJECTS, Settings), LONG), LONG),
        "baseline": measured("baseline", HAIKU, told(Baseline(SUBJECTS, Settings), LONG), LONG),
    }


def verdict(student: Answers) -> tuple[list[RuleResult], bool]:
    """Give the gate's lines, and whether prompting would have been enough."""
    grouped = {"student": measured("student", MICRO, student, SHORT), **rivals()}
    models = {"teacher": PRO, "baseline": HAIKU}
    summaries = {
        role: summarise(found, models.get(role, MICRO), BOOK, TASK.output_schema) for role, found in grouped.items()
    }
    even, ids = work_out(summaries, TASK, BOOK, MICRO), {item.record_id for item in grouped["student"]}

    def gate(
        measurements: Mapping[str, Sequence[Measurement]], added_up: Mapping[str, ContestantSummary]
    ) -> list[RuleResult]:
        of_rules = {role: found for role, found in measurements.items() if role != PROMPTED}
        return judge_gate(of_rules, added_up, TASK, even, JudgeRecord(), (), ids).lines

    of_rules = {role: found for role, found in summaries.items() if role != PROMPTED}
    lines = gate(grouped, of_rules)
    rival = prompting(grouped, summaries, TASK, even, ids, lines, gate)
    assert rival is not None
    return lines, rival["enough"]


def refused(lines: Sequence[RuleResult]) -> set[str]:
    return {line.rule for line in lines if not line.passed and not line.undecided}


def thorough(name: str, *given: object) -> Any:
    """Give the parameters of a student that ``make thorough`` alone trains."""
    return pytest.param(*given, id=name, marks=pytest.mark.thorough)


@pytest.mark.parametrize("asked_with", [pytest.param(SHORT, id="regenerate"), thorough("verbatim", LONG)])
def test_a_student_that_learned_what_the_teacher_knows_is_promoted_by_trusted_answers(asked_with: str) -> None:
    # Given labels as Bedrock's own teacher gives them, asked with the short prompt, and as the pipeline's does
    student = told(Student(list(labels(asked_with))), SHORT)

    # When
    lines, prompting_is_enough = verdict(student)

    # Then nobody is asked for a word, and the reason holds: answers that were drawn apart from the teacher
    assert decide(lines) == PROMOTE
    assert to_accept(lines) == []
    [drop] = [line for line in lines if line.rule == "max_quality_drop"]
    assert (drop.kind, drop.evidence, drop.passed) == (MUST_BE_SHOWN, "trusted", True)
    assert all(line.passed for line in lines if line.kind != "informs")
    assert not prompting_is_enough


def a_hundred(asked_with: str) -> Answers:
    return told(Student(list(labels(asked_with))[:100]), SHORT)


def always_the_same(_: str) -> Answers:
    return lambda _query: CONSTANT


LABELS_AND_SLICE = [
    ("permuted labels", partial(spoiled, kind="permuted_labels", seed=0), "max_quality_drop"),
    ("one category", partial(spoiled, kind="one_category_only"), "max_quality_drop"),
    ("a slice removed", partial(spoiled, kind="remove_category", category="metadata"), "slices.intent=metadata"),
]


@pytest.mark.parametrize(
    ("asked_with", "student", "rule"),
    [
        pytest.param(SHORT, a_hundred, "max_quality_drop", id="100 records, regenerate"),
        thorough("100 records, verbatim", LONG, a_hundred, "max_quality_drop"),
        pytest.param(SHORT, always_the_same, "max_quality_drop", id="a constant answer"),
        *(thorough(f"{name}, regenerate", SHORT, student, rule) for name, student, rule in LABELS_AND_SLICE),
        *(thorough(f"{name}, verbatim", LONG, student, rule) for name, student, rule in LABELS_AND_SLICE),
    ],
)
def test_a_student_that_learned_something_else_is_refused_by_trusted_answers(
    asked_with: str, student: Callable[[str], Answers], rule: str
) -> None:
    # Given labels that are wrong, or of one kind alone, or few, as either way of labelling gives them / When
    lines, _ = verdict(student(asked_with))

    # Then
    assert decide(lines) == REJECT
    assert rule in refused(lines)


def test_the_trusted_answers_were_drawn_apart_and_the_teacher_comes_close_to_them() -> None:
    # Given
    found = searches()

    # When
    errors = [
        max(abs(float(rules.answer(search.text)[index]) - wanted / 100) for index, wanted in _by_index(search.weights))
        for search in found
    ]

    # Then close, and not the same
    assert len({search.text for search in found} - set(prompts_of(NAME))) == len(found)
    assert sum(error <= 0.06 for error in errors) >= 0.95 * len(errors)
    assert sum(error > 0.005 for error in errors) >= 0.5 * len(errors)
    for intent, share in SHARES.items():
        assert sum(search.intent == intent for search in found) == pytest.approx(share * len(found), abs=1)


def _by_index(weights: Sequence[int]) -> Sequence[tuple[str, int]]:
    return list(zip(rules.MODALITIES, weights, strict=True))
