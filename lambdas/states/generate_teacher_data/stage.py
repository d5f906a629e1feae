"""Pay for the teacher's answers of one shard; answers that exist are not asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.dataset.records import from_json_lines
from lambdas.domain.errors import ModelUnavailable
from lambdas.domain.questions.prompts import teacher_question
from lambdas.domain.training.hopeless import hopeless_after, teacher_refused, useless_to
from lambdas.gateways.answering.answer_recorder import ModelUse
from lambdas.workflow.answerer_of_run import answerer_of
from lambdas.workflow.logs import known_from_logs

if TYPE_CHECKING:
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.workflow.stage import Result, Stage


def execute(stage: Stage) -> Result:
    """Let the teacher answer a shard with the task's long prompt.

    Raises
    ------
    ModelUnavailable
        The teacher refuses every request for good; a record that it refuses is dropped by CollectTeacherData.
    TeacherDataRefused
        None of the shard's first answers can be learnt from, those that a batch gave included.
    RetryLater
        Throttled or out of time; what was paid for is kept.
    """
    shard = str(stage.payload["shard"])
    models = stage.plan.models
    records = from_json_lines(stage.pipeline.runs.read(stage.run.files.shard("teacher", shard)))
    answerer = answerer_of(stage)
    logged = known_from_logs(stage, models.teacher, records)
    questions = [teacher_question(record, stage.task) for record in records if record.id not in logged]
    try:
        asked = answerer.ask(
            questions,
            teacher_use(models),
            shard,
            useless=useless_to(records, stage.task),
            hopeless_after=hopeless_after(stage.task),
        )
    except ModelUnavailable as given_up:
        raise teacher_refused(given_up, stage.task) from given_up
    stage.progress(shard=shard)
    return {
        "shard": shard,
        "answered": len(asked.answers) + len(logged),
        "failed": len(asked.failed),
        "bought": answerer.paid,
    }


def teacher_use(models: ModelChoice, stage: str = "GenerateTeacherData") -> ModelUse:
    """Name the teacher as it is asked, kept and priced."""
    return ModelUse(stage=stage, identity=models.teacher, invoke_id=models.teacher, price_model=models.teacher)
