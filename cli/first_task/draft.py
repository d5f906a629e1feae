"""What a task's folder begins with: a short prompt by rule, task.json, cases to score, and what is still missing."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cli.first_task.example import Example
from lambdas.domain.dataset.builder import Dataset
from lambdas.domain.evaluation.judge_calibration import FEWEST_CASES
from lambdas.domain.evaluation.sample_sizes import holdout_records_needed, training_records_needed
from lambdas.domain.task.task_definition import DEFAULT_RUBRIC, TaskDefinition

LONGEST_FIRST_SENTENCE = 200
"""Characters of the long prompt that the short one repeats."""

MOST_CHOICES, LONGEST_CHOICE, FEWEST_ANSWERS = 20, 40, 50
"""From so many answers on so few different short ones are the words to choose from."""

CASES = 12
"""Cases that are laid out to be scored: two more than measure a judge."""

_SENTENCE_END = re.compile(r"(?<=[.!?:])\s|\n")


@dataclass(frozen=True)
class Draft:
    """What the questions and options of ``init`` came to.

    ``trusted`` says that people wrote the answers.
    """

    teacher_prompt: str | None
    student_prompt: str | None
    schema: dict[str, Any] | None
    trusted: bool
    requests_a_month: int | None
    serving: str
    secrets: str = "block"

    def document(self, schema_address: str) -> dict[str, Any]:
        """Give ``task.json``: what is known, and of the rest the defaults that people most often change."""
        known: dict[str, Any] = {
            "$schema": schema_address,
            "teacher_system_prompt": self.teacher_prompt,
            "student_system_prompt": self.student_prompt,
            "output_schema": self.schema,
            "judge_rubric": DEFAULT_RUBRIC,
        }
        serving: dict[str, Any] = {"mode": self.serving, "expected_requests_per_month": self.requests_a_month}
        rest = {
            "serving": {name: value for name, value in serving.items() if value is not None},
            "approval": "required",
            "budget_usd": 50,
            **({"secrets": self.secrets} if self.secrets != "block" else {}),
        }
        return {name: value for name, value in known.items() if value is not None} | rest


def short_prompt(long_prompt: str, schema: dict[str, Any] | None, answers: Sequence[str] = ()) -> str:
    """Propose a short prompt for the student: the first sentence of the long one, and the form of the answer.

    Parameters
    ----------
    long_prompt : str
    schema : dict or None
        JSON Schema of the answer.
    answers : sequence of str
        Known answers; where they are few different words, these are named.
    """
    first = _first_sentence(long_prompt)
    form = _form(schema) if schema else _choices(answers)
    return " ".join(part for part in (first, form) if part)


def cases_to_score(examples: Sequence[Example]) -> Iterator[str]:
    """Lay out cases for the judge's measurement, each without its score.

    Where there are answers, a case brings a right answer, or that of another question: a person scores what it is.
    """
    known = [example for example in examples if example.answer]
    chosen = [*known[:: max(len(known) // CASES, 1)], *(one for one in examples if not one.answer)][:CASES]
    for at, example in enumerate(chosen):
        other = chosen[(at + 1) % len(chosen)].answer if at % 2 else example.answer
        case = {
            "question": "\n".join(text for _, text in example.turns),
            "reference": example.answer or "",
            "answer": other or "",
            "expected_score": None,
        }
        yield json.dumps(case, ensure_ascii=False)


def missing(draft: Draft, task: TaskDefinition, dataset: Dataset) -> Iterator[str]:
    """Say what a good verdict still needs, the most important first."""
    train = training_records_needed(task.teacher_data.max_drop_rate)
    holdout = holdout_records_needed(task.gate.max_quality_drop)
    if len(dataset.train) < train:
        yield f"prompts: {len(dataset.train)} are left to train on, a run needs {train}"
    if len(dataset.holdout) < holdout:
        yield (
            f"prompts to measure on: {len(dataset.holdout)} are there, a run needs {holdout} for a quality drop of "
            f"{task.gate.max_quality_drop:g} points"
        )
    if draft.teacher_prompt is None:
        yield "an instruction: no prompt says what to do with an input ('teacher_system_prompt')"
    if not dataset.own_holdout:
        yield (
            "trusted answers: without them the student is measured by its likeness to the teacher; answers that people "
            "wrote or checked belong into holdout.jsonl"
        )
    if draft.schema is None:
        yield "a schema of the answer ('output_schema'): without it any text counts as valid"
    yield "a rubric: the default one is in task.json; say there what 5, 3 and 1 mean for this task"
    yield f"the judge's measurement: score at least {FEWEST_CASES} cases of calibration.jsonl (1 to 5)"
    if draft.requests_a_month is None:
        yield (
            "the volume ('serving.expected_requests_per_month'): without it the saving is told for each token, and "
            "nobody can say whether throughput pays"
        )


def choices(answers: Sequence[str]) -> list[str]:
    """Give the different answers where they are few short ones; else nothing."""
    found = Counter(answers)
    if len(answers) < FEWEST_ANSWERS or not 1 < len(found) <= MOST_CHOICES:
        return []
    if any(
        len(answer) > LONGEST_CHOICE or "\n" in answer or answer.lstrip().startswith(("{", "[")) for answer in found
    ):
        return []
    return sorted(found)


def _choices(answers: Sequence[str]) -> str:
    words = choices(answers)
    return f"Answer with one of: {', '.join(words)}." if words else ""


def _first_sentence(text: str) -> str:
    first = next((part.strip() for part in _SENTENCE_END.split(text.strip()) if part.strip()), "")
    if len(first) <= LONGEST_FIRST_SENTENCE:
        return first
    return first[:LONGEST_FIRST_SENTENCE].rsplit(" ", 1)[0]


def _form(schema: dict[str, Any]) -> str:
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not properties:
        return "Answer only with JSON."
    fields = ", ".join(f'"{name}": {_kind(rule)}' for name, rule in properties.items())
    return f"Answer only with a JSON object: {{{fields}}}."


def _kind(rule: object) -> str:
    if not isinstance(rule, dict):
        return "any"
    if isinstance(rule.get("enum"), list):
        return "|".join(json.dumps(one, ensure_ascii=False) for one in rule["enum"])
    kind = rule.get("type", "any")
    said = "|".join(map(str, kind)) if isinstance(kind, list) else str(kind)
    if "minimum" in rule and "maximum" in rule:
        return f"{said} {rule['minimum']}-{rule['maximum']}"
    return said
