"""Add the measurements up, hold the student against the gate, and write the report that a person may have to judge."""

from __future__ import annotations

import json
from typing import Any

from lambdas.domain.break_even import work_out
from lambdas.domain.evaluation import Measurement, check_complete, summarise, worst_answers
from lambdas.domain.gate import judge_gate, reasons
from lambdas.domain.models import ModelChoice
from lambdas.pipeline import Result, Stage
from lambdas.reporting import publish

MAX_REASONS = 5


def execute(stage: Stage) -> Result:
    """Decide.

    Returns
    -------
    dict
        ``decision`` PROMOTE or REJECT, and the ``reasons`` of a rejection.

    Raises
    ------
    EvaluationIncomplete
        When a contestant lacks records.
    """
    stage.progress()
    evaluation = _evaluate(stage)
    stage.pipeline.runs.write_json(stage.run.files.evaluation(stage.attempt, "evaluation.json"), evaluation)
    publish(stage, outcome=None, reason=None)
    stage.progress(decision=evaluation["decision"])
    return {
        "decision": evaluation["decision"],
        "reasons": evaluation["reasons"][:MAX_REASONS],
        "needs_a_person": bool(evaluation.get("needs_explicit_approval")),
    }


def _evaluate(stage: Stage) -> dict[str, Any]:
    runs, files, prices = stage.pipeline.runs, stage.run.files, stage.pipeline.prices
    models = ModelChoice.from_document(stage.plan["models"])
    measurements = [
        Measurement.from_json(line)
        for key in runs.keys(files.evaluation(stage.attempt, ""))
        if key.endswith(".jsonl")
        for line in runs.read(key).splitlines()
    ]
    references = runs.read(files.teacher_data("references.jsonl")).splitlines()
    grouped = check_complete(measurements, {json.loads(line)["record_id"] for line in references})
    price_models = {"teacher": models.teacher, "baseline": models.baseline}
    summaries = {
        role: summarise(found, price_models.get(role, models.student), prices) for role, found in grouped.items()
    }
    break_even = work_out(summaries, stage.task, prices, models.student)
    gate = judge_gate(summaries, stage.task, break_even)
    champion = stage.pipeline.tasks.state(stage.run.task).champion
    return {
        "decision": "PROMOTE" if all(line.passed for line in gate) else "REJECT",
        "reasons": reasons(gate),
        "gate": [line.to_document() for line in gate],
        "contestants": [summary.to_document() for summary in summaries.values()],
        "break_even": break_even.to_document(),
        "worst_answers": worst_answers(grouped["student"]),
        "champion_before": champion.to_document() if champion else None,
    }
