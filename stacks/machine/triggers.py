"""What starts the pipeline's Lambdas by itself: uploads, ended executions, and a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from lambdas.domain.identity import STARTING_SUFFIXES

if TYPE_CHECKING:
    from aws_cdk import aws_lambda as lambda_
    from aws_cdk import aws_sqs as sqs

ENDED = ("FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED")
RECONCILE_EVERY = Duration.minutes(5)


class Triggers(Construct):
    """The rules, each with retries and a queue for what could not be delivered.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    uploads_bucket : str
        Name of the bucket that is watched.
    machine : str
        ARN of the machine whose ended executions are reconciled.
    start_run, reconcile_runs : IFunction
        Targets.
    undelivered : IQueue
        Receives events that could not be delivered.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        uploads_bucket: str,
        machine: str,
        start_run: lambda_.IFunction,
        reconcile_runs: lambda_.IFunction,
        undelivered: sqs.IQueue,
    ) -> None:
        super().__init__(scope, construct_id)
        self._undelivered = undelivered
        events.Rule(
            self,
            "PromptsUploaded",
            description="Prompts, or a range of invocation logs, were uploaded: claim and start a run",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [uploads_bucket]},
                    "object": {"key": [{"suffix": suffix} for suffix in STARTING_SUFFIXES]},
                },
            ),
            targets=[self._target(start_run)],
        )
        # A time-out, StopExecution or an exhausted history runs no Catch: this rule releases and reports instead.
        events.Rule(
            self,
            "RunEnded",
            description="An execution ended: release what it left, report, start the next run of the queue",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={"stateMachineArn": [machine], "status": list(ENDED)},
            ),
            targets=[self._target(reconcile_runs)],
        )
        events.Rule(
            self,
            "EveryFiveMinutes",
            description="Reconcile whatever an event did not reach",
            schedule=events.Schedule.rate(RECONCILE_EVERY),
            targets=[self._target(reconcile_runs)],
        )

    def look_for_idle(self, reap_idle_throughput: lambda_.IFunction, every: Duration) -> None:
        """Call the janitor on a schedule."""
        events.Rule(
            self,
            "LookForIdle",
            description="Find throughput, deployments and models that bill for nobody",
            schedule=events.Schedule.rate(every),
            targets=[self._target(reap_idle_throughput)],
        )

    def export_costs(self, export_costs: lambda_.IFunction) -> None:
        """Export the month's rows once a day."""
        events.Rule(
            self,
            "ExportCosts",
            description="Write what the month cost and saved, as rows of FOCUS",
            schedule=events.Schedule.rate(Duration.days(1)),
            targets=[self._target(export_costs)],
        )

    def _target(self, function: lambda_.IFunction) -> targets.LambdaFunction:
        return targets.LambdaFunction(
            function, dead_letter_queue=self._undelivered, retry_attempts=20, max_event_age=Duration.hours(6)
        )
