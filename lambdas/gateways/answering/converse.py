"""One model call: what it may end in, told apart by what has to be done next."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from lambdas.gateways.aws.service_errors import (
    AWS_ERRORS,
    error_code,
    http_status,
    in_words,
    is_throttle,
    passes,
    refusal,
)

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

_ABOUT_THE_REQUEST = ("ModelErrorException", "ModelTimeoutException", "ReadTimeoutError")
"""Errors that may be this one request's own: another may well be answered."""

SERVICE_UNAVAILABLE = 503
UNAVAILABLE = ("ServiceUnavailableException", "ServiceUnavailable")

_A_DAY = re.compile(r"\b(per|a|each) day\b|\bdaily\b", re.IGNORECASE)
"""What a throttle says that waiting a minute does not mend: "Too many tokens per day, please wait before ..."."""


class Answered(NamedTuple):
    """The service's answer and how long it took on the client's clock, in milliseconds."""

    response: dict[str, Any]
    client_ms: float


class Throttled(NamedTuple):
    """Too many calls; ``retry_after`` are the seconds that the service asks to wait, if it says.

    ``for_today``: what is used up is a quota of the day.
    """

    problem: str
    retry_after: float | None
    for_today: bool = False


class Broken(NamedTuple):
    """An error that may go away by itself; ``about_the_request``: another request may well be answered."""

    problem: str
    about_the_request: bool


class Refused(NamedTuple):
    """The service refuses for good: this ``request``, or else the model or the caller."""

    problem: str
    request: bool


Outcome = Answered | Throttled | Broken | Refused


def call(runtime: BedrockRuntimeClient, model: str, request: Mapping[str, Any]) -> Outcome:
    """Call Converse once."""
    started = time.perf_counter()
    try:
        response = runtime.converse(modelId=model, **request)
    except AWS_ERRORS as problem:
        return outcome_of(problem)
    return Answered(dict(response), (time.perf_counter() - started) * 1000)


def outcome_of(problem: Exception) -> Throttled | Broken | Refused:
    """Tell apart by the HTTP status what has to be done about an error; the service's words go with it."""
    said = in_words(problem)
    if not isinstance(problem, ClientError):
        # A read that timed out may be this request's fault; a connection that failed is not.
        return Broken(said, type(problem).__name__ in _ABOUT_THE_REQUEST)
    for_today = bool(_A_DAY.search(said))
    if is_throttle(problem) or (for_today and refusal(problem) == "ServiceQuotaExceededException"):
        return Throttled(said, retry_after(problem, datetime.now(UTC)), for_today)
    if passes(problem):
        about_the_request = error_code(problem) in _ABOUT_THE_REQUEST
        # A service that is not available is asked more slowly, like one that throttles.
        busy = http_status(problem) == SERVICE_UNAVAILABLE or error_code(problem) in UNAVAILABLE
        return Throttled(said, retry_after(problem, datetime.now(UTC))) if busy else Broken(said, about_the_request)
    return Refused(said, error_code(problem) == "ValidationException")


def retry_after(refused: ClientError, now: datetime) -> float | None:
    """Read how many seconds the service asks to wait.

    ``retry-after`` is in seconds or a date (RFC 9110, section 10.2.3), ``x-amz-retry-after`` in milliseconds
    (botocore.retries.standard). What cannot be read is as if it were not there.
    """
    headers: Any = refused.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    milliseconds, said = headers.get("x-amz-retry-after"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            seconds = float(milliseconds) / 1000
        elif said is None:
            return None
        elif said.strip().isdecimal():
            seconds = float(said)
        else:
            seconds = (parsedate_to_datetime(said).astimezone(UTC) - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds < float("inf") else None
