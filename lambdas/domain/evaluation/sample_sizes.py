"""Whether a run may go on with a dataset: undamaged, without secrets, enough to train and to prove what must be."""

from __future__ import annotations

import math
from bisect import bisect_left

from lambdas.domain.dataset.builder import Dataset, DatasetCounts
from lambdas.domain.errors import DatasetRefused, InvalidUpload, SecretsFound
from lambdas.domain.evaluation.confidence_bounds import ALPHA, unseen_share
from lambdas.domain.evaluation.judge import MOST_DIFFERENCE
from lambdas.domain.task.sample_bounds import LEAST
from lambdas.domain.task.task_definition import TaskDefinition

ASSUMED_SPREAD = 0.8
"""Standard deviation of paired judge-score differences that the sizes are planned with, in judge points."""

_Z_ALPHA, _Z_POWER = 1.6449, 0.8416
"""Normal quantiles of a one-sided 5 % error and of 80 % power."""


def training_records_needed(max_drop_rate: float, least: int = LEAST) -> int:
    """Give the training records that leave the fewest that a training takes after the expected drops."""
    return math.ceil(least / (1 - max_drop_rate))


def holdout_records_needed(margin: float, spread: float = ASSUMED_SPREAD) -> int:
    """Give the holdout size that shows non-inferiority within ``margin`` judge points at 80 % power.

    ``spread`` is the standard deviation of one paired difference, in judge points.

    The sample size of a paired non-inferiority test with a normal approximation,
    ``((z_alpha + z_power) * spread / margin) ** 2``; more where that few records could hide, unseen, answers that are
    bad enough to break the margin (:func:`~lambdas.domain.evaluation.confidence_bounds.mean_bounds`).
    """
    by_spread = max(math.ceil(((_Z_ALPHA + _Z_POWER) * spread / margin) ** 2), 1)
    enough = most = max(by_spread, records_that_show(margin, 0.0))

    def room_for_chance(records: int) -> bool:
        return largest_drop_seen(margin, records) >= _Z_POWER * spread / math.sqrt(records)

    while not room_for_chance(most):
        most *= 2
    return enough + bisect_left(range(enough, most), True, key=room_for_chance)


def largest_drop_seen(margin: float, records: int) -> float:
    """Give the drop that ``records`` may show, in judge points, when what they need not show is to fit in too."""
    unseen = unseen_share(records)
    return (margin - unseen * MOST_DIFFERENCE) / (1 - unseen)


def records_that_show(margin: float, drop: float) -> int:
    """Give the records after which a measured ``drop``, below ``margin``, leaves no room for unseen bad answers."""
    if margin >= MOST_DIFFERENCE:
        return 1
    share = (margin - drop) / (MOST_DIFFERENCE - drop)
    return max(math.ceil(math.log(ALPHA) / math.log1p(-share)), 1)


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
    if len(dataset.holdout) < needed_holdout:
        found.append(
            f"{len(dataset.holdout)} holdout records; a run needs {needed_holdout} to show a quality drop within "
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
    if len(dataset.train) >= needed_train and len(dataset.holdout) >= needed_holdout:
        return
    counts = dataset.counts
    more = f"Upload more distinct prompts{'' if dataset.own_holdout else ' (a fifth of them becomes the holdout)'}"
    message = (
        f"{len(dataset.train)} training records of at least {needed_train}, "
        f"{len(dataset.holdout)} holdout records of at least {needed_holdout} are there, from {counts.lines} lines "
        f"({left_out(counts)}). Nothing was paid. {what_to_do(counts, more)}, "
        "or allow a larger 'gate.max_quality_drop', which needs a smaller holdout."
    )
    raise DatasetRefused(message)
