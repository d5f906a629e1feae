"""Tell people and CloudWatch what idles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.metrics import IDLE_THROUGHPUTS, IDLE_USD_PER_HOUR, ROUTING_OUT_OF_BOUNDS, Measured
from lambdas.domain.serving.idle_rules import BILLING, ROUTING_OFF
from lambdas.domain.serving.notification import idle_message
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.messages import send_message
from lambdas.gateways.registry.resources import THROUGHPUT

if TYPE_CHECKING:
    from lambdas.workflow.stage import Pipeline, Result


def tell(pipeline: Pipeline, result: Result) -> None:
    """Send a message where there is something to tell; no finding, no message."""
    environment = pipeline.environment
    if not result["findings"] or not environment.topic_arn:
        return
    subject, text = idle_message(
        environment=environment.name,
        findings=result["findings"],
        usd_per_hour=float(result["usd_per_hour"]),
        simulated=environment.settings.simulated,
    )
    send_message(clients.sns(), environment.topic_arn, subject, text)


def measure(result: Result) -> list[Measured]:
    """Measure what a look found; also that it found nothing, so that an alarm ends and a silent janitor is noticed."""
    findings = (item for item in result["findings"] if item["reason"] in BILLING and not item["done"])
    idle = {item["arn"] for item in findings if item["kind"] == THROUGHPUT}
    return [
        Measured(metric=IDLE_USD_PER_HOUR, value=float(result["usd_per_hour"])),
        Measured(metric=IDLE_THROUGHPUTS, value=len(idle)),
        Measured(metric=ROUTING_OUT_OF_BOUNDS, value=sum(item["reason"] == ROUTING_OFF for item in result["findings"])),
    ]
