"""The state machine, readable from top to bottom: one method a stage, in the order in which a run goes through them.

It is written in Amazon States Language itself. The L2 states of aws-cdk-lib 2.275 drop
``ToleratedFailurePercentage: 0`` and add their own statements to the role; here the definition is what is deployed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from aws_cdk import CfnDeletionPolicy, Stack
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from lambdas.domain.gate.rule_result import INSUFFICIENT_EVIDENCE, PROMOTE, REJECT
from lambdas.domain.outcomes import EXPIRED, FAILED, PROMOTED, REJECTED
from lambdas.domain.run_facts import LABELLED_ANSWER
from lambdas.domain.task.settings import TEACHER_POLL_LIMIT, WAITING_TASKS
from stacks.access.names import VENDED_LOGS
from stacks.machine.asl import (
    CATCH_ALL,
    INPUT,
    NO_RETRY,
    RETRY,
    RUN,
    SHARD_HOURS,
    THROTTLED,
    State,
    States,
    completed,
    given_up,
    in_progress,
    only_if,
    out_of_reach,
    overdue,
    poll_loop,
    unknown,
    wait,
)
from stacks.machine.machine_role import MachineRole
from stacks.machine.machine_tasks import MachineTasks
from stacks.monitoring.log_groups import log_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_logs as logs

    from lambdas.domain.task.settings import Settings
    from stacks.machine.stage_function import Runtime, StageFunction


ENDED_WELL = [PROMOTED, REJECTED, EXPIRED]
"""Outcomes with which the execution succeeds: the pipeline did its work."""

LONGEST_TEACHER_HOURS = 168
"""Most that a task's ``teacher_data.deadline_hours`` may be: tasks come after the machine."""


class DistillationMachine(Construct):
    """The state machine with its role and log group.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    environment : str
        Environment name, a part of the log group's.
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
        environment: str,
        settings: Settings,
        stages: Mapping[str, StageFunction],
        runtime: Runtime,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._tasks = MachineTasks(stages, partition=Stack.of(self).partition, settings=settings)
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
                destination=self._log_group(environment, runtime.key, settings.log_retention_days),
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

    def _log_group(self, environment: str, key: kms.IKey, retention_days: int) -> logs.LogGroup:
        """Make the group of the machine's log, which of all groups has a name of ours (:mod:`stacks.access.names`)."""
        group = log_group(self, key=key, retention_days=retention_days)
        resource = cast("logs.CfnLogGroup", group.node.default_child)
        resource.log_group_name = f"{VENDED_LOGS}distillation-{environment}"
        # An environment that was deployed before the name keeps the log that it wrote until then.
        resource.cfn_options.update_replace_policy = CfnDeletionPolicy.RETAIN
        return group

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
            "outcome": FAILED,
            "failure": {},
            "teacher_polls": 0,
            "teacher_troubles": 0,
            "teacher_wait": self._settings.teacher_poll_seconds,
            "distillation_polls": 0,
            "distillation_troubles": 0,
            "trouble": {},
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
            "ListInvocationLogs": self._tasks.task("list_invocation_logs", Assign=shards, Next="EachLogShard"),
            "EachLogShard": self._tasks.each_shard(
                "EachLogShard",
                shards="log_shards",
                states={"ReadInvocationLogs": self._tasks.shard_task("read_invocation_logs")},
                then="PrepareDataset",
            ),
        }

    def _prepare_dataset(self) -> States:
        shards = {
            "teacher_shards": "{% $states.result.Payload.teacher_shards %}",
            "holdout_shards": "{% $states.result.Payload.holdout_shards %}",
        }
        return {"PrepareDataset": self._tasks.task("prepare_dataset", Assign=shards, Next="CheckRun")}

    def _check_run(self) -> States:
        approval = {"approval": "{% $states.result.Payload.approval %}"}
        return {"CheckRun": self._tasks.asking_task("check_run", assign=approval, then="CalibrateJudge")}

    def _calibrate_judge(self) -> States:
        return {
            "CalibrateJudge": self._tasks.asking_task("calibrate_judge", then="IsJudgeBelieved"),
            # Nothing that this judge would say of a student could be believed: so nothing is paid for.
            "IsJudgeBelieved": only_if(
                "{% $states.input.believed = true %}",
                then="RunTeacherBatch",
                rejected_if="{% $states.input.believed = false %}",
            ),
        }

    def _run_teacher_batch(self) -> States:
        # The deadline is the task's own, so the Lambda says how long to wait; what it said last holds after an error.
        said = "$states.result.Payload.wait_seconds"
        loop = poll_loop(
            "RunTeacherBatch",
            self._tasks.watching_task(
                "run_teacher_batch",
                "teacher",
                check="IsTeacherBatchCompleted",
                in_trouble="IsTeacherBatchOutOfReach",
                assign={"teacher_wait": f"{{% $exists({said}) ? {said} : $teacher_wait %}}"},
            ),
            check="IsTeacherBatchCompleted",
            # Past its limit nothing fails: what the batch did not give is asked on demand.
            ways_out=[
                completed(then="EachTeacherShard"),
                given_up("teacher_polls", TEACHER_POLL_LIMIT, then="EachTeacherShard"),
                in_progress(then="WaitForTeacherBatch"),
            ],
            # A broken answer gives no time to wait, and does not allow paying on demand for what a batch is answering.
            otherwise=unknown(then="ReleaseResources"),
            pause="WaitForTeacherBatch",
            seconds="{% $teacher_wait %}",
        )
        limit, pause = TEACHER_POLL_LIMIT, "WaitForTeacherBatch"
        trouble = out_of_reach("teacher", limit=limit, seconds="$teacher_wait", pause=pause)
        return {**loop, "IsTeacherBatchOutOfReach": trouble}

    def _generate_teacher_data(self) -> States:
        return {
            "EachTeacherShard": self._tasks.each_shard(
                "EachTeacherShard",
                shards="teacher_shards",
                states={"GenerateTeacherData": self._tasks.shard_task("generate_teacher_data", asks_models=True)},
                then="CollectTeacherData",
            )
        }

    def _collect_teacher_data(self) -> States:
        return {"CollectTeacherData": self._tasks.task("collect_teacher_data", Next="LaunchDistillation")}

    def _launch_distillation(self) -> States:
        limit, every = self._settings.distillation_polls, self._settings.distillation_poll_seconds
        loop = poll_loop(
            "LaunchDistillation",
            self._tasks.watching_task(
                "launch_distillation",
                "distillation",
                check="IsDistillationCompleted",
                in_trouble="IsDistillationOutOfReach",
            ),
            check="IsDistillationCompleted",
            ways_out=[
                completed(then="DeployCandidate"),
                overdue("distillation_polls", limit, "distillation_deadline_hours"),
            ],
            pause="WaitForDistillation",
            seconds=every,
        )
        trouble = out_of_reach("distillation", limit=limit, seconds=every, pause="WaitForDistillation")
        return {**loop, "IsDistillationOutOfReach": trouble}

    def _deploy_candidate(self) -> States:
        return poll_loop(
            "DeployCandidate",
            self._tasks.polling_task("deploy_candidate", "deployment_polls", check="IsCandidateDeployed"),
            check="IsCandidateDeployed",
            ways_out=[
                completed(then="EachHoldoutShard"),
                overdue("deployment_polls", self._settings.endpoint_polls, "endpoint_deadline_minutes"),
            ],
            pause="WaitForDeployment",
            seconds=self._settings.endpoint_poll_seconds,
        )

    def _evaluate_student(self) -> States:
        return {
            "EachHoldoutShard": self._tasks.each_shard(
                "EachHoldoutShard",
                shards="holdout_shards",
                states={"EvaluateStudent": self._tasks.shard_task("evaluate_student", asks_models=True)},
                then="ScoreEvaluation",
            )
        }

    def _score_evaluation(self) -> States:
        return {
            "ScoreEvaluation": self._tasks.asking_task("score_evaluation", then="IsStudentGoodEnough"),
            "IsStudentGoodEnough": only_if(
                f'{{% $states.input.decision = "{PROMOTE}" %}}',
                then="NeedsApproval",
                rejected_if=f'{{% $states.input.decision in ["{REJECT}", "{INSUFFICIENT_EVIDENCE}"] %}}',
            ),
        }

    def _request_approval(self) -> States:
        expired = {"ErrorEquals": ["States.Timeout"], "Assign": {"outcome": EXPIRED}, "Next": "ReleaseResources"}
        waiting = self._tasks.task("request_approval", wait_for_answer=True, Next="IsApproved")
        waiting["TimeoutSeconds"] = self._settings.approval_expiry_hours * 3600
        # Nobody answered: asking again would double the time in which the run may be approved.
        waiting["Retry"] = [NO_RETRY, {"ErrorEquals": ["States.Timeout"], "MaxAttempts": 0}, THROTTLED, RETRY]
        waiting["Catch"] = [expired, CATCH_ALL]
        approved = only_if(
            '{% $states.input.answer = "approved" %}',
            then="PromoteStudent",
            rejected_if='{% $states.input.answer = "rejected" %}',
        )
        # People have scored a sample of the answers: the gate decides anew, and another report is asked about.
        labelled = f'{{% $states.input.answer = "{LABELLED_ANSWER}" %}}'
        approved["Choices"].append({"Condition": labelled, "Next": "ScoreEvaluation"})
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
            "IsApproved": approved,
        }

    def _promote_student(self) -> States:
        serving = completed(then="WaitForTraffic" if self._settings.bake_polls else "ReleaseResources")
        return poll_loop(
            "PromoteStudent",
            self._tasks.polling_task("promote_student", "promotion_polls", check="IsStudentServing"),
            check="IsStudentServing",
            ways_out=[
                {**serving, "Assign": {"outcome": PROMOTED}},
                overdue("promotion_polls", self._settings.endpoint_polls, "endpoint_deadline_minutes"),
            ],
            pause="WaitForPromotion",
            seconds=self._settings.endpoint_poll_seconds,
        )

    def _bake_student(self) -> States:
        if not self._settings.bake_polls:
            return {}
        bake = self._tasks.polling_task("bake_student", "bake_polls", check="IsStudentBaked", going_on="BAKING")
        return _bake_loops(self._settings, bake)

    def _release_resources(self) -> States:
        release = self._tasks.polling_task(
            "release_resources",
            "release_polls",
            check="AreResourcesReleased",
            payload={**RUN, "outcome": "{% $outcome %}"},
        )
        # What cannot be released now is not forgotten: the schedule of reconcile_runs goes on with it.
        release["Catch"][-1] = {"ErrorEquals": ["States.ALL"], "Next": "PublishReport"}
        return poll_loop(
            "ReleaseResources",
            release,
            check="AreResourcesReleased",
            ways_out=[
                completed(then="PublishReport"),
                given_up("release_polls", self._settings.endpoint_polls, then="PublishReport"),
            ],
            pause="WaitForRelease",
            seconds=self._settings.endpoint_poll_seconds,
        )

    def _publish_report(self) -> States:
        publish = self._tasks.task(
            "publish_report",
            payload={**RUN, "outcome": "{% $outcome %}", "error": "{% $exists($failure.Error) ? $failure : null %}"},
            Next="HasFailed",
        )
        # The first error is the one to report.
        first_error = "{% $exists($failure.Error) ? $failure : $states.errorOutput %}"
        publish["Catch"] = [
            {
                "ErrorEquals": ["States.ALL"],
                "Assign": {"outcome": FAILED, "failure": first_error},
                "Next": "RunFailed",
            }
        ]
        return {
            "PublishReport": publish,
            "HasFailed": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": f'{{% $states.input.outcome = "{FAILED}" %}}', "Next": "RunFailed"},
                    {"Condition": f"{{% $states.input.outcome in {json.dumps(ENDED_WELL)} %}}", "Next": "RunEnded"},
                ],
                **unknown(then="RunFailed"),
            },
            "RunFailed": {
                "Type": "Fail",
                "Error": '{% $exists($failure.Error) ? $failure.Error : "RunFailed" %}',
                "Cause": '{% $exists($failure.Cause) ? $failure.Cause : "No cause was given: read the report." %}',
            },
            "RunEnded": {"Type": "Succeed"},
        }

    def _timeout_seconds(self) -> int:
        """Sum every deadline: the machine's own time-out is the last resort, since it runs no Catch."""
        settings = self._settings
        hours = (
            LONGEST_TEACHER_HOURS
            + settings.distillation_deadline_hours
            + 2 * settings.approval_expiry_hours  # labels start the last request anew
            + 3 * SHARD_HOURS
            + (WAITING_TASKS + 2) * settings.quota_wait_hours  # the two maps wait too
        )
        return 2 * (hours * 3600 + (4 * settings.endpoint_deadline_minutes + settings.bake_minutes) * 60)


def _bake_loops(settings: Settings, bake: State) -> States:
    """Put the Task into its loops; both lead to ReleaseResources.

    Parameters
    ----------
    settings : Settings
        Length and interval of the watch.
    bake : State
        The Task, which counts ``bake_polls`` and goes on to IsStudentBaked.
    """
    polls = settings.bake_polls
    over = f'{{% $states.input.status = "BAKING" and $bake_polls >= {polls} %}}'
    return {
        "WaitForTraffic": wait(settings.bake_poll_seconds, then="BakeStudent"),
        "BakeStudent": bake,
        "IsStudentBaked": {
            "Type": "Choice",
            "Choices": [
                completed(then="ReleaseResources"),
                {"Condition": over, "Next": "ReleaseResources"},
                # A rollback that lasts longer than any endpoint may is left to the schedule of reconcile_runs.
                given_up("bake_polls", polls + settings.rollback_polls, then="ReleaseResources"),
                {"Condition": '{% $states.input.status = "BAKING" %}', "Next": "WaitForTraffic"},
            ],
            "Default": "WaitForRollback",
        },
        "WaitForRollback": wait(settings.rollback_poll_seconds, then="BakeStudent"),
    }
