"""What a run is doing, in words: its stage, since when, what it waits for, and what has been counted."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cli.errors import CHECK_FAILED, CliError
from lambdas.domain.report.figures import count, duration, number, rows_of, usd
from lambdas.gateways.aws.service_errors import AWS_ERRORS, passes
from lambdas.gateways.registry.runs import ENDED, QUEUED, Registry, Run

CLAIM_SECONDS = 180.0
"""How long an upload may take to become a run before a person should look."""

MOST_TROUBLES = 20
"""Looks, one after the other, that AWS may leave unanswered."""

_DOING = {
    "PrepareDataset": "checks and splits the prompts",
    "CheckRun": "chooses the models and estimates the cost",
    "GenerateTeacherData": "asks the teacher",
    "CollectTeacherData": "collects the teacher's answers",
    "LaunchDistillation": "waits for Bedrock's customization job",
    "DeployCandidate": "waits for the candidate's deployment",
    "EvaluateStudent": "asks and judges the contestants on the holdout",
    "ScoreEvaluation": "weighs the answers against the gate",
    "RequestApproval": "waits for a person's approval",
    "PromoteStudent": "waits for the endpoint",
    "BakeStudent": "watches the new champion's errors and latency",
    "ReleaseResources": "releases what is no longer needed",
    "PublishReport": "writes the report",
}


@dataclass(frozen=True, slots=True)
class Step:
    """What is seen of a run at one moment.

    Attributes
    ----------
    stage : str
        State of the state machine, or QUEUED, STARTING or ENDED.
    text : str
        What is being done or waited for.
    since : str or None
        ISO 8601: since when it is in this stage.
    """

    stage: str
    text: str
    since: str | None


def describe(run: Run, *, simulated: bool) -> Step:
    """Describe a run as it is in the registry.

    Parameters
    ----------
    run : Run
    simulated : bool
        Whether its figures are simulated; then they say so.
    """
    if run.state == ENDED:
        return Step(ENDED, f"{run.outcome}: {run.reason}", run.ended_at)
    if run.state == QUEUED:
        return Step(QUEUED, "waits until fewer runs are in progress (setting 'max_running')", run.created_at)
    stage = run.progress.get("stage")
    if not stage:
        return Step("STARTING", "waits for the state machine", run.started_at)
    details = _details(run, simulated=simulated)
    doing = _DOING.get(str(stage), "is in progress")
    text = f"{doing} ({', '.join(details)})" if details else doing
    text += "" if run.task_version else "; no task.json: the defaults apply"
    return Step(str(stage), text, run.progress.get("since"))


def follow(
    registry: Registry,
    run_id: str,
    *,
    every: float,
    sleep: Callable[[float], None] = time.sleep,
    claim_seconds: float = CLAIM_SECONDS,
    deadline_seconds: float = math.inf,
) -> Iterator[Run | None]:
    """Read a run again and again until it has ended.

    Parameters
    ----------
    registry : Registry
    run_id : str
    every : float
        Seconds between two looks.
    sleep : callable
    claim_seconds : float
        How long the run may be missing.
    deadline_seconds : float
        How long the run may take.

    Yields
    ------
    Run or None
        ``None`` while the upload has not become a run.

    Raises
    ------
    CliError
        When it does not become one in time, or has not ended at the deadline.
    """
    waited, troubles, run = 0.0, 0, None
    while True:
        try:
            run, troubles = registry.find(run_id), 0
        except AWS_ERRORS as problem:  # the run goes on meanwhile
            troubles += 1
            if troubles > MOST_TROUBLES or not passes(problem):
                raise
        yield run
        if run is not None and run.state == ENDED:
            return
        if run is None and waited >= claim_seconds:
            message = f"After {waited:.0f} s the upload has not become run '{run_id}'. Look at the log of StartRun."
            raise CliError(message, CHECK_FAILED)
        if waited >= deadline_seconds:
            raise CliError(f"Run '{run_id}' has not ended after {waited:.0f} s.", CHECK_FAILED)
        sleep(every)
        waited += every


def age(since: str | None, now: datetime | None = None) -> str:
    """Say how long ago a time was: ``12 s``, ``3 min``, ``2 h 05 min``; a dash where it is not known."""
    try:
        begun = datetime.fromisoformat(str(since))
    except ValueError:
        return "-"
    seconds = max(0, int(((now or datetime.now(UTC)) - begun).total_seconds()))
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds} s"
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _details(run: Run, *, simulated: bool) -> list[str]:
    progress = run.progress
    texts: list[str] = []
    for name, form in (("train", "{} to train"), ("holdout", "{} held out"), ("released", "{} released")):
        if isinstance(progress.get(name), list):
            texts.append(form.format(len(progress[name])))
        elif number(progress.get(name)) is not None:
            texts.append(form.format(count(progress[name])))
    if number(progress.get("estimate_usd")) is not None:
        texts.append(f"{'simulated ' if simulated else ''}estimate {usd(progress['estimate_usd'])}")
    if progress.get("pending"):
        pending = progress["pending"]
        texts.append(f"{len(pending) if isinstance(pending, list) else pending} pending")
    texts += [f"{name} {progress[name]}" for name in ("phase", "status", "shard", "decision") if progress.get(name)]
    texts += [f"waits for: {progress['waits_for']}"] if progress.get("waits_for") else []
    texts += _phases(progress)
    if progress.get("expires"):
        texts.append(f"until {progress['expires']}; answer with 'approve' or 'reject'")
        texts += [f"report.json has SHA-256 {progress['report_sha256']}"] if progress.get("report_sha256") else []
        texts += ["needs --hourly-price"] if progress.get("price_wanted") else []
        texts += ["needs --explicitly"] if progress.get("explicit") else []
    return texts


def _phases(progress: dict[str, Any]) -> list[str]:
    """Say how long each phase of a customization job took, or since when it is in progress."""
    texts = []
    for phase in rows_of(progress.get("phases")):
        name, started, ended = (phase.get(key) for key in ("name", "started_at", "ended_at"))
        if ended:
            texts.append(f"{name} took {duration(started, ended)}")
        elif started:
            texts.append(f"{name} for {age(started)}")
    if progress.get("failed_tries"):
        texts.append("second try: the first job failed or stalled")
    return texts
