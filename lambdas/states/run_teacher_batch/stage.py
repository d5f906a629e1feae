"""Ask for the missing answers by batch inference at half the price; what it does not give is asked on demand later."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import client_token, resource_tags, s3_uri
from lambdas.domain.errors import QuotaTooLow, TeacherBatchDenied, TeacherBatchLost
from lambdas.domain.training.batch_inference import denial_message, is_denial
from lambdas.gateways.aws.bedrock import BATCH_ENDED, Found
from lambdas.gateways.aws.service_errors import in_words, refusal
from lambdas.gateways.registry.resources import BATCH_JOB
from lambdas.states.run_teacher_batch.planning import plan_batch
from lambdas.workflow.training.batch_harvest import NOT_FOUND, harvest, harvest_unknown
from lambdas.workflow.training.batch_state import ENDED, PLANNED, RUNNING, BatchJob, TeacherBatch
from lambdas.workflow.training.teacher_questions import Asking

if TYPE_CHECKING:
    from lambdas.workflow.stage import Result, Stage

DENIED = "AccessDeniedException"
REFUSED = ("ValidationException", DENIED, "ResourceNotFoundException", "ConflictException")
"""Refusals of CreateModelInvocationJob for good: a model without batch inference, a name taken, a missing right."""

SHORTEST_TIMEOUT_HOURS, LONGEST_TIMEOUT_HOURS = 24, 168
"""``timeoutDurationInHours`` (service model)."""

NOT_FOUND_POLLS = 3
"""Polls, one after the other, at which a job that was created may be unknown to Bedrock before it counts as lost."""

STOPPING_POLLS = 10
"""Polls that jobs have to stop after the deadline; then they are left to ReleaseResources."""


def execute(stage: Stage) -> Result:
    """Bring the batch of an attempt one step further.

    No ending of a job ends the run: what it leaves out, GenerateTeacherData asks on demand. Only what Bedrock does not
    say the end of is not paid for again; and a missing right does not mean that everything may cost twice as much.

    Returns
    -------
    dict
        ``status`` IN_PROGRESS or COMPLETED, ``wait_seconds`` until the next call, ``way`` and ``jobs``.

    Raises
    ------
    TeacherBatchLost
        Bedrock does not know a job any more that this run started, and its output is not there.
    TeacherBatchDenied
        A job was refused, or failed, for want of a right; answers of the others are kept.
    """
    runs, key = stage.pipeline.runs, stage.run.files.teacher_batch(stage.attempt)
    asking = Asking.of(stage)
    document = runs.find_json(key)
    if document is None:
        batch = plan_batch(stage, asking)
        runs.write_json(key, batch.to_document())
    else:
        batch = TeacherBatch.from_document(document)
    for job in batch.jobs:
        if job.state == RUNNING:
            _look_after(stage, asking, batch, job)
    for job in batch.jobs:
        if job.state == PLANNED:
            _start(stage, asking, batch, job)
    runs.write_json(key, batch.to_document())
    stage.progress(way=batch.way, reason=batch.reason, jobs={job.name: job.status for job in batch.jobs})
    if batch.is_over and batch.lost:
        raise TeacherBatchLost(_lost(batch.lost))
    if batch.is_over and batch.denials:
        raise TeacherBatchDenied(denial_message("; ".join(batch.denials)))
    status = "COMPLETED" if batch.is_over else "IN_PROGRESS"
    return {"status": status, "wait_seconds": batch.poll_seconds, "way": batch.way, "jobs": len(batch.jobs)}


def job_request(stage: Stage, teacher: str, name: str, deadline_hours: float) -> dict[str, Any]:
    """Write the keyword arguments of CreateModelInvocationJob."""
    environment, files, bucket = stage.pipeline.environment, stage.run.files, stage.pipeline.runs.name
    timeout = min(max(int(-(-deadline_hours // 1)), SHORTEST_TIMEOUT_HOURS), LONGEST_TIMEOUT_HOURS)
    output = {"s3Uri": s3_uri(bucket, files.batch_output(name)), "s3EncryptionKeyId": environment.model_key_arn}
    return {
        "jobName": name,
        "roleArn": environment.batch_role_arn,
        "modelId": environment.callable_model(teacher),
        "modelInvocationType": "Converse",
        "inputDataConfig": {
            "s3InputDataConfig": {"s3Uri": s3_uri(bucket, files.batch_input(name)), "s3InputFormat": "JSONL"}
        },
        "outputDataConfig": {"s3OutputDataConfig": output},
        "timeoutDurationInHours": timeout,
        "clientRequestToken": client_token(name, stage.run.run_id),
        "tags": resource_tags(environment.name, stage.run.task, stage.run.run_id, stage.name),
    }


def _start(stage: Stage, asking: Asking, batch: TeacherBatch, job: BatchJob) -> None:
    """Write the job down, then create it, where the account may have one more in progress."""
    if _is_overdue(stage, batch):
        job.state, job.message = ENDED, "the deadline passed before the account's quota allowed to start it"
        return
    if batch.running >= batch.jobs_at_once:
        return
    resource = stage.resource(BATCH_JOB, job.name)
    stage.pipeline.resources.plan(resource)
    request = job_request(stage, asking.teacher, job.name, stage.task.teacher_data.deadline_hours)
    try:
        arn = stage.pipeline.bedrock.create_batch_job(request)
    except QuotaTooLow as refused:
        job.message = str(refused)  # jobs of other runs hold the quota: one of the next calls tries again
        stage.pipeline.resources.released(resource, stage.now())
        return
    except ClientError as refused:
        if refusal(refused) not in REFUSED:
            raise
        job.state, job.status, job.denied = ENDED, "refused", refusal(refused) == DENIED
        job.message = in_words(refused)
        stage.pipeline.resources.released(resource, stage.now())
        return
    job.state, job.arn, job.status, job.message = RUNNING, arn, "Submitted", ""
    stage.pipeline.resources.created(resource, arn)
    job.ours = stage.started(arn)
    if not job.ours:
        # Another run that asks the same was faster: this one waits for its job, but must neither stop nor pay it.
        stage.pipeline.resources.released(resource, stage.now())


def _look_after(stage: Stage, asking: Asking, batch: TeacherBatch, job: BatchJob) -> None:
    """Take the answers of a job that has ended; stop one whose deadline has passed."""
    found = stage.pipeline.bedrock.batch_job(str(job.arn))
    if found is None:
        _miss(stage, asking, job)
        return
    job.missed, job.status, job.message = 0, found.status, found.failure or job.message
    if found.status in BATCH_ENDED:
        _end(stage, asking, job, found)
    elif _is_overdue(stage, batch):
        if job.ours and found.status != "Stopping":
            stage.pipeline.bedrock.stop_batch_job(found.arn)
        job.message = "the deadline ('teacher_data.deadline_hours') has passed"
        grace = timedelta(seconds=STOPPING_POLLS * batch.poll_seconds)
        if not job.ours or _is_overdue(stage, batch, grace):
            job.state = ENDED


def _miss(stage: Stage, asking: Asking, job: BatchJob) -> None:
    """Take what a job left that Bedrock does not know; where it left nothing, look again a few times."""
    job.status = NOT_FOUND
    if not job.ours:  # the run that started it decides about its answers
        job.state = ENDED
    elif harvest_unknown(stage, asking, job.name, str(job.arn)):
        job.state, job.missed = ENDED, 0
        stage.pipeline.resources.released(stage.resource(BATCH_JOB, job.name, arn=job.arn), stage.now())
    else:
        job.missed += 1
        if job.missed >= NOT_FOUND_POLLS:
            job.state = ENDED


def _lost(jobs: list[BatchJob]) -> str:
    names = ", ".join(str(job.arn) for job in jobs)
    return (
        f"Bedrock does not know batch inference jobs that this run started ({names}), and their output is not in S3. "
        "They may be paid, so nothing was bought again. Look for them in the Bedrock console (Batch inference): retry "
        "the run when they are there; a retry without them buys their answers again"
    )


def _end(stage: Stage, asking: Asking, job: BatchJob, found: Found) -> None:
    job.counts = harvest(stage, asking, found)
    job.state = ENDED
    job.denied = found.status == "Failed" and not job.counts.get("answers") and is_denial(found.failure)
    if job.ours:
        stage.pipeline.resources.released(stage.resource(BATCH_JOB, job.name, arn=found.arn), stage.now())


def _is_overdue(stage: Stage, batch: TeacherBatch, grace: timedelta = timedelta()) -> bool:
    return stage.pipeline.now() >= datetime.fromisoformat(batch.deadline_at) + grace
