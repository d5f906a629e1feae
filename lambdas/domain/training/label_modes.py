"""Which records the teacher is asked about, and which training records carry an answer: ``teacher_data.mode``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.errors import DatasetRefused, InvalidTaskDefinition
from lambdas.domain.evaluation.sample_sizes import training_records_needed
from lambdas.domain.task.sample_bounds import LEAST

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.task.task_definition import TaskDefinition


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
        ``prompts_only`` and ``logged``: of the training records none.
    """
    mode = task.teacher_data.mode
    if mode == "label":
        return [*train, *holdout]
    if mode == "logged":
        return holdout
    labelled = labelled_ids(train, task)
    return [*(record for record in train if record.id in labelled and record.golden is None), *holdout]


def bedrock_asks_teacher(training: str, task: TaskDefinition) -> bool:
    """Tell whether the customization job asks the teacher itself: under distillation, unless it trains on logs."""
    return training == "distillation" and task.teacher_data.mode != "logged"


def labelled_ids(train: list[Record], task: TaskDefinition) -> set[str]:
    """Choose the training records that carry an answer.

    Under ``golden`` they are ``teacher_data.golden_examples`` in number: first those that bring a golden answer, then
    those with the smallest ids, so that a grown file keeps the choice where it can.
    """
    mode = task.teacher_data.mode
    if mode in ("label", "logged"):
        return {record.id for record in train}
    if mode == "golden":
        ordered = sorted(train, key=lambda record: (record.golden is None, record.id))
        return {record.id for record in ordered[: task.teacher_data.golden_examples]}
    return set()


def check_mode(task: TaskDefinition, training: str, *, from_logs: bool) -> None:
    """Refuse a mode that cannot work with the way of training or the source, before anything is paid.

    Parameters
    ----------
    training : {"distillation", "fine_tuning"}
        As CheckRun decided.
    from_logs : bool
        Whether the run comes from invocation logs.

    Raises
    ------
    InvalidTaskDefinition
    """
    check_source(task, from_logs=from_logs)
    mode = task.teacher_data.mode
    if training == "fine_tuning" and mode in ("golden", "prompts_only"):
        message = (
            f"task.json: 'teacher_data.mode' is \"{mode}\", but the student can only be fine-tuned here, and "
            "fine-tuning learns from answers alone: nobody would answer the prompts without one. Nothing was paid. Set "
            "'teacher_data.mode' to \"label\" and upload again, or settle on a teacher and student between which "
            "distillation is open"
        )
        raise InvalidTaskDefinition(message)


def check_source(task: TaskDefinition, *, from_logs: bool) -> None:
    """Refuse a mode that needs invocation logs for prompts that come without them.

    Raises
    ------
    InvalidTaskDefinition
    """
    if task.teacher_data.mode == "logged" and not from_logs:
        message = (
            "task.json: 'teacher_data.mode' is \"logged\", which trains on answers in invocation logs; these prompts "
            'come without any. Nothing was paid. Submit with --from-logs, or take the mode "label"'
        )
        raise InvalidTaskDefinition(message)


def check_logged(answered: int, train: int, teacher: str, task: TaskDefinition, least: int = LEAST) -> None:
    """Stop a run under ``logged`` whose logs answer too few training prompts, before anything is paid.

    Parameters
    ----------
    answered, train : int
        Training records that the teacher answered in production, and all of them.
    teacher : str
        The teacher that CheckRun chose.
    task : TaskDefinition
    least : int
        Fewest records that the training takes.

    Raises
    ------
    DatasetRefused
        With both numbers and what would help.
    """
    needed = training_records_needed(task.teacher_data.max_drop_rate, least)
    if answered >= needed:
        return
    message = (
        f"the logs answer {answered} of {train} training prompts as the teacher {teacher} would be asked now; a run "
        f"under 'teacher_data.mode' \"logged\" needs {needed}. Nothing was paid. Taken are single turns that this very "
        "model answered whole, with the system prompt of 'teacher_system_prompt' or, where task.json has none, any. "
        "Choose a longer range or the right --model, or the mode \"label\" with 'use_logged_answers', which asks "
        "the teacher about the rest"
    )
    raise DatasetRefused(message)
