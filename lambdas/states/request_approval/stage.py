"""Store the task token where only the approver's function reads it, and ask people."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from lambdas.domain.explicit_reasons import explicit_reasons, sentences
from lambdas.domain.run_facts import FirstAsked
from lambdas.domain.serving.approval_message import ApprovalRequest, approval_message
from lambdas.domain.task.task_files import TASK_FILES, said_of_missing
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.messages import send_message
from lambdas.gateways.aws.service_errors import AWS_ERRORS
from lambdas.gateways.registry.approvals import Approvals, PendingApproval
from lambdas.workflow.stage import Result, Stage, iso, logger

if TYPE_CHECKING:
    from lambdas.domain.gate.evaluation_document import Evaluation


def execute(stage: Stage) -> Result:
    """Ask for approval; the state waits until somebody answers or its time-out passes."""
    environment, run = stage.pipeline.environment, stage.run
    expires = stage.pipeline.now() + timedelta(hours=environment.settings.approval_expiry_hours)
    evaluation = stage.evaluation()
    request = _request(stage, evaluation, iso(expires))
    champion = evaluation["champion_before"]
    pending = PendingApproval(
        run_id=run.run_id,
        attempt=stage.attempt,
        task_token=str(stage.payload["task_token"]),
        report_sha256=str(run.report_sha256),
        expected_champion=champion["run_id"] if champion else None,
        explicit_reasons=list(request.explicit_reasons),
        price_wanted=request.price_wanted,
        pays_up_to=request.pays_up_to,
        expires=int(expires.timestamp()),
    )
    Approvals(clients.dynamodb(), environment.approvals_table).put(pending)
    if run.facts.get("first_asked", {}).get("attempt") != stage.attempt:
        first = FirstAsked(attempt=stage.attempt, until=iso(expires))
        stage.pipeline.registry.record_facts(run.run_id, first_asked=first)
    stage.progress(
        expires=iso(expires),
        report_sha256=run.report_sha256,
        explicit=sentences(request.explicit_reasons),
        price_wanted=request.price_wanted,
    )
    subject, text = approval_message(request, stage.pipeline.now())
    try:
        send_message(clients.sns(), environment.topic_arn, subject, text)
    except AWS_ERRORS:
        # Everything is paid by now: the run waits, and the command line shows that it does.
        logger.exception("the request for approval could not be sent")
    return {"expires": iso(expires)}


def _request(stage: Stage, evaluation: Evaluation, expires: str) -> ApprovalRequest:
    environment, run = stage.pipeline.environment, stage.run
    prompting = evaluation.get("prompting")
    return ApprovalRequest(
        environment=environment.name,
        run_id=run.run_id,
        task=run.task,
        serving=stage.task.serving,
        decision=str(evaluation["decision"]),
        rules_passed=sum(bool(line["passed"]) for line in evaluation["gate"]),
        break_even=evaluation["break_even"],
        explicit_reasons=tuple(explicit_reasons(evaluation)),
        notes=(
            *said_of_missing({field: getattr(run, field) for field in TASK_FILES}),
            *stage.plan.models.warnings,
        ),
        expires=expires,
        report_uri=f"s3://{environment.runs_bucket}/{run.report_key}",
        report_sha256=str(run.report_sha256),
        simulated=environment.settings.simulated,
        prompting=str(prompting["sentence"]) if prompting and prompting.get("enough") else "",
    )
