"""A customization job: its phases (``statusDetails`` of GetModelCustomizationJob), and what a run keeps of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lambdas.domain.run_facts import JobFact, PhaseFact, RunFacts

if TYPE_CHECKING:
    from lambdas.gateways.aws.bedrock import Found
    from lambdas.workflow.stage import Stage

PHASES = {"validationDetails": "validation", "dataProcessingDetails": "data processing", "trainingDetails": "training"}

MODEL_SEEN_WITHIN = timedelta(minutes=30)
"""How long a completed job's model may be missing from Bedrock's lists before it counts as lost."""


def job_phases(job: dict[str, Any]) -> list[PhaseFact]:
    """List the phases that the job tells of.

    Returns
    -------
    list of PhaseFact
        ``ended_at`` is ``None`` while it is in progress.
    """
    found: list[PhaseFact] = []
    for field, phase in _phases(job).items():
        ended = phase.get("status") in ("Completed", "Failed", "Stopped")
        found.append(
            {
                "name": PHASES[field],
                "status": phase.get("status", "NotStarted"),
                "started_at": _iso(phase.get("creationTime")),
                "ended_at": _iso(phase.get("lastModifiedTime")) if ended else None,
            }
        )
    return found


def may_have_begun(details: dict[str, Any], phase: str) -> bool:
    """Tell whether a phase (its field's name, for example ``trainingDetails``) has begun, or may have.

    A job that tells of no phase at all may have begun each of them.
    """
    return not _phases(details) or _status(details, phase) != "NotStarted"


def has_ended(details: dict[str, Any], phase: str) -> bool:
    """Tell whether a phase has come to its own end."""
    return _status(details, phase) == "Completed"


def _status(details: dict[str, Any], phase: str) -> str:
    return str(_phases(details).get(phase, {}).get("status", "NotStarted"))


def _phases(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give what the job tells of its phases; the service model has that for distillation jobs, others may lack it."""
    details = job.get("statusDetails") or {}
    return {field: details[field] for field in PHASES if details.get(field)}


def last_progress(job: dict[str, Any]) -> datetime | None:
    """Give the newest time at which a phase changed, or when the job was created.

    A job's own ``lastModifiedTime`` may move while no phase does: it counts only where the job tells of no phase.
    """
    phases = _phases(job).values()
    times = [job.get("creationTime")]
    times += [phase.get(key) for phase in phases for key in ("creationTime", "lastModifiedTime")]
    if not phases:
        times.append(job.get("lastModifiedTime"))
    known = [moment.astimezone(UTC) for moment in times if isinstance(moment, datetime)]
    return max(known, default=None)


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None


def model_may_come(stage: Stage, job: Found) -> bool:
    """Tell whether the model of a completed job, whoever started it, is only not listed yet.

    One that the pipeline deleted itself does not come again.
    """
    if stage.pipeline.resources.model_deleted_at(job.name):
        return False
    ended = job.details.get("endTime") or job.details.get("lastModifiedTime")
    return isinstance(ended, datetime) and stage.pipeline.now() - ended <= MODEL_SEEN_WITHIN


def record_job(stage: Stage, job: Found, *, ours: bool) -> None:
    """Keep the job that an attempt looks after with its phases, where they have changed since they were written.

    Parameters
    ----------
    ours : bool
        Whether this run started it.
    """
    fact: JobFact = {
        "attempt": stage.attempt,
        "job_name": job.name,
        "job_arn": job.arn,
        "phases": job_phases(job.details),
        "adopted": not ours,
    }
    if stage.run.facts.get("customization_job") != fact:
        stage.pipeline.registry.record_facts(stage.run.run_id, customization_job=fact)


def job_of_attempt(facts: RunFacts, attempt: int) -> JobFact:
    """Give the job as :func:`record_job` kept it; empty where that attempt came to none."""
    job = facts.get("customization_job") or JobFact()
    return job if job.get("attempt") == attempt else {}
