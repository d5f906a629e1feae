"""When a job that failed or stalled is tried again, once in an attempt, and what a job of no use has cost."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lambdas.domain.errors import DistillationFailed
from lambdas.domain.metrics import JOBS_STALLED
from lambdas.workflow.training.customization_job import job_phases, last_progress, record_job
from lambdas.workflow.training.job_costs import record_costs

if TYPE_CHECKING:
    from lambdas.domain.run_facts import FailedTry
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.gateways.aws.bedrock import Found
    from lambdas.workflow.stage import Stage

FIRST_MINUTES = timedelta(minutes=10)
"""Internal errors of so young a job pass by themselves: those that were seen came within 1 to 2.5 minutes."""

TRIES = 2
"""Jobs that one attempt of a run may start, the second failure being the run's; and trainings of a run that are paid in
full without a student to show for them."""

_INTERNAL_ERROR = "internal error"


def failed_tries(stage: Stage) -> list[FailedTry]:
    """List the jobs of this attempt that failed or stalled: ``job_name``, ``reason``, ``at``, ``attempt``."""
    return [item for item in _of_this_attempt(stage) if not item.get("passed_over")]


def pass_over(stage: Stage, job: Found, loss: str) -> None:
    """Note once in an attempt that an earlier job is not adopted, because it lost too many records."""
    if all(item["job_name"] != job.name for item in _of_this_attempt(stage)):
        reason = f"job {job.name} of an earlier attempt or another run is not adopted: {loss}"
        _remember(stage, job, reason, again=True, passed_over=True)


def _of_this_attempt(stage: Stage) -> list[FailedTry]:
    facts = stage.pipeline.registry.run(stage.run.run_id).facts
    return [item for item in facts.get("failed_tries", []) if item["attempt"] == stage.attempt]


def stop_when_stalled(stage: Stage, job: Found) -> bool:
    """Stop a job of which no phase has moved for ``distillation_stall_hours``; whether it was.

    Why is written down before the job is stopped: a crash in between must not make it look as if somebody else did.
    """
    limit = timedelta(hours=stage.pipeline.environment.settings.distillation_stall_hours)
    moved = last_progress(job.details)
    if job.status == "Stopping" or moved is None or stage.pipeline.now() - moved <= limit:
        return False
    _remember(
        stage,
        job,
        f"job {job.name} made no progress since {moved:%Y-%m-%d %H:%M} UTC, longer than 'distillation_stall_hours' "
        f"({limit.total_seconds() / 3600:g}); it was stopped",
        again=True,
    )
    stage.pipeline.bedrock.stop_job(job.arn)
    stage.pipeline.meter.emit(JOBS_STALLED, 1)
    return True


def forget_failure(stage: Stage, job: Found) -> None:
    """Forget that a job stalled or was passed over once it gives the run its student.

    It may complete while it is being stopped, and a lossy one is adopted when the setting is raised.
    """
    known = stage.pipeline.registry.run(stage.run.run_id).facts.get("failed_tries", [])
    kept = [item for item in known if item["job_name"] != job.name]
    if kept != known:
        stage.pipeline.registry.record_facts(stage.run.run_id, failed_tries=kept)


def judge_failure(stage: Stage, models: ModelChoice, job: Found) -> None:
    """Return where the next name may be tried, after a job of this attempt has failed or been stopped.

    Raises
    ------
    DistillationFailed
        Trying again would not help, or it has been tried again already.
    """
    tries = failed_tries(stage)
    if all(item["job_name"] != job.name for item in tries):
        reason = f"job {job.name} is {job.status}: {job.failure or 'Bedrock gives no reason'}"
        _remember(stage, job, reason, again=_is_passing(job))
        tries = failed_tries(stage)
    record_costs(stage, models, job)
    place = next(index for index, item in enumerate(tries) if item["job_name"] == job.name)
    if tries[place]["again"] and place + 1 < TRIES:
        return
    record_job(stage, job, ours=True)
    said = ". Before that, ".join(item["reason"] for item in reversed(tries[: place + 1]))
    raise DistillationFailed(
        f"{said}. Where the prompts or task.json are to blame, mend them and upload again; any other cause mended, "
        "retry the run. The teacher's answers are kept either way"
    )


def _is_passing(job: Found) -> bool:
    created, ended = job.details.get("creationTime"), job.details.get("endTime") or job.details.get("lastModifiedTime")
    if job.status != "Failed" or _INTERNAL_ERROR not in job.failure.lower():
        return False
    return isinstance(created, datetime) and isinstance(ended, datetime) and ended - created <= FIRST_MINUTES


def _remember(stage: Stage, job: Found, reason: str, *, again: bool, passed_over: bool = False) -> None:
    facts = stage.pipeline.registry.run(stage.run.run_id).facts
    kept = [item for item in facts.get("failed_tries", []) if item["job_name"] != job.name]
    failed: FailedTry = {
        "job_name": job.name,
        "job_arn": job.arn,
        "attempt": stage.attempt,
        "at": stage.now(),
        "reason": reason[:1000],
        "again": again,
        "passed_over": passed_over,
        "phases": job_phases(job.details),
    }
    stage.pipeline.registry.record_facts(stage.run.run_id, failed_tries=[*kept, failed])
