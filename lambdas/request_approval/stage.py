"""Store the task token where only the approver's function reads it, and ask people."""

from __future__ import annotations

from datetime import timedelta

from botocore.exceptions import ClientError

from lambdas.domain.notification import approval_message
from lambdas.gateways import clients
from lambdas.gateways.approvals import Approvals, PendingApproval
from lambdas.pipeline import Result, Stage, iso, logger


def execute(stage: Stage) -> Result:
    """Ask for approval; the state waits until somebody answers or its time-out passes."""
    environment, run = stage.pipeline.environment, stage.run
    expires = stage.pipeline.now() + timedelta(hours=environment.settings.approval_expiry_hours)
    pending = PendingApproval(
        run_id=run.run_id,
        attempt=stage.attempt,
        task_token=str(stage.payload["task_token"]),
        report_sha256=str(run.report_sha256),
        expires=int(expires.timestamp()),
    )
    Approvals(clients.dynamodb(), environment.approvals_table).put(pending)
    stage.progress(expires=iso(expires), report_sha256=run.report_sha256)
    evaluation = stage.pipeline.runs.read_json(run.files.evaluation(stage.attempt, "evaluation.json"))
    subject, text = approval_message(
        environment=environment.name,
        run_id=run.run_id,
        task=run.task,
        serving=stage.task.serving,
        usd_per_hour=evaluation["break_even"]["provisioned_throughput_usd_per_hour"],
        expires=iso(expires),
        report_uri=f"s3://{environment.runs_bucket}/{run.report_key}",
        simulated=environment.settings.simulated,
    )
    try:
        clients.sns().publish(TopicArn=environment.topic_arn, Subject=subject, Message=text)
    except ClientError:
        # Everything is paid by now: the run waits, and the command line shows that it does.
        logger.exception("the request for approval could not be sent")
    return {"expires": iso(expires)}
