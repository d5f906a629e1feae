"""Which records the teacher is asked about, and which training records carry an answer: ``teacher_data.mode``."""

from __future__ import annotations

from lambdas.domain.errors import InvalidTaskDefinition
from lambdas.domain.records import Record
from lambdas.domain.task_definition import TaskDefinition


def records_to_ask(train: list[Record], holdout: list[Record], task: TaskDefinition) -> list[Record]:
    """Choose the records that our own calls ask the teacher about.

    The holdout is asked in every mode: the evaluation needs the teacher's answers, as references and as contestant.

    Parameters
    ----------
    train, holdout : list of Record
    task : TaskDefinition

    Returns
    -------
    list of Record
        ``label``: all. ``golden``: of the training records only those that must be labelled and bring no golden answer.
        ``prompts_only``: of the training records none.
    """
    mode = task.teacher_data.mode
    if mode == "label":
        return [*train, *holdout]
    labelled = labelled_ids(train, task)
    return [*(record for record in train if record.id in labelled and record.golden is None), *holdout]


def labelled_ids(train: list[Record], task: TaskDefinition) -> set[str]:
    """Choose the training records that carry an answer.

    Under ``golden`` they are ``teacher_data.golden_examples`` in number: first those that bring a golden answer, then
    those with the smallest ids, so that a grown file keeps the choice where it can.
    """
    mode = task.teacher_data.mode
    if mode == "label":
        return {record.id for record in train}
    if mode == "golden":
        ordered = sorted(train, key=lambda record: (record.golden is None, record.id))
        return {record.id for record in ordered[: task.teacher_data.golden_examples]}
    return set()


def check_mode(task: TaskDefinition, training: str) -> None:
    """Refuse a mode that cannot work with the way of training, before anything is paid.

    Parameters
    ----------
    training : {"distillation", "fine_tuning"}
        As CheckRun decided.

    Raises
    ------
    InvalidTaskDefinition
    """
    mode = task.teacher_data.mode
    if mode == "logged":
        message = (
            "task.json: 'teacher_data.mode' is \"logged\", which trains on Bedrock's invocation logs themselves; this "
            'deployment cannot start such a job yet. Nothing was paid. Use "label" with '
            "'teacher_data.use_logged_answers', which takes the teacher's logged answers without asking again"
        )
        raise InvalidTaskDefinition(message)
    if training == "fine_tuning" and mode != "label":
        message = (
            f"task.json: 'teacher_data.mode' is \"{mode}\", but the student can only be fine-tuned here, and "
            "fine-tuning learns from answers alone: nobody would answer the prompts without one. Nothing was paid. Set "
            "'teacher_data.mode' to \"label\", or settle on a teacher and student between which distillation is open"
        )
        raise InvalidTaskDefinition(message)
