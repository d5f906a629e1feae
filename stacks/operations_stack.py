"""Who is told what: subscriptions and alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns

if TYPE_CHECKING:
    from aws_cdk import Environment
    from constructs import Construct

    from lambdas.domain.settings import Settings
    from stacks.pipeline_stack import PipelineStack

PERIOD = Duration.minutes(5)


class OperationsStack(Stack):
    """Subscriptions from the settings, and alarms whose descriptions say what to do.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    settings : Settings
        Names the people to tell.
    pipeline : PipelineStack
        What is watched.
    env : Environment
        Account and Region.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Settings, pipeline: PipelineStack, env: Environment
    ) -> None:
        super().__init__(scope, construct_id, env=env, description="Distillation: alarms and who is told")
        self._action = actions.SnsAction(pipeline.topic)
        for address in settings.notification_emails:
            sns.Subscription(
                self, f"Mail-{address}", topic=pipeline.topic, protocol=sns.SubscriptionProtocol.EMAIL, endpoint=address
            )
        self._run_alarms(pipeline)
        self._alarm(
            "EventsUndelivered",
            pipeline.undelivered.metric_approximate_number_of_messages_visible(period=PERIOD, statistic="Maximum"),
            "An event reached no Lambda, or its Lambda failed for good. Read the message in the queue of undelivered "
            "events and the log of the Lambda it names; mend the cause; start the run with 'python -m cli retry RUN', "
            "or upload the file again; then delete the message.",
        )
        CfnOutput(self, "TopicArn", value=pipeline.topic.topic_arn, description="Reports, approvals and alarms")

    def _run_alarms(self, pipeline: PipelineStack) -> None:
        machine = pipeline.machine
        self._alarm(
            "RunsFailed",
            machine.metric_failed(period=PERIOD, statistic="Sum"),
            "A run ended with an error. 'python -m cli runs' names it, 'python -m cli report RUN' says why and what to "
            "do; 'python -m cli retry RUN' goes on without buying again what was bought.",
        )
        self._alarm(
            "RunsTimedOut",
            machine.metric_timed_out(period=PERIOD, statistic="Sum"),
            "A run exceeded the state machine's own time-out, so no Catch ran. The reconciler releases what it made "
            "within five minutes: check with 'python -m cli report RUN' that nothing billable is left, then "
            "'python -m cli retry RUN'.",
        )
        self._alarm(
            "RunsAborted",
            machine.metric_aborted(period=PERIOD, statistic="Sum"),
            "Somebody stopped a run. The reconciler releases what it made within five minutes: check with "
            "'python -m cli report RUN' that nothing billable is left; 'python -m cli retry RUN' finishes it.",
        )

    def _alarm(self, construct_id: str, metric: cloudwatch.IMetric, description: str) -> None:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            alarm_description=description,
            metric=metric,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._action)
