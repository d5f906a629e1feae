"""Turn the teacher's answers into the training file, the references of the holdout and a list of what was dropped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambdas.domain.costs.training_cost import TrainingVolume
from lambdas.domain.dataset.records import WHOLE_RANGE, Record, from_json_lines
from lambdas.domain.logs.log_writer import why_not_logged
from lambdas.domain.questions.answers import Asked
from lambdas.domain.questions.prompts import teacher_question
from lambdas.domain.task.sample_bounds import sample_bounds
from lambdas.domain.training.teacher_data import Collected, check_drops, check_references, collect, drop_rate
from lambdas.domain.training.training_file import check_training_file
from lambdas.gateways.answering.answer_store import AnswerStore
from lambdas.gateways.answering.failure_store import FailureStore
from lambdas.states.collect_teacher_data.training_log import write_training_log
from lambdas.workflow.logs import known_from_logs, problems_in_logs

if TYPE_CHECKING:
    from lambdas.domain.task.task_definition import TaskDefinition
    from lambdas.domain.training.teacher_data_document import TeacherData
    from lambdas.workflow.stage import Result, Stage


def execute(stage: Stage) -> Result:
    """Collect what the teacher answered.

    Raises
    ------
    TeacherDataRefused
        Too many answers had to be dropped, or Bedrock would not take the training file; training has not been paid.
    """
    stage.progress()
    files, runs = stage.run.files, stage.pipeline.runs
    train = from_json_lines(runs.read(files.dataset("train.jsonl")))
    holdout = from_json_lines(runs.read(files.dataset("holdout.jsonl")))
    own_holdout = bool(runs.read_json(files.dataset("dataset.json"))["own_holdout"])
    models = stage.plan.models
    from_logs_alone = stage.task.teacher_data.mode == "logged"
    asked = _asked(stage, models.teacher, holdout if from_logs_alone else train + holdout)
    logged = known_from_logs(stage, models.teacher, train)
    asked.answers.update({record_id: item.answer for record_id, item in logged.items()})
    if from_logs_alone:
        broken = problems_in_logs(stage, models.teacher, train)
        unknown = [record for record in train if record.id not in logged]
        asked.failed.update({record.id: why_not_logged(record, broken.get(record.id)) for record in unknown})
    collected = collect(train, holdout, asked, stage.task, own_holdout=own_holdout)
    # What nobody asked the teacher in production is not an answer that had to be dropped.
    answered = len(logged) if from_logs_alone else len(train)
    summary = _summary(collected, models.teacher, stage.task)
    summary["logged_answers"] = len(logged)
    summary["drop_rate"] = drop_rate(collected, answered)
    summary["batch"] = runs.read_json(files.teacher_batch(stage.attempt))
    if from_logs_alone:
        summary["invocation_logs"] = write_training_log(stage, models.teacher, train, logged, collected)
    runs.write(files.teacher_data("training.jsonl"), _lines(collected.training))
    runs.write(files.teacher_data("references.jsonl"), _lines(map(_json, collected.references)))
    runs.write(files.teacher_data("dropped.jsonl"), _lines(map(_json, collected.dropped)))
    stage.write_teacher_data(summary)
    least = sample_bounds(models.student_customization, models.training).least
    check_drops(collected, answered, stage.task, least)
    if not own_holdout:
        check_references(collected, len(holdout), stage.task)
    check_training_file(collected.training, training=models.training, student=models.student_customization)
    return {"training_records": len(collected.training), "dropped": len(collected.dropped)}


def _asked(stage: Stage, teacher: str, records: list[Record]) -> Asked:
    """Find what the batch and GenerateTeacherData paid for and what they could not get, without asking."""
    questions = [teacher_question(record, stage.task) for record in records]
    pool, runs = questions[0].pool(teacher), stage.pipeline.runs
    known = AnswerStore(runs, stage.run.task).load(pool, WHOLE_RANGE)
    reasons = FailureStore(runs, stage.run.task, stage.owner).load(pool)
    asked = Asked({}, {})
    for question in questions:
        key = question.key(teacher)
        if key in known:
            asked.answers[question.record_id] = known[key]
        elif key in reasons:
            asked.failed[question.record_id] = reasons[key]
    return asked


def _summary(collected: Collected, teacher: str, task: TaskDefinition) -> TeacherData:
    content = hashlib.sha256(_lines(collected.training)).hexdigest()
    return {
        "teacher": teacher,
        "mode": task.teacher_data.mode,
        "training_records": len(collected.training),
        "labelled_records": collected.labelled,
        "references": len(collected.references),
        "dropped": len(collected.dropped),
        "drop_reasons": dict(sorted(collected.reasons().items())),
        "drop_samples": collected.samples(),
        "training_sha256": content,
        "training_volume": TrainingVolume.of(collected.training).to_document(),
    }


def _json(document: Mapping[str, str | bool]) -> str:
    return json.dumps(document, ensure_ascii=False, sort_keys=True)


def _lines(lines: Any) -> bytes:  # noqa: ANN401 - any iterable of text
    return "".join(f"{line}\n" for line in lines).encode()
