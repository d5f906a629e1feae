"""Ask the new endpoint before anybody else does."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambdas.domain.errors import PromotionFailed, RetryLater
from lambdas.domain.questions.answers import Answer
from lambdas.domain.questions.prompts import student_question
from lambdas.domain.text.output_schema import OutputChecker
from lambdas.gateways.answering.converse import Answered, Broken, Refused, Throttled, call

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

    from lambdas.domain.dataset.records import Record
    from lambdas.domain.task.task_definition import TaskDefinition

QUESTIONS = 5
"""Records that are asked; one valid answer of them could be luck, so most must keep the schema."""

TRIES = 3
"""Calls of one question that may break, as one in hundreds does, before the whole test is left to the next poll."""

SLOWER = 3.0
"""How many times the student's p95 of the evaluation the median answer may take: five answers bound no more tightly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What the evaluation measured of this student.

    Attributes
    ----------
    known : mapping of str to str
        Record id to reference, for records where the student's answer was the reference.
    p95_ms : float or None
        The service's own latency, 95th percentile.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    p95_ms: float | None = None


NOTHING_KNOWN = Expected()


def smoke_test(
    runtime: BedrockRuntimeClient,
    endpoint_arn: str,
    records: list[Record],
    task: TaskDefinition,
    expected: Expected = NOTHING_KNOWN,
    paid: Callable[[Sequence[Answer]], None] = lambda _answers: None,
) -> None:
    """Ask the endpoint some records of the holdout, first those whose answer is known.

    An endpoint that serves another model than it should (the base model, an older student) keeps the schema and is
    fast; known answers tell. More than half of them must come again, since a model may vary even at temperature 0.

    Raises
    ------
    PromotionFailed
        When it refuses or a quota of the day is used up, when fewer than four of five answers keep the output schema,
        when half of the known answers or more do not come, or when the median answer takes three times the p95 of the
        evaluation.
    RetryLater
        When it is throttled, does not answer or is not ready yet.
    """
    checker = OutputChecker(task.output_schema)
    asked = sorted(records, key=lambda record: record.id not in expected.known)[:QUESTIONS]
    answers: dict[str, Answer] = {}
    try:
        for record in asked:
            answers[record.id] = _ask(runtime, endpoint_arn, record, task)
    finally:
        paid(list(answers.values()))
    problems = [problem for answer in answers.values() if (problem := checker.problem(answer.text))]
    if len(problems) * QUESTIONS > len(asked):
        message = f"{len(problems)} of {len(asked)} smoke-test answers break the output schema: {problems[0]}"
        raise PromotionFailed(message)
    known = [record.id for record in asked if record.id in expected.known]
    came = sum(same_answer(answers[name].text, expected.known[name]) for name in known)
    if known and 2 * came <= len(known):
        message = f"the endpoint gives {came} of {len(known)} answers that the student gave in the evaluation"
        raise PromotionFailed(f"{message}: it does not seem to serve that student")
    median = statistics.median(answer.latency_ms for answer in answers.values()) if answers else 0.0
    if expected.p95_ms is not None and median > SLOWER * expected.p95_ms:
        message = (
            f"the endpoint's median answer takes {median:,.0f} ms, the student's p95 was {expected.p95_ms:,.0f} ms"
        )
        raise PromotionFailed(f"{message} in the evaluation; allowed is {SLOWER:g} times that")


def same_answer(answer: str, reference: str) -> bool:
    """Tell whether two answers say the same: as JSON where both are, else but for white space."""
    try:
        return bool(json.loads(answer) == json.loads(reference))
    except (ValueError, RecursionError):
        return answer.split() == reference.split()


def _ask(runtime: BedrockRuntimeClient, endpoint_arn: str, record: Record, task: TaskDefinition) -> Answer:
    question = student_question(record, task)
    outcome = call(runtime, endpoint_arn, question.to_api())
    for _ in range(TRIES - 1):
        if isinstance(outcome, Broken) or (isinstance(outcome, Throttled) and not outcome.for_today):
            outcome = call(runtime, endpoint_arn, question.to_api())
    if isinstance(outcome, Answered):
        return Answer.from_api(question, endpoint_arn, outcome.response, outcome.client_ms)
    if isinstance(outcome, Refused):
        raise PromotionFailed(f"the endpoint refused the smoke test: {outcome.problem}")
    if isinstance(outcome, Throttled) and outcome.for_today:
        # An endpoint bills while a quota of the day is waited for: it is given back, and a retry creates it again.
        message = f"the smoke test was throttled for today: {outcome.problem}"
        raise PromotionFailed(f"{message}. Retry the run when the quota has been reset: nothing is trained again")
    raise RetryLater(f"the endpoint does not answer yet: {outcome.problem}")
