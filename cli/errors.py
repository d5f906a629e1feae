"""What can go wrong in front of a person: one message that says what to do next, one documented exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as AwsConnectionError,
)
from botocore.parsers import ResponseParserError

from lambdas.gateways.aws.service_errors import in_words, passes

OK, CHECK_FAILED, USAGE_ERROR, NOT_REACHED, UNKNOWN_RUN, INTERRUPTED = 0, 1, 2, 3, 4, 130

EXIT_CODES = """\b
Exit codes:
  0    done; a watched run ended PROMOTED
  1    a watched run ended REJECTED, EXPIRED, STOPPED or FAILED, or a check failed
  2    usage error
  3    not deployed, no credentials, or no connection
  4    no such run or task, or a prefix that fits several
  130  interrupted; a run in progress goes on"""

_CREDENTIAL_PROBLEMS = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    ProfileNotFound,
    TokenRetrievalError,
    SSOError,
)
_REFUSED_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "AuthFailure",
    }
)
_SIGN_IN = "Sign in (for example 'aws sso login', or set AWS_PROFILE), or add --local for the embedded AWS."


class CliError(click.ClickException):
    """A message for a person and the exit code that goes with it.

    Parameters
    ----------
    message : str
        What is wrong and what to do next.
    exit_code : int
        One of the codes of :data:`EXIT_CODES`.
    """

    def __init__(self, message: str, exit_code: int = CHECK_FAILED) -> None:
        super().__init__(message)
        # click's type stubs call it a class variable; click itself reads the instance.
        self.exit_code = exit_code  # type: ignore[misc]


class NotDeployedError(CliError):
    """A stack of the environment does not exist.

    Parameters
    ----------
    said : str
        Which one, in one sentence.
    advice : str
        How to deploy it.
    """

    def __init__(self, said: str, advice: str) -> None:
        super().__init__(f"{said} {advice}", NOT_REACHED)
        self.said = said


@contextmanager
def aws_problems_explained() -> Iterator[None]:
    """Turn what botocore raises into a :class:`CliError`."""
    try:
        yield
    except _CREDENTIAL_PROBLEMS as problem:
        raise CliError(f"No usable AWS credentials: {problem}. {_SIGN_IN}", NOT_REACHED) from problem
    except (AwsConnectionError, HTTPClientError) as problem:
        message = f"Cannot connect: {problem}. Check the network and --region; with --local, that it still runs."
        raise CliError(message, NOT_REACHED) from problem
    except ClientError as problem:
        raise _refused(problem) from problem
    except ResponseParserError as problem:
        message = f"What came back is no answer of AWS: {problem}. Check for a proxy in between, or try again."
        raise CliError(message, NOT_REACHED) from problem
    except BotoCoreError as problem:
        raise CliError(f"The call to AWS failed: {problem}") from problem


def _refused(problem: ClientError) -> CliError:
    if passes(problem):
        return CliError(
            f"AWS does not answer {problem.operation_name} for now ({in_words(problem)}). Try again in a minute.",
            NOT_REACHED,
        )
    error = problem.response.get("Error", {})
    code, text = str(error.get("Code", "")), str(error.get("Message", ""))
    if code in _REFUSED_CREDENTIALS:
        return CliError(f"AWS does not accept the credentials ({code}): {text}. {_SIGN_IN}", NOT_REACHED)
    return CliError(f"AWS refused {problem.operation_name} ({code}): {text}")
