"""Add the measurements up, hold the student against the gate, and write the report that a person may have to judge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lambdas.domain.costs.prompt_caching import shared_prompt_tokens
from lambdas.domain.dataset.records import Record
from lambdas.domain.evaluation.contestant_summary import summarise
from lambdas.domain.evaluation.evidence import (
    compared,
    evidence_document,
    evidence_of_scores,
    is_trusted,
    teacher_ceiling,
)
from lambdas.domain.evaluation.judge import HIGHEST, judge_facts
from lambdas.domain.evaluation.judge_calibration import Agreement, drift
from lambdas.domain.evaluation.measurements import CHAMPION, Measurement, check_complete, worst_answers
from lambdas.domain.evaluation.served_price import cached_prefix, read_share
from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason
from lambdas.domain.gate import cascade
from lambdas.domain.gate.evaluation_document import Evaluation, LeftOut
from lambdas.domain.gate.quality_rules import JudgeRecord, calibration_document, worse_than_champion
from lambdas.domain.gate.rule_result import RuleResult, decide, reasons, to_accept
from lambdas.domain.gate.rules import judge_gate, needed_approvals
from lambdas.domain.model_ids import custom_model_of
from lambdas.domain.serving.break_even import work_out
from lambdas.domain.stored import read_as
from lambdas.domain.task.task_definition import GateRules
from lambdas.gateways.registry.champions import Champion
from lambdas.states.score_evaluation.protection import Protection
from lambdas.workflow.judge_calibration import judge_scores, read_cases
from lambdas.workflow.report import publish
from lambdas.workflow.serving.pinned_champion import pinned_champion, serves_this_student
from lambdas.workflow.serving.unseen_records import seen_by
from lambdas.workflow.stage import Result, Stage

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
    stage.write_evaluation(evaluation)
    publish(stage, outcome=None, reason=None)
    stage.progress(decision=evaluation["decision"])
    return {
        "decision": evaluation["decision"],
        "reasons": evaluation["reasons"][:MAX_REASONS],
        "needs_a_person": bool(evaluation["explicit_reasons"]),
    }


def _evaluate(stage: Stage) -> Evaluation:
    prices, task = stage.prices, stage.task
    models = stage.plan.models
    references, left_out, shards = _references(stage), _left_out(stage), _shards(stage)
    grouped = check_complete(
        _measurements(stage, shards, references), references.keys(), {item["role"] for item in left_out}
    )
    champion = _champion(stage)
    student = custom_model_of(models.student)
    price_models = {"student": student, "teacher": models.teacher, "baseline": models.baseline}
    if champion is not None:
        price_models[CHAMPION] = custom_model_of(champion.base_model)
    kept, share = shared_prompt_tokens(task, models), read_share(task.serving.expected_requests_per_month)
    prefixes = {role: cached_prefix(grouped[role], kept.get(role), share) for role in ("teacher", "baseline")}
    summaries = {
        role: summarise(found, price_models.get(role, models.student), prices, task.output_schema, prefixes.get(role))
        for role, found in grouped.items()
    }
    judge = _judge_record(stage)
    break_even = work_out(summaries, task, prices, models.student)
    trusted, look = _trusted(stage), _look(stage)
    unmeasured = _unmeasured(stage, references)

    def held_against(rules: GateRules) -> list[RuleResult]:
        return judge_gate(grouped, summaries, replace(task, gate=rules), break_even, judge, unmeasured, trusted, look)

    gate = held_against(task.gate)
    protection = Protection.of(stage, champion, judge.agreement.cases if judge.agreement else 0)
    looser = protection.reasons(held_against)
    return {
        "decision": decide(gate),
        "reasons": reasons(gate),
        "gate": [line.to_document() for line in gate],
        "explicit_reasons": [
            *_about_champion(stage, champion, grouped, left_out, protection.rules),
            *looser,
            *needed_approvals(task, break_even),
            *to_accept(gate),
        ],
        "evidence": evidence_document(
            compared(grouped, task.gate, trusted),
            evidence_of_scores(grouped["student"], trusted),
            teacher_ceiling(grouped["teacher"]),
            look,
        ),
        "contestants": [summary.to_document() for summary in summaries.values()],
        "left_out": left_out,
        "shards": len(shards),
        "judge": {
            **judge_facts(models.judge, models.student, task.judge_rubric),
            "failures": sum(summary.judge_failures for summary in summaries.values()),
            "calibration": _calibration(stage, judge),
        },
        "break_even": break_even.to_document(),
        "cascade": cascade.what_if(
            grouped["student"],
            _scored_by_itself(grouped["teacher"]),
            {"student": student, "teacher": models.teacher},
            prices,
            task.cascade,
            prefixes["teacher"],
        ),
        "worst_answers": worst_answers(grouped["student"]),
        "champion_before": champion.to_document() if champion else None,
        "limits": protection.limits(looser).to_document(),
    }


def _references(stage: Stage) -> dict[str, str]:
    """Read the references by record id: these records must have been measured."""
    items = map(json.loads, stage.pipeline.runs.lines(stage.run.files.teacher_data("references.jsonl")))
    return {item["record_id"]: item["reference"] for item in items}


def _look(stage: Stage) -> int:
    """Count this run among those that were judged on the same holdout; an attempt of a run is the same look."""
    summary = stage.pipeline.runs.find_json(stage.run.files.dataset("dataset.json")) or {}
    holdout = str(summary.get("sha256", {}).get("holdout.jsonl", ""))
    return stage.pipeline.looks.take(stage.run.task, holdout[:32], stage.run.run_id) if holdout else 1


def _trusted(stage: Stage) -> set[str]:
    """Give the ids of the records whose reference is the user's own answer."""
    items = map(json.loads, stage.pipeline.runs.lines(stage.run.files.teacher_data("references.jsonl")))
    return {item["record_id"] for item in items if is_trusted(item)}


def _scored_by_itself(teacher: Sequence[Measurement]) -> list[Measurement]:
    """Give the teacher's answers that are references themselves the score that equal texts have, for the what-if."""
    return [item if item.judged else replace(item, score=HIGHEST) for item in teacher]


def _measurements(stage: Stage, shards: Sequence[str], references: Mapping[str, str]) -> Iterator[Measurement]:
    """Read the measurements; those of one record share its reference, of which there would be five copies."""
    for key in shards:
        for line in stage.pipeline.runs.read(key).splitlines():
            item = Measurement.from_json(line)
            yield replace(item, reference=references.get(item.record_id, item.reference))


def _unmeasured(stage: Stage, references: Mapping[str, str]) -> list[dict[str, str]]:
    """Give the slices of the holdout records that have no reference; the records themselves are not kept in memory."""
    records = map(Record.from_json, stage.pipeline.runs.lines(stage.run.files.dataset("holdout.jsonl")))
    return [record.slices for record in records if record.id not in references]


def _champion(stage: Stage) -> Champion | None:
    """Give the champion that was compared with, at the endpoint that it has now.

    Where another one serves by now, the promotion refuses: its comparison would be with the wrong one.
    """
    pinned, present = pinned_champion(stage), stage.pipeline.tasks.state(stage.run.task).champion
    return present if pinned and present and present.run_id == pinned.run_id else pinned


def _about_champion(
    stage: Stage,
    champion: Champion | None,
    grouped: Mapping[str, Sequence[Measurement]],
    left_out: Sequence[LeftOut],
    rules: GateRules,
) -> list[ExplicitReason]:
    """Say what a person must know of the champion that the student would replace."""
    if champion is None or serves_this_student(stage, champion):
        return []
    if CHAMPION in grouped:
        seen = seen_by(stage, champion) or set()
        unseen = {role: [item for item in found if item.record_id not in seen] for role, found in grouped.items()}
        if unseen[CHAMPION]:
            return worse_than_champion(unseen, rules)
        why = "it was trained on every record of the holdout, or on near-duplicates of it"
    else:
        why = "; ".join(item["reason"] for item in left_out) or "it was not measured"
    text = "Nothing shows how the student compares with the champion that it would replace, of run"
    return [explicit_reason("champion_not_compared", f"{text} {champion.run_id}: {why}")]


def _shards(stage: Stage) -> list[str]:
    """Find the measurements of every shard: one file each."""
    prefix = stage.run.files.evaluation(stage.attempt, "")
    return [key for key in stage.pipeline.runs.keys(prefix) if key.endswith(".jsonl")]


def _left_out(stage: Stage) -> list[LeftOut]:
    """Say who is not compared, and why: the champion, where some shard could not measure it."""
    note = stage.pipeline.runs.find_json(stage.run.files.evaluation(stage.attempt, "left_out.json"))
    return [note] if note else []


def _judge_record(stage: Stage) -> JudgeRecord:
    """Read how the judge was measured before the evaluation, and measure it again on the same cases."""
    before = stage.pipeline.runs.find_json(stage.run.files.evaluation(stage.attempt, "calibration.json"))
    if not before:
        return JudgeRecord()
    after = judge_scores(stage, read_cases(stage), "after")
    return JudgeRecord(agreement=read_as(Agreement, before["agreement"]), drift=drift(before["scores"], after))


def _calibration(stage: Stage, judge: JudgeRecord) -> dict[str, Any] | None:
    """Give the judge's calibration with its signed errors, which an earlier version did not keep."""
    document = calibration_document(judge)
    before = stage.pipeline.runs.find_json(stage.run.files.evaluation(stage.attempt, "calibration.json"))
    return document and {**document, **(before or {}).get("errors", {})}
