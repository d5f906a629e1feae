"""Ask the new endpoint before anybody else does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.answers import Answer
from lambdas.domain.errors import PromotionFailed, RetryLater
from lambdas.domain.output_check import OutputChecker
from lambdas.domain.prompts import student_question
from lambdas.domain.records import Record
from lambdas.domain.task_definition import TaskDefinition
from lambdas.gateways.converse import PASSING
from lambdas.gateways.storage import error_code

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

QUESTIONS = 5
"""Records that are asked; one valid answer of them could be luck, so most must keep the schema."""


def smoke_test(runtime: BedrockRuntimeClient, endpoint_arn: str, records: list[Record], task: TaskDefinition) -> None:
    """Ask the endpoint some records of the holdout.

    Raises
    ------
    PromotionFailed
        When it refuses, or fewer than four of five answers keep the output schema.
    RetryLater
        When it is throttled or not ready yet.
    """
    checker, asked = OutputChecker(task.output_schema), records[:QUESTIONS]
    problems = []
    for record in asked:
        question = student_question(record, task)
        started = time.perf_counter()
        try:
            response = runtime.converse(modelId=endpoint_arn, **question.to_api())
        except ClientError as refused:
            code = error_code(refused)
            if code in PASSING:
                raise RetryLater(f"the endpoint answers {code}") from None
            said = refused.response["Error"].get("Message")
            raise PromotionFailed(f"the endpoint refused the smoke test: {code}: {said}") from None
        answer = Answer.from_api(question, endpoint_arn, dict(response), (time.perf_counter() - started) * 1000)
        problem = checker.problem(answer.text)
        if problem:
            problems.append(problem)
    if len(problems) * QUESTIONS > len(asked):
        message = f"{len(problems)} of {len(asked)} smoke-test answers break the output schema: {problems[0]}"
        raise PromotionFailed(message)
