"""Who is measured, and how each is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from lambdas.domain.dataset.records import Record
from lambdas.domain.evaluation.measurements import BASELINE, STUDENT, TEACHER, UNDISTILLED
from lambdas.domain.questions.answers import Question
from lambdas.domain.questions.prompts import student_question, teacher_question
from lambdas.domain.task.model_choice import ModelChoice
from lambdas.gateways.answering.answer_recorder import ModelUse
from lambdas.workflow.stage import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """A model in the evaluation and the way it is asked."""

    role: str
    use: ModelUse
    ask: Callable[[Record], Question]


def required_contestants(stage: Stage) -> list[Contestant]:
    """List those without whom there is no verdict: student, undistilled student, teacher and baseline."""
    models = ModelChoice.from_document(stage.plan["models"])
    model_arn, deployment_arn = (str(stage.run.facts[name]) for name in ("custom_model_arn", "deployment_arn"))
    short, long = partial(student_question, task=stage.task), partial(teacher_question, task=stage.task)

    def use(identity: str, invoke_id: str, price_model: str) -> ModelUse:
        return ModelUse(stage=stage.name, identity=identity, invoke_id=invoke_id, price_model=price_model)

    def offered(model: str) -> ModelUse:
        return use(model, model, model)

    return [
        Contestant(role=STUDENT, use=use(model_arn, deployment_arn, models.student), ask=short),
        Contestant(role=UNDISTILLED, use=offered(models.student), ask=short),
        Contestant(role=TEACHER, use=offered(models.teacher), ask=long),
        Contestant(role=BASELINE, use=offered(models.baseline), ask=long),
    ]
