"""The state machine, readable from top to bottom: one method a stage, in the order in which a run goes through them.

It is written in Amazon States Language itself. The L2 states of aws-cdk-lib 2.275 drop
``ToleratedFailurePercentage: 0`` and add their own statements to the role; here the definition is what is deployed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from lambdas.domain.settings import TEACHER_POLL_LIMIT
from stacks.asl import FAILED, INPUT, IS_COMPLETED, NO_RETRY, RETRY, RUN, State, States, counted, overdue, wait
from stacks.bake_states import bake_states
from stacks.log_groups import log_group
from stacks.machine_role import MachineRole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.domain.settings import Settings
    from stacks.stage_function import Runtime, StageFunction

TASK_MARGIN_SECONDS = 30
"""How much longer a Task may take than its Lambda, so that the Lambda's own time-out is what is reported."""

SHARD_HOURS = 24
"""What log, teacher and holdout shards may take beside every deadline of the settings: the machine's own margin."""

LONGEST_TEACHER_HOURS = 168
"""Most that a task's ``teacher_data.deadline_hours`` may be: tasks come after the machine."""


class DistillationMachine(Construct):
    """The state machine with its role and log group.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    settings : Settings
        Deadlines and limits, written into the definition as constants.
    stages : mapping
        Lambda folder to the Lambda of that stage.
    runtime : Runtime
        Key for the log group, policy for traces.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Settings,
        stages: Mapping[str, StageFunction],
        runtime: Runtime,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._stages = stages
        self._partition = Stack.of(self).partition
        role = MachineRole(self, "Access", stages=stages.values(), tracing=runtime.tracing)
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_string(Stack.of(self).to_json_string(self.definition())),
            # Every statement of the role is written there; the L2 may not add its own.
            role=role.role.without_policy_updates(),
            tracing_enabled=True,
            logs=sfn.LogOptions(
                destination=log_group(self, key=runtime.key, retention_days=settings.log_retention_days),
                level=sfn.LogLevel.ALL,
                # Inputs and results of states stay out of the logs: an error's text may quote a prompt.
                include_execution_data=False,
            ),
        )
        role.allow_map_runs(self.machine)

    @property
    def executions(self) -> str:
        """ARN pattern of the machine's executions, without the children of its maps."""
        stack = Stack.of(self)
        name = self.machine.state_machine_name
        return f"arn:{stack.partition}:states:{stack.region}:{stack.account}:execution:{name}:*"

    def definition(self) -> State:
        """Write the whole machine."""
        return {
            "Comment": "From uploaded prompts to a promoted student, or to the reason why not",
            "QueryLanguage": "JSONata",
            "TimeoutSeconds": self._timeout_seconds(),
            "StartAt": "BeginRun",
            "States": {
                **self._begin_run(),
                **self._read_invocation_logs(),
                **self._prepare_dataset(),
                **self._check_run(),
                **self._calibrate_judge(),
                **self._run_teacher_batch(),
                **self._generate_teacher_data(),
                **self._collect_teacher_data(),
                **self._launch_distillation(),
                **self._deploy_candidate(),
                **self._evaluate_student(),
                **self._score_evaluation(),
                **self._request_approval(),
                **self._promote_student(),
                **self._bake_student(),
                **self._release_resources(),
                **self._publish_report(),
            },
        }

    # The stages of a run

    def _begin_run(self) -> States:
        variables = {
            "outcome": "FAILED",
            "failure": {},
            "teacher_polls": 0,
            "distillation_polls": 0,
            "deployment_polls": 0,
            "promotion_polls": 0,
            "bake_polls": 0,
            "release_polls": 0,
        }
        return {"BeginRun": {"Type": "Pass", "Assign": variables, "Next": "ComesFromLogs"}}

    def _read_invocation_logs(self) -> States:
        from_logs = {"Condition": f"{{% {INPUT}.from_logs = true %}}", "Next": "ListInvocationLogs"}
        shards = {"log_shards": "{% $states.result.Payload.log_shards %}"}
        return {
            "ComesFromLogs": {"Type": "Choice", "Choices": [from_logs], "Default": "PrepareDataset"},
            "ListInvocationLogs": self._task("list_invocation_logs", Assign=shards, Next="EachLogShard"),
            "EachLogShard": self._each_shard(
                "EachLogShard",
                shards="log_shards",
                states={"ReadInvocationLogs": self._shard_task("read_invocation_logs")},
                then="PrepareDataset",
            ),
        }

    def _prepare_dataset(self) -> States:
        shards = {
            "teacher_shards": "{% $states.result.Payload.teacher_shards %}",
            "holdout_shards": "{% $states.result.Payload.holdout_shards %}",
        }
        return {"PrepareDataset": self._task("prepare_dataset", Assign=shards, Next="CheckRun")}

    def _check_run(self) -> States:
        approval = {"approval": "{% $states.result.Payload.approval %}"}
        return {"CheckRun": self._task("check_run", Assign=approval, Next="CalibrateJudge")}

    def _calibrate_judge(self) -> States:
        return {
            "CalibrateJudge": self._task("calibrate_judge", Next="IsJudgeBelieved"),
            # Nothing that this judge would say of a student could be believed: so nothing is bought.
            "IsJudgeBelieved": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.input.believed = true %}", "Next": "RunTeacherBatch"}],
                "Default": "ReleaseResources",
                "Assign": {"outcome": "REJECTED"},
            },
        }

    def _run_teacher_batch(self) -> States:
        # Past its limit nothing fails: what the batch did not give is asked on demand.
        given_up = f"{{% $teacher_polls >= {TEACHER_POLL_LIMIT} %}}"
        return {
            "RunTeacherBatch": self._task(
                "run_teacher_batch", Assign=counted("teacher_polls"), Next="IsTeacherBatchCompleted"
            ),
            "IsTeacherBatchCompleted": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": IS_COMPLETED, "Next": "EachTeacherShard"},
                    {"Condition": given_up, "Next": "EachTeacherShard"},
                ],
                "Default": "WaitForTeacherBatch",
            },
            # The deadline is the task's own, so the Lambda says how long to wait.
            "WaitForTeacherBatch": wait("{% $states.input.wait_seconds %}", then="RunTeacherBatch"),
        }

    def _generate_teacher_data(self) -> States:
        return {
            "EachTeacherShard": self._each_shard(
                "EachTeacherShard",
                shards="teacher_shards",
                states={"GenerateTeacherData": self._shard_task("generate_teacher_data")},
                then="CollectTeacherData",
            )
        }

    def _collect_teacher_data(self) -> States:
        return {"CollectTeacherData": self._task("collect_teacher_data", Next="LaunchDistillation")}

    def _launch_distillation(self) -> States:
        return {
            "LaunchDistillation": self._task(
                "launch_distillation", Assign=counted("distillation_polls"), Next="IsDistillationCompleted"
            ),
            "IsDistillationCompleted": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": IS_COMPLETED, "Next": "DeployCandidate"},
                    overdue("distillation_polls", self._settings.distillation_polls, "distillation_deadline_hours"),
                ],
                "Default": "WaitForDistillation",
            },
            "WaitForDistillation": wait(self._settings.distillation_poll_seconds, then="LaunchDistillation"),
        }

    def _deploy_candidate(self) -> States:
        return {
            "DeployCandidate": self._task(
                "deploy_candidate", Assign=counted("deployment_polls"), Next="IsCandidateDeployed"
            ),
            "IsCandidateDeployed": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": IS_COMPLETED, "Next": "EachHoldoutShard"},
                    overdue("deployment_polls", self._settings.endpoint_polls, "endpoint_deadline_minutes"),
                ],
                "Default": "WaitForDeployment",
            },
            "WaitForDeployment": wait(self._settings.endpoint_poll_seconds, then="DeployCandidate"),
        }

    def _evaluate_student(self) -> States:
        return {
            "EachHoldoutShard": self._each_shard(
                "EachHoldoutShard",
                shards="holdout_shards",
                states={"EvaluateStudent": self._shard_task("evaluate_student")},
                then="ScoreEvaluation",
            )
        }

    def _score_evaluation(self) -> States:
        return {
            "ScoreEvaluation": self._task("score_evaluation", Next="IsStudentGoodEnough"),
            # Only an explicit PROMOTE goes on.
            "IsStudentGoodEnough": {
                "Type": "Choice",
                "Choices": [{"Condition": '{% $states.input.decision = "PROMOTE" %}', "Next": "NeedsApproval"}],
                "Default": "ReleaseResources",
                "Assign": {"outcome": "REJECTED"},
            },
        }

    def _request_approval(self) -> States:
        expired = {"ErrorEquals": ["States.Timeout"], "Assign": {"outcome": "EXPIRED"}, "Next": "ReleaseResources"}
        waiting = self._task("request_approval", wait_for_answer=True, Next="IsApproved")
        waiting["TimeoutSeconds"] = self._settings.approval_expiry_hours * 3600
        # Nobody answered: asking again would double the time in which the run may be approved.
        waiting["Retry"] = [NO_RETRY, {"ErrorEquals": ["States.Timeout"], "MaxAttempts": 0}, RETRY]
        waiting["Catch"] = [expired, FAILED]
        return {
            "NeedsApproval": {
                "Type": "Choice",
                # What needs an explicit word is never promoted by itself.
                "Choices": [
                    {
                        "Condition": '{% $approval = "automatic" and $states.input.needs_a_person = false %}',
                        "Next": "PromoteStudent",
                    }
                ],
                "Default": "RequestApproval",
            },
            "RequestApproval": waiting,
            "IsApproved": {
                "Type": "Choice",
                "Choices": [{"Condition": '{% $states.input.answer = "approved" %}', "Next": "PromoteStudent"}],
                "Default": "ReleaseResources",
                "Assign": {"outcome": "REJECTED"},
            },
        }

    def _promote_student(self) -> States:
        return {
            "PromoteStudent": self._task("promote_student", Assign=counted("promotion_polls"), Next="IsStudentServing"),
            "IsStudentServing": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Condition": IS_COMPLETED,
                        "Assign": {"outcome": "PROMOTED"},
                        "Next": "WaitForTraffic" if self._settings.bake_polls else "ReleaseResources",
                    },
                    overdue("promotion_polls", self._settings.endpoint_polls, "endpoint_deadline_minutes"),
                ],
                "Default": "WaitForPromotion",
            },
            "WaitForPromotion": wait(self._settings.endpoint_poll_seconds, then="PromoteStudent"),
        }

    def _bake_student(self) -> States:
        if not self._settings.bake_polls:
            return {}
        bake = self._task("bake_student", Assign=counted("bake_polls"), Next="IsStudentBaked")
        return bake_states(self._settings, bake)

    def _release_resources(self) -> States:
        release = self._task(
            "release_resources",
            payload={**RUN, "outcome": "{% $outcome %}"},
            Assign=counted("release_polls"),
            Next="AreResourcesReleased",
        )
        # What cannot be released now is not forgotten: the schedule of reconcile_runs goes on with it.
        release["Catch"] = [{"ErrorEquals": ["States.ALL"], "Next": "PublishReport"}]
        given_up = f"{{% $release_polls >= {self._settings.endpoint_polls} %}}"
        return {
            "ReleaseResources": release,
            "AreResourcesReleased": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": IS_COMPLETED, "Next": "PublishReport"},
                    {"Condition": given_up, "Next": "PublishReport"},
                ],
                "Default": "WaitForRelease",
            },
            "WaitForRelease": wait(self._settings.endpoint_poll_seconds, then="ReleaseResources"),
        }

    def _publish_report(self) -> States:
        publish = self._task(
            "publish_report",
            payload={**RUN, "outcome": "{% $outcome %}", "error": "{% $exists($failure.Error) ? $failure : null %}"},
            Next="HasFailed",
        )
        # The first error is the one to report.
        first_error = "{% $exists($failure.Error) ? $failure : $states.errorOutput %}"
        publish["Catch"] = [
            {
                "ErrorEquals": ["States.ALL"],
                "Assign": {"outcome": "FAILED", "failure": first_error},
                "Next": "RunFailed",
            }
        ]
        return {
            "PublishReport": publish,
            "HasFailed": {
                "Type": "Choice",
                "Choices": [{"Condition": '{% $states.input.outcome = "FAILED" %}', "Next": "RunFailed"}],
                "Default": "RunEnded",
            },
            "RunFailed": {
                "Type": "Fail",
                "Error": '{% $exists($failure.Error) ? $failure.Error : "RunFailed" %}',
                "Cause": '{% $exists($failure.Cause) ? $failure.Cause : "No cause was given: read the report." %}',
            },
            "RunEnded": {"Type": "Succeed"},
        }

    # What they are made of

    def _task(
        self, folder: str, *, payload: State | None = None, wait_for_answer: bool = False, **fields: object
    ) -> State:
        """Invoke the published version of a Lambda and pass on what it returned."""
        stage = self._stages[folder]
        sent = payload or dict(RUN)
        resource, output = "lambda:invoke", "{% $states.result.Payload %}"
        if wait_for_answer:
            sent["task_token"] = "{% $states.context.Task.Token %}"  # noqa: S105 - an expression
            resource, output = "lambda:invoke.waitForTaskToken", "{% $states.result %}"
        return {
            "Type": "Task",
            "Resource": f"arn:{self._partition}:states:::{resource}",
            "Arguments": {"FunctionName": stage.published_version(), "Payload": sent},
            "TimeoutSeconds": int(stage.timeout.to_seconds()) + TASK_MARGIN_SECONDS,
            "Retry": [NO_RETRY, RETRY],
            "Catch": [FAILED],
            "Output": output,
            **fields,
        }

    def _each_shard(self, label: str, *, shards: str, states: States, then: str) -> State:
        """Hand every shard to an execution of its own; children see nothing but what ItemSelector gives them."""
        return {
            "Type": "Map",
            "Label": label,
            "Items": f"{{% ${shards} %}}",
            "ItemSelector": {**RUN, "shard": "{% $states.context.Map.Item.Value %}"},
            "MaxConcurrency": self._settings.shards_at_once,
            "ToleratedFailurePercentage": 0,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": next(iter(states)),
                "States": states,
            },
            "Catch": [FAILED],
            "Output": {},
            "Next": then,
        }

    def _shard_task(self, folder: str) -> State:
        """Invoke a Lambda for one shard; its failure fails the map, whose Catch leads on."""
        task = self._task(folder, payload={name: f"{{% $states.input.{name} %}}" for name in (*RUN, "shard")}, End=True)
        del task["Catch"]
        return task

    def _timeout_seconds(self) -> int:
        """Sum every deadline: the machine's own time-out is the last resort, since it runs no Catch."""
        settings = self._settings
        hours = (
            LONGEST_TEACHER_HOURS
            + settings.distillation_deadline_hours
            + settings.approval_expiry_hours
            + 3 * SHARD_HOURS
        )
        return 2 * (hours * 3600 + (4 * settings.endpoint_deadline_minutes + settings.bake_minutes) * 60)
