"""The one writer of a run's ledger: whoever pays says what was used, and each kind of payment has its id here.

An id says what was paid: writing a line again overwrites it, so no retry counts twice. Answers paid for again after a
crash were paid again, so their lines have ids that never come back.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lambdas.domain.costs.ledger import AT_MOST, LedgerEntry, entry_for_answers, entry_for_batch

if TYPE_CHECKING:
    from lambdas.domain.costs.ledger import BatchUse
    from lambdas.domain.costs.training_cost import TrainingVolume
    from lambdas.domain.prices.price_book import PriceBook
    from lambdas.domain.questions.answers import Answer
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.gateways.registry.runs import Registry

BATCH_STAGE, TRAINING_STAGE = "RunTeacherBatch", "LaunchDistillation"
"""The stages that pay for jobs, whoever writes down what they cost."""


@dataclass(frozen=True, slots=True)
class PaidJob:
    """A job that costs: what names its line, and when it ended (ISO 8601 in UTC; empty where nobody knows)."""

    name: str
    ended_at: str = ""


@dataclass(frozen=True, slots=True)
class RunLedger:
    """The ledger of one run.

    Attributes
    ----------
    registry : Registry
        Keeps the lines.
    prices : PriceBook
    run_id : str
        The run that pays.
    now : callable
        The time, ISO 8601 in UTC.
    in_progress : bool
        Whether the run was in progress when this Lambda began.
    """

    registry: Registry
    prices: PriceBook
    run_id: str
    now: Callable[[], str]
    in_progress: bool = False

    def of(self, run_id: str) -> RunLedger:
        """Give the ledger of another run, which pays for a job that this one adopted."""
        return replace(self, run_id=run_id, in_progress=self.in_progress and run_id == self.run_id)

    def new_line(self, purchase: str) -> str:
        """Name a line for answers; a second purchase of the same answers has another."""
        return f"{purchase}.{uuid.uuid4().hex[:16]}"

    def write_answers(
        self,
        line: str,
        stage: str,
        model: str,
        answers: Sequence[Answer],
        *,
        wasted: Sequence[Answer] = (),
        counted_as: str | None = None,
    ) -> None:
        """Write what on-demand answers cost; see :func:`~lambdas.domain.costs.ledger.entry_for_answers`.

        Parameters
        ----------
        line : str
            Of :meth:`new_line`.

        Raises
        ------
        PriceMissing
            When the model has no price.
        """
        self._write(entry_for_answers(line, stage, model, answers, self.prices, wasted=wasted, counted_as=counted_as))

    def write_batch(self, job: PaidJob, teacher: str, use: BatchUse) -> None:
        """Write what a batch inference job's output says that it used; a job that used nothing has no line."""
        if use.tokens:
            self._write(entry_for_batch(f"batch.{job.name}", BATCH_STAGE, teacher, use, self.prices), job)

    def write_own_calls(self, job: PaidJob, models: ModelChoice, volume: TrainingVolume, *, whole: bool) -> None:
        """Write what the calls cost that Bedrock makes to the teacher itself.

        Parameters
        ----------
        job : PaidJob
            The customization job.
        whole : bool
            Whether they came to their end; else it is the most that they can have cost, and the line says so.
        """
        entry = volume.own_calls_entry(f"own-teacher-calls.{job.name}", TRAINING_STAGE, models, self.prices)
        self._write_derived(entry, job, whole=whole)

    def write_training(self, job: PaidJob, models: ModelChoice, volume: TrainingVolume, *, whole: bool) -> None:
        """Write what a customization job's training cost; parameters as of :meth:`write_own_calls`."""
        entry = volume.training_entry(f"training.{job.name}", TRAINING_STAGE, models, self.prices)
        self._write_derived(entry, job, whole=whole)

    def _write_derived(self, entry: LedgerEntry, job: PaidJob, *, whole: bool) -> None:
        self._write(entry if whole else replace(entry, kind=AT_MOST), job)

    def _write(self, entry: LedgerEntry, job: PaidJob | None = None) -> None:
        """Write a line with its time: a job's is its end, so that whoever writes it again writes the same."""
        at = (job.ended_at if job else "") or self.now()
        self.registry.record_cost(self.run_id, replace(entry, at=at), opened=self.in_progress)
