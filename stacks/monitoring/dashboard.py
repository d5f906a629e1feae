"""The dashboard of an environment: one page for runs, money, endpoints and what idles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from lambdas.domain import metrics
from lambdas.domain.evaluation.measurements import CHAMPION, REQUIRED
from lambdas.domain.metrics import ENVIRONMENT, NAMESPACE, Metric
from lambdas.domain.outcomes import EXPIRED, FAILED, PROMOTED, REJECTED, STOPPED
from lambdas.gateways.aws.endpoint_metrics import BEDROCK_NAMESPACE, STATISTICS
from stacks.monitoring.alarms import BUDGET_PERCENT, FIVE_MINUTES, HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdas.domain.task.settings import Settings
    from stacks.pipeline_stack import PipelineStack

Widget = dict[str, Any]

COLUMNS = 24
"""Width of a dashboard's grid ("Dashboard body structure and syntax", CloudWatch API reference)."""

ROW = 6
"""Height of a row of graphs."""

DAY = 86_400

OUTCOMES = {PROMOTED: "#2ca02c", REJECTED: "#ff7f0e", EXPIRED: "#7f7f7f", FAILED: "#d62728", STOPPED: "#1f77b4"}
"""Every outcome with its colour."""

ROLES = (*REQUIRED, CHAMPION)

ENDPOINTS = "(custom-model-deployment OR provisioned-model)"
"""Search term for the ARNs of endpoints: parts of them, since the ids are made by Bedrock, at run time."""


class Dashboard(Construct):
    """One CloudWatch dashboard, named by CloudFormation.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    environment : str
        Environment name, a dimension of the pipeline's metrics.
    settings : Settings
        Whether figures are simulated.
    pipeline : PipelineStack
        What is shown.
    alarms : sequence of str
        ARNs of the alarms whose state is shown.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: Settings,
        pipeline: PipelineStack,
        alarms: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        graphs = Graphs(environment, stack.region)
        rows = [
            [_headline(environment, simulated=settings.simulated)],
            [_alarm_states(alarms)],
            graphs.runs(pipeline.machine.state_machine_arn, pipeline.undelivered.queue_name),
            graphs.stages(),
            graphs.money(),
            *([graphs.discovery()] if settings.discovery is not None else []),
            graphs.contestants(),
            graphs.endpoints(),
            graphs.idle(),
        ]
        body = {"start": "-P7D", "periodOverride": "auto", "widgets": arranged(rows)}
        self.dashboard = cloudwatch.CfnDashboard(self, "Dashboard", dashboard_body=stack.to_json_string(body))


def arranged(rows: Sequence[Sequence[Widget]]) -> list[Widget]:
    """Give every widget its place: a row's widgets beside each other and equally wide, the rows below each other."""
    placed: list[Widget] = []
    top = 0
    for row in rows:
        width = COLUMNS // len(row)
        placed += [{**widget, "x": place * width, "y": top, "width": width} for place, widget in enumerate(row)]
        top += max(widget["height"] for widget in row)
    return placed


class Graphs:
    """The graphs, row by row.

    Parameters
    ----------
    environment : str
    region : str
        Where the metrics are: a dashboard itself is global.
    """

    def __init__(self, environment: str, region: str) -> None:
        self._environment, self._region = environment, region

    def runs(self, machine_arn: str, queue_name: str) -> list[Widget]:
        """Show how runs end, and what did not get so far."""
        outcomes = [
            [*self._own(metrics.RUNS_ENDED, outcome), {"label": outcome, "color": colour}]
            for outcome, colour in OUTCOMES.items()
        ]
        executions = [
            ["AWS/States", name, "StateMachineArn", machine_arn, {"label": label}]
            for name, label in (
                ("ExecutionsStarted", "started"),
                ("ExecutionsSucceeded", "ended with a verdict"),
                ("ExecutionsFailed", "failed"),
                ("ExecutionsTimedOut", "timed out"),
                ("ExecutionsAborted", "stopped by somebody"),
            )
        ]
        trouble = [
            [*self._own(metrics.JOBS_STALLED), {"label": "stalled jobs", "stat": "Sum"}],
            [
                "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue_name,
                {"label": "undelivered events", "stat": "Maximum"},
            ],
        ]  # fmt: skip
        return [
            self._graph("Runs by outcome, a day", outcomes, stat="Sum", period=DAY, stacked=True),
            self._graph("Executions, an hour", executions, stat="Sum", period=HOUR),
            self._graph("Stalled jobs and undelivered events", trouble, stat="Sum", period=HOUR),
        ]

    def stages(self) -> list[Widget]:
        """Show where the time goes."""
        durations = [
            [*self._own(metrics.RUN_SECONDS, outcome), {"label": outcome, "color": colour}]
            for outcome, colour in OUTCOMES.items()
        ]
        return [
            self._graph("Stage durations, mean, waiting included", [self._search(metrics.STAGE_SECONDS, "Average")]),
            self._graph("Run durations, mean, a day", durations, stat="Average", period=DAY, unit="seconds"),
        ]

    def money(self) -> list[Widget]:
        """Show where the dollars go."""
        spent = self._search(metrics.STAGE_USD, "Sum", period=DAY)
        line = {"label": f"people are told at {BUDGET_PERCENT} %", "value": BUDGET_PERCENT, "color": "#d62728"}
        budget = self._graph(
            "Budget used by the run that used most", [self._own(metrics.BUDGET_USED)], stat="Maximum", unit="percent"
        )
        budget["properties"]["annotations"] = {"horizontal": [line]}
        saved = self._graph(
            "Savings of promoted students against the baseline, a request on demand",
            [self._own(metrics.SAVINGS)], stat="Average", period=DAY, unit="percent",
        )  # fmt: skip
        month = self._graph(
            "This month so far: runs, serving, of it idle, verified savings, AWS around Bedrock",
            [
                self._own(metric)
                for metric in (
                    metrics.MONTH_RUNS_USD, metrics.MONTH_SERVING_USD, metrics.MONTH_IDLE_USD, metrics.MONTH_SAVED_USD,
                    metrics.MONTH_SERVICES_USD,
                )
            ],
            stat="Maximum", period=DAY, unit="US dollars",
        )  # fmt: skip
        return [self._graph("Dollars by stage, a day", [spent], stacked=True, unit="US dollars"), budget, saved, month]

    def discovery(self) -> list[Widget]:
        """Show what the logs hold that could be saved, what somebody acted on, and what is proven."""
        found = [self._own(metrics.FOUND_USD), self._own(metrics.ACTED_ON_USD)]
        proven = [self._own(metrics.MONTH_SAVED_USD)]
        return [
            self._graph("Discovery: found, acted on (a year)", found, stat="Maximum", period=DAY, unit="US dollars"),
            self._graph("Proven this month", proven, stat="Maximum", period=DAY, unit="US dollars"),
        ]

    def contestants(self) -> list[Widget]:
        """Show what evaluations measured: what a run is for."""

        def by_role(metric: Metric) -> list[Any]:
            return [[*self._own(metric, role), {"label": role}] for role in ROLES]

        how: dict[str, Any] = {"stat": "Average", "period": DAY}
        return [
            self._graph("Judge's score, 1 to 5", by_role(metrics.JUDGE_SCORE), unit="score", **how),
            self._graph("Latency in evaluations, mean", by_role(metrics.LATENCY), unit="ms", **how),
            self._graph("Dollars for 1,000 requests", by_role(metrics.USD_PER_1K_REQUESTS), unit="US dollars", **how),
        ]

    def endpoints(self) -> list[Widget]:
        """Show what callers of students meet: found by search, for the endpoints are made at run time."""

        def search(metric: str) -> list[Any]:
            term = f'{{{BEDROCK_NAMESPACE},ModelId}} MetricName="{metric}" {ENDPOINTS}'
            expression = f"SEARCH('{term}', '{STATISTICS[metric]}', {FIVE_MINUTES})"
            return [{"expression": expression, "id": metric[0].lower() + metric[1:]}]

        errors = ("InvocationServerErrors", "InvocationClientErrors", "InvocationThrottles")
        return [
            self._graph("Endpoint invocations, five minutes", [search("Invocations")]),
            self._graph("Endpoint latency, mean", [search("InvocationLatency")], unit="ms"),
            self._graph("Endpoint errors and throttles", [search(metric) for metric in errors]),
        ]

    def idle(self) -> list[Widget]:
        """Show what bills for nobody, and whose callers are passed on otherwise than foreseen."""
        return [
            self._graph(
                "Dollars an hour for nobody, where prices are known",
                [self._own(metrics.IDLE_USD_PER_HOUR)], stat="Maximum", period=HOUR, unit="US dollars an hour",
            ),
            self._graph(
                "Idle throughputs", [self._own(metrics.IDLE_THROUGHPUTS)], stat="Maximum", period=HOUR, unit="count"
            ),
            self._graph(
                "Tasks whose routing is not as foreseen",
                [self._own(metrics.ROUTING_OUT_OF_BOUNDS)], stat="Maximum", period=HOUR, unit="count",
            ),
        ]  # fmt: skip

    def _own(self, metric: Metric, of: str | None = None) -> list[Any]:
        own = [metric.by, of] if metric.by else []
        return [NAMESPACE, metric.name, ENVIRONMENT, self._environment, *own]

    def _search(self, metric: Metric, statistic: str, *, period: int = FIVE_MINUTES) -> list[Any]:
        """Find every value of a metric's own dimension."""
        dimensions = ",".join((NAMESPACE, *metric.dimensions))
        term = f'{{{dimensions}}} MetricName="{metric.name}" {ENVIRONMENT}="{self._environment}"'
        label = f"${{PROP('Dim.{metric.by}')}}"
        return [{"expression": f"SEARCH('{term}', '{statistic}', {period})", "id": "found", "label": label}]

    def _graph(
        self,
        title: str,
        shown: Sequence[Any],
        *,
        stat: str = "Sum",
        period: int = FIVE_MINUTES,
        stacked: bool = False,
        unit: str = "",
    ) -> Widget:
        axis = {"min": 0, "showUnits": False, **({"label": unit} if unit else {})}
        properties = {
            "title": title,
            "region": self._region,
            "view": "timeSeries",
            "stacked": stacked,
            "stat": stat,
            "period": period,
            "metrics": list(shown),
            "yAxis": {"left": axis},
        }
        return {"type": "metric", "height": ROW, "properties": properties}


def _headline(environment: str, *, simulated: bool) -> Widget:
    note = " **All figures are simulated.**" if simulated else ""
    text = (
        f"# Distillation, environment {environment}\n"
        f"What to do about an alarm: `docs/runbook.md`, the heading with its name. `python -m cli runs` lists the "
        f"runs, `python -m cli champions` what serves. Endpoints are those of the whole account and Region.{note}"
    )
    return {"type": "text", "height": 3, "properties": {"markdown": text}}


def _alarm_states(alarms: Sequence[str]) -> Widget:
    return {"type": "alarm", "height": 3, "properties": {"title": "Alarms", "alarms": list(alarms)}}
