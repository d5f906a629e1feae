"""What a customization job cost: derived, because the service reports neither trained tokens nor its own calls."""

from __future__ import annotations

from lambdas.domain.datasets import from_json_lines
from lambdas.domain.estimate import CHARACTERS_A_TOKEN, TRAINING_EPOCHS, own_teacher_calls, training_entry
from lambdas.domain.ledger import LedgerEntry
from lambdas.domain.models import ModelChoice
from lambdas.gateways.bedrock_control import Found
from lambdas.launch_distillation.job_phases import has_begun
from lambdas.pipeline import Stage


def record_costs(stage: Stage, models: ModelChoice, job: Found) -> None:
    """Write a job's cost into the ledger, under ids that a repetition overwrites.

    A job that ended early is counted with the most that it can have cost: its teacher's calls once data processing
    has begun, its training if it was stopped after training began. A failed training is not charged.
    """
    entries = []
    if job.status == "Completed" or (job.status == "Stopped" and has_begun(job.details, "trainingDetails")):
        entries.append(_training(stage, models, job))
    if models.training == "distillation" and (
        job.status == "Completed" or has_begun(job.details, "dataProcessingDetails")
    ):
        entries.append(_teacher_calls(stage, models, job))
    for entry in entries:
        stage.pipeline.registry.record_cost(stage.run.run_id, entry)


def _training(stage: Stage, models: ModelChoice, job: Found) -> LedgerEntry:
    facts = stage.pipeline.runs.read_json(stage.run.files.teacher_data("teacher_data.json"))
    tokens = TRAINING_EPOCHS * facts["training_characters"] / CHARACTERS_A_TOKEN
    entry_id = f"training.{job.name}"
    return training_entry(stage.name, models, tokens, stage.pipeline.prices, kind="derived", entry_id=entry_id)


def _teacher_calls(stage: Stage, models: ModelChoice, job: Found) -> LedgerEntry:
    train = from_json_lines(stage.pipeline.runs.read(stage.run.files.dataset("train.jsonl")))
    entry_id = f"own-teacher-calls.{job.name}"
    return own_teacher_calls(train, stage.task, models, stage.pipeline.prices, kind="derived", entry_id=entry_id)
