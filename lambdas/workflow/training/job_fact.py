"""The customization job of an attempt as its report tells it, also while it is in progress or where it has failed."""

from __future__ import annotations

from typing import Any

from lambdas.gateways.aws.bedrock import Found
from lambdas.workflow.stage import Stage
from lambdas.workflow.training.job_phases import job_phases

JOB_FACT = "customization_job"


def record_job(stage: Stage, job: Found, *, ours: bool) -> None:
    """Keep the job that an attempt looks after with its phases, where they have changed since they were written.

    Parameters
    ----------
    ours : bool
        Whether this run started it.
    """
    fact = {
        "attempt": stage.attempt,
        "job_name": job.name,
        "job_arn": job.arn,
        "phases": job_phases(job.details),
        "adopted": not ours,
    }
    if stage.run.facts.get(JOB_FACT) != fact:
        stage.pipeline.registry.record_facts(stage.run.run_id, **{JOB_FACT: fact})


def job_of_attempt(facts: dict[str, Any], attempt: int) -> dict[str, Any]:
    """Give the job as :func:`record_job` kept it; empty where that attempt came to none."""
    job: dict[str, Any] = facts.get(JOB_FACT) or {}
    return job if job.get("attempt") == attempt else {}
