"""Add the measurements up, hold the student against the gate, and write the report that a person may have to judge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambdas.domain.costs.prompt_caching import shared_prompt_tokens
from lambdas.domain.dataset.records import Record
from lambdas.domain.evaluation.contestant_summary import ContestantSummary, summarise
from lambdas.domain.evaluation.evidence import compared, evidence_document
from lambdas.domain.evaluation.evidence_kinds import TRUSTED, is_trusted
from lambdas.domain.evaluation.judge import HIGHEST, judge_facts
from lambdas.domain.evaluation.judge_calibration import Agreement, drift
from lambdas.domain.evaluation.measurements import (
    BASELINE,
    CHAMPION,
    OPTIONAL,
    PROMPTED,
    TEACHER,
    Measurement,
    check_complete,
    left_out_file,
    worst_answers,
)
from lambdas.domain.evaluation.served_price import cached_prefix, read_share
from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason
from lambdas.domain.gate import cascade
from lambdas.domain.gate.evaluation_document import Evaluation, LeftOut, waits_for_a_person
from lambdas.domain.gate.prompting import prompting
from lambdas.domain.gate.quality_rules import JudgeRecord, calibration_document, worse_than_champion
from lambdas.domain.gate.rule_result import RuleResult, decide, reasons, to_accept
from lambdas.domain.gate.rules import GateResult, judge_gate, needed_approvals
from lambdas.domain.model_ids import custom_model_of
from lambdas.domain.serving.break_even import work_out
from lambdas.domain.stored import read_as
from lambdas.states.score_evaluation.protection import Protection
from lambdas.workflow.answer_labels import labels_of_run
from lambdas.workflow.judge_calibration import judge_scores, read_cases
from lambdas.workflow.report import publish
from lambdas.workflow.serving.pinned_champion import pinned_champion, serves_this_student
from lambdas.workflow.serving.unseen_records import seen_by

if TYPE_CHECKING:
    from lambdas.domain.task.task_definition import GateRules, TaskDefinition
    from lambdas.gateways.registry.champions import Champion
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
    if (spread := evaluation["evidence"]["spread"]) is not None:
        stage.pipeline.looks.note_spread(stage.run.task, spread)
    publish(stage, outcome=None, reason=None)
    stage.progress(decision=evaluation["decision"])
    return {
        "decision": evaluation["decision"],
        "reasons": evaluation["reasons"][:MAX_REASONS],
        "needs_a_person": waits_for_a_person("automatic", evaluation),
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
    prefixes = {
        role: cached_prefix(grouped[role], kept.get(role), share)
        for role in (TEACHER, BASELINE, PROMPTED)
        if role in grouped
    }
    summaries = {
        role: summarise(found, price_models.get(role, models.student), prices, task.output_schema, prefixes.get(role))
        for role, found in grouped.items()
    }
    labels = labels_of_run(stage, grouped)
    judge = replace(_judge_record(stage), labels=labels)
    break_even = work_out(summaries, task, prices, models.student)
    trusted = _trusted(stage)
    more, unmeasured = compared(grouped, task.gate, trusted, labels).more_looks, _unmeasured(stage, references)
    look, last_look = _looks(stage, more)

    def gate_of(
        measured: Mapping[str, Sequence[Measurement]],
        added_up: Mapping[str, ContestantSummary],
        held: TaskDefinition,
        believed: JudgeRecord = judge,
    ) -> GateResult:
        """Leave the rival out, on which no rule rests."""
        measured = {role: found for role, found in measured.items() if role != PROMPTED}
        added_up = {role: found for role, found in added_up.items() if role != PROMPTED}
        at = last_look - more if believed.labels else look
        return judge_gate(measured, added_up, held, break_even, believed, unmeasured, trusted, at)

    def held_against(rules: GateRules) -> list[RuleResult]:
        return gate_of(grouped, summaries, replace(task, gate=rules)).lines

    result = gate_of(grouped, summaries, task)
    gate = result.lines
    on_demand = replace(task, serving=replace(task.serving, mode="on_demand"))
    of_trusted = trusted if result.comparison.evidence == TRUSTED else None
    rival = prompting(
        grouped,
        summaries,
        task,
        break_even,
        of_trusted,
        gate,
        # People have scored the student's answers, not the rival's.
        lambda measured, added_up: gate_of(measured, added_up, on_demand, replace(judge, labels=None)).lines,
    )
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
        "evidence": evidence_document(result.comparison, result.scores, result.ceiling, result.look, labels),
        "prompting": rival,
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


def _looks(stage: Stage, more: int) -> tuple[int, int]:
    """Count the first verdict of this run, and the one after so many more, among those on most of its records.

    A further attempt counts as the same.
    """
    records = map(Record.from_json, stage.pipeline.runs.lines(stage.run.files.dataset("holdout.jsonl")))
    ids = [record.id for record in records]
    first = stage.pipeline.looks.take(stage.run.task, ids, stage.run.run_id)
    return first, stage.pipeline.looks.take(stage.run.task, ids, stage.run.run_id, 1 + more) if more else first


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
        why = "; ".join(item["reason"] for item in left_out if item["role"] == CHAMPION) or "it was not measured"
    text = "Nothing shows how the student compares with the champion that it would replace, of run"
    return [explicit_reason("champion_not_compared", f"{text} {champion.run_id}: {why}")]


def _shards(stage: Stage) -> list[str]:
    """Find the measurements of every shard: one file each."""
    prefix = stage.run.files.evaluation(stage.attempt, "")
    return [key for key in stage.pipeline.runs.keys(prefix) if key.endswith(".jsonl")]


def _left_out(stage: Stage) -> list[LeftOut]:
    """Say who is not compared, and why: champion and rival, where some shard could not measure them."""
    keys = (stage.run.files.evaluation(stage.attempt, left_out_file(role)) for role in OPTIONAL)
    return [note for key in keys if (note := stage.pipeline.runs.find_json(key))]


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
