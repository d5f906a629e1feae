"""Check that the answer is for the report that was asked about, and hand it to the waiting execution."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.errors import AnswerRefused
from lambdas.gateways.approvals import Approvals
from lambdas.gateways.storage import error_code
from lambdas.pipeline import Pipeline, Result, iso

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

ANSWERS = ("approved", "rejected")
TOO_LATE = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")


def answer(
    line: Pipeline,
    approvals: Approvals,
    step_functions: SFNClient,
    *,
    run_id: str,
    word: str,
    why: str,
    report_sha256: str,
) -> Result:
    """Answer a request for approval.

    Parameters
    ----------
    line : Pipeline
    approvals : Approvals
    step_functions : Step Functions client
    run_id : str
    word : {"approved", "rejected"}
    why : str
        Goes into the registry and the report.
    report_sha256 : str
        SHA-256 of the ``report.json`` that the person has read.

    Raises
    ------
    AnswerRefused
        Nothing waits, the report has changed, or somebody answered before.
    """
    run = line.registry.run(run_id)
    if word not in ANSWERS:
        raise AnswerRefused(f"the answer is {word[:20]!r}, allowed: {', '.join(ANSWERS)}")
    pending = approvals.find(run_id)
    if pending is None or pending.attempt != run.attempt:
        state = run.outcome or str(run.progress.get("stage", run.state))
        raise AnswerRefused(f"run '{run_id}' waits for no approval; it is at {state}")
    if pending.report_sha256 != report_sha256 or run.report_sha256 != report_sha256:
        raise AnswerRefused(f"the report of run '{run_id}' is no longer the one you read; read it again, then answer")
    line.registry.record_facts(run_id, approval={"answer": word, "why": why[:500], "at": iso(line.now())})
    try:
        step_functions.send_task_success(taskToken=pending.task_token, output=json.dumps({"answer": word}))
    except ClientError as problem:
        if error_code(problem) not in TOO_LATE:
            raise
        raise AnswerRefused(f"run '{run_id}' no longer waits: it was answered before, or the request expired") from None
    approvals.delete(run_id)
    return {"run_id": run_id, "answer": word}
