"""Resources of a template that the emulator's CloudFormation refuses."""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import provisioners

_QUERY = "a Metrics Insights query"


def alarms_on_queries_are_kept() -> None:
    """Deploy an alarm on a Metrics Insights query, which the emulator refuses; it is kept and never rings.

    The emulator has no query engine: the alarm gets a metric that nobody emits in place of its query.
    """
    stock = provisioners._cw_metric_alarm_record

    def metric_alarm_record(name: str, properties: dict[str, Any]) -> dict[str, Any]:
        queries = properties.get("Metrics")
        if not queries or any("Expression" not in query for query in queries):
            return stock(name, properties)  # type: ignore[no-any-return]
        plain = {key: value for key, value in properties.items() if key != "Metrics"}
        return {**stock(name, {**plain, "Namespace": _QUERY, "MetricName": _QUERY}), "Metrics": queries}

    provisioners._cw_metric_alarm_record = metric_alarm_record
