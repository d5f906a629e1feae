"""What an error of a service means: whether it passes by itself, and which refusal it is where it does not.

The HTTP status decides, the name explains. In front of a service stand load balancers and gateways, which answer a
bare 502 or 503 page, and front ends, which say ``InternalFailure`` or ``Throttling``: none of these names is in a
service model. So 408, 429 and all from 500 on pass by whatever name, and a name says what is refused only where the
status says that something is.
"""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as AwsConnectionError
from botocore.parsers import ResponseParserError

AWS_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
"""All that a call to a service can raise; a page that no parser can read is an error of its own kind."""

LONGEST_WORDS = 1_000
"""Characters of a service's message that are kept: a gateway's page has many and says little."""

_NO_ANSWER = (HTTPClientError, AwsConnectionError, ResponseParserError)

TOO_MANY_REQUESTS = 429
_PASSING_STATUSES = (408, TOO_MANY_REQUESTS)
_FIRST_SERVER_ERROR = 500

THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "ModelNotReadyException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Names that ask for fewer calls, whatever their status: botocore's own, and the Bedrock runtime's.

Of botocore's list two are left out: ``LimitExceededException`` is a full quota, not a rate, and a running transaction
(``TransactionInProgressException``) is about the item.
"""

_PASSING = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "ModelErrorException",
        "ModelTimeoutException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
"""Names that pass whatever their status: a model's error over one request has 424, and S3 gives a time-out 400."""


def error_code(problem: ClientError) -> str:
    """Give the service's own name of an error, to be said; :func:`refusal` is for decisions."""
    return str(problem.response.get("Error", {}).get("Code", ""))


def http_status(problem: ClientError) -> int:
    """Give the HTTP status of an error; 0 where it is not known."""
    return int(problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def is_throttle(problem: ClientError) -> bool:
    """Tell whether an error asks for fewer calls."""
    return http_status(problem) == TOO_MANY_REQUESTS or error_code(problem) in THROTTLES


def passes(problem: Exception) -> bool:
    """Tell whether an error may go away by itself: the same call may succeed later."""
    if not isinstance(problem, ClientError):
        return isinstance(problem, _NO_ANSWER)
    status, code = http_status(problem), error_code(problem)
    return status in _PASSING_STATUSES or status >= _FIRST_SERVER_ERROR or code in THROTTLES or code in _PASSING


def refusal(problem: ClientError) -> str:
    """Give the name of what the service refuses; empty where the error passes, so that no name is believed then.

    A 503 that a gateway calls ``ResourceNotFoundException`` says nothing about whether a job exists: taken for a
    refusal it would be paid a second time.
    """
    return "" if passes(problem) else error_code(problem)


def in_words(problem: Exception) -> str:
    """Say an error as a person reads it: the service's own name and words, or the kind of a failed connection."""
    if not isinstance(problem, ClientError):
        return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
    code, status = error_code(problem), http_status(problem)
    name = f"HTTP {status}" if code in ("", str(status)) and status else code
    message = " ".join(str(problem.response.get("Error", {}).get("Message") or "").split())
    return f"{name}: {message[:LONGEST_WORDS]}" if message else name
