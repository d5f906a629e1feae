"""Every name, token and URI that Bedrock receives is made here.

botocore checks neither patterns nor maxima of these fields; the service does, after the run has started. Patterns are
those of the service model of botocore 1.43.106 and are tested against it.
"""

from __future__ import annotations

import re

from lambdas.domain.identity import digest

ENVIRONMENT_TAG = "distillation:environment"
"""Tag by which what the pipeline made is known from what has only a similar name."""

TASK_TAG, RUN_TAG, STAGE_TAG = "task", "run", "stage"
"""Tags by which the bill can be told apart: docs/watching.md, cost allocation."""

MAX_NAME = 63
"""Longest jobName, customModelName, modelDeploymentName and provisionedModelName (service model)."""

_SAFE_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SAFE_KEY = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?")


def resource_prefix(environment: str, task: str) -> str:
    """Begin every Bedrock name of a task in an environment: what the janitor searches for."""
    return f"{environment}-{task}"


CANDIDATE = "candidate"
"""Suffix of the deployment that an evaluation asks: its tokens are in the run's ledger."""


def is_candidate(name: str) -> bool:
    """Tell whether a deployment was made for an evaluation."""
    return name.endswith(f"-{CANDIDATE}")


def content_name(environment: str, task: str, content: str, suffix: str = "") -> str:
    """Name a job, a model or an endpoint by what it is made of, so that a retry finds it again.

    Parameters
    ----------
    environment, task : str
        Environment name and task slug.
    content : str
        Hexadecimal hash of training file, teacher, student and parameters.
    suffix : str
        Distinguishes names for the same content, for example ``"2"`` for a second try at a stalled job.

    Returns
    -------
    str
        At most 63 characters of ``[a-z0-9-]`` without a double hyphen: it satisfies the strictest of the patterns.
        An environment with a hyphen is a part of the hash: ``dev`` with a task ``a-x`` and ``dev-a`` with ``x`` would
        make the same name.

    Raises
    ------
    ValueError
        When the parts cannot make such a name.
    """
    if "-" in environment:
        content = digest(environment, task, content, length=len(content))
    name = "-".join(part for part in (resource_prefix(environment, task), content, suffix) if part)
    if len(name) > MAX_NAME or not _SAFE_NAME.fullmatch(name):
        raise ValueError(f"'{name}' is no Bedrock name: 1 to {MAX_NAME} characters of [a-z0-9-] without '--'")
    return name


def client_token(*parts: object) -> str:
    """Make an idempotency token (``[a-zA-Z0-9-]``, at most 256 characters) from what a request is about."""
    return digest(*parts, length=64)


def s3_uri(bucket: str, key: str) -> str:
    """Write an S3 URI that Bedrock's own pattern accepts.

    Raises
    ------
    ValueError
        When the key has characters beyond ``[A-Za-z0-9._-]`` and ``/``, or an empty part.
    """
    if not _SAFE_KEY.fullmatch(key):
        raise ValueError(f"'{key}' is no key that Bedrock accepts: use [A-Za-z0-9._-] between single slashes")
    return f"s3://{bucket}/{key}"


def resource_tags(environment: str, task: str, run_id: str, stage: str) -> list[dict[str, str]]:
    """Tag a Bedrock resource with its origin, in the lower-case form that the Bedrock API takes."""
    tags = {ENVIRONMENT_TAG: environment, TASK_TAG: task, RUN_TAG: run_id, STAGE_TAG: stage}
    return [{"key": key, "value": value} for key, value in tags.items()]
