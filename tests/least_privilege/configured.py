"""What services do in a role's name because the templates say so: no code of ours makes these calls."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.world import MACHINE
from tests.least_privilege.grants import Grants
from tests.least_privilege.needs import Need, key_needs
from tests.stacks.templates import Deployment, Json, all_states

LOG_DELIVERY = ("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries",
                "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups")  # fmt: skip
"""Step Functions developer guide, "Using CloudWatch Logs to log execution history"."""

LAMBDA = "arn:aws:states:::lambda:invoke"

SAMPLING = ("GetSamplingRules", "GetSamplingTargets")
"""Asked by Step Functions besides (developer guide, "Trace Step Functions requests in X-Ray"); Lambda itself decides
which requests it traces and asks for the two others only (Lambda developer guide, "Execution role permissions")."""


def of_lambda(grants: Grants, folder: str) -> Iterator[Need]:
    """Give what the Lambda service does with a Lambda's role: its log, its traces, events that failed for good."""
    function: Json = grants.folders()[folder]
    group = grants.resolved(function["LoggingConfig"]["LogGroup"]).removesuffix("*")
    for action in ("CreateLogStream", "PutLogEvents"):
        yield Need(f"logs:{action}", f"{group}log-stream:one")
    if function["TracingConfig"]["Mode"] == "Active":
        yield from traces()
    if "DeadLetterConfig" in function:
        yield Need("sqs:SendMessage", grants.resolved(function["DeadLetterConfig"]["TargetArn"]))
        yield from key_needs("sqs")  # SQS developer guide, key management


def of_machine(deployment: Deployment, grants: Grants) -> Iterator[Need]:
    """Give what Step Functions does with the machine's role: its Lambdas, its maps, its log, its traces."""
    machine = deployment.machine()
    versions = deployment.of_type("AWS::Lambda::Version", deployment.working_stack)
    for _, state in all_states(deployment.definition()):
        if state["Type"] == "Task" and state["Resource"].startswith(LAMBDA):
            version = versions[state["Arguments"]["FunctionName"].strip("<>")]
            yield Need("lambda:InvokeFunction", f"{grants.resolved(version['FunctionName'])}:1")
        if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
            yield Need("states:StartExecution", MACHINE)
            children = MACHINE.replace(":stateMachine:", ":execution:")
            for child in (f"{children}/{state['Label']}:one", f"{children}:one"):
                yield Need("states:DescribeExecution", child)
                yield Need("states:StopExecution", child)
    if machine["LoggingConfiguration"]["Destinations"]:
        for action in LOG_DELIVERY:
            yield Need(f"logs:{action}", "*")
    if machine["TracingConfiguration"]["Enabled"]:
        yield from traces(*SAMPLING)


def traces(*more: str) -> Iterator[Need]:
    """Give what writing traces needs."""
    for action in ("PutTraceSegments", "PutTelemetryRecords", *more):
        yield Need(f"xray:{action}", "*")
