"""What callers' clients counted: namespace ``BedrockStudent``, dimensions Environment and Task (decision 0172)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from lambdas.domain.serving.live_share import OUTAGE_REASONS, QUALITY_REASONS, LiveTraffic
from lambdas.gateways.aws.endpoint_metrics import HOUR, read_values

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

CALLERS_NAMESPACE = "BedrockStudent"


def read_live(client: CloudWatchClient, environment: str, task: str, since: datetime, until: datetime) -> LiveTraffic:
    """Add up what was counted in a span of time."""
    reasons = {reason: f"Escalated{reason.title().replace('_', '')}" for reason in (*QUALITY_REASONS, *OUTAGE_REASONS)}
    # ``Capped`` is what earlier clients wrote, which did not say whose cap it was.
    names = ("Requests", "Unanswered", "Capped", "CappedQuality", "CappedOutage", "Usd", *reasons.values())
    values = read_values(client, (_query(name, environment, task) for name in names), since, until)
    total = {name: sum(values[f"m{name}"]) for name in names}
    return LiveTraffic(
        requests=round(total["Requests"]),
        escalated={reason: round(total[name]) for reason, name in reasons.items()},
        unanswered=round(total["Unanswered"]),
        capped=round(total["Capped"] + total["CappedQuality"]),
        capped_in_outage=round(total["CappedOutage"]),
        usd=total["Usd"],
    )


def _query(name: str, environment: str, task: str) -> Any:  # noqa: ANN401 - the stubs' own type
    dimensions = [{"Name": "Environment", "Value": environment}, {"Name": "Task", "Value": task}]
    metric = {"Namespace": CALLERS_NAMESPACE, "MetricName": name, "Dimensions": dimensions}
    return {"Id": f"m{name}", "MetricStat": {"Metric": metric, "Period": HOUR, "Stat": "Sum"}}
