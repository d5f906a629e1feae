"""Publish the final report, end the run in the registry and tell people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lambdas.domain.costs.ledger import total_usd
from lambdas.domain.dataset.shards import MAP_FAILED, explain_tolerance
from lambdas.domain.gate.rule_result import INSUFFICIENT_EVIDENCE
from lambdas.domain.metrics import RUN_SECONDS, RUNS_ENDED, Measured, budget_used, measure_contestants
from lambdas.domain.outcomes import EXPIRED, PROMOTED, REJECTED, STOPPED
from lambdas.domain.serving.notification import outcome_message
from lambdas.domain.text.plain_text import one_line
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.messages import send_message
from lambdas.gateways.aws.service_errors import AWS_ERRORS
from lambdas.workflow.report import publish
from lambdas.workflow.stage import Result, Stage, logger, seconds_between

if TYPE_CHECKING:
    from lambdas.domain.report.report_document import ReportError
    from lambdas.domain.run_facts import ShardFailure

_WITHOUT_A_WORD = (
    "a shard ended without a word, as one that is out of memory or time; the log group of its Lambda says more. Retry: "
    "answered records are not asked again"
)


def execute(stage: Stage) -> Result:
    """Publish an outcome; the first outcome of an attempt stands, a repetition only writes the report again."""
    stage.progress()
    run = stage.run
    outcome = _outcome(stage)
    error = _error(stage.payload.get("error"), run.facts.get("failure"))
    endpoint_arn = run.facts.get("endpoint_arn") if outcome == PROMOTED else None
    reason = one_line(_reason(stage, outcome, error))
    page_key = publish(stage, outcome=outcome, reason=reason, error=error)
    ended = stage.pipeline.registry.end(run.run_id, stage.attempt, outcome, reason, stage.now(), endpoint_arn)
    if ended:
        stage.pipeline.meter.emit_all(measure_run(stage, outcome))
        _tell(stage, outcome, reason, page_key)
    return {
        "run_id": run.run_id,
        "outcome": outcome,
        "reason": reason,
        "endpoint_arn": endpoint_arn,
        "report_key": page_key,
    }


def _outcome(stage: Stage) -> str:
    """Decide what the run ended as: the registry's word goes before the caller's.

    A run that was killed after its student had been crowned and published is promoted, whatever killed it.
    """
    if stage.run.outcome:  # a second call, by the schedule or after a crash
        return stage.run.outcome
    champion = stage.pipeline.tasks.state(stage.run.task).champion
    if champion and champion.run_id == stage.run.run_id and stage.run.facts.get("endpoint_arn"):
        return PROMOTED
    return str(stage.payload["outcome"])


def _error(raised: Any, noted: ShardFailure | None) -> ReportError | None:  # noqa: ANN401 - what was caught
    """Read what Step Functions caught: a Lambda's error has its message inside a JSON text.

    A failed shard is only counted by its map; what it said was noted in the registry.
    """
    if not raised:
        return None
    name, shard_failed = str(raised.get("Error") or "Unknown"), raised.get("Error") == MAP_FAILED
    if shard_failed and noted:
        return {"name": noted["name"], "message": f"{noted['message']} ({explain_tolerance()})"}
    cause = str(raised.get("Cause") or "")
    try:
        message = str(json.loads(cause)["errorMessage"])
    except (ValueError, KeyError, TypeError):
        message = cause or "no cause was given"
    if shard_failed:
        message = f"{message.rstrip('.')}: {_WITHOUT_A_WORD} ({explain_tolerance()})"
    return {"name": name, "message": message}


def _reason(stage: Stage, outcome: str, error: ReportError | None) -> str:
    if outcome == PROMOTED:
        after = f"; after that, {error['name']}: {error['message']}" if error else ""
        return f"the student passed the gate and serves the task{after}"
    if outcome == STOPPED:
        stopped = stage.run.facts.get("stop")
        why = f": {stopped['why']}" if stopped and stopped["why"] else ""
        return f"a person stopped the run{why}"
    if error:
        return f"{error['name']}: {error['message']}"
    if outcome == EXPIRED:
        hours = stage.pipeline.environment.settings.approval_expiry_hours
        return f"nobody approved within {hours} hours"
    if outcome == REJECTED:
        return _rejection(stage)
    return "the run failed without an error message; see the execution's history"


def _rejection(stage: Stage) -> str:
    approval = stage.run.facts.get("approval")
    if approval and approval["answer"] == "rejected":
        return f"rejected by a person: {approval['why'] or 'no reason given'}"
    evaluation = stage.evaluation()
    why = "; ".join(evaluation["reasons"])
    if evaluation["decision"] == INSUFFICIENT_EVIDENCE:
        return f"there is too little evidence for a verdict: {why}"
    return f"the student did not pass the gate: {why}"


def _tell(stage: Stage, outcome: str, reason: str, page_key: str) -> None:
    environment = stage.pipeline.environment
    if not environment.topic_arn:
        return
    subject, text = outcome_message(
        environment=environment.name,
        run_id=stage.run.run_id,
        task=stage.run.task,
        outcome=outcome,
        reason=reason,
        report_uri=f"s3://{environment.runs_bucket}/{page_key}",
        simulated=environment.settings.simulated,
        may_be_retried=stage.run.may_be_retried(outcome),
    )
    try:
        send_message(clients.sns(), environment.topic_arn, subject, text)
    except AWS_ERRORS:
        # The run has ended and its report stands: a message that cannot be sent must not make a failure of it.
        logger.exception("the message about the outcome could not be sent")


def measure_run(stage: Stage, outcome: str) -> Iterator[Measured]:
    """Measure an attempt: its outcome, duration, budget and evaluation, as far as it came."""
    run = stage.run
    yield Measured(metric=RUNS_ENDED, value=1, of=outcome)
    if run.started_at:
        yield Measured(metric=RUN_SECONDS, value=seconds_between(run.started_at, stage.now()), of=outcome)
    plan = stage.find_plan()
    if plan and plan.budget_usd:
        yield budget_used(total_usd(stage.pipeline.registry.ledger(run.run_id)), plan.budget_usd)
    evaluation = stage.find_evaluation()
    yield from measure_contestants(evaluation.get("contestants", []), promoted=outcome == PROMOTED)
