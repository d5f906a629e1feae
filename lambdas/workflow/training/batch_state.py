"""What RunTeacherBatch keeps between two calls: the way that was chosen, the deadline, and every job."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lambdas.domain.stored import read_as

BATCH, ASKED_ON_DEMAND = "batch", "on demand"

PLANNED, RUNNING, ENDED = "PLANNED", "RUNNING", "ENDED"


@dataclass(kw_only=True, slots=True)
class BatchJob:
    """One batch inference job.

    Attributes
    ----------
    name : str
        Its Bedrock name, made of what it asks.
    records : int
        Records of its input.
    state : str
        PLANNED, RUNNING, or ENDED: nothing of it is waited for any more.
    status : str
        The service's word, for example ``PartiallyCompleted``, or ``not started``.
    message : str
        What the service or the pipeline says about it.
    ours : bool
        False where another run on the same content started it: this run waits, but does not stop it.
    missed : int
        How often the service did not know the job, one time after the other.
    denied : bool
        Whether it was refused, or failed, because somebody may not do what it needs.
    counts : dict of str to int
        What its output had (:class:`~lambdas.domain.training.batch_inference.BatchOutput`).
    """

    name: str
    records: int
    state: str = PLANNED
    arn: str | None = None
    status: str = "not started"
    message: str = ""
    ours: bool = True
    missed: int = 0
    denied: bool = False
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class TeacherBatch:
    """The batch of one attempt.

    Attributes
    ----------
    way : {"batch", "on demand"}
    reason : str
        Why the answers are asked on demand from the start; empty for a batch.
    asked, missing : int
        Questions of the run, and those of them that no run had paid for.
    deadline_at : str
        ISO 8601: then jobs are stopped.
    poll_seconds, jobs_at_once : int
    """

    way: str
    reason: str
    asked: int
    missing: int
    deadline_at: str
    poll_seconds: int
    jobs_at_once: int
    jobs: list[BatchJob] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether nothing is waited for any more."""
        return all(job.state == ENDED for job in self.jobs)

    @property
    def lost(self) -> list[BatchJob]:
        """Jobs of this run that were created, may be paid, and have left nothing."""
        return [job for job in self.jobs if job.missed > 0 and job.state == ENDED]

    @property
    def denials(self) -> list[str]:
        """What the service said of jobs that were denied, each text once."""
        return sorted({job.message for job in self.jobs if job.denied})

    @property
    def running(self) -> int:
        """Jobs in progress."""
        return sum(job.state == RUNNING for job in self.jobs)

    def to_document(self) -> dict[str, Any]:
        """Give the batch as written to ``teacher_batch.json``."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read what :meth:`to_document` wrote."""
        return read_as(cls, {**document, "jobs": [read_as(BatchJob, job) for job in document["jobs"]]})
