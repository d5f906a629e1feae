"""Which faults there are: worked out from the templates and from botocore's service models, and written down nowhere.

A state's operations are what its Lambda's role allows, and its errors what the service model of each operation lists;
so a new state, a new permission and a new error of a service all bring their faults with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import botocore.session

from tests.faults.machine import Json
from tests.faults.strikes import (
    ANSWER_LOST,
    DIES,
    KILL,
    KILL_INSIDE,
    LAMBDA,
    LAMBDA_ERRORS,
    LATE,
    MALFORMED,
    RESULT,
    SERVICE,
    Fault,
)
from tests.stacks.templates import Deployment, all_states, listed, text_of

Operation = tuple[str, str]
"""Service and operation as botocore's events name them."""

SERVICES = {
    "bedrock": "bedrock", "s3": "s3", "dynamodb": "dynamodb", "sns": "sns", "ssm": "ssm", "cloudwatch": "cloudwatch",
    "servicequotas": "service-quotas", "states": "sfn", "lambda": "lambda",
}  # fmt: skip
NO_CALL = ("logs", "xray", "kms", "iam", "sqs")
"""What AWS itself does in a role's name, or what its other calls need."""

CALLS: dict[str, list[Operation]] = {
    "bedrock:InvokeModel": [("bedrock-runtime", "Converse")],
    "bedrock:TagResource": [],  # part of the create calls
    "s3:ListBucket": [("s3", "ListObjectsV2")],
    "s3:GetObject": [("s3", "GetObject")],
    "s3:GetObjectVersion": [("s3", "GetObject"), ("s3", "HeadObject")],
    "dynamodb:UpdateItem": [("dynamodb", "UpdateItem"), ("dynamodb", "TransactWriteItems")],
}
"""Actions that are not called like the operation that they allow."""

UNMODELLED = {
    "s3": ("SlowDown", "InternalError", "AccessDenied"),
    "dynamodb": ("AccessDeniedException",),
    "sns": ("Throttling",),
    "ssm": ("ThrottlingException",),
    "cloudwatch": ("Throttling", "AccessDenied"),
}
"""Errors that a service's reference lists for all of its operations, and its model for none."""

CHANGES = ("Create", "Put", "Update", "Delete", "Stop", "Publish", "Transact")
"""Beginnings of operations that change something: their answer may be lost after they took effect."""


@dataclass(frozen=True)
class Stage:
    """One Task of the machine.

    Attributes
    ----------
    entered : str
        The state of the machine in which it runs: its own, or its map's.
    allowed : frozenset of (service, operation)
        What its Lambda's role lets it call.
    """

    name: str
    entered: str
    allowed: frozenset[Operation]


def stages(deployment: Deployment) -> list[Stage]:
    """Find every Task of the machine, those inside maps too."""
    definition = deployment.definition()
    inside = {
        name: outer
        for outer, state in definition["States"].items()
        for name, _ in (all_states(state["ItemProcessor"]) if "ItemProcessor" in state else ())
    }
    return [
        Stage(name, inside.get(name, name), frozenset(_allowed(deployment, state)))
        for name, state in all_states(definition)
        if state["Type"] == "Task"
    ]


def _allowed(deployment: Deployment, state: Json) -> Iterator[Operation]:
    version = text_of(state["Arguments"]["FunctionName"]).strip("<>")
    function = deployment.of_type("AWS::Lambda::Version", "pipeline")[version]["FunctionName"]["Ref"]
    role = deployment.of_type("AWS::Lambda::Function", "pipeline")[function]["Role"]["Fn::GetAtt"][0]
    for statement in deployment.policy_documents()[role]:
        for action in listed(statement["Action"]):
            yield from operations(action)


def operations(action: str) -> list[Operation]:
    """Give the operations that an IAM action is for.

    Raises
    ------
    AssertionError
        For an action of a service that this table does not know: it must be added, not passed over.
    """
    service, _, name = action.partition(":")
    if action in CALLS:
        return CALLS[action]
    if service in NO_CALL:
        return []
    assert service in SERVICES, f"no faults are known for the action {action}"
    return [(SERVICES[service], name)]


@cache
def documented_errors(service: str, operation: str) -> tuple[str, ...]:
    """Give the error codes that the service model lists for an operation."""
    model: Any = botocore.session.get_session().get_service_model(_data_name(service))
    shapes = [shape.name for shape in model.operation_model(operation).error_shapes]
    return tuple(dict.fromkeys([*shapes, *UNMODELLED.get(service, ())]))


def _data_name(service: str) -> str:
    return {"sfn": "stepfunctions"}.get(service, service)


def faults_of(scenario: str, stage: Stage, called: Iterable[Operation]) -> Iterator[Fault]:
    """Give the faults of a Task that calls these operations in a run where nothing fails."""
    name = stage.name
    for service, operation in sorted(set(called)):
        where: Mapping[str, Any] = {
            "scenario": scenario, "state": name, "service": service, "operation": operation,
        }  # fmt: skip
        for error in documented_errors(service, operation):
            yield Fault(kind=SERVICE, error=error, **where)
        if operation.startswith(CHANGES):
            yield Fault(kind=ANSWER_LOST, count=1, **where)
            yield Fault(kind=DIES, count=1, **where)
        if service == "bedrock" and operation.startswith(("Create", "Update")):
            yield Fault(kind=KILL_INSIDE, count=1, **where)
    for error in LAMBDA_ERRORS:
        yield Fault(scenario=scenario, state=name, kind=LAMBDA, error=error)
    yield Fault(scenario=scenario, state=name, kind=LAMBDA, error="Lambda.TooManyRequestsException", count=1)
    yield Fault(scenario=scenario, state=name, kind=LATE, count=1)
    yield Fault(scenario=scenario, state=name, kind=LATE)
    for result in MALFORMED:
        yield Fault(scenario=scenario, state=name, kind=RESULT, error=result)
        yield Fault(scenario=scenario, state=name, kind=RESULT, error=result, count=1)


def kills(scenario: str, path: Iterable[str]) -> Iterator[Fault]:
    """Give the kills before each state that a run enters."""
    for state in dict.fromkeys(path):
        yield Fault(scenario=scenario, state=state, kind=KILL, count=1)
