"""From the teacher's answers to training records, references and drops: each prompt is in exactly one place."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambdas.domain.errors import TeacherDataRefused
from lambdas.domain.evaluation.sample_sizes import records_that_show
from lambdas.domain.evaluation.task_metric import disagreement
from lambdas.domain.questions.prompts import drop_reason, student_prompt, training_line
from lambdas.domain.task.sample_bounds import LEAST
from lambdas.domain.text.output_schema import OutputChecker
from lambdas.domain.training.drop_advice import what_to_do
from lambdas.domain.training.label_modes import labelled_ids

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.questions.answers import Asked
    from lambdas.domain.task.task_definition import TaskDefinition

SAMPLES_A_REASON, SAMPLED_REASONS = 3, 10
"""Dropped answers of a reason, and reasons, that the report shows."""

LONGEST_SAMPLE = 400
"""Characters of question and answer that a sample has."""


@dataclass(slots=True)
class Collected:
    """What the stage writes.

    Attributes
    ----------
    training : list of str
        Lines of the training file.
    labelled : int
        Training records that carry an answer.
    references : list of dict
        ``record_id`` and ``reference`` of the holdout, and whether the user gave that answer (``trusted``).
    dropped : list of dict
        ``record_id``, ``part`` (``training`` or ``holdout``) and ``reason``.
    """

    training: list[str] = field(default_factory=list)
    labelled: int = 0
    references: list[dict[str, str | bool]] = field(default_factory=list)
    dropped: list[dict[str, str]] = field(default_factory=list)
    _shown: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    def drop(self, record: Record, part: str, reason: str, asked: Asked) -> None:
        """Note that a record is left out, and of the first ones of each reason what was asked and said."""
        self.dropped.append({"record_id": record.id, "part": part, "reason": reason})
        shown = self._shown.setdefault(reason, [])
        if len(shown) < SAMPLES_A_REASON:
            said = record.golden if record.golden is not None else getattr(asked.answers.get(record.id), "text", "")
            texts = {"question": record.turns[-1].text[:LONGEST_SAMPLE], "answer": said[:LONGEST_SAMPLE]}
            shown.append({"reason": reason, "part": part, "record_id": record.id, **texts})

    def samples(self) -> list[dict[str, str]]:
        """Give examples of the most frequent reasons, for a person to look at."""
        return [item for reason, _ in self.reasons().most_common(SAMPLED_REASONS) for item in self._shown[reason]]

    def reasons(self, part: str | None = None) -> Counter[str]:
        """Count the drops by reason; of one part where it is named."""
        return Counter(item["reason"] for item in self.dropped if part in (None, item["part"]))


def collect(
    train: list[Record], holdout: list[Record], asked: Asked, task: TaskDefinition, *, own_holdout: bool
) -> Collected:
    """Sort answers into training records, references and drops.

    Parameters
    ----------
    train, holdout : list of Record
    asked : Asked
        The teacher's answers, and why there are none for some records.
    task : TaskDefinition
    own_holdout : bool
        Whether the holdout brings trusted answers, which then are the references.
    """
    checker, collected = OutputChecker(task.output_schema), Collected()
    labelled = labelled_ids(train, task)
    for record in train:
        text: str | None = None
        if record.id in labelled:
            text, reason = _usable(record, asked, checker, task)
            reason = reason or _disagreement(record, asked, task)
            if reason is not None and task.teacher_data.mode in ("label", "logged"):
                collected.drop(record, "training", reason, asked)
                continue
            text = None if reason else text
        # Where only some carry an answer, Bedrock asks its teacher about the others: also about one whose answer broke.
        collected.training.append(training_line(record, task, text))
        collected.labelled += text is not None
    for record in holdout:
        text, reason = (record.golden, None) if own_holdout else _usable(record, asked, checker, task)
        if text is not None:
            trusted = record.golden is not None
            collected.references.append({"record_id": record.id, "reference": text, "trusted": trusted})
        else:
            collected.drop(record, "holdout", str(reason), asked)
    return collected


def _usable(
    record: Record, asked: Asked, checker: OutputChecker, task: TaskDefinition
) -> tuple[str | None, str | None]:
    """Give the text to learn from or to compare with, or why there is none; a golden answer goes first."""
    if record.golden is not None:
        reason, text = checker.problem(record.golden), record.golden
    elif record.id in asked.answers:
        answer = asked.answers[record.id]
        reason, text = drop_reason(answer, checker, student_prompt(record, task)), answer.text
    else:
        reason, text = asked.failed.get(record.id, "no answer"), ""
    return (text, None) if reason is None else (None, reason)


def _disagreement(record: Record, asked: Asked, task: TaskDefinition) -> str | None:
    """Compare the teacher with a golden answer: where they disagree neither is learnt from.

    Under distillation Bedrock asks the same teacher again, and it would be wrong again; only the training set is
    compared, since a holdout without the records that the teacher gets wrong would flatter it.
    """
    limit = task.teacher_data.max_disagreement
    if limit is None or record.golden is None or record.id not in asked.answers:
        return None
    return disagreement(task.output_schema, asked.answers[record.id].text, record.golden, limit)


def drop_rate(collected: Collected, train: int) -> float:
    """Give the share of the training prompts that were dropped, 0 to 1."""
    return 1 - len(collected.training) / train


def check_drops(collected: Collected, train: int, task: TaskDefinition, least: int = LEAST) -> None:
    """Stop before training where too little is left to learn from.

    Raises
    ------
    TeacherDataRefused
        With the share that was dropped, the limit and the most frequent reasons.
    """
    share = drop_rate(collected, train)
    if share <= task.teacher_data.max_drop_rate and len(collected.training) >= least:
        return
    message = (
        f"{share:.1%} of the teacher's answers for training were dropped ('teacher_data.max_drop_rate' allows "
        f"{task.teacher_data.max_drop_rate:.1%}) and {len(collected.training)} pairs are left of at least "
        f"{least}: {_most_frequent(collected.reasons())}. {what_to_do(collected.reasons(), task)}"
    )
    raise TeacherDataRefused(message)


def check_references(collected: Collected, holdout: int, task: TaskDefinition) -> None:
    """Stop before training where too many of the teacher's answers to the holdout are not references.

    The student would be held against the records that the teacher finds easy, or could not be shown to be good enough
    by any answers. Not for a holdout that brings its own references.

    Parameters
    ----------
    collected : Collected
    holdout : int
        Records of the holdout.
    task : TaskDefinition

    Raises
    ------
    TeacherDataRefused
        With the share that was dropped, the limit, what the gate needs at least and the most frequent reasons.
    """
    limit, there = task.teacher_data.max_drop_rate, len(collected.references)
    needed = records_that_show(task.gate.max_quality_drop, 0.0)
    if 1 - there / holdout <= limit and there >= needed:
        return
    why = _most_frequent(collected.reasons("holdout"))
    message = (
        f"{1 - there / holdout:.1%} of the teacher's answers to the holdout are no references "
        f"('teacher_data.max_drop_rate' allows {limit:.1%}) and {there} are left of at least {needed}, "
        f"below which no student could pass the gate: {why}. {what_to_do(collected.reasons('holdout'), task)}"
    )
    raise TeacherDataRefused(message)


def _most_frequent(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3)) or "no reasons"
