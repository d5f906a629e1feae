"""Discovery: reads the log sources of the settings each day and says which tasks are worth which lever.

It exists only where the settings have ``discovery``, and nothing else needs it: it can be destroyed at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_athena as athena
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms

from stacks.access.acknowledgements import acknowledge
from stacks.discovery.discovery_access import DiscoveryPermissions
from stacks.discovery.discovery_machine import DiscoveryMachine
from stacks.discovery.tables import DiscoveryTables
from stacks.machine.shared_runtime import shared_runtime, undelivered_queue
from stacks.machine.stage_function import StageFunction
from stacks.monitoring.alarms import Series, Watch, alarm_on

if TYPE_CHECKING:
    from aws_cdk import Environment
    from constructs import Construct

    from lambdas.domain.task.settings import DiscoverySettings, Settings
    from stacks.access.permissions import Permission
    from stacks.data_stack import DataStack
    from stacks.pipeline_stack import PipelineStack

BYTES_A_GB = 10**9
LARGE, LARGEST = 1769, 3008
"""MB of Lambdas that parse much; the larger one holds the whole sample."""

SHORT, LONGEST = Duration.minutes(2), Duration.minutes(15)


class DiscoveryStack(Stack):
    """Tables, workgroup, Lambdas, state machine and schedule.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    environment : str
        Environment name.
    settings : Settings
        With ``discovery`` and ``log_sources``.
    data : DataStack
        The runs bucket, under whose prefix ``discovery/`` everything is written, and the key.
    pipeline : PipelineStack
        The topic that the alarm tells.
    env : Environment
        Account and Region.

    Raises
    ------
    ValueError
        The settings have no ``discovery``.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: Settings,
        data: DataStack,
        pipeline: PipelineStack,
        env: Environment,
    ) -> None:
        super().__init__(scope, construct_id, env=env, description="Distillation: tasks in the model invocation logs")
        asked = settings.discovered()
        if asked is None:
            raise ValueError("the settings have no 'discovery'")
        self.add_stack_dependency(data, "imports the runs bucket and the key")
        self._data = data.exports
        key = kms.Key.from_key_arn(self, "DataKey", self._data.key_arn)
        undelivered = undelivered_queue(self, key)
        acknowledge(
            undelivered,
            "AwsSolutions-SQS3",
            "It is the dead letter queue of the schedule's target; the rule looks for queues and Lambdas that name it.",
        )
        self._runtime = shared_runtime(
            self, environment=environment, settings=settings, data=self._data, key=key, undelivered=undelivered
        )
        tables = DiscoveryTables(
            self, "Tables", environment=environment, settings=settings, runs_bucket=self._data.runs_bucket
        )
        self._database = tables.database
        workgroup = self._workgroup(f"distillation-{environment}-discovery", asked)
        may = DiscoveryPermissions(self, settings=settings, data=self._data)
        machine = DiscoveryMachine(
            self,
            "Discovery",
            settings=settings,
            data=self._data,
            stages=self._stages(may),
            runtime=self._runtime,
            database=self._database,
            workgroup=workgroup,
        )
        self.machine = machine.machine
        events.Rule(
            self,
            "ReadLogs",
            description="Read the invocation logs of the day before, when they are complete",
            schedule=events.Schedule.cron(minute="0", hour=str(asked.hour_utc)),
            targets=[
                targets.SfnStateMachine(
                    self.machine,
                    input=events.RuleTargetInput.from_object({}),
                    dead_letter_queue=undelivered,
                    retry_attempts=20,
                    max_event_age=Duration.hours(6),
                )
            ],
        )
        alarm_on(self, self._watch(), pipeline.topic.topic_arn)
        CfnOutput(self, "DiscoveryMachineArn", value=self.machine.state_machine_arn)
        CfnOutput(self, "DiscoveryDatabase", value=self._database)
        CfnOutput(self, "DiscoveryWorkgroup", value=workgroup)

    def _stages(self, may: DiscoveryPermissions) -> dict[str, StageFunction]:
        """Make the Lambdas that the machine invokes, in its order."""
        return {
            "plan_discovery": self._stage("plan_discovery", may.plan_discovery(), LONGEST),
            "prepare_day": self._stage("prepare_day", may.prepare_day(), SHORT),
            "read_offloaded_bodies": self._stage(
                "read_offloaded_bodies", may.read_offloaded_bodies(), LONGEST, memory=LARGE
            ),
            "group_calls": self._stage("group_calls", may.group_calls(), LONGEST, memory=LARGEST),
            "rank_opportunities": self._stage("rank_opportunities", may.rank_opportunities(), LONGEST, memory=LARGE),
        }

    def _stage(
        self, folder: str, permissions: list[Permission], timeout: Duration, *, memory: int = 512
    ) -> StageFunction:
        return StageFunction(
            self,
            folder.title().replace("_", ""),
            folder=folder,
            layer="operations",
            runtime=self._runtime,
            permissions=permissions,
            timeout=timeout,
            memory=memory,
            environment={"ACCOUNT": self.account, "DISCOVERY_DATABASE": self._database},
        )

    def _workgroup(self, name: str, asked: DiscoverySettings) -> str:
        """Make the workgroup: its settings hold whatever a query asks for."""
        athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=name,
            description="Distillation: queries on model invocation logs",
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=int(asked.max_scanned_gb * BYTES_A_GB),
                engine_version=athena.CfnWorkGroup.EngineVersionProperty(
                    selected_engine_version="Athena engine version 3"
                ),
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{self._data.runs_bucket}/discovery/results/",
                    expected_bucket_owner=self.account,
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=self._data.key_arn
                    ),
                ),
            ),
        )
        return name

    def _watch(self) -> Watch:
        """Watch executions: one whose days were not all read fails, when it has ranked the others."""
        return Watch(
            name="DiscoveryFailed",
            series=Series("AWS/States", "ExecutionsFailed", {"StateMachineArn": self.machine.state_machine_arn}),
            advice="A day of the invocation logs was not read, or the tasks in them were not ranked. No run "
            "waits for it. The discovery machine's last execution says which day and why: "
            "mend that, then 'python -m cli discover', which reads only days that were not read.",
        )
