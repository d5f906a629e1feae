"""A new endpoint is believed only after it has answered, and a refusal says what the service said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.dataset.records import Record, Turn
from lambdas.domain.errors import PromotionFailed, RetryLater
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.workflow.serving.smoke_test import QUESTIONS, Expected, smoke_test
from tests.unit.gateways.fakes import converse_answer, refusal

TASK = TaskDefinition.from_text(b'{"output_schema": {"type": "object"}}')
RECORDS = [
    Record(identity=number, turns=(Turn("user", f"query {number}"),), system=None, golden=None, slices={})
    for number in range(QUESTIONS + 3)
]


class Endpoint:
    """Answers with given texts, or refuses."""

    def __init__(self, *texts: str, error: Exception | None = None) -> None:
        self._texts, self._error, self.asked = list(texts), error, 0

    def converse(self, **_request: Any) -> dict[str, Any]:
        self.asked += 1
        if self._error:
            raise self._error
        return converse_answer(self._texts.pop(0))


def test_a_refusal_fails_the_promotion_with_the_words_of_the_service() -> None:
    # Given
    endpoint: Any = Endpoint(error=refusal("AccessDeniedException", "no right to decrypt with the model's key"))

    # When / Then
    with pytest.raises(PromotionFailed, match="AccessDeniedException: no right to decrypt"):
        smoke_test(endpoint, "arn:endpoint", RECORDS, TASK)


def test_an_endpoint_that_is_not_ready_is_asked_again_later() -> None:
    # Given
    endpoint: Any = Endpoint(error=refusal("ModelNotReadyException"))

    # When / Then
    with pytest.raises(RetryLater, match="ModelNotReadyException"):
        smoke_test(endpoint, "arn:endpoint", RECORDS, TASK)


def test_two_answers_of_five_that_break_the_schema_fail_the_promotion() -> None:
    # Given
    endpoint: Any = Endpoint("{}", "no JSON", "{}", "no JSON either", "{}")

    # When / Then
    with pytest.raises(PromotionFailed, match="2 of 5"):
        smoke_test(endpoint, "arn:endpoint", RECORDS, TASK)


def test_one_broken_answer_of_five_is_let_pass_and_no_more_than_five_are_asked() -> None:
    # Given
    endpoint: Any = Endpoint("{}", "{}", "no JSON", "{}", "{}")

    # When
    smoke_test(endpoint, "arn:endpoint", RECORDS, TASK)

    # Then
    assert endpoint.asked == QUESTIONS


def test_an_endpoint_that_serves_another_student_is_noticed_by_its_answers() -> None:
    # Given the schema is kept, but of three known answers one comes
    known = {RECORDS[number].id: json.dumps({"a": number}) for number in (5, 6, 7)}
    endpoint: Any = Endpoint('{"a":  5}', '{"a": 0}', '{"a": 0}', "{}", "{}")

    # When / Then: known records are asked first
    with pytest.raises(PromotionFailed, match="gives 1 of 3 answers"):
        smoke_test(endpoint, "arn:endpoint", RECORDS, TASK, Expected(known=known))


def test_most_known_answers_are_enough() -> None:
    # Given
    known = {RECORDS[number].id: json.dumps({"a": number}) for number in (5, 6, 7)}
    endpoint: Any = Endpoint('{"a":  5}', '{"a": 6}', '{"a": 0}', "{}", "{}")

    # When / Then
    smoke_test(endpoint, "arn:endpoint", RECORDS, TASK, Expected(known=known))
    assert endpoint.asked == QUESTIONS


def test_an_endpoint_that_is_far_slower_than_the_student_was_fails() -> None:
    endpoint: Any = Endpoint(*["{}"] * QUESTIONS)
    with pytest.raises(PromotionFailed, match="allowed is 3 times that"):
        smoke_test(endpoint, "arn:endpoint", RECORDS, TASK, Expected(p95_ms=0.001))


def bare(status: int, code: str = "", message: str = "Bad Gateway") -> ClientError:
    metadata: Any = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    return ClientError({"Error": {"Code": code or str(status), "Message": message}, "ResponseMetadata": metadata}, "C")


@pytest.mark.parametrize(
    "error", [bare(502), bare(503), bare(500, "InternalFailure"), bare(500, "ValidationException")]
)
def test_one_bare_error_of_five_calls_fails_nothing(error: ClientError) -> None:
    # Given
    class Flickering(Endpoint):
        def converse(self, **request: Any) -> dict[str, Any]:
            if self.asked == 2:
                self.asked += 1
                raise error
            return super().converse(**request)

    endpoint: Any = Flickering(*["{}"] * 5)

    # When
    smoke_test(endpoint, "arn:endpoint", RECORDS, TASK)

    # Then
    assert endpoint.asked == QUESTIONS + 1


def test_a_quota_of_the_day_is_not_waited_for_while_what_was_bought_bills() -> None:
    # Given
    said = "Too many tokens per day, please wait before trying again."
    endpoint: Any = Endpoint(error=bare(429, "ThrottlingException", said))

    # When / Then
    with pytest.raises(PromotionFailed, match=f"for today: ThrottlingException: {said}.*Retry the run"):
        smoke_test(endpoint, "arn:endpoint", RECORDS, TASK)
    assert endpoint.asked == 1
