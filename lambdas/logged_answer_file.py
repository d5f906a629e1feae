"""The one place where teacher data meets production's answers: which records need not be asked at all."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.domain.answers import Answer
from lambdas.domain.logged_answers import FILE, LoggedAnswers
from lambdas.domain.prompts import teacher_question
from lambdas.domain.records import Record
from lambdas.pipeline import Stage


def known_from_logs(stage: Stage, teacher: str, records: Sequence[Record]) -> dict[str, Answer]:
    """Give the teacher's logged answers by record id, at no cost; none where the task does not want them.

    The file holds training records only: the holdout is always asked now, so that teacher and student are measured
    under the same parameters.
    """
    if not (stage.run.upload.from_logs and stage.task.teacher_data.use_logged_answers):
        return {}
    text = stage.pipeline.runs.find(stage.run.files.dataset(FILE))
    if text is None:
        return {}
    logged, found = LoggedAnswers.from_json_lines(text), {}
    for record in records:
        answer = logged.answer(teacher_question(record, stage.task), teacher, record.system)
        if answer is not None:
            found[record.id] = answer
    return found
