"""How long a job is waited for that may not be created because other jobs hold the account's quota."""

from __future__ import annotations

from lambdas.domain.errors import QuotaTooLow
from lambdas.workflow.stage import Result, Stage, seconds_between, waits_for_quota

_SINCE = "quota_wait"

LEFT_FOR_TRAINING = 0.5
"""Share of the deadline that a job must have before it: one that began later would be stopped half-way, and paid."""


def wait_for_room(stage: Stage, full: QuotaTooLow, job_name: str) -> Result:
    """Ask to be called again while enough of the deadline would be left for the training.

    Raises
    ------
    QuotaTooLow
        When it would not: no training was paid.
    """
    now, kept = stage.now(), stage.run.facts.get(_SINCE) or {}
    if kept.get("attempt") != stage.attempt:
        kept = {"attempt": stage.attempt, "since": now}
        stage.pipeline.registry.record_facts(stage.run.run_id, **{_SINCE: kept})
    hours, waited = stage.pipeline.environment.settings.distillation_deadline_hours, seconds_between(kept["since"], now)
    if waited <= (1 - LEFT_FOR_TRAINING) * hours * 3600:
        return waits_for_quota(stage, full, job_name=job_name)
    so_long = f"{waited / 3600:.0f} of the {hours} hours of 'distillation_deadline_hours'"
    raise QuotaTooLow(
        f"{str(full).rstrip('.')}. That was so for {so_long}, and a training that began now would be stopped at the "
        "deadline. None was paid; retry when there is room"
    )
