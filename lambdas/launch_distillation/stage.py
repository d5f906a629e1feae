"""Start the customization job, or adopt the one that trains on the same content, and look after it until it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lambdas.domain.bedrock_names import client_token, content_name, resource_tags, s3_uri
from lambdas.domain.datasets import from_json_lines
from lambdas.domain.errors import DistillationFailed
from lambdas.domain.estimate import CHARACTERS_A_TOKEN, TRAINING_EPOCHS, own_teacher_calls, training_entry
from lambdas.domain.identity import digest
from lambdas.domain.ledger import LedgerEntry
from lambdas.domain.models import ModelChoice
from lambdas.domain.prompts import ANSWER_TOKENS
from lambdas.gateways.bedrock_control import Found
from lambdas.gateways.resource_book import CUSTOM_MODEL, CUSTOMIZATION_JOB
from lambdas.launch_distillation.job_phases import job_phases, last_progress
from lambdas.pipeline import Result, Stage

LONGEST_TRIES = 9
"""Names for one content: a job name is never freed, so a job that failed or was stopped needs the next one."""


def execute(stage: Stage) -> Result:
    """Bring the customization job one step further.

    Returns
    -------
    dict
        ``status`` IN_PROGRESS or COMPLETED, the job's ``phase`` and ``job_name``.

    Raises
    ------
    DistillationFailed
        The job of this attempt failed, was stopped or made no progress for too long.
    """
    models = ModelChoice.from_document(stage.plan["models"])
    content = _content(stage, models)
    resources = stage.pipeline.resources.of_run(stage.run.run_id)
    ours = {resource.name: resource.attempt for resource in resources if resource.kind == CUSTOMIZATION_JOB}
    for suffix in ["", *map(str, range(2, LONGEST_TRIES + 1))]:
        name = content_name(stage.pipeline.environment.name, stage.run.task, content, suffix)
        job = stage.pipeline.bedrock.find_job(name)
        if job is None:
            return _launch(stage, models, name)
        launched_in = ours.get(name) if _is_tagged_ours(stage, job.arn) else None
        result = _look_after(stage, models, job, launched_in=launched_in)
        if result is not None:
            return result
    message = (
        f"{LONGEST_TRIES} jobs for the same training file failed or were stopped; see their failure messages in Bedrock"
    )
    raise DistillationFailed(message)


def _content(stage: Stage, models: ModelChoice) -> str:
    facts = stage.pipeline.runs.read_json(stage.run.files.teacher_data("teacher_data.json"))
    teacher = models.teacher if models.training == "distillation" else None
    return digest(facts["training_sha256"], teacher, models.student_customization, models.training, length=16)


def _launch(stage: Stage, models: ModelChoice, name: str) -> Result:
    """Write job and model down, then create: a crash in between leaves a trace, a repetition adopts."""
    job, model = (stage.resource(kind, name) for kind in (CUSTOMIZATION_JOB, CUSTOM_MODEL))
    stage.pipeline.resources.plan(model)
    stage.pipeline.resources.plan(job)
    arn = stage.pipeline.bedrock.create_job(job_request(stage, models, name))
    stage.pipeline.resources.created(job, arn)
    if not _is_tagged_ours(stage, arn):
        # Another run on the same content was faster: this one waits for its job, but must neither stop nor pay it.
        stage.pipeline.resources.released(job, stage.now())
    stage.progress(job_name=name, phase="submitted")
    return {"status": "IN_PROGRESS", "phase": "submitted", "job_name": name}


def _is_tagged_ours(stage: Stage, arn: str) -> bool:
    return stage.pipeline.bedrock.tags(arn).get("run") == stage.run.run_id


def job_request(stage: Stage, models: ModelChoice, name: str) -> dict[str, Any]:
    """Write the request of CreateModelCustomizationJob (shape: botocore service model)."""
    environment, files = stage.pipeline.environment, stage.run.files
    bucket = environment.runs_bucket
    tags = resource_tags(environment.name, stage.run.task, stage.run.run_id, stage.name)
    request: dict[str, Any] = {
        "jobName": name,
        "customModelName": name,
        "roleArn": environment.customization_role_arn,
        "baseModelIdentifier": models.student_customization,
        "trainingDataConfig": {"s3Uri": s3_uri(bucket, files.teacher_data("training.jsonl"))},
        "outputDataConfig": {"s3Uri": s3_uri(bucket, files.distillation_output)},
        "customizationType": models.training.upper(),
        "customModelKmsKeyId": environment.model_key_arn,
        "jobTags": tags,
        "customModelTags": tags,
        "clientRequestToken": client_token(name, stage.run.run_id, stage.attempt),
    }
    if models.training == "distillation":
        teacher = {"teacherModelIdentifier": models.teacher, "maxResponseLengthForInference": ANSWER_TOKENS}
        request["customizationConfig"] = {"distillationConfig": {"teacherModelConfig": teacher}}
    return request


def _look_after(stage: Stage, models: ModelChoice, job: Found, *, launched_in: int | None) -> Result | None:
    """Judge a job's state; ``None`` when it is of no use and the next name must be tried.

    ``launched_in`` is the attempt of this run that launched it. Another run's job (``None``) is waited for, but neither
    stopped nor paid here, and its failure only means the next name.
    """
    mine = launched_in == stage.attempt
    phases = job_phases(job.details)
    if job.status in ("InProgress", "Stopping"):
        if mine:
            _check_stall(stage, job)
        elif launched_in is not None:
            stage.pipeline.resources.plan(stage.resource(CUSTOMIZATION_JOB, job.name, arn=job.arn))
        current = next((phase["name"] for phase in phases if phase["status"] == "InProgress"), "waiting")
        stage.progress(job_name=job.name, phase=current, phases=phases)
        return {"status": "IN_PROGRESS", "phase": current, "job_name": job.name}
    if job.status == "Completed":
        model = stage.pipeline.bedrock.find_model(job.name)
        if model is not None and model.status == "Creating":
            return {"status": "IN_PROGRESS", "phase": "model", "job_name": job.name}
        if model is not None and model.status == "Active":
            return _completed(stage, models, job, model.arn, ours=launched_in is not None)
        return None  # trained once, and the model has been deleted since
    if mine:
        raise DistillationFailed(f"job {job.name} is {job.status}: {job.failure or 'Bedrock gives no reason'}")
    return None


def _check_stall(stage: Stage, job: Found) -> None:
    limit = timedelta(hours=stage.pipeline.environment.settings.distillation_stall_hours)
    moved = last_progress(job.details)
    if moved is None or stage.pipeline.now() - moved <= limit:
        return
    stage.pipeline.bedrock.stop_job(job.arn)
    message = (
        f"job {job.name} made no progress since {moved:%Y-%m-%d %H:%M} UTC, longer than 'distillation_stall_hours' "
        f"({limit.total_seconds() / 3600:g}); it was stopped. Retry the run: the teacher's answers are kept"
    )
    raise DistillationFailed(message)


def _completed(stage: Stage, models: ModelChoice, job: Found, model_arn: str, *, ours: bool) -> Result:
    model = stage.resource(CUSTOM_MODEL, job.name, arn=model_arn)
    stage.pipeline.resources.plan(model)
    stage.pipeline.resources.created(model, model_arn)
    stage.pipeline.registry.record_facts(
        stage.run.run_id,
        custom_model_arn=model_arn,
        job_name=job.name,
        job_arn=job.arn,
        training=models.training,
        phases=job_phases(job.details),
        adopted=not ours,
    )
    if ours:
        for entry in _costs(stage, models, job):
            stage.pipeline.registry.record_cost(stage.run.run_id, entry)
    stage.progress(job_name=job.name, phase="completed")
    return {"status": "COMPLETED", "phase": "completed", "job_name": job.name}


def _costs(stage: Stage, models: ModelChoice, job: Found) -> list[LedgerEntry]:
    """Derive what the job cost: the service reports neither trained tokens nor its own teacher calls."""
    files, runs, prices = stage.run.files, stage.pipeline.runs, stage.pipeline.prices
    facts = runs.read_json(files.teacher_data("teacher_data.json"))
    tokens = TRAINING_EPOCHS * facts["training_characters"] / CHARACTERS_A_TOKEN
    entries = [training_entry(stage.name, models, tokens, prices, kind="derived", entry_id=f"training.{job.name}")]
    if models.training == "distillation":
        train = from_json_lines(runs.read(files.dataset("train.jsonl")))
        entry_id = f"own-teacher-calls.{job.name}"
        entries.append(own_teacher_calls(train, stage.task, models, prices, kind="derived", entry_id=entry_id))
    return entries
