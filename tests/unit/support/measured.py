"""Make a workshop's pipeline emit every metric it has, by the code that emits them in the Lambdas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.gateways.registry.runs import Run
from lambdas.operations.export_costs.stage import measure_month
from lambdas.operations.reap_idle_throughput.reporting import measure
from lambdas.operations.reconcile_runs.stage import measure_budget
from lambdas.states.launch_distillation.second_try import stop_when_stalled
from lambdas.states.publish_report.stage import execute as publish_report
from lambdas.workflow.money.month import MonthlyMoney
from lambdas.workflow.money.serving_charges import ServedMonth
from tests.unit.support.workshop import Workshop

SAMPLE = Path(__file__).parents[1] / "domain" / "report" / "samples" / "measured.json"
QUESTION = "customer invoice refund"


def paid(entry_id: str, usd: float, stage: str = "GenerateTeacherData", kind: str = "actual") -> LedgerEntry:
    return LedgerEntry(id=entry_id, stage=stage, model="amazon.nova-pro-v1:0", kind=kind, usd=usd)


def evaluated(workshop: Workshop, run: Run) -> None:
    """Write what a run leaves that came to its verdict, questions and answers included."""
    report = json.loads(SAMPLE.read_text())
    workshop.plan(run)
    del workshop.bucket.objects[run.files.teacher_data("teacher_data.json")]
    plan = workshop.bucket.find_json(run.files.plan(run.attempt)) or {}
    workshop.bucket.write_json(run.files.plan(run.attempt), {**plan, "budget_usd": 20.0, "estimate_usd": 12.0})
    names = ("decision", "reasons", "gate", "contestants", "judge", "break_even", "worst_answers", "left_out")
    evaluation = {name: report[name] for name in names}
    evaluation["worst_answers"] = [{**one, "question": QUESTION} for one in evaluation["worst_answers"]]
    workshop.bucket.write_json(run.files.evaluation(run.attempt, "evaluation.json"), evaluation)


def end(workshop: Workshop, version: str, outcome: str, **payload: Any) -> Run:
    """Take a run through some stages to its report."""
    run = workshop.run(version)
    evaluated(workshop, run)
    for stage in ("PrepareDataset", "CheckRun", "GenerateTeacherData"):
        workshop.stage(stage, run).progress()
        workshop.pass_time(seconds=90)
    workshop.pipeline.registry.record_cost(run.run_id, paid("answers", 17.0))
    publish_report(workshop.stage("PublishReport", run, outcome=outcome, **payload))
    return run


def stall(workshop: Workshop) -> None:
    """Let a customization job stand still for longer than the settings allow."""
    run = workshop.run("stalled")
    name = workshop.client.add_job("dev-video-stalled", "InProgress").rpartition("/")[2]
    workshop.pass_time(hours=13)
    job = workshop.pipeline.bedrock.find_job(name)
    assert job is not None
    assert stop_when_stalled(workshop.stage("LaunchDistillation", run), job)


def measure_everything(workshop: Workshop) -> None:
    """Emit every metric at least once."""
    for outcome in ("PROMOTED", "REJECTED", "EXPIRED", "FAILED", "STOPPED"):
        error = {"Error": "DistillationFailed", "Cause": f'{{"errorMessage": "{QUESTION}"}}'}
        end(workshop, outcome, outcome, **({"error": error} if outcome == "FAILED" else {}))
    stall(workshop)
    run = workshop.run("under-way")
    workshop.pipeline.registry.record_facts(run.run_id, budget_usd=10)
    measure_budget(workshop.pipeline, workshop.pipeline.registry.run(run.run_id))
    found = cast("Any", {"findings": [], "usd_per_hour": 0.0})
    workshop.pipeline.meter.emit_all(measure(found))
    nothing = MonthlyMoney(charges=[], served=ServedMonth(), savings=[])
    workshop.pipeline.meter.emit_all(list(measure_month(nothing)))
