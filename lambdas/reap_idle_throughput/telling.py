"""Tell people what idles."""

from __future__ import annotations

from lambdas.domain.notification import idle_message
from lambdas.gateways import clients
from lambdas.pipeline import Pipeline, Result


def tell(line: Pipeline, result: Result) -> None:
    """Send a message where there is something to tell; no finding, no message."""
    environment = line.environment
    if not result["findings"] or not environment.topic_arn:
        return
    subject, text = idle_message(
        environment=environment.name,
        findings=result["findings"],
        usd_per_hour=float(result["usd_per_hour"]),
        simulated=environment.settings.simulated,
    )
    clients.sns().publish(TopicArn=environment.topic_arn, Subject=subject, Message=text)
