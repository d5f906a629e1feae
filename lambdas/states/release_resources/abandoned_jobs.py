"""Write down what a job cost that nobody looks after any more, because its run was stopped before it could."""

from __future__ import annotations

from dataclasses import replace

from lambdas.domain.errors import PipelineError
from lambdas.gateways.aws.service_errors import AWS_ERRORS, passes
from lambdas.gateways.registry.resources import BATCH_JOB, CUSTOMIZATION_JOB, JOBS, Resource
from lambdas.workflow.stage import Stage, logger
from lambdas.workflow.training.batch_harvest import read_output, record_batch_cost
from lambdas.workflow.training.job_costs import record_costs
from lambdas.workflow.training.training_method import models_now


def record_job_cost(stage: Stage, resource: Resource) -> bool:
    """Write the cost of a job that has ended into the ledger, under the ids that its own stage uses.

    What keeps the cost from being known for good must not keep anything from being released: it is logged.

    Returns
    -------
    bool
        False where a service does not answer for now: the cost is known later, and would be lost now.
    """
    if resource.kind not in JOBS:
        return True
    try:
        # As the attempt that started the job saw it: its plan, and the way of training that it took.
        _record(replace(stage, attempt=resource.attempt), resource)
    except (PipelineError, *AWS_ERRORS, LookupError, TypeError, ValueError) as problem:
        logger.exception("the cost of a job could not be written down", extra={"job": resource.name})
        return not passes(problem)
    return True


def _record(stage: Stage, resource: Resource) -> None:
    bedrock = stage.pipeline.bedrock
    find = bedrock.find_batch_job if resource.kind == BATCH_JOB else bedrock.find_job
    job = find(resource.name)
    if job is None or not stage.started(job.arn):
        return
    if resource.kind == CUSTOMIZATION_JOB:
        record_costs(stage, models_now(stage), job)
        return
    teacher = stage.plan.models.teacher
    # The answers themselves stay in the job's output: another attempt finds and keeps them.
    record_batch_cost(stage, teacher, job, read_output(stage, job, {}, teacher))
