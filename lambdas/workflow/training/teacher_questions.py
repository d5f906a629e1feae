"""The questions of a run to its teacher, and which of them no run has paid for an answer to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from lambdas.domain.dataset.records import WHOLE_RANGE, from_json_lines
from lambdas.domain.questions.prompts import teacher_question
from lambdas.domain.training.label_modes import records_to_ask
from lambdas.gateways.answering.answer_store import AnswerStore
from lambdas.workflow.logs import known_from_logs

if TYPE_CHECKING:
    from lambdas.domain.questions.answers import Answer, Question
    from lambdas.workflow.stage import Stage


@dataclass(frozen=True, slots=True)
class Asking:
    """The questions by content key, all of one pool.

    Attributes
    ----------
    teacher : str
        Model as answers are kept and as it is called.
    questions : dict of str to Question
    """

    stage: Stage
    teacher: str
    questions: dict[str, Question]

    @classmethod
    def of(cls, stage: Stage) -> Self:
        """Read the dataset of a run."""
        files, runs = stage.run.files, stage.pipeline.runs
        train = from_json_lines(runs.read(files.dataset("train.jsonl")))
        holdout = from_json_lines(runs.read(files.dataset("holdout.jsonl")))
        teacher = stage.plan.models.teacher
        logged = known_from_logs(stage, teacher, train)
        records = [record for record in records_to_ask(train, holdout, stage.task) if record.id not in logged]
        asked = [teacher_question(record, stage.task) for record in records]
        return cls(stage, teacher, {question.key(teacher): question for question in asked})

    @property
    def pool(self) -> str:
        """Pool in which the answers are kept."""
        return next(iter(self.questions.values())).pool(self.teacher)

    def missing(self) -> dict[str, Question]:
        """Find what no run of the task has paid for."""
        if not self.questions:
            return {}
        known = self._store().load(self.pool, WHOLE_RANGE)
        return {key: question for key, question in self.questions.items() if key not in known}

    def keep(self, answers: Iterable[Answer]) -> None:
        """Store answers; storing the same ones again changes nothing."""
        self._store().save_spread(self.pool, list(answers))

    def _store(self) -> AnswerStore:
        return AnswerStore(self.stage.pipeline.runs, self.stage.run.task)
