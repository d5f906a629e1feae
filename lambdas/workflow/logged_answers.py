"""The one place where teacher data meets production's answers: which records need not be asked at all."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.domain.dataset.records import Record
from lambdas.domain.logs.logged_answers import FILE, LoggedAnswers, ReusedAnswer
from lambdas.domain.questions.prompts import teacher_question
from lambdas.workflow.stage import Stage


def known_from_logs(stage: Stage, teacher: str, records: Sequence[Record]) -> dict[str, ReusedAnswer]:
    """Give the teacher's logged answers by record id, at no cost; none where the task does not want them.

    Under the mode ``logged`` only those of a single turn: Bedrock's training on logs takes no others.

    The file holds training records only: the holdout is always asked now, so that teacher and student are measured
    under the same parameters.
    """
    rules = stage.task.teacher_data
    if not (stage.run.upload.from_logs and rules.takes_logged_answers):
        return {}
    logged, found = LoggedAnswers.from_json_lines(stage.pipeline.runs.read(stage.run.files.dataset(FILE))), {}
    for record in records:
        if rules.mode == "logged" and len(record.turns) > 1:
            continue
        answer = logged.answer(teacher_question(record, stage.task), teacher, record.system)
        if answer is not None:
            found[record.id] = answer
    return found
