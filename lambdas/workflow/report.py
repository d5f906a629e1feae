"""Gather what is known of a run into one document, and publish it as a page and as a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lambdas.domain.costs.at_rest import usd_at_rest
from lambdas.domain.costs.ledger import LedgerEntry, summed, total_usd
from lambdas.domain.costs.prompt_caching import explain
from lambdas.domain.costs.reconciliation import reconcile
from lambdas.domain.dataset.shards import TOLERATED_FAILURE_PERCENT
from lambdas.domain.explicit_reasons import explicit_reasons, sentences
from lambdas.domain.gate.cascade import with_months
from lambdas.domain.gate.evaluation_document import Evaluation, student_of, waits_for_a_person
from lambdas.domain.gate.rule_result import PROMOTE
from lambdas.domain.outcomes import PROMOTED
from lambdas.domain.prices.price_book import UNITS, PriceLine
from lambdas.domain.report.report_document import ReportDocument, ReportEndpoint, ReportError, report_text
from lambdas.domain.run_facts import RunFacts, given_answer, stated_price
from lambdas.domain.serving.break_even import throughput_usage, with_stated_price
from lambdas.domain.serving.serving_costs import Student, months_to_recover, throughputs, upkeep
from lambdas.domain.stored import REPORT_VERSION
from lambdas.workflow.stage import Stage, iso
from lambdas.workflow.training.customization_job import job_of_attempt

if TYPE_CHECKING:
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.domain.training.teacher_data_document import TeacherData


def publish(stage: Stage, *, outcome: str | None, reason: str | None, error: ReportError | None = None) -> str:
    """Write ``report.json`` and ``report.html`` of an attempt and note them in the registry.

    Parameters
    ----------
    stage : Stage
    outcome : str or None
        ``None`` while the run goes on.
    reason : str or None
        One sentence.
    error : dict, optional
        ``name`` and ``message`` of the error that ended the run.

    Returns
    -------
    str
        Key of the page.
    """
    # The page's modules take a tenth of a start, and most Lambdas that may write a report write none.
    from lambdas.domain.report.render import render_report  # noqa: PLC0415

    report = gather(stage, outcome=outcome, reason=reason, error=error)
    text = report_text(report)
    runs, files = stage.pipeline.runs, stage.run.files
    page_key = files.report(stage.attempt, "report.html")
    runs.write(page_key, render_report(dict(report)).encode("utf-8", "replace"), "text/html; charset=utf-8")
    runs.write(files.report(stage.attempt, "report.json"), text, "application/json")
    digest = hashlib.sha256(text).hexdigest()
    stage.pipeline.registry.record_report(stage.run.run_id, page_key, digest)
    return page_key


def gather(
    stage: Stage, *, outcome: str | None, reason: str | None, error: ReportError | None = None
) -> ReportDocument:
    """Gather ``report.json``; what the run did not come to is ``None``. Fields: docs/report.md."""
    runs, files, run = stage.pipeline.runs, stage.run.files, stage.pipeline.registry.run(stage.run.run_id)
    settings = stage.pipeline.environment.settings
    plan = stage.find_plan()
    evaluation = stage.find_evaluation()
    teacher_data = stage.find_teacher_data()
    learnt = runs.find_json(files.training(stage.attempt))
    ledger = stage.pipeline.registry.ledger(run.run_id)
    spent = total_usd(ledger)
    break_even = _break_even(stage, run.facts, evaluation, spent)
    reasons, explicit = list(evaluation.get("reasons", [])), explicit_reasons(evaluation)
    if reason and reason not in reasons:
        reasons.insert(0, reason)
    return {
        "schema_version": REPORT_VERSION,
        "run_id": run.run_id,
        "task": run.task,
        "environment": stage.pipeline.environment.name,
        "attempt": stage.attempt,
        "outcome": outcome,
        "decision": evaluation.get("decision"),
        "reasons": reasons,
        "simulated": settings.simulated,
        "source": {
            "bucket": run.bucket,
            "key": run.key,
            "version": run.version,
            "task_version": run.task_version,
            "holdout_version": run.holdout_version,
            "calibration_version": run.calibration_version,
        },
        "created_at": run.created_at,
        "ended_at": stage.now() if outcome else None,
        "error": error,
        "models": _models(stage, plan.models, run.facts) if plan else None,
        "dataset": runs.find_json(files.dataset("dataset.json")),
        "training": _training(stage, teacher_data, run.facts, learnt) if teacher_data else None,
        "judge": evaluation.get("judge"),
        "evaluation": {
            "shards": evaluation.get("shards"),
            "tolerated_failure_percent": TOLERATED_FAILURE_PERCENT,
        },
        "prompting": evaluation.get("prompting"),
        "contestants": evaluation.get("contestants", []),
        "gate": evaluation.get("gate", []),
        "explicit_reasons": explicit,
        "needs_explicit_approval": sentences(explicit),
        "approval": given_answer(run.facts),
        "submitter": run.facts.get("submitter"),
        "answer_until": _answer_until(stage, outcome, evaluation),
        "evidence": evaluation.get("evidence"),
        "left_out": evaluation.get("left_out", []),
        "worst_answers": evaluation.get("worst_answers", []),
        "ledger": [_ledger_line(entry, simulated=settings.simulated) for entry in summed(ledger)],
        "total_usd": spent,
        "estimate_usd": plan.estimate_usd if plan else None,
        "estimate_low_usd": plan.estimate_low_usd if plan else None,
        "estimate_high_usd": plan.estimate_high_usd if plan else None,
        "reconciliation": [bill.to_document() for bill in reconcile(plan.estimate if plan else [], ledger)],
        "budget_usd": plan.budget_usd if plan else None,
        "break_even": break_even,
        "cascade": with_months(evaluation.get("cascade"), break_even),
        "endpoint": _endpoint(stage, run.facts, outcome, break_even),
        "champion_before": evaluation.get("champion_before"),
        "limits": evaluation.get("limits"),
        "resources": [item.to_document() for item in stage.pipeline.resources.of_run(run.run_id)],
        "files": _files(stage),
    }


def _answer_until(stage: Stage, outcome: str | None, evaluation: Evaluation) -> str | None:
    """Say until when an answer counts, of a run that is about to ask: a few seconds before the request expires."""
    if outcome is not None or evaluation.get("decision") != PROMOTE:
        return None  # and a run that failed before PrepareDataset has no task to read
    if not waits_for_a_person(stage.task.approval, evaluation):
        return None
    hours = stage.pipeline.environment.settings.approval_expiry_hours
    return iso(datetime.fromisoformat(stage.now()) + timedelta(hours=hours))


def _models(stage: Stage, models: ModelChoice, facts: RunFacts) -> dict[str, Any]:
    refused = _refusal(stage, facts) is not None
    return {
        **models.to_document(),
        "training": "fine_tuning" if refused else models.training,
        "training_reason": "Bedrock refused the pair" if refused else models.training_reason,
        "student_custom_model_arn": facts.get("custom_model_arn"),
        "prompt_caching": explain(stage.task, models),
    }


def _refusal(stage: Stage, facts: RunFacts) -> str | None:
    """Give what Bedrock said when it refused the pair in this attempt; in another one it may be open again."""
    refusal = facts.get("pair_refused")
    return refusal["message"] if refusal and refusal["attempt"] == stage.attempt else None


def _training(
    stage: Stage, teacher_data: TeacherData, facts: RunFacts, learnt: dict[str, Any] | None
) -> dict[str, Any]:
    job = job_of_attempt(facts, stage.attempt)
    return {
        "records": teacher_data["training_records"],
        "labelled": teacher_data["labelled_records"],
        "mode": teacher_data["mode"],
        "drop_rate": teacher_data["drop_rate"],
        "batch": teacher_data["batch"],
        "dropped": teacher_data["dropped"],
        "drop_reasons": teacher_data["drop_reasons"],
        "drop_samples": teacher_data.get("drop_samples", []),
        "job_name": job.get("job_name"),
        "job_arn": job.get("job_arn"),
        "adopted": job.get("adopted"),
        "phases": job.get("phases", []),
        "failed_tries": facts.get("failed_tries", []),
        "pair_refused": _refusal(stage, facts),
        "learnt": learnt,
    }


def _ledger_line(entry: LedgerEntry, *, simulated: bool) -> dict[str, Any]:
    document = entry.to_document()
    del document["id"], document["at"]
    return {**document, "simulated": simulated}


def _break_even(stage: Stage, facts: RunFacts, evaluation: Evaluation, spent: float) -> Mapping[str, Any] | None:
    """Give the evaluation's break-even, with the price of an hour that came with the approval where no book had it."""
    known, measured = evaluation.get("break_even"), student_of(evaluation)
    if known is None or measured is None:
        return known
    serving, model = stage.task.serving, stage.pipeline.environment.settings.student_model
    stated, prices = stated_price(facts), stage.pipeline.prices
    per_1k = measured["usd_per_1k_requests"]
    usage = throughput_usage(serving.commitment)
    if stated is not None and prices.find(model, usage) is None:
        known = with_stated_price(known, stated, serving.model_units, per_1k)
        source = "stated with the approval"
        line = PriceLine(model=model, usage=usage, usd=stated, unit=UNITS[usage], source=source, date=stage.now()[:10])
        prices = prices.with_lines([line])
    student = Student(
        model=model,
        tokens_per_request=sum(measured["tokens"].values()),
        usd_per_request=per_1k / 1000,
        model_units=serving.model_units,
        expected=serving.expected_requests_per_month,
        peak_to_mean=serving.peak_to_mean,
    )
    kept = upkeep(model, spent, serving.distillations_per_year, usd_at_rest(prices), prices)
    return {
        **known,
        "commitment": serving.commitment,
        "model_units": serving.model_units,
        "throughputs": [costs.to_document() for costs in throughputs(student, prices)],
        "months_to_recover": months_to_recover(known["usd_per_month"], known["mode"], spent, kept.usd_per_month),
        "upkeep_usd_per_month": kept.to_document(),
    }


def _endpoint(
    stage: Stage, facts: RunFacts, outcome: str | None, break_even: Mapping[str, Any] | None
) -> ReportEndpoint | None:
    if outcome != PROMOTED:
        return None
    hourly = (break_even or {}).get("provisioned_throughput_usd_per_hour")
    mode = stage.task.serving.mode
    return {
        "arn": facts.get("endpoint_arn"),
        "mode": mode,
        "usd_per_hour": hourly if mode == "provisioned_throughput" else None,
    }


def _files(stage: Stage) -> dict[str, str]:
    files, bucket = stage.run.files, stage.pipeline.runs.name
    keys = {
        "rejected lines": files.dataset("rejected.jsonl"),
        "training data": files.teacher_data("training.jsonl"),
        "dropped answers": files.teacher_data("dropped.jsonl"),
        "job output": files.distillation_output,
        "measurements": files.evaluation(stage.attempt, ""),
        "report.json": files.report(stage.attempt, "report.json"),
    }
    return {name: f"s3://{bucket}/{key}" for name, key in keys.items()}
