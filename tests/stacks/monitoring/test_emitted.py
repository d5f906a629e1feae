"""Every metric of the pipeline's own that the dashboard shows or an alarm watches is one that its code emits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lambdas.domain import metrics
from lambdas.domain.metrics import NAMESPACE
from tests.stacks.monitoring.shown import Shown, dashboard, emitted, shown_by, watched_by, widgets_with_metrics
from tests.unit.conftest import workshop
from tests.unit.gateways.registry.embedded_table import dynamodb, table
from tests.unit.support.measured import measure_everything

if TYPE_CHECKING:
    from tests.stacks.templates import Deployment, Json
    from tests.unit.support.workshop import Workshop

__all__ = ["dynamodb", "table", "workshop"]


@pytest.fixture
def logged(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> dict[Shown, list[Json]]:
    """Give what the pipeline's code writes into a log."""
    measure_everything(workshop)
    return emitted(capsys.readouterr().out.splitlines())


def test_every_metric_of_the_dashboard_is_emitted(deployment: Deployment, logged: dict[Shown, list[Json]]) -> None:
    for title, lines in widgets_with_metrics(dashboard(deployment)):
        own = {line for line in map(shown_by, lines) if line.namespace == NAMESPACE}
        assert own <= logged.keys(), title


def test_every_value_of_a_dimension_that_a_graph_names_is_emitted(
    deployment: Deployment, logged: dict[Shown, list[Json]]
) -> None:
    for _, lines in widgets_with_metrics(dashboard(deployment)):
        for line in lines:
            if line[0] != NAMESPACE:
                continue
            names = [part for part in line if isinstance(part, str)][2:]
            wanted = dict(zip(names[::2], names[1::2], strict=True))
            if wanted.get("Role") == "champion":
                continue  # the sample's task has none before the run
            assert any(wanted.items() <= document.items() for document in logged[shown_by(line)]), line


def test_every_alarms_metric_is_emitted(deployment: Deployment, logged: dict[Shown, list[Json]]) -> None:
    watched = [watched_by(alarm) for alarm in deployment.of_type("AWS::CloudWatch::Alarm").values()]
    own = {one for one in watched if one.namespace == NAMESPACE}
    assert len(own) == 4
    assert own <= logged.keys()


def test_every_metric_that_is_emitted_is_declared_and_shown(
    deployment: Deployment, logged: dict[Shown, list[Json]]
) -> None:
    declared = {Shown(NAMESPACE, metric.name, frozenset(metric.dimensions)) for metric in metrics.ALL}
    shown = {line for _, lines in widgets_with_metrics(dashboard(deployment)) for line in map(shown_by, lines)}
    assert logged.keys() == declared
    assert declared <= shown, "what nobody can see is paid for in vain"
