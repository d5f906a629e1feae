"""What the states share of production traffic: the log source that a run names, and the teacher's answers in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lambdas.domain.errors import InvalidUpload
from lambdas.domain.logs.logged_answers import FILE, LoggedAnswers, ReusedAnswer
from lambdas.domain.questions.prompts import teacher_question
from lambdas.domain.task.log_request import LogRequest
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.log_bucket import LogBucket

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.workflow.stage import Stage

MAX_REQUEST_BYTES = 64 * 1024


def known_from_logs(stage: Stage, teacher: str, records: Sequence[Record]) -> dict[str, ReusedAnswer]:
    """Give the teacher's logged answers by record id, at no cost; none where the task does not want them.

    Under the mode ``logged`` only those of a single turn: Bedrock's training on logs takes no others.

    The file holds training records only: the holdout is always asked now, so that teacher and student are measured
    under the same parameters.
    """
    rules = stage.task.teacher_data
    logged, found = _logged_answers(stage), {}
    for record in records:
        if rules.mode == "logged" and len(record.turns) > 1:
            continue
        answer = logged.answer(teacher_question(record, stage.task), teacher, record.system)
        if answer is not None:
            found[record.id] = answer
    return found


def problems_in_logs(stage: Stage, teacher: str, records: Sequence[Record]) -> dict[str, str]:
    """Say, by record id, why answers that the teacher gave in production cannot be used."""
    logged = _logged_answers(stage)
    found = ((record.id, logged.problem(record.id, teacher)) for record in records)
    return {record_id: problem for record_id, problem in found if problem}


def _logged_answers(stage: Stage) -> LoggedAnswers:
    if not (stage.run.upload.from_logs and stage.task.teacher_data.takes_logged_answers):
        return LoggedAnswers()
    return LoggedAnswers.from_json_lines(stage.pipeline.runs.read(stage.run.files.dataset(FILE)))


def read_request(stage: Stage) -> LogRequest:
    """Read the uploaded range and filters of a run.

    Raises
    ------
    InvalidUpload
        With the key and what is allowed.
    """
    run = stage.run
    stream = stage.pipeline.uploads.open_version(run.key, run.version)
    if stream is None:
        raise InvalidUpload(f"version {run.version} of {run.key} was deleted before it was read; upload it again")
    return LogRequest.from_text(stream.read(MAX_REQUEST_BYTES))


def open_source(stage: Stage, request: LogRequest) -> LogBucket:
    """Open the log source of a request.

    Raises
    ------
    InvalidUpload
        Where the settings do not have it; with those that they have.
    """
    environment = stage.pipeline.environment
    source = request.source(environment.settings.allowed_logs())
    root = source.root(environment.account, environment.settings.region)
    return LogBucket(clients.s3(), source.bucket, root, environment.account)
