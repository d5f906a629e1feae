"""Findings of the rule packs that are accepted, each with a reason: one finding on one construct.

An acknowledgement stands beside what it is about: in the construct that causes the finding, or in the permission whose
resource cannot be named at synth. The tests fail on a finding without one, and on one without a finding.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Stack, Validations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import IConstruct

    from stacks.access.permissions import Permission


def acknowledge(construct: IConstruct, finding: str, reason: str) -> None:
    """Accept one finding.

    Parameters
    ----------
    construct : IConstruct
        Where the finding is.
    finding : str
        Its full id, such as ``AwsSolutions-IAM5[Resource::*]``.
    reason : str
        What a reviewer needs to agree.
    """
    _acknowledge_all(construct, {finding: reason})


def acknowledge_wildcards(construct: IConstruct, permissions: list[Permission], *, of_lambda: bool = False) -> None:
    """Accept the wildcards of permissions that give a reason for them.

    A permission with a wildcard and without a reason stays a finding and stops the synthesis.

    Parameters
    ----------
    construct : IConstruct
        The role or policy that has them.
    permissions : list of Permission
        Its statements.
    of_lambda : bool
        Whether a Lambda takes the role: the pack Serverless then has a finding of its own for ``*``.
    """
    reasoned = [
        (item, permission.because) for permission in permissions if permission.because for item in permission.resources
    ]
    # Lists cross the language border once: it is what a synthesis waits for most.
    resolved = Stack.of(construct).resolve([resource for resource, _ in reasoned]) if reasoned else []
    accepted: dict[str, str] = {}
    for resource, (_, because) in zip(resolved, reasoned, strict=True):
        flat = _flattened(resource)
        if "*" in flat and accepted.setdefault(f"AwsSolutions-IAM5[Resource::{flat}]", because) != because:
            message = f"two reasons for one finding, the wildcard {flat}: '{because}' is not what stands there already"
            raise ValueError(message)
    everything = [permission.because for permission in permissions if "*" in permission.resources]
    if of_lambda and everything:
        accepted["Serverless-LambdaStarPermissions"] = " ".join(dict.fromkeys(everything))
    if accepted:
        _acknowledge_all(construct, accepted)


def _acknowledge_all(construct: IConstruct, findings: Mapping[str, str]) -> None:
    accepted = [Acknowledgment(id=finding, reason=reason) for finding, reason in findings.items()]
    Validations.of(construct).acknowledge(*accepted)


def _flattened(resource: object) -> str:
    """Write a resolved ARN as cdk-nag writes it into a finding's id."""
    if isinstance(resource, str):
        return resource
    if isinstance(resource, dict) and len(resource) == 1:
        [(function, argument)] = resource.items()
        if function == "Fn::Join":
            return str(argument[0]).join(_flattened(part) for part in argument[1])
        if function == "Fn::GetAtt":
            return f"<{argument[0]}.{argument[1]}>"
        if function == "Fn::ImportValue":
            return _flattened(argument)
        if function == "Ref":
            return f"<{argument}>"
    return json.dumps(resource, separators=(",", ":"))
