"""The pipeline: its Lambdas, the state machine, what triggers them, and the topic on which it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns

from lambdas.domain.focus.own_services import ENDPOINT_ZONES
from stacks.access.bedrock_roles import BatchRole, CustomizationRole
from stacks.access.inference_profiles import InferenceProfiles
from stacks.access.stage_permissions import StagePermissions
from stacks.machine.shared_runtime import shared_runtime, undelivered_queue
from stacks.machine.stage_function import StageFunction
from stacks.machine.state_machine import DistillationMachine
from stacks.machine.triggers import Triggers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import Environment
    from constructs import Construct

    from lambdas.domain.task.settings import Settings
    from stacks.access.permissions import Permission
    from stacks.data_stack import DataExports, DataStack

SHORT, MEDIUM, LONGEST = Duration.minutes(2), Duration.minutes(5), Duration.minutes(15)
LARGE = 1769
"""MB at which a Lambda has one whole processor (AWS Lambda developer guide, memory)."""
ASKING = 1024
"""MB of a Lambda that mostly waits for models: it is billed for each second, and needs little of a processor."""


class PipelineStack(Stack):
    """Everything that runs; it holds nothing that cannot be deployed again.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    environment : str
        Environment name.
    settings : Settings
        Handed to every Lambda.
    data : DataStack
        What the pipeline reads and writes.
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
        data: DataStack,
        env: Environment,
    ) -> None:
        super().__init__(
            scope, construct_id, env=env, description="Distillation: state machine, Lambdas and their triggers"
        )
        # Exports are plain values, which CDK does not follow.
        self.add_stack_dependency(data, "imports buckets, tables and key")
        self._data: DataExports = data.exports
        self._key = kms.Key.from_key_arn(self, "DataKey", self._data.key_arn)
        self.undelivered = undelivered_queue(self, self._key)
        self.topic = self._topic()
        self._runtime = shared_runtime(
            self,
            environment=environment,
            settings=settings,
            data=self._data,
            key=self._key,
            undelivered=self.undelivered,
        )
        self._bakes = settings.bake_polls > 0
        profiles = InferenceProfiles(self, "InferenceProfiles", environment=environment, settings=settings)
        self._asking = {"INFERENCE_PROFILES": profiles.variable()}
        self._allowed = StagePermissions(
            self, environment=environment, settings=settings, data=self._data, profiles=profiles.arns
        )
        customization = CustomizationRole(self, "CustomizationRole", settings=settings, data=self._data)
        batch = BatchRole(self, "BatchRole", settings=settings, data=self._data, profiles=profiles.arns)
        stages = self._stages(customization, batch)
        machine = DistillationMachine(
            self, "Distillation", environment=environment, settings=settings, stages=stages, runtime=self._runtime
        )
        self.machine = machine.machine
        start_run, answer, reconcile = self._beside_the_machine(machine, stages)
        reap = self._reap_idle_throughput()
        triggers = Triggers(
            self,
            "Triggers",
            uploads_bucket=self._data.uploads_bucket,
            machine=self.machine.state_machine_arn,
            start_run=start_run.function,
            reconcile_runs=reconcile.function,
            undelivered=self.undelivered,
        )
        triggers.look_for_idle(reap.function, Duration.hours(settings.reap_every_hours))
        triggers.export_costs(self._export_costs(settings).function)
        self._output("StateMachineArn", self.machine.state_machine_arn)
        self._output("StartRunFunction", start_run.function.function_name)
        self._output("AnswerApprovalFunction", answer.function.function_name)
        self._output("ReleaseFunction", stages["release_resources"].function.function_name)
        self._output("ReapFunction", reap.function.function_name)
        self._output("ReconcileFunction", reconcile.function.function_name)

    def _stages(self, customization: CustomizationRole, batch: BatchRole) -> dict[str, StageFunction]:
        """Make the Lambdas that the machine invokes, in its order."""
        may, topic, role = self._allowed, self.topic.topic_arn, customization.role.role_arn
        batch_role = batch.role.role_arn
        notify, approvals = {"TOPIC_ARN": topic}, {"APPROVALS_TABLE": self._data.approvals_table}
        customize = {"CUSTOMIZATION_ROLE_ARN": role, "MODEL_KEY_ARN": self._data.key_arn}
        asking = self._asking
        run_batch = {"BATCH_ROLE_ARN": batch_role, "MODEL_KEY_ARN": self._data.key_arn, **asking}
        account = {"ACCOUNT": self.account}
        made = [
            self._stage("list_invocation_logs", may.list_invocation_logs(), LONGEST, account),
            self._stage("read_invocation_logs", may.read_invocation_logs(), LONGEST, account, memory=LARGE),
            self._stage("prepare_dataset", may.prepare_dataset(), LONGEST, memory=LARGE),
            self._stage("check_run", may.check_run(), MEDIUM, asking, memory=LARGE),
            self._stage("calibrate_judge", may.calibrate_judge(), MEDIUM, asking),
            self._stage("run_teacher_batch", may.run_teacher_batch(batch_role), LONGEST, run_batch, memory=LARGE),
            self._stage("generate_teacher_data", may.generate_teacher_data(), LONGEST, asking, memory=ASKING),
            self._stage("collect_teacher_data", may.collect_teacher_data(), LONGEST, account, memory=LARGE),
            self._stage("launch_distillation", may.launch_distillation(role), MEDIUM, customize),
            self._stage("deploy_candidate", may.deploy_candidate(), SHORT),
            self._stage("evaluate_student", may.evaluate_student(), LONGEST, asking, memory=ASKING),
            self._stage("score_evaluation", may.score_evaluation(), LONGEST, asking, memory=LARGE),
            self._stage("request_approval", may.request_approval(topic), SHORT, {**notify, **approvals}),
            self._stage("promote_student", may.promote_student(), MEDIUM),
            *([self._stage("bake_student", may.bake_student(topic), MEDIUM, notify)] if self._bakes else []),
            self._stage("release_resources", may.release_resources(), MEDIUM),
            self._stage("publish_report", may.publish_report(topic), MEDIUM, notify),
        ]
        return dict(made)

    def _beside_the_machine(
        self, machine: DistillationMachine, stages: Mapping[str, StageFunction]
    ) -> tuple[StageFunction, StageFunction, StageFunction]:
        """Make the Lambdas that events and people invoke: they know the machine, which does not know them."""
        may, arn = self._allowed, machine.machine.state_machine_arn
        _, rollback = self._stage(
            "roll_back_champion", may.roll_back_champion(), LONGEST, {"ACCOUNT": self.account}, operation=True
        )
        release, report = stages["release_resources"].function, stages["publish_report"].function
        start_may, start_knows = may.start_run(arn), {"STATE_MACHINE_ARN": arn, "ACCOUNT": self.account}
        _, start_run = self._stage("start_run", start_may, SHORT, start_knows, operation=True, asynchronous=True)
        functions = {
            "STATE_MACHINE_ARN": arn,
            "RELEASE_FUNCTION": release.function_name,
            "REPORT_FUNCTION": report.function_name,
            "ROLLBACK_FUNCTION": rollback.function.function_name,
            "START_FUNCTION": start_run.function.function_name,
            "TOPIC_ARN": self.topic.topic_arn,
            "ACCOUNT": self.account,
        }
        called = [made.function_arn for made in (release, report, rollback.function, start_run.function)]
        topic = self.topic.topic_arn
        reconcile = may.reconcile_runs(arn, machine.executions, called, topic)
        approvals = {"APPROVALS_TABLE": self._data.approvals_table, "ACCOUNT": self.account}
        _, answer = self._stage("answer_approval", may.answer_approval(), SHORT, approvals, operation=True)
        _, labels = self._stage("record_labels", may.record_labels(), MEDIUM, approvals, operation=True, memory=LARGE)
        self._output("RecordLabelsFunction", labels.function.function_name)
        _, reconciler = self._stage("reconcile_runs", reconcile, LONGEST, functions, operation=True, asynchronous=True)
        self._output("RollbackFunction", rollback.function.function_name)
        return start_run, answer, reconciler

    def _reap_idle_throughput(self) -> StageFunction:
        topic = self.topic.topic_arn
        may, environment = self._allowed.reap_idle_throughput(topic), {"TOPIC_ARN": topic, "ACCOUNT": self.account}
        _, reap = self._stage("reap_idle_throughput", may, LONGEST, environment, operation=True, asynchronous=True)
        return reap

    def _export_costs(self, settings: Settings) -> StageFunction:
        may, vpc = self._allowed.export_costs(), settings.network()
        known = {"ACCOUNT": self.account}
        if vpc is not None and vpc.endpoints:
            from stacks.access.network import INTERFACES  # noqa: PLC0415 - as in _network

            known[ENDPOINT_ZONES] = str(len(INTERFACES) * len(vpc.subnet_ids))
        _, export = self._stage("export_costs", may, LONGEST, known, operation=True, memory=LARGE, asynchronous=True)
        return export

    def _stage(
        self,
        folder: str,
        permissions: list[Permission],
        timeout: Duration,
        environment: Mapping[str, str] | None = None,
        *,
        operation: bool = False,
        memory: int = 512,
        asynchronous: bool = False,
    ) -> tuple[str, StageFunction]:
        stage = StageFunction(
            self,
            folder.title().replace("_", ""),
            folder=folder,
            layer="operations" if operation else "states",
            runtime=self._runtime,
            permissions=permissions,
            timeout=timeout,
            memory=memory,
            environment=environment,
            asynchronous=asynchronous,
        )
        return folder, stage

    def _topic(self) -> sns.Topic:
        topic = sns.Topic(self, "Notifications", display_name="Distillation", master_key=self._key, enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="PublishAlarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        return topic

    def _output(self, name: str, value: str) -> None:
        CfnOutput(self, name, value=value)
