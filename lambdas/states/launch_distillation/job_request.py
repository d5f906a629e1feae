"""The request of CreateModelCustomizationJob."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.domain.bedrock_names import client_token, resource_tags, s3_uri
from lambdas.domain.costs.estimate import TRAINING_EPOCHS
from lambdas.domain.logs.log_writer import invocation_logs_config
from lambdas.domain.model_ids import foundation_model_id

if TYPE_CHECKING:
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.workflow.stage import Stage

_RECORDS_A_WARMUP_STEP = {"amazon.nova-micro-v1:0": 640, "amazon.nova-lite-v1:0": 160, "amazon.nova-pro-v1:0": 320}
"""The dataset's size divided by it gives the warm-up (Bedrock user guide, Amazon Nova hyperparameters)."""

_MOST_WARMUP_STEPS = 100


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
        "trainingDataConfig": _training_data(stage, models),
        "outputDataConfig": {"s3Uri": s3_uri(bucket, files.distillation_output)},
        "customizationType": models.training.upper(),
        "customModelKmsKeyId": environment.model_key_arn,
        "jobTags": tags,
        "customModelTags": tags,
        "clientRequestToken": client_token(name, stage.run.run_id, stage.attempt),
    }
    if models.training == "distillation":
        tokens = stage.task.max_answer_tokens
        teacher = {"teacherModelIdentifier": models.teacher, "maxResponseLengthForInference": tokens}
        request["customizationConfig"] = {"distillationConfig": {"teacherModelConfig": teacher}}
    else:
        request["hyperParameters"] = _hyper_parameters(stage, models)
    return request


def trains_on_logs(stage: Stage, models: ModelChoice) -> bool:
    """Tell whether a job trains on logged answers: then Bedrock does not ask its teacher.

    A fine-tuning takes the same pairs as a training file.
    """
    return stage.task.teacher_data.mode == "logged" and models.training == "distillation"


def _training_data(stage: Stage, models: ModelChoice) -> dict[str, Any]:
    files, bucket = stage.run.files, stage.pipeline.environment.runs_bucket
    if not trains_on_logs(stage, models):
        return {"s3Uri": s3_uri(bucket, files.teacher_data("training.jsonl"))}
    log = stage.teacher_data()["invocation_logs"]
    return invocation_logs_config(s3_uri(bucket, log["prefix"]), log["metadata"])


def _hyper_parameters(stage: Stage, models: ModelChoice) -> dict[str, str]:
    """Pin what decides the price, and a warm-up that a small file does not spend its whole training in.

    The learning rate stays the service's. Values travel as strings.
    """
    parameters = {"epochCount": str(TRAINING_EPOCHS)}
    records = stage.teacher_data()["training_records"]
    every = _RECORDS_A_WARMUP_STEP.get(foundation_model_id(models.student_customization))
    if every:
        parameters["learningRateWarmupSteps"] = str(min(_MOST_WARMUP_STEPS, records // every))
    return parameters
