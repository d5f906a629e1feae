"""What the state machine may do: invoke its Lambdas, run its maps, write logs and traces. No Bedrock action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.access.acknowledgements import acknowledge_wildcards
from stacks.access.permissions import Permission, allow, keep_reasons, policy_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aws_cdk import aws_stepfunctions as sfn

    from stacks.machine.stage_function import StageFunction

# Step Functions developer guide, "Using CloudWatch Logs to log execution history".
_LOG_DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)

_NO_RESOURCE = "The service authorization reference names no resource for log delivery, and none for trace sampling."


class MachineRole(Construct):
    """The role of the state machine, every statement written here.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    stages : iterable of StageFunction
        Lambdas that the machine invokes.
    tracing : ManagedPolicy
        Lets the role write traces.
    description : str
        Of the role.
    more : sequence of Permission
        What the machine does beside invoking Lambdas.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stages: Iterable[StageFunction],
        tracing: iam.IManagedPolicy,
        description: str = "Taken by the distillation state machine: it may invoke its Lambdas, nothing else",
        more: Sequence[Permission] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        self._states = f"arn:{stack.partition}:states:{stack.region}:{stack.account}"
        permissions = [
            allow(
                "lambda:InvokeFunction",
                on=[f"{stage.function.function_arn}:*" for stage in stages],
                to="invoke the stages",
                because="Published versions only: a run under way keeps calling those with which it was started.",
            ),
            allow(
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                on=["*"],
                to="know which executions to trace",
                because=_NO_RESOURCE,
            ),
            allow(
                *_LOG_DELIVERY,
                on=["*"],
                to="write the machine's log",
                because=_NO_RESOURCE,
            ),
            *more,
        ]
        self.role = iam.Role(
            self,
            "Role",
            description=description,
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {"aws:SourceArn": f"{self._states}:stateMachine:*"},
                },
            ),
            managed_policies=[tracing],
            inline_policies={"Machine": policy_document(permissions)},
        )
        keep_reasons(self.role, permissions)
        acknowledge_wildcards(self.role, permissions)

    def allow_map_runs(self, machine: sfn.StateMachine) -> None:
        """Let the machine start and stop the children of its distributed maps.

        A policy of its own: the machine depends on its role, so the role's inline policy cannot name the machine.
        Statements as in "IAM policies for using Distributed Map states" (Step Functions developer guide).
        """
        children = f"{self._states}:execution:{machine.state_machine_name}"
        permissions = [
            allow(
                "states:StartExecution", on=[machine.state_machine_arn], to="start the children of its distributed maps"
            ),
            allow(
                "states:DescribeExecution",
                "states:StopExecution",
                on=[f"{children}:*", f"{children}/*"],
                to="watch those children, and stop them with the run",
                because="Step Functions names the children of a map; the wildcard covers those of this machine.",
            ),
        ]
        policy = iam.Policy(self, "MapRuns", roles=[self.role], document=policy_document(permissions))
        keep_reasons(policy, permissions)
        acknowledge_wildcards(policy, permissions)
