"""Measure the judge on the task's calibration set: a judge that cannot be believed ends the run before it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.evaluation.judge import judge_facts
from lambdas.domain.evaluation.judge_calibration import agreement
from lambdas.domain.evaluation.judge_error import error_document
from lambdas.domain.gate.quality_rules import JudgeRecord, agreement_lines, calibration_document
from lambdas.domain.gate.rule_result import INSUFFICIENT_EVIDENCE, reasons
from lambdas.workflow.judge_calibration import judge_scores, read_cases
from lambdas.workflow.report import publish

if TYPE_CHECKING:
    from lambdas.domain.gate.evaluation_document import Evaluation
    from lambdas.workflow.stage import Result, Stage


def execute(stage: Stage) -> Result:
    """Ask the judge about answers with known scores.

    Returns
    -------
    dict
        ``believed``: whether the run may go on; also without a calibration set, which the report then says.

    Raises
    ------
    ModelUnavailable
        The judge refuses for good.
    RetryLater
        Throttled or out of time; verdicts that were paid for are kept.
    """
    stage.progress()
    cases = read_cases(stage)
    if not cases:
        return {"believed": True, "cases": 0}
    scores = judge_scores(stage, cases, "before")
    record = JudgeRecord(agreement=agreement(cases, scores))
    runs, files, rules = stage.pipeline.runs, stage.run.files, stage.task.gate
    errors = error_document(cases, scores, rules.max_quality_drop, rules.reference)
    document = {"agreement": calibration_document(record), "scores": scores, "errors": errors}
    runs.write_json(files.evaluation(stage.attempt, "calibration.json"), document)
    lines = agreement_lines(record.agreement, stage.task.gate)
    believed = all(line.passed for line in lines)
    if not believed:
        models = stage.plan.models
        evaluation: Evaluation = {
            "decision": INSUFFICIENT_EVIDENCE,
            "reasons": reasons(lines),
            "gate": [line.to_document() for line in lines],
            "judge": {
                **judge_facts(models.judge, models.student, stage.task.judge_rubric),
                "failures": 0,
                "calibration": {**(calibration_document(record) or {}), **errors},
            },
        }
        stage.write_evaluation(evaluation)
        publish(stage, outcome=None, reason=None)
    stage.progress(cases=len(cases), believed=believed)
    return {"believed": believed, "cases": len(cases)}
