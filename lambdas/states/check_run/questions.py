"""Ask each chosen model one question before anything else is paid, in the very form in which the run asks it later.

What a catalogue says of a model is not whether it answers: a judge may refuse ``temperature`` or a forced tool, and a
model that is Legacy refuses accounts that have not used it of late. Both were found out after teacher and training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lambdas.domain.costs.prompt_caching import decide
from lambdas.domain.dataset.records import WHOLE_RANGE, Record
from lambdas.domain.errors import ModelUnavailable
from lambdas.domain.evaluation.first_questions import ASKED_FIRST, first_question
from lambdas.domain.evaluation.judge import verdict_problem
from lambdas.domain.questions.prompts import teacher_question
from lambdas.domain.training.hopeless import (
    hopeless_after,
    is_teacher_needed,
    no_answer_of_use,
    teacher_refused,
    useless_to,
)
from lambdas.gateways.answering.answer_recorder import ModelUse
from lambdas.workflow.answerer_of_run import answerer_of

if TYPE_CHECKING:
    from lambdas.domain.questions.answers import Answer, Question
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.gateways.answering.answerer import Answerer
    from lambdas.workflow.stage import Stage

RECORDS = 3
"""Records that a model may refuse before it is the model that refuses: refusals cost nothing, one answer is enough."""

Refusals = dict[tuple[str, str], str]
"""Role and model to why it cannot be used."""


def ask_chosen(stage: Stage, models: ModelChoice, records: Sequence[Record], asked: set[tuple[str, str]]) -> Refusals:
    """Ask the chosen models that were not asked yet.

    Parameters
    ----------
    stage : Stage
    models : ModelChoice
    records : sequence of Record
        Of the holdout.
    asked : set of (role, model)
        Who was asked; what is asked now is added.

    Returns
    -------
    dict
        The refusals, in the service's words.

    Raises
    ------
    RetryLater
        A model is throttled, or a quota of the day is used up.
    """
    refused: Refusals = {}
    answerer = answerer_of(stage)
    for role in ASKED_FIRST:
        model = str(getattr(models, role))
        if (role, model) in asked:
            continue
        problem = _refusal(stage, answerer, role, model, records[:RECORDS])
        if problem:
            refused[role, model] = f"refused one question as the run asks it: {problem}"
        asked.add((role, model))
    return refused


def check_teacher(stage: Stage, models: ModelChoice, records: Sequence[Record], train: Sequence[Record] = ()) -> None:
    """Stop where nothing can be learnt from the teacher's answers, before a batch is paid for all of them.

    The answer to the first question tells, where it is of use. If not, as many records of the holdout are asked as it
    takes; their answers are kept, and no later stage pays for them again. A golden answer of such a record
    proves nothing of the teacher.

    Parameters
    ----------
    stage : Stage
    models : ModelChoice
    records : sequence of Record
        Of the holdout.
    train : sequence of Record
        Those of the training that learn from the teacher, unless they bring an answer of their own.

    Raises
    ------
    TeacherDataRefused
        With what mends the most frequent reason.
    RetryLater
        The teacher is throttled.
    """
    task, answerer, count = stage.task, answerer_of(stage), hopeless_after(stage.task)
    if not is_teacher_needed([*train, *records], task):
        return
    useless = useless_to(records, task, golden_too=True)
    first = [teacher_question(record, task) for record in records[:RECORDS]]
    told = answerer.known(first, _first_use(stage, models.teacher), WHOLE_RANGE)
    if any(useless(answer) is None for answer in told.values()):
        return
    use = ModelUse(stage=stage.name, identity=models.teacher, invoke_id=models.teacher, price_model=models.teacher)
    asked = [teacher_question(record, task) for record in records[:count]]
    try:
        found = answerer.ask(asked, use, WHOLE_RANGE, useless=useless, hopeless_after=count)
    except ModelUnavailable as given_up:
        raise teacher_refused(given_up, task) from given_up
    # Where a Lambda is tried again, or the run, all are known and none is asked.
    said = [useless(answer) for answer in found.answers.values()]
    reasons = Counter(reason for reason in said if reason)
    if reasons.total() >= count and None not in said:
        raise no_answer_of_use(models.teacher, reasons, task)


def _first_use(stage: Stage, model: str) -> ModelUse:
    """Name a model as it is asked first: kept for this attempt alone, since another one asks again."""
    return ModelUse(stage=stage.name, identity=f"{model}#asked-{stage.owner}", invoke_id=model, price_model=model)


def _refusal(stage: Stage, answerer: Answerer, role: str, model: str, records: Sequence[Record]) -> str | None:
    problem: str | None = None
    for record in records:
        question = first_question(role, record, stage.task)
        use = _first_use(stage, model)
        problem = _ask(answerer, question, use, verdict_problem if role == "judge" else _usable)
        if problem is None or not problem.startswith(_REFUSED):
            break
    return problem.removeprefix(_REFUSED) if problem else None


_REFUSED = "refused: "
"""How a failure begins that is the service's refusal of the request (:mod:`~lambdas.gateways.answering`)."""


def _ask(answerer: Answerer, question: Question, use: ModelUse, unusable: Callable[[Answer], str | None]) -> str | None:
    try:
        asked = answerer.ask([question], use, WHOLE_RANGE, unusable, cache_point=decide(question, use.invoke_id).point)
    except ModelUnavailable as refused:
        return refused.said or str(refused)
    return asked.failed.get(question.record_id)


def _usable(_answer: Answer) -> None:
    """Take whatever is answered: how good it is, the evaluation says."""
