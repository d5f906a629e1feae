"""A batch inference job and where it stands at a given time."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.bedrock_simulator.batch.records import Answered, Record
from local.bedrock_simulator.catalog import FoundationModel, InferenceProfile
from local.bedrock_simulator.faults import Fault
from local.bedrock_simulator.settings import Durations

PHASES = ("Submitted", "Validating", "Scheduled", "InProgress")
# The share of a job's duration that each phase takes: most of the wait is the queue and the work.
_SHARES = {"Submitted": 0.05, "Validating": 0.1, "Scheduled": 0.25, "InProgress": 0.6}
UNDER_WAY = (*PHASES, "Stopping")
# timeoutDurationInHours where the request has none (user guide, batch-inference-create: 24 hours at the least).
_DEFAULT_TIMEOUT_HOURS = 24


@dataclass
class Counts:
    """The four counts that GetModelInvocationJob and the manifest carry."""

    total: int = 0
    processed: int = 0
    success: int = 0
    error: int = 0

    def to_api(self) -> dict[str, int]:
        """Return them by their names in the service."""
        return {
            "totalRecordCount": self.total,
            "processedRecordCount": self.processed,
            "successRecordCount": self.success,
            "errorRecordCount": self.error,
        }


@dataclass
class BatchJob:
    """A batch inference job.

    Its records are read and answered at once and off the caller's thread; what a reader sees follows from the clock.

    Attributes
    ----------
    refusal : str or None
        Why validation will fail: what the job's role may not do.
    reading, answering : Future
        The records; and what came of each, in the order in which they are processed.
    lost : int
        Records that are in no output, by order.
    """

    arn: str
    params: dict[str, Any]
    model: FoundationModel
    profile: InferenceProfile | None
    created: datetime
    durations: Durations
    faults: list[Fault]
    caller: str | None
    refusal: str | None = None
    reading: Future[list[Record]] = field(default_factory=Future)
    answering: Future[list[Answered]] = field(default_factory=Future)
    status: str = "Submitted"
    modified: datetime | None = None
    stop_requested: datetime | None = None
    ended: datetime | None = None
    message: str | None = None
    counts: Counts | None = None

    @property
    def job_id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rsplit("/", 1)[1]

    @property
    def kind(self) -> str:
        """``modelInvocationType``; InvokeModel is the service's default."""
        return str(self.params.get("modelInvocationType", "InvokeModel"))

    @property
    def timeout_hours(self) -> int:
        """``timeoutDurationInHours``, asked for or not."""
        return int(self.params.get("timeoutDurationInHours", _DEFAULT_TIMEOUT_HOURS))

    @property
    def expires(self) -> datetime:
        """When the time-out is over, in the settings' hours."""
        return self.created + timedelta(seconds=self.timeout_hours * self.durations.hour)

    def fault(self, kind: str) -> Fault | None:
        """Return the ordered fault of a kind, if this job has one."""
        return next((fault for fault in self.faults if fault.kind == kind), None)

    def option(self, kind: str, name: str) -> Any:  # noqa: ANN401 (an option's type is the fault's business)
        """Return an option of an ordered fault; ``None`` where the job has no such fault."""
        fault = self.fault(kind)
        return fault.options[name] if fault else None

    def begins(self, phase: str) -> datetime:
        """When a phase begins if nothing stops it."""
        before = sum(_SHARES[name] for name in PHASES[: PHASES.index(phase)])
        return self.created + timedelta(seconds=self.durations.batch * before)

    def finishes(self, phase: str) -> datetime:
        """When a phase finishes if nothing stops it."""
        return self.begins(phase) + timedelta(seconds=self.durations.batch * _SHARES[phase])

    def stalls_in(self) -> str | None:
        """Return the phase that never ends, by order."""
        phase: str | None = self.option("stall_batch", "phase")
        return phase

    def phase_at(self, at: datetime) -> str:
        """Return the phase at a time if nothing ends the job."""
        for phase in PHASES:
            if self.stalls_in() == phase or at < self.finishes(phase):
                return phase
        return PHASES[-1]

    def progress(self, at: datetime) -> float:
        """Return the share of the records that is processed at a time, from 0 to 1."""
        if self.phase_at(at) != "InProgress":
            return 0.0
        length = (self.finishes("InProgress") - self.begins("InProgress")).total_seconds()
        share = (at - self.begins("InProgress")).total_seconds() / length if length else 1.0
        # A job that hangs while it works got half of it done.
        return min(share, 0.5) if self.stalls_in() == "InProgress" else min(share, 1.0)
