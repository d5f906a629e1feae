"""Turn the teacher's answers into the training file, the references of the holdout and a list of what was dropped."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.answers import Asked
from lambdas.domain.datasets import from_json_lines
from lambdas.domain.errors import TeacherDataRefused
from lambdas.domain.models import ModelChoice
from lambdas.domain.output_check import OutputChecker
from lambdas.domain.prompts import drop_reason, teacher_question, training_line
from lambdas.domain.records import PARTITIONS, Record
from lambdas.domain.sizes import MIN_TRAINING_RECORDS
from lambdas.domain.task_definition import TaskDefinition
from lambdas.gateways.answer_store import AnswerStore
from lambdas.gateways.failure_store import FailureStore
from lambdas.logged_answer_file import known_from_logs
from lambdas.pipeline import Result, Stage

WHOLE_RANGE = f"00-{PARTITIONS - 1:02d}"


@dataclass(slots=True)
class Collected:
    """Lines of the files that the stage writes."""

    training: list[str] = field(default_factory=list)
    references: list[dict[str, str]] = field(default_factory=list)
    dropped: list[dict[str, str]] = field(default_factory=list)


def execute(stage: Stage) -> Result:
    """Collect what the teacher answered.

    Raises
    ------
    TeacherDataRefused
        Too many answers had to be dropped; training has not been paid.
    """
    stage.progress()
    files, runs = stage.run.files, stage.pipeline.runs
    train = from_json_lines(runs.read(files.dataset("train.jsonl")))
    holdout = from_json_lines(runs.read(files.dataset("holdout.jsonl")))
    own_holdout = bool(runs.read_json(files.dataset("dataset.json"))["own_holdout"])
    teacher = ModelChoice.from_document(stage.plan["models"]).teacher
    asked = _asked(stage, teacher, train + holdout)
    logged = known_from_logs(stage, teacher, train)
    asked.answers.update(logged)
    collected = collect(train, holdout, asked, stage.task, own_holdout=own_holdout)
    summary = _summary(collected, teacher) | {"logged_answers": len(logged)}
    runs.write(files.teacher_data("training.jsonl"), _lines(collected.training))
    runs.write(files.teacher_data("references.jsonl"), _lines(map(_json, collected.references)))
    runs.write(files.teacher_data("dropped.jsonl"), _lines(map(_json, collected.dropped)))
    runs.write_json(files.teacher_data("teacher_data.json"), summary)
    check_drops(collected, len(train), stage.task)
    return {"training_records": len(collected.training), "dropped": len(collected.dropped)}


def collect(
    train: list[Record],
    holdout: list[Record],
    asked: Asked,
    task: TaskDefinition,
    *,
    own_holdout: bool,
) -> Collected:
    """Sort answers into training pairs, references and drops.

    Parameters
    ----------
    train, holdout : list of Record
    asked : Asked
        The teacher's answers, and why there are none for some records.
    task : TaskDefinition
    own_holdout : bool
        Whether the holdout brings trusted answers, which then are the references.
    """
    checker, collected = OutputChecker(task.output_schema), Collected()

    def usable(record: Record) -> str | None:
        """Give the text to learn from or to compare with; a golden answer goes before the teacher's."""
        if record.golden is not None:
            reason, text = checker.problem(record.golden), record.golden
        elif record.id not in asked.answers:
            reason, text = asked.failed.get(record.id, "no answer"), ""
        else:
            answer = asked.answers[record.id]
            reason, text = drop_reason(answer, checker), answer.text
        if reason is None:
            return text
        collected.dropped.append({"record_id": record.id, "reason": reason})
        return None

    for record in train:
        text = usable(record)
        if text is not None:
            collected.training.append(training_line(record, task, text))
    for record in holdout:
        text = record.golden if own_holdout else usable(record)
        if text is not None:
            collected.references.append({"record_id": record.id, "reference": text})
    return collected


def check_drops(collected: Collected, train: int, task: TaskDefinition) -> None:
    """Stop before training where too little is left to learn from.

    Raises
    ------
    TeacherDataRefused
        With the share that was dropped, the limit and the most frequent reasons.
    """
    share = 1 - len(collected.training) / train
    if share <= task.teacher_data.max_drop_rate and len(collected.training) >= MIN_TRAINING_RECORDS:
        return
    common = ", ".join(f"{reason} ({count})" for reason, count in _reasons(collected).most_common(3))
    message = (
        f"{share:.1%} of the teacher's answers for training were dropped ('teacher_data.max_drop_rate' allows "
        f"{task.teacher_data.max_drop_rate:.1%}) and {len(collected.training)} pairs are left of at least "
        f"{MIN_TRAINING_RECORDS}: {common or 'no reasons'}. Training was not started. See dropped.jsonl; "
        "mend 'teacher_system_prompt' or 'output_schema' so that the teacher keeps the schema"
    )
    raise TeacherDataRefused(message)


def _asked(stage: Stage, teacher: str, records: list[Record]) -> Asked:
    """Find what GenerateTeacherData bought and what it could not get, without asking."""
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


def _summary(collected: Collected, teacher: str) -> dict[str, Any]:
    content = hashlib.sha256(_lines(collected.training)).hexdigest()
    return {
        "teacher": teacher,
        "training_records": len(collected.training),
        "references": len(collected.references),
        "dropped": len(collected.dropped),
        "drop_reasons": dict(sorted(_reasons(collected).items())),
        "training_sha256": content,
        "training_characters": sum(map(len, collected.training)),
    }


def _reasons(collected: Collected) -> Counter[str]:
    return Counter(item["reason"] for item in collected.dropped)


def _json(document: dict[str, str]) -> str:
    return json.dumps(document, ensure_ascii=False, sort_keys=True)


def _lines(lines: Any) -> bytes:  # noqa: ANN401 - any iterable of text
    return "".join(f"{line}\n" for line in lines).encode()
