"""One model call: what it may end in, told apart by what has to be done next."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.gateways.aws.storage import error_code

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient

THROTTLES = (
    "ThrottlingException",
    "TooManyRequestsException",
    "ServiceUnavailableException",
    "ModelNotReadyException",
)
"""Errors of Converse that ask for fewer calls."""

ABOUT_THE_REQUEST = ("ModelErrorException", "ModelTimeoutException")
"""Errors of the model over one request; they may go away, and botocore itself retries neither."""

PASSING = (*THROTTLES, *ABOUT_THE_REQUEST, "InternalServerException")
"""Errors of Converse that may go away."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The service's answer and how long it took on the client's clock, in milliseconds."""

    response: dict[str, Any]
    client_ms: float


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too many calls; ``retry_after`` are the seconds that the service asks to wait, if it says."""

    problem: str
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Broken:
    """An error that may go away by itself; ``about_the_request``: another request may well be answered."""

    problem: str
    about_the_request: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """The service refuses for good: this ``request``, or else the model or the caller."""

    problem: str
    request: bool


Outcome = Answered | Throttled | Broken | Refused


def call(runtime: BedrockRuntimeClient, model: str, request: Mapping[str, Any]) -> Outcome:
    """Call Converse once."""
    started = time.perf_counter()
    try:
        response = runtime.converse(modelId=model, **request)
    except ClientError as refused:
        return _outcome(refused)
    except BotoCoreError as broken:
        # A read that timed out may be this request's fault; a connection that failed is not.
        return Broken(type(broken).__name__, type(broken).__name__ == "ReadTimeoutError")
    return Answered(dict(response), (time.perf_counter() - started) * 1000)


def _outcome(refused: ClientError) -> Outcome:
    code = error_code(refused)
    if code in THROTTLES:
        return Throttled(code, retry_after(refused, datetime.now(UTC)))
    if code in PASSING:
        return Broken(code, code in ABOUT_THE_REQUEST)
    message = refused.response.get("Error", {}).get("Message")
    return Refused(f"{code}: {message}", code == "ValidationException")


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
