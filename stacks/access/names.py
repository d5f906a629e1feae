"""Physical names: CloudFormation makes them, but for a closed list of exceptions, each with its reason.

A name of ours can be taken already, is in the way of a replacement, and is the same in every environment that
forgets to put its own into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

VENDED_LOGS = "/aws/vendedlogs/states/"


@dataclass(frozen=True, kw_only=True, slots=True)
class NameOfOurs:
    """A kind of resource that has a name of ours."""

    kind: str
    key: str
    reason: str
    beginning: str = ""


EXCEPTIONS = (
    NameOfOurs(
        kind="AWS::Athena::WorkGroup",
        key="Name",
        beginning="distillation-",
        reason="Athena asks for a name (CreateWorkGroup); it begins with the environment's.",
    ),
    NameOfOurs(
        kind="AWS::Bedrock::ApplicationInferenceProfile",
        key="InferenceProfileName",
        reason="Bedrock asks for a name (CreateInferenceProfile); it begins with the environment's.",
    ),
    NameOfOurs(
        kind="AWS::IAM::Policy",
        key="PolicyName",
        reason="CloudFormation asks for it; an inline policy's name counts inside its role only.",
    ),
    NameOfOurs(
        kind="AWS::Logs::LogGroup",
        key="LogGroupName",
        beginning=VENDED_LOGS,
        reason=(
            "Unless a group's name begins so, Step Functions writes into a resource policy of the account, which has "
            "5,120 characters for all groups (developer guide, logging): where it is full, nothing deploys."
        ),
    ),
)
"""Everything else has none; ``Distillation-PhysicalNames`` stops the synthesis."""

_NAME_KEYS = {
    "AWS::EC2::SecurityGroup": "GroupName",
    "AWS::DynamoDB::GlobalTable": "TableName",
    "AWS::KMS::Alias": "AliasName",
}
"""Where the property with the name is not called after the kind."""


def own_names(resources: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Give each resource with a name of ours that is not an exception: logical id and property."""
    for logical_id, resource in resources.items():
        kind, properties = str(resource["Type"]), resource.get("Properties", {})
        for key in {_NAME_KEYS.get(kind, f"{kind.rpartition('::')[2]}Name"), "Name"}:
            if key in properties and not _is_exception(kind, key, properties[key]):
                yield logical_id, key


def _is_exception(kind: str, key: str, name: object) -> bool:
    return any(
        (found.kind, found.key) == (kind, key) and (not found.beginning or str(name).startswith(found.beginning))
        for found in EXCEPTIONS
    )
