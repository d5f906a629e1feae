"""Decide how the missing answers are paid for, and write the input files of the jobs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import content_name
from lambdas.domain.errors import TeacherBatchDenied
from lambdas.domain.identity import digest
from lambdas.domain.questions.answers import KEY_VERSION, Question
from lambdas.domain.training.batch_inference import (
    BatchLimits,
    InputLine,
    denial_message,
    input_line,
    split,
    why_on_demand,
)
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.bedrock import BATCH_ENDED, Found
from lambdas.gateways.aws.service_errors import in_words, refusal
from lambdas.gateways.registry.resources import BATCH_JOB
from lambdas.workflow.model_catalog import account_quotas
from lambdas.workflow.stage import Stage, iso
from lambdas.workflow.training.batch_harvest import harvest, harvest_unknown
from lambdas.workflow.training.batch_state import ASKED_ON_DEMAND, BATCH, RUNNING, BatchJob, TeacherBatch

if TYPE_CHECKING:
    from lambdas.workflow.training.teacher_questions import Asking

LONGEST_TRIES = 5
"""Names for one content: a job that failed keeps its name, so that the next try needs another."""

WITHOUT_BATCH = "UnknownOperationException"
"""What a Region without batch inference answers to any of its operations."""


def plan_batch(stage: Stage, asking: Asking) -> TeacherBatch:
    """Plan the batch of an attempt.

    Jobs of earlier attempts, and of other runs that asked the same, come first: what one that has ended left is taken,
    one in progress is waited for, and only what then is missing is asked anew.
    """
    limits = read_limits(asking.teacher)
    try:
        adopted = _adopt_own(stage, asking)
        missing = {key: question for key, question in asking.missing().items() if key not in adopted}
        reason = _why_on_demand(stage, asking, missing, limits)
        jobs = [] if reason else _jobs_for(stage, asking, missing, limits)
    except ClientError as refused:
        if refusal(refused) == "AccessDeniedException":
            raise TeacherBatchDenied(denial_message(in_words(refused))) from refused
        if refusal(refused) != WITHOUT_BATCH:
            raise
        adopted, missing, jobs = {}, asking.missing(), []
        reason = f"there is no batch inference here: {in_words(refused)}"
    jobs += {id(job): job for job in adopted.values()}.values()
    hours = stage.task.teacher_data.deadline_hours
    return TeacherBatch(
        way=BATCH if jobs else ASKED_ON_DEMAND,
        reason="" if jobs else reason or "what earlier batches left is too little for another",
        asked=len(asking.questions),
        missing=len(missing) + len(adopted),
        deadline_at=iso(stage.pipeline.now() + timedelta(hours=hours)),
        poll_seconds=stage.pipeline.environment.settings.teacher_poll_interval(hours),
        jobs_at_once=limits.jobs_at_once,
        jobs=jobs,
    )


def _why_on_demand(stage: Stage, asking: Asking, missing: dict[str, Question], limits: BatchLimits) -> str | None:
    return why_on_demand(
        len(missing),
        limits,
        deadline_hours=stage.task.teacher_data.deadline_hours,
        tool=any(question.tool for question in missing.values()),
        priced=all(stage.prices.find(asking.teacher, usage) for usage in ("batch_input", "batch_output")),
    )


def read_limits(model: str) -> BatchLimits:
    """Read the account's limits; where its quotas may not be listed, the documented defaults hold."""
    return BatchLimits.from_quotas(account_quotas(clients.service_quotas()), model)


def _adopt_own(stage: Stage, asking: Asking) -> dict[str, BatchJob]:
    """Take what jobs of this run's earlier attempts left; give those still in progress, by the keys that they ask."""
    adopted: dict[str, BatchJob] = {}
    for resource in stage.pipeline.resources.of_run(stage.run.run_id):
        if resource.kind != BATCH_JOB:
            continue
        job = stage.pipeline.bedrock.find_batch_job(resource.name)
        if job is None:
            if resource.arn is not None:
                harvest_unknown(stage, asking, resource.name, resource.arn)
            continue
        if job.status in BATCH_ENDED:
            harvest(stage, asking, job)
            continue
        stage.pipeline.resources.plan(stage.resource(BATCH_JOB, job.name, arn=job.arn))
        keys = _input_keys(stage, job)
        running = BatchJob(name=job.name, records=len(keys), state=RUNNING, arn=job.arn, status=job.status)
        adopted |= {key: running for key in keys if key in asking.questions}
    return adopted


def _input_keys(stage: Stage, job: Found) -> list[str]:
    uri = urlsplit(job.details["inputDataConfig"]["s3InputDataConfig"]["s3Uri"])
    return [json.loads(line)["recordId"] for line in stage.pipeline.runs.lines(uri.path.lstrip("/"))]


def _jobs_for(stage: Stage, asking: Asking, missing: dict[str, Question], limits: BatchLimits) -> list[BatchJob]:
    """Name the jobs of the missing questions, adopt those in progress, write the input of the others."""
    while True:
        jobs: list[BatchJob] = []
        lines = [input_line(question, asking.teacher) for question in missing.values()]
        for file in split(lines, limits):
            job = _job_for(stage, asking, file)
            if job is not None:
                jobs.append(job)
        left = {key: question for key, question in asking.missing().items() if key in missing}
        if len(left) == len(missing):
            return jobs
        missing = left  # an ended job of another run had answers: what is left makes other files


def _job_for(stage: Stage, asking: Asking, file: list[InputLine]) -> BatchJob | None:
    """Find the job for one input file; ``None`` where every name is taken by a job that failed."""
    content = digest(KEY_VERSION, asking.teacher, *(item.key for item in file), length=16)
    for suffix in ["", *map(str, range(2, LONGEST_TRIES + 1))]:
        name = content_name(stage.pipeline.environment.name, stage.run.task, content, f"batch{suffix}")
        found = stage.pipeline.bedrock.find_batch_job(name)
        if found is None:
            stage.pipeline.runs.write(stage.run.files.batch_input(name), b"".join(item.line for item in file))
            return BatchJob(name=name, records=len(file))
        if found.status not in BATCH_ENDED:
            ours = stage.started(found.arn)
            return BatchJob(name=name, records=len(file), state=RUNNING, arn=found.arn, status=found.status, ours=ours)
        if harvest(stage, asking, found).get("answers"):
            return None  # what it left out is asked with the next files
    return None
