"""What bills and serves nobody: the rules by which the janitor finds it, and what it may do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

UNUSED, IDLE, REVIEW_DUE, END_OF_LIFE, BROKEN = "UNUSED", "IDLE", "REVIEW_DUE", "END_OF_LIFE", "BROKEN"
"""Nobody's champion uses it; nobody called it; nobody confirmed the champion in time; its base model goes away; it is a
champion's and its status is Failed, so that the task's callers get no answer."""

ENDPOINT_MISSING, MODEL_MISSING, POINTER_CHANGED = "ENDPOINT_MISSING", "MODEL_MISSING", "POINTER_CHANGED"
"""Something was changed outside of the pipeline: a champion's endpoint or model does not exist any more, or callers are
led elsewhere than the registry says."""

ROUTING_OFF = "ROUTING_OFF"
"""Callers of a task are passed on to its fallback more, or less, than was foreseen when that was adopted."""

BILLING = (UNUSED, IDLE, REVIEW_DUE, BROKEN)
"""Findings about what bills for nobody now."""

REPORT, DELETE_UNUSED, DELETE_IDLE = "report", "delete_unused", "delete_idle"
"""Values of the setting ``reap``. The last one includes the second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """One Bedrock resource of this environment as it exists in the account.

    Attributes
    ----------
    kind, name, arn : str
        As in the registry.
    created_at : datetime
        Aware.
    task, run_id : str or None
        Its tags; ``None`` where it has none.
    usd_per_hour : float or None
        What it bills while it exists, ``None`` where the price book does not say.
    committed_until : datetime or None
        Until then it cannot be deleted.
    broken : bool
        An endpoint whose status is Failed.
    """

    kind: str
    name: str
    arn: str
    created_at: datetime
    task: str | None
    run_id: str | None
    usd_per_hour: float | None
    committed_until: datetime | None = None
    broken: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Use:
    """What registry and metrics know of a thing.

    Attributes
    ----------
    by_champion : bool
        It serves a task.
    champion_run : str or None
        Run of that champion: another one than the thing's own where the endpoint was moved to a later student.
    by_run : bool
        Its run is queued or in progress.
    kept : bool
        It is kept for a retry, or callers may still need it.
    invocations : float or None
        Calls in the last ``idle_hours``; ``None`` for what cannot be called, such as a model.
    """

    by_champion: bool
    by_run: bool
    kept: bool
    invocations: float | None
    champion_run: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that a person should know of, and what was done about it.

    ``done`` is empty until something was done.
    """

    reason: str
    kind: str
    name: str
    arn: str
    task: str | None
    run_id: str | None
    usd_per_hour: float | None
    explanation: str
    deletable: bool
    done: str = ""

    def to_document(self) -> dict[str, Any]:
        """Give the finding as ``reap --json`` prints it."""
        names = ("reason", "kind", "name", "arn", "task", "run_id", "usd_per_hour", "explanation", "deletable", "done")
        return {name: getattr(self, name) for name in names}


def judge_thing(thing: Thing, use: Use, *, now: datetime, idle_hours: int) -> Finding | None:
    """Say whether a thing bills for nobody.

    Parameters
    ----------
    thing : Thing
    use : Use
    now : datetime
    idle_hours : int
        Hours without a call after which what serves a task counts as idle.

    Returns
    -------
    Finding or None
        ``None`` for what is in use.
    """
    if use.by_run or (use.kept and not use.by_champion):
        return None
    if not use.by_champion:
        return _finding(thing, UNUSED, "no champion uses it and its run is over", now)
    if thing.broken:
        way = f"python -m cli rollback {thing.task} --to {use.champion_run}"
        said = f"it is to serve task {thing.task}, and its status is Failed: nobody gets an answer; '{way}'"
        return _finding(thing, BROKEN, f"{said} creates another one for the same student", now)
    called = use.invocations is None or use.invocations > 0
    if called or now - thing.created_at < timedelta(hours=idle_hours):
        return None
    return _finding(thing, IDLE, f"it serves task {thing.task}, and nobody called it for {idle_hours} hours", now)


def may_act(finding: Finding, reap: str) -> bool:
    """Tell whether something may be done about a finding under a value of the setting ``reap``.

    A champion that nobody calls or confirms is never simply deleted: its throughput is replaced by a deployment that
    bills by the token. The review has a setting of its own, ``review_after_days``.
    """
    allowed = {
        UNUSED: (DELETE_UNUSED, DELETE_IDLE),
        IDLE: (DELETE_IDLE,),
        REVIEW_DUE: (REPORT, DELETE_UNUSED, DELETE_IDLE),
    }
    return finding.deletable and reap in allowed.get(finding.reason, ())


def review_due(promoted_at: str, confirmed_at: str | None, now: datetime, review_after_days: int) -> bool:
    """Tell whether a champion has gone without a person's confirmation for too long; 0 days: never asked for."""
    if review_after_days == 0:
        return False
    return now - datetime.fromisoformat(confirmed_at or promoted_at) >= timedelta(days=review_after_days)


def usd_per_hour(findings: list[Finding]) -> float:
    """Add up what the findings bill by the hour, as far as it is known and as far as nothing was done about it."""
    billing = (finding for finding in findings if finding.reason in BILLING and not finding.done)
    return sum({finding.arn: finding.usd_per_hour or 0.0 for finding in billing}.values())


def _finding(thing: Thing, reason: str, explanation: str, now: datetime) -> Finding:
    bound = thing.committed_until is not None and thing.committed_until > now
    if bound:
        explanation += f"; its commitment binds until {thing.committed_until:%Y-%m-%d}, so it cannot be deleted"
    return Finding(
        reason=reason,
        kind=thing.kind,
        name=thing.name,
        arn=thing.arn,
        task=thing.task,
        run_id=thing.run_id,
        usd_per_hour=thing.usd_per_hour,
        explanation=explanation,
        deletable=not bound,
    )
