"""Who is told what: subscriptions, alarms and the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_sns as sns

from stacks.monitoring.alarms import Alarms
from stacks.monitoring.dashboard import Dashboard

if TYPE_CHECKING:
    from aws_cdk import Environment
    from constructs import Construct

    from lambdas.domain.task.settings import Settings
    from stacks.pipeline_stack import PipelineStack


class OperationsStack(Stack):
    """Subscriptions from the settings, alarms whose descriptions say what to do, and one dashboard.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    environment : str
        Environment name, a dimension of the pipeline's metrics.
    settings : Settings
        Names the people to tell.
    pipeline : PipelineStack
        What is watched.
    env : Environment
        Account and Region.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: Settings,
        pipeline: PipelineStack,
        env: Environment,
    ) -> None:
        super().__init__(scope, construct_id, env=env, description="Distillation: alarms, dashboard, who is told")
        for address in settings.notification_emails:
            sns.Subscription(
                self, f"Mail-{address}", topic=pipeline.topic, protocol=sns.SubscriptionProtocol.EMAIL, endpoint=address
            )
        alarms = Alarms(self, "Alarms", environment=environment, settings=settings, pipeline=pipeline)
        dashboard = Dashboard(
            self, "Watch", environment=environment, settings=settings, pipeline=pipeline, alarms=alarms.arns
        ).dashboard
        CfnOutput(self, "DashboardName", value=dashboard.ref, description="In CloudWatch, Dashboards")
        CfnOutput(self, "TopicArn", value=pipeline.topic.topic_arn, description="Reports, approvals and alarms")
