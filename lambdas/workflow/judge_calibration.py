"""Put answers with known scores before the judge of a run: at its beginning, and again when the evaluation is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from lambdas.domain.errors import ModelUnavailable
from lambdas.domain.evaluation.judge import case_question, read_verdict, verdict_problem
from lambdas.domain.evaluation.judge_calibration import CalibrationCase, read_calibration
from lambdas.gateways.answering.answer_recorder import ModelUse
from lambdas.workflow.answerer_of_run import answerer_of

if TYPE_CHECKING:
    from lambdas.workflow.stage import Stage

_SHARD = "0-0"
"""Calibration cases belong to no partition of the records; they are few and lie together."""


def read_cases(stage: Stage) -> list[CalibrationCase]:
    """Read the calibration set that PrepareDataset kept; empty where the task has none."""
    content = stage.pipeline.runs.find(stage.run.files.dataset("calibration.jsonl"))
    return [] if content is None else read_calibration(content)


def judge_scores(stage: Stage, cases: Sequence[CalibrationCase], moment: Literal["before", "after"]) -> dict[str, int]:
    """Let the judge score the cases.

    The verdicts are kept for this attempt and this moment only: a verdict of an earlier run would say nothing about
    the judge of today.

    Returns
    -------
    dict of str to int
        Score by case id; cases without a usable verdict are missing. A judge none of whose verdicts can be used is
        given up early, and has no score at all: that is what was to be measured.

    Raises
    ------
    ModelUnavailable
        The judge refuses for good.
    RetryLater
        Throttled or out of time.
    """
    judge = stage.plan.models.judge
    identity = f"{judge}#{stage.run.run_id}-{stage.attempt}-{moment}"
    use = ModelUse(stage=stage.name, identity=identity, invoke_id=judge, price_model=judge)
    rubric = stage.task.judge_rubric
    questions = [case_question(case.id, case.question, case.reference, case.answer, rubric) for case in cases]
    try:
        asked = answerer_of(stage).ask(questions, use, _SHARD, unusable=verdict_problem)
    except ModelUnavailable as given_up:
        if given_up.useless:
            return {}
        raise
    return {case_id: read_verdict(answer).score for case_id, answer in asked.answers.items()}
