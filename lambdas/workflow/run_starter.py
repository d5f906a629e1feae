"""Claim, queue and start runs. No effect follows StartExecution: a repeated start looks like a first one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lambdas.domain.identity import Upload, execution_name
from lambdas.gateways.aws.service_errors import refusal
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING, Registry, Run

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.caller_identity import Submitter
    from lambdas.gateways.aws.storage import Bucket
    from lambdas.gateways.registry.intake import Intake


class Starter:
    """Starts executions as slots are free.

    Parameters
    ----------
    registry : Registry
    intake : Intake
        While it is closed nothing is started: runs wait.
    step_functions : Step Functions client
    state_machine_arn : str
    max_running : int
        Runs that may be in progress at once.
    """

    def __init__(
        self,
        registry: Registry,
        intake: Intake,
        step_functions: SFNClient,
        state_machine_arn: str,
        max_running: int,
    ) -> None:
        self._registry, self._intake, self._step_functions = registry, intake, step_functions
        self._state_machine_arn, self._max_running = state_machine_arn, max_running

    def start(self, run: Run, now: str) -> str:
        """Start a run if there is a slot for it; it stays queued otherwise.

        Starting is idempotent: the execution's name and input are functions of run and attempt, so a second start
        finds the first.

        Returns
        -------
        str
            The run's state: QUEUED, RUNNING or ENDED.
        """
        if run.state == ENDED or self._intake.is_closed_for(self._state_machine_arn):
            return run.state
        if run.state == QUEUED and not self._registry.take_slot(run.run_id, self._max_running, now):
            return self._registry.run(run.run_id).state
        try:
            self._step_functions.start_execution(
                stateMachineArn=self._state_machine_arn,
                name=execution_name(run.run_id, run.attempt),
                input=json.dumps(_execution_input(run), sort_keys=True),
            )
        except ClientError as problem:
            if refusal(problem) != "ExecutionAlreadyExists":
                raise
        return RUNNING

    def start_queued(self, now: str) -> list[str]:
        """Start queued runs, oldest first, until the slots are taken."""
        started = []
        for run in self._registry.in_state(QUEUED):
            state = self.start(run, now)
            if state == QUEUED:
                break
            if state == RUNNING:  # the index lags behind: it may still show a run that has ended since
                started.append(run.run_id)
        return started


def _execution_input(run: Run) -> dict[str, object]:
    of_run: dict[str, object] = {"attempt": run.attempt, "run_id": run.run_id}
    return {**of_run, "from_logs": True} if run.upload.from_logs else of_run


def claim_upload(
    registry: Registry,
    uploads: Bucket,
    upload: Upload,
    now: str,
    find_submitter: Callable[[Upload], Submitter] | None = None,
) -> Run:
    """Claim the run of an uploaded object version and pin the task's files that are there at this moment.

    ``find_submitter`` says who uploaded; it is asked once, for a run that is not known yet.

    Raises
    ------
    InvalidUpload
        When the key starts no run.
    """
    upload.check()
    known = registry.find(upload.run_id)
    if known:
        return known
    names = ("task.json", "holdout.jsonl", "calibration.jsonl")
    task, holdout, calibration = (uploads.newest_version(f"{upload.folder}/{name}") for name in names)
    submitter = find_submitter(upload) if find_submitter else None
    return registry.claim(upload, task, holdout, now, calibration, submitter)
