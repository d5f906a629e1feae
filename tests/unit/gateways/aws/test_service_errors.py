"""Errors are judged by their HTTP status: names explain, and only where the status says that something is refused."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from botocore.parsers import ResponseParserError
from botocore.retries import standard
from hypothesis import given
from hypothesis import strategies as st

from lambdas.gateways.answering.converse import Broken, Refused, Throttled, outcome_of
from lambdas.gateways.aws.service_errors import THROTTLES, in_words, passes, refusal

THROTTLED: Any = standard.ThrottledRetryableChecker
TRANSIENT: Any = standard.TransientRetryableChecker

NAMES = [
    "", "502", "InternalFailure", "ValidationException", "AccessDeniedException", "ResourceNotFoundException",
    "Throttling", "ServiceQuotaExceededException", "ConflictException", "something of tomorrow",
]  # fmt: skip


def error(code: str, status: int | None, message: str | None = "as the service words it") -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}}
    if status is not None:
        response["ResponseMetadata"] = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    return ClientError(response, "Converse")


@given(name=st.sampled_from(NAMES) | st.text(max_size=20), status=st.sampled_from([408, 429]) | st.integers(500, 599))
def test_what_passes_by_its_status_is_no_refusal_whatever_its_name(name: str, status: int) -> None:
    assert passes(error(name, status))
    assert refusal(error(name, status)) == ""
    assert isinstance(outcome_of(error(name, status)), Throttled | Broken)


@pytest.mark.parametrize("name", ["ValidationException", "AccessDeniedException", "something of tomorrow"])
@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 413, None])
def test_what_is_refused_by_its_status_is_refused_by_name(name: str, status: int | None) -> None:
    assert not passes(error(name, status))
    assert refusal(error(name, status)) == name
    assert outcome_of(error(name, status)) == Refused(
        f"{name}: as the service words it", request=name == "ValidationException"
    )


def test_the_throttles_that_botocore_knows_pass_with_any_status() -> None:
    left_out = {"LimitExceededException", "TransactionInProgressException"}
    known = set(THROTTLED._THROTTLED_ERROR_CODES) - left_out
    assert known <= THROTTLES
    for name in sorted(known):
        assert isinstance(outcome_of(error(name, 400)), Throttled)
        assert passes(error(name, None))


@pytest.mark.parametrize("name", TRANSIENT._TRANSIENT_ERROR_CODES)
def test_the_transient_errors_that_botocore_knows_pass_with_any_status(name: str) -> None:
    assert passes(error(name, 400))


def test_no_answer_passes_and_a_request_of_our_own_making_does_not() -> None:
    assert passes(EndpointConnectionError(endpoint_url="https://bedrock"))
    assert passes(ResponseParserError("a page"))
    assert not passes(ParamValidationError(report="a bug"))
    assert not passes(ValueError("a bug"))


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (error("502", 502, "Bad Gateway"), "HTTP 502: Bad Gateway"),
        (error("", 429, None), "HTTP 429"),
        (error("InternalFailure", 500, None), "InternalFailure"),
        (error("ThrottlingException", 429, "Too many tokens per day"), "ThrottlingException: Too many tokens per day"),
        (error("503", 503, "<html>\r\n  <body>" + "x" * 5000), f"HTTP 503: <html> <body>{'x' * 987}"),
    ],
)
def test_the_words_of_the_service_are_said(problem: ClientError, said: str) -> None:
    assert in_words(problem) == said


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("ThrottlingException", 429, "Too many tokens per day, please wait before trying again."),
        ("ThrottlingException", 429, "Too many requests per day"),
        ("ServiceQuotaExceededException", 400, "Your daily token quota is used up."),
        ("Throttling", 400, "You have exceeded your daily quota"),
    ],
)
def test_a_quota_of_the_day_is_told_from_one_of_the_minute(code: str, status: int, message: str) -> None:
    outcome = outcome_of(error(code, status, message))
    assert isinstance(outcome, Throttled)
    assert outcome.for_today
    assert message in outcome.problem


@pytest.mark.parametrize("message", ["Too many tokens, please wait before trying again.", "Rate exceeded", None])
def test_a_quota_of_the_minute_is_waited_for_at_once(message: str | None) -> None:
    outcome = outcome_of(error("ThrottlingException", 429, message))
    assert isinstance(outcome, Throttled)
    assert not outcome.for_today
