"""A customization job and where it stands at a given time."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.bedrock_simulator.brains.student import Student
from local.bedrock_simulator.catalog import FoundationModel, InferenceProfile
from local.bedrock_simulator.fault_kinds import PHASES
from local.bedrock_simulator.faults import Fault
from local.bedrock_simulator.records import Tokens
from local.bedrock_simulator.settings import Durations

_SHARES = {"validation": 0.1, "dataProcessing": 0.3, "training": 0.6}


@dataclass(frozen=True)
class TeacherChoice:
    """The teacher of a DISTILLATION job and how it is reached."""

    model: FoundationModel
    profile: InferenceProfile | None
    max_response_tokens: int


@dataclass(frozen=True)
class Outcome:
    """What the work of a job came to.

    ``artifacts`` are (key below the job's output folder, body).
    """

    failure: str | None = None
    failed_phase: str | None = None
    student: Student | None = None
    trained_tokens: int = 0
    teacher_tokens: Tokens = field(default_factory=Tokens)
    artifacts: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Job:
    """A customization job.

    The work begins at once and off the caller's thread; what a reader sees follows from the clock alone.
    """

    arn: str
    params: dict[str, Any]
    base: FoundationModel
    teacher: TeacherChoice | None
    created: datetime
    durations: Durations
    faults: list[Fault]
    caller: str | None
    work: Future[Outcome] = field(default_factory=Future)
    status: str = "InProgress"
    modified: datetime | None = None
    stop_requested: datetime | None = None
    ended: datetime | None = None
    failure: str | None = None
    failed_phase: str | None = None
    model_arn: str | None = None
    loss: float | None = None

    @property
    def job_id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rsplit("/", 1)[1]

    def fault(self, kind: str) -> Fault | None:
        """Return the ordered fault of a kind, if this job has one."""
        return next((fault for fault in self.faults if fault.kind == kind), None)

    def begins(self, phase: str) -> datetime:
        """When a phase begins if nothing stops it."""
        before = sum(_SHARES[name] for name in PHASES[: PHASES.index(phase)])
        return self.created + timedelta(seconds=self.durations.job * before)

    def finishes(self, phase: str) -> datetime:
        """When a phase finishes if nothing stops it."""
        return self.begins(phase) + timedelta(seconds=self.durations.job * _SHARES[phase])

    def stalls_in(self) -> str | None:
        """Return the phase that never gets on, by order."""
        fault = self.fault("stall_job")
        return str(fault.options["phase"]) if fault else None

    def hung_before(self) -> timedelta:
        """How long ago it began, as it tells, when it was created: its stall is that old from the first look on."""
        fault = self.fault("stall_job")
        return timedelta(hours=fault.options["hours"] if fault else 0)

    def progress(self, phase: str, at: datetime) -> float:
        """Return the share of a phase that is done at a time, from 0 to 1."""
        stalled = self.stalls_in()
        if stalled and PHASES.index(stalled) <= PHASES.index(phase):
            return 0.0
        length = (self.finishes(phase) - self.begins(phase)).total_seconds()
        elapsed = (at - self.begins(phase)).total_seconds()
        return 1.0 if elapsed >= length else max(0.0, elapsed / length)

    def details(self, now: datetime) -> dict[str, Any]:
        """Return ``statusDetails`` as of now."""
        at = min(now, self.stop_requested or self.ended or now)
        return {f"{phase}Details": self._phase(phase, at) for phase in PHASES}

    def _phase(self, phase: str, at: datetime) -> dict[str, Any]:
        if at < self.begins(phase) or self._is_behind(phase):
            return {"status": "NotStarted"}
        status = "Completed" if self.progress(phase, at) >= 1.0 else "InProgress"
        if self.failed_phase == phase:
            status = "Failed"
        elif status == "InProgress" and self.status in ("Stopping", "Stopped"):
            status = self.status
        return {"status": status, "creationTime": self.begins(phase), "lastModifiedTime": min(at, self.finishes(phase))}

    def _is_behind(self, phase: str) -> bool:
        """Whether a phase cannot begin: one before it failed or stalls, or it is training that stalls.

        Seen in August 2026: validation completed, training ``NotStarted`` for days, no failure message.
        """
        index = PHASES.index(phase)
        stalled = self.stalls_in()
        if stalled and (index > PHASES.index(stalled) or phase == stalled == "training"):
            return True
        return self.failed_phase is not None and index > PHASES.index(self.failed_phase)
