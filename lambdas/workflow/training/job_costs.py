"""What a customization job cost: derived, because the service reports neither trained tokens nor its own calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.costs.estimate import OWN_TEACHER_CALLS, TRAINING
from lambdas.domain.costs.training_cost import TrainingVolume
from lambdas.domain.stored import read_as
from lambdas.domain.training.label_modes import bedrock_asks_teacher
from lambdas.gateways.registry.run_ledger import PaidJob
from lambdas.workflow.stage import Stage, iso
from lambdas.workflow.training.customization_job import has_ended, may_have_begun

if TYPE_CHECKING:
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.gateways.aws.bedrock import Found


def record_costs(stage: Stage, models: ModelChoice, job: Found) -> None:
    """Write a job's cost into the ledger, under ids that a repetition overwrites.

    A job that ended within a phase is counted with the most that the phase can have cost, and says so: the service
    does not tell how far it came. A training that failed is not charged.
    """
    facts = stage.teacher_data()
    volume = read_as(TrainingVolume, facts["training_volume"])
    paid, factors = paid_job(job.name, job), stage.pipeline.environment.settings.derived_factors
    asks_teacher = bedrock_asks_teacher(models.training, stage.task)
    if asks_teacher and (job.status == "Completed" or may_have_begun(job.details, "dataProcessingDetails")):
        whole = job.status == "Completed" or has_ended(job.details, "dataProcessingDetails")
        stage.ledger.write_own_calls(paid, models, volume.times(factors.get(OWN_TEACHER_CALLS, 1.0)), whole=whole)
    if job.status == "Completed" or (job.status == "Stopped" and may_have_begun(job.details, "trainingDetails")):
        trained = volume.times(factors.get(TRAINING, 1.0))
        stage.ledger.write_training(paid, models, trained, whole=job.status == "Completed")


def paid_job(name: str, job: Found) -> PaidJob:
    """Give what names a job's line, with the time of its end."""
    return PaidJob(name, iso(job.ended_at) if job.ended_at else "")
