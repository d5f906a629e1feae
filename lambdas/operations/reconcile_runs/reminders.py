"""Remind people once before a request for approval expires."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lambdas.domain.serving.approval_message import reminder_message
from lambdas.gateways.aws.messages import send_message

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

    from lambdas.gateways.registry.runs import Run
    from lambdas.workflow.stage import Pipeline


def remind(pipeline: Pipeline, sns: Callable[[], SNSClient], run: Run) -> bool:
    """Send the reminder if it is due and was not sent before.

    It is claimed before it is sent: a crash in between loses a reminder, which the request's own message outweighs; the
    other order could send one every five minutes.

    Returns
    -------
    bool
        Whether a reminder was sent.
    """
    settings, expires = pipeline.environment.settings, str(run.progress.get("expires") or "")
    if run.progress.get("stage") != "RequestApproval" or not expires or settings.approval_reminder_hours == 0:
        return False
    left = datetime.fromisoformat(expires) - pipeline.now()
    if not timedelta() < left <= timedelta(hours=settings.approval_reminder_hours):
        return False
    if not pipeline.registry.claim_reminder(run.run_id, run.attempt):
        return False
    subject, text = reminder_message(
        environment=pipeline.environment.name, run_id=run.run_id, task=run.task, expires=expires
    )
    send_message(sns(), pipeline.environment.topic_arn, subject, text)
    return True
