"""The alarms of an environment: each says what to do, and has a heading of its own in ``docs/runbook.md``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from lambdas.domain.metrics import (
    BUDGET_USED,
    ENVIRONMENT,
    IDLE_THROUGHPUTS,
    JOBS_STALLED,
    NAMESPACE,
    ROUTING_OUT_OF_BOUNDS,
    Metric,
)
from lambdas.domain.model_ids import foundation_model_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdas.domain.task.settings import Settings
    from stacks.pipeline_stack import PipelineStack

FIVE_MINUTES, HOUR = 300, 3600
"""Seconds of one value of a metric."""

BUDGET_PERCENT = 80
"""Share of a run's budget at which people are told."""

SILENT_LOOKS = 3
"""Looks in a row that the janitor may miss before people are told."""

MOST_QUERY_CHARACTERS = 2048
"""Longest expression of an alarm (MetricDataQuery, CloudWatch API reference)."""

ENDPOINT_ERRORS = 5
"""Server errors of one endpoint in five minutes: a single one passes by itself."""


class Series(NamedTuple):
    """One metric in CloudWatch with its dimensions."""

    namespace: str
    metric: str
    dimensions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """One alarm on one metric.

    Attributes
    ----------
    name : str
        Also the heading in the runbook.
    advice : str
        What it means and what to do first.
    threshold : float
        From which value on it is an alarm; with ``below``, under which.
    silence_alarms : bool
        Whether no value at all is an alarm too.
    """

    name: str
    advice: str
    series: Series
    statistic: str = "Sum"
    threshold: float = 1
    period: int = FIVE_MINUTES
    periods: int = 1
    below: bool = False
    silence_alarms: bool = False


class Alarms(Construct):
    """Every alarm of an environment, on one topic.

    Plain resources: through jsii they cost a fraction of what the L2 alarms do.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    environment : str
        Environment name, a dimension of the pipeline's metrics.
    settings : Settings
        Names the models, and how often the janitor looks.
    pipeline : PipelineStack
        What is watched, and the topic that is told.

    Attributes
    ----------
    arns : list of str
        Of every alarm, for the dashboard.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: str, settings: Settings, pipeline: PipelineStack
    ) -> None:
        super().__init__(scope, construct_id)
        self._topic = pipeline.topic.topic_arn
        watches = [
            *_watch_runs(pipeline.machine.state_machine_arn),
            *_watch_events(pipeline.undelivered.queue_name),
            *_watch_own(environment, settings),
        ]
        alarms = [alarm_on(self, watch, self._topic) for watch in watches]
        self.arns = [alarm.attr_arn for alarm in [*alarms, self._endpoint_errors(settings)]]

    def _endpoint_errors(self, settings: Settings) -> cloudwatch.CfnAlarm:
        """Watch endpoints whose ARNs do not exist at synth: each that the query finds is a contributor of its own."""
        advice = (
            f"An endpoint of this account and Region answered {ENDPOINT_ERRORS} calls or more with a server error in "
            "five minutes: the alarm's contributor is its ARN, 'python -m cli champions' says whose it is. If it is a "
            "champion's and lasts: 'python -m cli rollback TASK' puts the former student back."
        )
        return _tell(
            self,
            self._topic,
            "EndpointErrors",
            advice,
            metrics=[
                cloudwatch.CfnAlarm.MetricDataQueryProperty(
                    id="errors", expression=endpoint_errors_query(settings), period=FIVE_MINUTES, return_data=True
                )
            ],
            evaluation_periods=1,
            threshold=ENDPOINT_ERRORS,
            comparison_operator="GreaterThanOrEqualToThreshold",
            treat_missing_data="notBreaching",
        )


def alarm_on(scope: Construct, watch: Watch, topic: str) -> cloudwatch.CfnAlarm:
    """Make the alarm of a watch, on a topic; its id is the watch's name.

    Parameters
    ----------
    scope : Construct
    watch : Watch
    topic : str
        ARN of the topic that is told.
    """
    return _tell(
        scope,
        topic,
        watch.name,
        watch.advice,
        namespace=watch.series.namespace,
        metric_name=watch.series.metric,
        dimensions=[
            cloudwatch.CfnAlarm.DimensionProperty(name=name, value=value)
            for name, value in watch.series.dimensions.items()
        ],
        statistic=watch.statistic,
        period=watch.period,
        evaluation_periods=watch.periods,
        threshold=watch.threshold,
        comparison_operator="LessThanThreshold" if watch.below else "GreaterThanOrEqualToThreshold",
        treat_missing_data="breaching" if watch.silence_alarms else "notBreaching",
    )


def _tell(scope: Construct, topic: str, name: str, advice: str, **when: Any) -> cloudwatch.CfnAlarm:  # noqa: ANN401 - CfnAlarm's own
    described = f"{advice} Runbook: docs/runbook.md, heading {name}."
    return cloudwatch.CfnAlarm(scope, name, alarm_description=described, alarm_actions=[topic], **when)


def endpoint_errors_query(settings: Settings) -> str:
    """Write the Metrics Insights query for server errors of everything but the models that the pipeline itself asks.

    The query language has neither LIKE nor a list (CloudWatch user guide, "Metrics Insights query components and
    syntax"), so the models that are asked directly are ruled out one by one: their errors are tried again by the
    pipeline. Where the settings name more than an expression can hold, the last of them stay in.
    """
    head = 'SELECT SUM(InvocationServerErrors) FROM SCHEMA("AWS/Bedrock", ModelId)'
    tail = " GROUP BY ModelId ORDER BY SUM() DESC"
    where = ""
    for model in asked_models(settings):
        condition = f"{' AND' if where else ' WHERE'} ModelId != '{model}'"
        if len(head) + len(where) + len(condition) + len(tail) > MOST_QUERY_CHARACTERS:
            break
        where += condition
    return f"{head}{where}{tail}"


def asked_models(settings: Settings) -> list[str]:
    """List the models that the pipeline asks on demand, as a call names them and as the model behind a profile."""
    named = settings.asked_models()
    return sorted({*named, *(foundation_model_id(model) for model in named)})


def _watch_runs(machine_arn: str) -> Iterator[Watch]:
    machine = {"StateMachineArn": machine_arn}
    yield Watch(
        name="RunsFailed",
        series=Series("AWS/States", "ExecutionsFailed", machine),
        advice="A run ended with an error. 'python -m cli runs' names it, 'python -m cli report RUN' says why and what "
        "to do; 'python -m cli retry RUN' goes on without buying again what was bought.",
    )
    yield Watch(
        name="RunsTimedOut",
        series=Series("AWS/States", "ExecutionsTimedOut", machine),
        advice="A run exceeded the state machine's own time-out, so no Catch ran. The reconciler releases what it made "
        "within five minutes: check with 'python -m cli report RUN' that nothing billable is left, then "
        "'python -m cli retry RUN'.",
    )
    yield Watch(
        name="RunsAborted",
        series=Series("AWS/States", "ExecutionsAborted", machine),
        advice="Somebody stopped a run. The reconciler releases what it made within five minutes: check with "
        "'python -m cli report RUN' that nothing billable is left; 'python -m cli retry RUN' finishes it.",
    )


def _watch_events(queue_name: str) -> Iterator[Watch]:
    yield Watch(
        name="EventsUndelivered",
        series=Series("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue_name}),
        statistic="Maximum",
        advice="An event reached no Lambda, or its Lambda failed for good. Read the message in the queue of "
        "undelivered events and the log of the Lambda it names; mend the cause; start the run with 'python -m "
        "cli retry RUN', or upload the file again; then delete the message.",
    )


def _watch_own(environment: str, settings: Settings) -> Iterator[Watch]:
    """Watch what the pipeline measures itself."""

    def own(metric: Metric) -> Series:
        return Series(NAMESPACE, metric.name, {ENVIRONMENT: environment})

    looks = settings.reap_every_hours * HOUR
    yield Watch(
        name="JobStalled",
        series=own(JOBS_STALLED),
        advice=f"A customization job made no progress for {settings.distillation_stall_hours:g} hours and was stopped. "
        "One more is started by itself; if that stalls too the run fails. 'python -m cli watch RUN' shows the phases; "
        "see the Bedrock service's health, and open a case with the job's ARN before 'python -m cli retry RUN'.",
    )
    yield Watch(
        name="BudgetNearlyUsed",
        series=own(BUDGET_USED),
        statistic="Maximum",
        threshold=BUDGET_PERCENT,
        advice=f"A run has spent {BUDGET_PERCENT} % of its task's 'budget_usd' or more. 'python -m cli report RUN' "
        "has the ledger by stage beside the estimate. Stop the run if it must not go on: what it bought is kept.",
    )
    yield Watch(
        name="IdleThroughput",
        series=own(IDLE_THROUGHPUTS),
        statistic="Maximum",
        period=looks,
        advice="Provisioned throughput bills by the hour and serves nobody, or nobody confirmed it. 'python -m cli "
        "reap' lists it with its price; 'python -m cli reap --delete' takes away what no champion uses, 'python -m cli "
        "confirm TASK' keeps a champion.",
    )
    yield Watch(
        name="RoutingOutOfBounds",
        series=own(ROUTING_OUT_OF_BOUNDS),
        statistic="Maximum",
        period=looks,
        advice="Callers of a task are passed on to its fallback more, or less, than its test foresaw. 'python -m cli "
        "route TASK --status' has shares and reasons; 'python -m cli serve TASK --mode student' ends the routing.",
    )
    yield Watch(
        name="JanitorSilent",
        series=own(IDLE_THROUGHPUTS),
        statistic="SampleCount",
        below=True,
        silence_alarms=True,
        period=looks,
        periods=SILENT_LOOKS,
        advice=f"ReapIdleThroughput has not looked for {SILENT_LOOKS * settings.reap_every_hours} hours: throughput "
        "could bill on unseen. Call it with 'python -m cli reap', read its log, and see that its schedule is enabled. "
        "Expected once after the first deployment.",
    )
