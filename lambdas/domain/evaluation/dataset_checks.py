"""Whether a run may go on with a dataset: undamaged, without secrets, enough to train and to prove what must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.dataset.near_duplicates import count_groups
from lambdas.domain.errors import DatasetRefused, InvalidUpload, SecretsFound
from lambdas.domain.evaluation.sample_sizes import holdout_records_needed, training_records_needed
from lambdas.domain.task.sample_bounds import LEAST

if TYPE_CHECKING:
    from lambdas.domain.dataset.builder import Dataset, DatasetCounts
    from lambdas.domain.task.task_definition import TaskDefinition


def check_damage(dataset: Dataset) -> None:
    """Stop at a file with damaged lines: what else it has lost cannot be known, and a run on the rest costs money.

    Raises
    ------
    InvalidUpload
        With the first damaged line and what to do.
    """
    for counts in filter(None, (dataset.counts, dataset.holdout_counts)):
        if counts.damaged:
            message = (
                f"{counts.damaged} of {counts.lines} lines are damaged; {counts.first_damage}. Nothing was paid. "
                "Mend or remove each rejected line and upload the file again"
            )
            raise InvalidUpload(message)


def check_secrets(dataset: Dataset, task: TaskDefinition) -> None:
    """Stop at what looks like a secret where the task says ``block``, as it does unless told otherwise.

    Raises
    ------
    SecretsFound
        With the lines, what each holds, and what to do.
    """
    found = dataset.total("secrets")
    if task.secrets != "block" or not found:
        return
    named = [where for counts in (dataset.counts, dataset.holdout_counts) if counts for where in counts.first_secrets]
    more = f", and {found - len(named)} more" if found > len(named) else ""
    message = (
        f"{found} lines hold what looks like a secret: {', '.join(named)}{more}. Nothing was paid. Revoke what is "
        "real, since copies of the file may exist; take it out of the text, or set 'secrets' in task.json to \"drop\" "
        '(leave such lines out) or to "allow" (they are no secrets)'
    )
    raise SecretsFound(message)


def check_minimum(dataset: Dataset, least: int = LEAST) -> None:
    """Stop at fewer distinct prompts than a training takes, however they are split.

    Raises
    ------
    DatasetRefused
        With what is there and what is needed.
    """
    counts = dataset.counts
    usable = usable_prompts(counts)
    if usable < least:
        message = (
            f"{usable} distinct usable prompts of at least {least} are there, from {counts.lines} lines "
            f"({left_out(counts)}). {what_to_do(counts, 'Add distinct prompts')}."
        )
        raise DatasetRefused(message)


def what_to_do(counts: DatasetCounts, more: str) -> str:
    """Say what helps against too few records: the form where most lines are wrong, then the lines, then ``more``."""
    if not counts.rejected:
        return more
    first = f"the first is {counts.first_rejected}" if counts.first_rejected else "each is named with its reason"
    if 2 * counts.rejected >= counts.lines:
        return (
            f"Bring the file into a form that docs/data.md shows ('python -m cli init' does it from CSV, chat logs and "
            f"others): most lines were rejected, {first}"
        )
    return f"Mend the rejected lines ({first}), or {more[0].lower()}{more[1:]}"


def usable_prompts(counts: DatasetCounts) -> int:
    """Give the distinct prompts that are left, however many of them are then chosen."""
    return counts.lines - counts.rejected - counts.duplicates - counts.leaked - counts.near_duplicates


def left_out(counts: DatasetCounts) -> str:
    """Say what became of the lines that are not used."""
    leaked = f", {counts.leaked} in the holdout" if counts.leaked else ""
    near = f", {counts.near_duplicates} nearly the same as held-out ones" if counts.near_duplicates else ""
    return f"{counts.rejected} rejected, {counts.duplicates} duplicates{leaked}{near}"


def size_warnings(dataset: Dataset, task: TaskDefinition, least: int = LEAST) -> list[str]:
    """Say of which part there is too little for a run of this task, in whole sentences."""
    needed_train = training_records_needed(task.teacher_data.max_drop_rate, least)
    needed_holdout = holdout_records_needed(task.gate.max_quality_drop)
    found = []
    if len(dataset.train) < needed_train:
        found.append(
            f"{len(dataset.train)} training records; a run needs {needed_train}, so that {least} are "
            "left after the drops that 'teacher_data.max_drop_rate' allows. Add distinct prompts"
        )
    if count_groups(dataset.holdout) < needed_holdout:
        found.append(
            f"{_independent(dataset)}; a run needs {needed_holdout} to show a quality drop within "
            f"{task.gate.max_quality_drop:g} judge points. Add distinct prompts, a holdout.jsonl with trusted answers, "
            "or allow a larger 'gate.max_quality_drop'"
        )
    return found


def check_sizes(dataset: Dataset, task: TaskDefinition, least: int = LEAST) -> None:
    """Stop a run that could not train or could not prove anything, before anything is paid.

    Raises
    ------
    DatasetRefused
        With what is there and what is needed, for the training set and for the holdout.
    """
    needed_train = training_records_needed(task.teacher_data.max_drop_rate, least)
    needed_holdout = holdout_records_needed(task.gate.max_quality_drop)
    if len(dataset.train) >= needed_train and count_groups(dataset.holdout) >= needed_holdout:
        return
    counts = dataset.counts
    more = (
        f"Upload more distinct prompts{'' if dataset.own_holdout else ' (at most a third of them becomes the holdout)'}"
    )
    message = (
        f"{len(dataset.train)} training records of at least {needed_train}, "
        f"{_independent(dataset)} of at least {needed_holdout} are there, from {counts.lines} lines "
        f"({left_out(counts)}). Nothing was paid. {what_to_do(counts, more)}, "
        "or allow a larger 'gate.max_quality_drop', which needs a smaller holdout."
    )
    raise DatasetRefused(message)


def _independent(dataset: Dataset) -> str:
    """Name what the holdout has, by groups where its records are not independent of each other."""
    records, groups = len(dataset.holdout), count_groups(dataset.holdout)
    if groups == records:
        return f"{records} holdout records"
    return f"{groups} groups of independent holdout records ({records} records, some of them nearly the same)"
