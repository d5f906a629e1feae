"""Roles, who may take them, and their statements, each with what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stacks.access.permissions import REASONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from review.assembly import Assembly, Json, TemplateResource

_ACKNOWLEDGED = "aws:cdk:acknowledged-rules"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a role, in words.

    Attributes
    ----------
    to : tuple of str
        What it is for; more than one where CDK has merged statements. Empty if some action on some resource has none.
    because : tuple of str
        Why a resource has a wildcard.
    """

    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[str, ...]
    to: tuple[str, ...]
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Role:
    """A role: who may take it under which conditions, and what it may do."""

    resource: TemplateResource
    trusted: tuple[str, ...]
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A finding that is accepted, on one construct."""

    rule: str
    about: str
    path: str
    reason: str


def roles(assembly: Assembly) -> list[Role]:
    """Read every role with everything that is attached to it.

    Parameters
    ----------
    assembly : Assembly
        Templates, and the reasons beside them.
    """
    return [_role(assembly, resource) for resource in assembly.of_type("AWS::IAM::Role")]


def acknowledgements(assembly: Assembly) -> list[Acknowledgement]:
    """Read which findings of the rule packs are accepted, by rule."""
    found = set()
    for notes in assembly.metadata.values():
        for path, entries in notes.items():
            for entry in (entry for entry in entries if entry["type"] == _ACKNOWLEDGED):
                for finding, reason in entry["data"].items():
                    rule, _, about = finding.removeprefix("Annotation::").partition("[")
                    shown = about.removesuffix("]").removeprefix("Resource::")
                    found.add((rule, path.removeprefix("/").partition("/")[2], shown, reason))
    return [Acknowledgement(rule, about, path, reason) for rule, path, about, reason in sorted(found)]


def conditions(assembly: Assembly, statement: Json) -> tuple[str, ...]:
    """Write the conditions of a statement, one a line."""
    return tuple(
        f"{operator} {key}: {assembly.text(value)}"
        for operator, keys in statement.get("Condition", {}).items()
        for key, value in keys.items()
    )


def principals(assembly: Assembly, statement: Json) -> tuple[str, ...]:
    """Write who a statement is about."""
    principal = statement.get("Principal", {})
    if not isinstance(principal, dict):
        return (str(principal),)
    return tuple(assembly.text(value) for kind in principal.values() for value in listed(kind))


def listed(value: object) -> list[Any]:
    """Make a list of what IAM lets be one or many."""
    return value if isinstance(value, list) else [value]


def _role(assembly: Assembly, resource: TemplateResource) -> Role:
    trusted = tuple(
        " · ".join((*principals(assembly, statement), *conditions(assembly, statement)))
        for statement in resource.properties["AssumeRolePolicyDocument"]["Statement"]
    )
    statements = [
        _statement(assembly, statement, reasons)
        for document, reasons in _policies(assembly, resource)
        for statement in document["Statement"]
    ]
    return Role(resource, trusted, tuple(statements))


def _policies(assembly: Assembly, role: TemplateResource) -> Iterator[tuple[Json, list[Json]]]:
    """Give the policy documents of a role with the reasons that were written down for them."""
    for policy in role.properties.get("Policies", []):
        yield policy["PolicyDocument"], _reasons(assembly, role)
    attached = {name for arn in role.properties.get("ManagedPolicyArns", []) for name in assembly.referred(arn)}
    for policy in assembly.resources.values():
        to_role = policy.type == "AWS::IAM::Policy" and role.name in assembly.referred(policy.properties["Roles"])
        if policy.name in attached or to_role:
            yield policy.properties["PolicyDocument"], _reasons(assembly, policy)


def _reasons(assembly: Assembly, resource: TemplateResource) -> list[Json]:
    return [reason for reasons in assembly.noted(resource, REASONS) for reason in reasons]


def _statement(assembly: Assembly, statement: Json, reasons: list[Json]) -> Statement:
    actions, resources = (
        listed(statement["Action"]),
        [assembly.text(one) for one in listed(statement["Resource"])],
    )
    about: list[Json] = []
    uncovered = {(action, resource) for action in actions for resource in resources}
    for reason in reasons:
        reached = {
            (action, assembly.text(resource)) for action in reason["actions"] for resource in reason["resources"]
        }
        if reached & {(action, resource) for action in actions for resource in resources}:
            about.append(reason)
            uncovered -= reached
    return Statement(
        effect=statement["Effect"],
        actions=tuple(actions),
        resources=tuple(resources),
        conditions=conditions(assembly, statement),
        to=() if uncovered else tuple(dict.fromkeys(reason["to"] for reason in about)),
        because=tuple(dict.fromkeys(reason["because"] for reason in about if reason["because"])),
    )
