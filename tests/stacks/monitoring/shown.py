"""Which metrics dashboards and alarms of a template are about, and which ones a log has."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.stacks.templates import Deployment, Json, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SEARCH = re.compile(r"SEARCH\('\{(?P<schema>[^}]+)\} MetricName=\"(?P<metric>\w+)\"(?P<rest>[^']*)', '\w+', \d+\)")
_QUERY = re.compile(r'SELECT SUM\((?P<metric>\w+)\) FROM SCHEMA\("(?P<namespace>[^"]+)", (?P<dimension>\w+)\)')


class Shown(NamedTuple):
    """A metric by namespace, name and the names of its dimensions."""

    namespace: str
    metric: str
    dimensions: frozenset[str]


def dashboard(deployment: Deployment) -> Json:
    """Parse the body of the one dashboard."""
    [properties] = deployment.of_type("AWS::CloudWatch::Dashboard").values()
    body: Json = json.loads(text_of(properties["DashboardBody"]))
    return body


def widgets_with_metrics(body: Json) -> Iterator[tuple[str, list[list[Any]]]]:
    """Title and lines of every graph."""
    for widget in body["widgets"]:
        if widget["type"] == "metric":
            yield widget["properties"]["title"], widget["properties"]["metrics"]


def shown_by(line: list[Any]) -> Shown:
    """Read what one line of a graph shows."""
    if isinstance(line[0], dict):
        found = _SEARCH.fullmatch(line[0]["expression"])
        assert found, line[0]["expression"]
        namespace, *dimensions = found["schema"].split(",")
        return Shown(namespace, found["metric"], frozenset(dimensions))
    names = [part for part in line if isinstance(part, str)]
    return Shown(names[0], names[1], frozenset(names[2::2]))


def watched_by(alarm: Json) -> Shown:
    """Read what an alarm watches."""
    if "Metrics" in alarm:
        [query] = alarm["Metrics"]
        found = _QUERY.match(query["Expression"])
        assert found, query["Expression"]
        return Shown(found["namespace"], found["metric"], frozenset([found["dimension"]]))
    names = frozenset(dimension["Name"] for dimension in alarm["Dimensions"])
    return Shown(alarm["Namespace"], alarm["MetricName"], names)


def emitted(lines: Iterable[str]) -> dict[Shown, list[Json]]:
    """Read the lines of a log that CloudWatch would take metrics from, by the metrics that they have."""
    found: dict[Shown, list[Json]] = {}
    for line in lines:
        if not line.startswith("{") or '"_aws"' not in line:
            continue
        document = json.loads(line)
        for group in document["_aws"]["CloudWatchMetrics"]:
            for dimensions in group["Dimensions"]:
                assert all(isinstance(document[name], str) and document[name] for name in dimensions)
                for metric in group["Metrics"]:
                    assert isinstance(document[metric["Name"]], list), line
                    shown = Shown(group["Namespace"], metric["Name"], frozenset(dimensions))
                    found.setdefault(shown, []).append(document)
    return found
