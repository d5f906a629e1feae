"""Who is measured, and how each is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from lambdas.domain.costs.ledger import ENDPOINT_CALLS
from lambdas.domain.errors import ModelUnavailable, RetryLater
from lambdas.domain.evaluation.measurements import (
    BASELINE,
    CHAMPION,
    PROMPTED,
    STUDENT,
    TEACHER,
    UNDISTILLED,
    left_out_file,
)
from lambdas.domain.evaluation.prompted_base import is_measured
from lambdas.domain.model_ids import custom_model_of, foundation_model_id
from lambdas.domain.questions.answers import Answer, Asked, Question
from lambdas.domain.questions.prompts import student_question, teacher_question
from lambdas.gateways.answering.answer_recorder import ModelUse
from lambdas.workflow.serving.pinned_champion import pinned_champion, serves_this_student, serving_task
from lambdas.workflow.stage import Stage, logger

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.gateways.answering.answerer import Answerer

CALLS_AT_ONCE = 2
"""Calls at once to a champion's endpoint, a Lambda: it serves callers, who must not be throttled by a comparison."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """A model in the evaluation and the way it is asked."""

    role: str
    use: ModelUse
    ask: Callable[[Record], Question]


def required_contestants(stage: Stage) -> list[Contestant]:
    """List those without whom there is no verdict: student, undistilled student, teacher and baseline."""
    models = stage.plan.models
    model_arn, deployment_arn = (str(stage.run.facts[name]) for name in ("custom_model_arn", "deployment_arn"))
    short, long = partial(student_question, task=stage.task), partial(teacher_question, task=stage.task)

    def use(identity: str, invoke_id: str, price_model: str) -> ModelUse:
        return ModelUse(stage=stage.name, identity=identity, invoke_id=invoke_id, price_model=price_model)

    def offered(model: str) -> ModelUse:
        return use(model, model, model)

    return [
        Contestant(role=STUDENT, use=use(model_arn, deployment_arn, custom_model_of(models.student)), ask=short),
        Contestant(role=UNDISTILLED, use=offered(models.student), ask=short),
        Contestant(role=TEACHER, use=offered(models.teacher), ask=long),
        Contestant(role=BASELINE, use=offered(models.baseline), ask=long),
    ]


def prompted_contestant(stage: Stage) -> Contestant | None:
    """Give the student's base model with the long prompt; ``None`` where it is not measured, or is left out."""
    models = stage.plan.models
    if not is_measured(stage.task, models) or stage.pipeline.runs.find(_note_key(stage, PROMPTED)) is not None:
        return None
    model = models.student
    use = ModelUse(stage=stage.name, identity=model, invoke_id=model, price_model=model)
    return Contestant(role=PROMPTED, use=use, ask=partial(teacher_question, task=stage.task))


def ask_prompted(
    stage: Stage,
    answerer: Answerer,
    contestant: Contestant,
    questions: Sequence[Question],
    shard: str,
    then: Callable[[Question, Answer], None],
    *,
    after: threading.Event,
) -> Asked | None:
    """Ask the base model with the long prompt; ``None`` where it is left out, since no verdict waits for a rival.

    Parameters
    ----------
    after : Event
        That the same model has been asked with the short prompt: it has one quota, and records for which both prompts
        are the same get one answer.

    Raises
    ------
    RetryLater
        The Lambda's time is over.
    """
    after.wait()
    try:
        return answerer.ask(questions, contestant.use, shard, then=then)
    except (ModelUnavailable, RetryLater) as problem:
        if isinstance(problem, RetryLater) and not problem.busy:
            raise
        _leave_out(stage, contestant.use.invoke_id, str(problem), PROMPTED)
        return None


def champion_contestant(stage: Stage) -> Contestant | None:
    """Give the pinned champion as a contestant.

    Returns
    -------
    Contestant or None
        ``None`` where the task has none, it serves this very student, or it is left out.
    """
    champion = pinned_champion(stage)
    if champion is None or serves_this_student(stage, champion):
        return None
    if stage.pipeline.runs.find(_note_key(stage, CHAMPION)) is not None:
        return None
    task, base = serving_task(stage, champion), foundation_model_id(champion.base_model)
    if task is None:
        _leave_out(stage, champion.endpoint_arn, f"task.json of its run {champion.run_id}, with its prompt, is gone")
        return None
    if stage.prices.find(custom_model_of(base), "input") is None:
        _leave_out(stage, champion.endpoint_arn, f"the price book has no price of {base}, of which it was made")
        return None
    use = ModelUse(
        stage=stage.name,
        identity=champion.model_arn,
        invoke_id=champion.endpoint_arn,
        price_model=None if champion.on_throughput else custom_model_of(base),
        most_at_once=CALLS_AT_ONCE,
        counted_as=ENDPOINT_CALLS,
    )
    return Contestant(role=CHAMPION, use=use, ask=partial(student_question, task=task))


def ask_champion(
    stage: Stage,
    answerer: Answerer,
    contestant: Contestant,
    questions: Sequence[Question],
    shard: str,
    then: Callable[[Question, Answer], None],
) -> Asked | None:
    """Ask the champion; ``None`` where it is left out.

    No rule of the gate rests on it, so that an endpoint that refuses, is busy or is being moved holds no student up: it
    is written down, since a champion that some shards measured and others did not cannot be compared, and the promotion
    then needs a person's word. What it answered as the student of its own run is known; what its endpoint answers now
    is kept for this attempt alone, since nobody can be sure that no other run is moving that endpoint.

    Raises
    ------
    RetryLater
        The Lambda's time is over.
    """
    use = contestant.use
    known = answerer.known(questions, use, shard)
    for question in questions:
        if question.record_id in known:
            then(question, known[question.record_id])
    missing = [question for question in questions if question.record_id not in known]
    try:
        asked = answerer.ask(missing, replace(use, identity=f"{use.identity}#{stage.owner}"), shard, then=then)
    except (ModelUnavailable, RetryLater) as problem:
        if isinstance(problem, RetryLater) and not problem.busy:
            raise
        _leave_out(stage, use.invoke_id, str(problem))
        return None
    if missing and _is_being_replaced(stage, use.identity):
        _leave_out(stage, use.invoke_id, "its endpoint was being moved or replaced while it was measured")
        return None
    return Asked({**known, **asked.answers}, asked.failed)


def _is_being_replaced(stage: Stage, model_arn: str) -> bool:
    now = stage.pipeline.tasks.state(stage.run.task)
    if now.lease_owner is not None and str(now.lease_expires) > stage.now():
        return True
    return now.champion is None or now.champion.model_arn != model_arn


def _leave_out(stage: Stage, endpoint: str, reason: str, role: str = CHAMPION) -> None:
    logger.warning("a contestant is left out", extra={"role": role, "endpoint": endpoint, "reason": reason})
    stage.pipeline.runs.write_json(_note_key(stage, role), {"role": role, "model_id": endpoint, "reason": reason})


def _note_key(stage: Stage, role: str) -> str:
    return stage.run.files.evaluation(stage.attempt, left_out_file(role))
