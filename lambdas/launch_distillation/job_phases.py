"""What a customization job says about its phases (``statusDetails`` of GetModelCustomizationJob)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

PHASES = {"validationDetails": "validation", "dataProcessingDetails": "data processing", "trainingDetails": "training"}


def job_phases(job: dict[str, Any]) -> list[dict[str, Any]]:
    """List the phases that the job tells of.

    Returns
    -------
    list of dict
        ``name``, ``status``, ``started_at`` and ``ended_at`` (ISO 8601, the latter ``None`` while it is under way).
    """
    details = job.get("statusDetails") or {}
    found = []
    for field, name in PHASES.items():
        phase = details.get(field)
        if not phase:
            continue
        ended = phase.get("status") in ("Completed", "Failed", "Stopped")
        found.append(
            {
                "name": name,
                "status": phase.get("status", "NotStarted"),
                "started_at": _iso(phase.get("creationTime")),
                "ended_at": _iso(phase.get("lastModifiedTime")) if ended else None,
            }
        )
    return found


def has_begun(details: dict[str, Any], phase: str) -> bool:
    """Tell whether a phase (its field's name, for example ``trainingDetails``) has begun."""
    return _status(details, phase) != "NotStarted"


def has_ended(details: dict[str, Any], phase: str) -> bool:
    """Tell whether a phase has come to its own end."""
    return _status(details, phase) == "Completed"


def _status(details: dict[str, Any], phase: str) -> str:
    return str(((details.get("statusDetails") or {}).get(phase) or {}).get("status", "NotStarted"))


def last_progress(job: dict[str, Any]) -> datetime | None:
    """Give the newest time at which a phase changed, or when the job was created.

    A job's own ``lastModifiedTime`` is left out: it may move while no phase does.
    """
    details = job.get("statusDetails") or {}
    times = [job.get("creationTime")]
    times += [
        details[field].get(key)
        for field in PHASES
        if details.get(field)
        for key in ("creationTime", "lastModifiedTime")
    ]
    known = [moment.astimezone(UTC) for moment in times if isinstance(moment, datetime)]
    return max(known, default=None)


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None
