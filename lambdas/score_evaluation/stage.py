"""Add the measurements up, hold the student against the gate, and write the report that a person may have to judge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lambdas.calibrating import judge_scores, read_cases
from lambdas.domain import cascade
from lambdas.domain.break_even import work_out
from lambdas.domain.calibration import Agreement, drift
from lambdas.domain.datasets import from_json_lines
from lambdas.domain.evaluation import summarise
from lambdas.domain.gate import judge_gate, needed_approvals
from lambdas.domain.gate_line import INSUFFICIENT_EVIDENCE, GateLine, decide, reasons
from lambdas.domain.judging import judge_facts
from lambdas.domain.measurements import Measurement, check_complete, worst_answers
from lambdas.domain.models import ModelChoice
from lambdas.domain.quality import JudgeRecord, calibration_document, worse_than_champion
from lambdas.gateways.registry import UNDECIDED
from lambdas.pipeline import Result, Stage
from lambdas.reporting import publish

MAX_REASONS = 5


def execute(stage: Stage) -> Result:
    """Decide.

    Returns
    -------
    dict
        ``decision`` PROMOTE, REJECT or INSUFFICIENT EVIDENCE, and the ``reasons`` where it is not the first.

    Raises
    ------
    EvaluationIncomplete
        When a contestant lacks records.
    RetryLater
        The judge is throttled while it is measured again.
    """
    stage.progress()
    evaluation = _evaluate(stage)
    stage.pipeline.runs.write_json(stage.run.files.evaluation(stage.attempt, "evaluation.json"), evaluation)
    if evaluation["decision"] == INSUFFICIENT_EVIDENCE:
        stage.pipeline.registry.record_facts(stage.run.run_id, **{UNDECIDED: True})
    publish(stage, outcome=None, reason=None)
    stage.progress(decision=evaluation["decision"])
    return {
        "decision": evaluation["decision"],
        "reasons": evaluation["reasons"][:MAX_REASONS],
        "needs_a_person": bool(evaluation.get("needs_explicit_approval")),
    }


def _evaluate(stage: Stage) -> dict[str, Any]:
    runs, files, prices, task = stage.pipeline.runs, stage.run.files, stage.pipeline.prices, stage.task
    models = ModelChoice.from_document(stage.plan["models"])
    references = runs.read(files.teacher_data("references.jsonl")).splitlines()
    record_ids = {json.loads(line)["record_id"] for line in references}
    left_out, shards = _left_out(stage), _shards(stage)
    grouped = check_complete(
        [Measurement.from_json(line) for key in shards for line in runs.read(key).splitlines()],
        record_ids,
        {item["role"] for item in left_out},
    )
    price_models = {"teacher": models.teacher, "baseline": models.baseline}
    summaries = {
        role: summarise(found, price_models.get(role, models.student), prices, task.output_schema)
        for role, found in grouped.items()
    }
    judge = _judge_record(stage)
    break_even = work_out(summaries, task, prices, models.student)
    holdout = from_json_lines(runs.read(files.dataset("holdout.jsonl")))
    unmeasured = [record.slices for record in holdout if record.id not in record_ids]
    gate = judge_gate(grouped, summaries, task, break_even, judge, unmeasured)
    champion = stage.pipeline.tasks.state(stage.run.task).champion
    return {
        **_decision(gate),
        "needs_explicit_approval": [*worse_than_champion(grouped, task.gate), *needed_approvals(task, break_even)],
        "contestants": [summary.to_document() for summary in summaries.values()],
        "left_out": left_out,
        "shards": len(shards),
        "judge": {
            **judge_facts(models.judge, models.student, task.judge_rubric),
            "failures": sum(summary.judge_failures for summary in summaries.values()),
            "calibration": calibration_document(judge),
        },
        "break_even": break_even.to_document(),
        "cascade": cascade.what_if(
            grouped["student"],
            grouped["teacher"],
            {"student": models.student, "teacher": models.teacher},
            prices,
            task.cascade,
        ),
        "worst_answers": worst_answers(grouped["student"]),
        "champion_before": champion.to_document() if champion else None,
    }


def _decision(gate: Sequence[GateLine]) -> dict[str, Any]:
    return {"decision": decide(gate), "reasons": reasons(gate), "gate": [line.to_document() for line in gate]}


def _shards(stage: Stage) -> list[str]:
    """Find the measurements of every shard: one file each."""
    prefix = stage.run.files.evaluation(stage.attempt, "")
    return [key for key in stage.pipeline.runs.keys(prefix) if key.endswith(".jsonl")]


def _left_out(stage: Stage) -> list[dict[str, str]]:
    """Say who refused in some shard, once each, with the first reason."""
    runs = stage.pipeline.runs
    found: dict[str, dict[str, str]] = {}
    for key in runs.keys(stage.run.files.evaluation(stage.attempt, "left_out/")):
        note = json.loads(runs.read(key))
        found.setdefault(note["role"], note)
    return list(found.values())


def _judge_record(stage: Stage) -> JudgeRecord:
    """Read how the judge was measured before the evaluation, and measure it again on the same cases."""
    before = stage.pipeline.runs.find_json(stage.run.files.evaluation(stage.attempt, "calibration.json"))
    if not before:
        return JudgeRecord()
    known = {key: value for key, value in before["agreement"].items() if key != "drift"}
    after = judge_scores(stage, read_cases(stage), "after")
    return JudgeRecord(agreement=Agreement(**known), drift=drift(before["scores"], after))
