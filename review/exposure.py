"""What anybody may reach, and which services may reach something without a role of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from review.access import conditions, listed, principals
from stacks.access.own_rules import for_everybody, no_public_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from review.assembly import Assembly, Json, TemplateResource

_ROLE = "AWS::IAM::Role"
_ANYWHERE = ("0.0.0.0/0", "::/0")
LOOKED_AT = (
    "what answers the internet by its kind: API Gateway, Lambda URL, AppSync, CloudFront, App Runner, load balancer",
    "internet gateways and elastic addresses",
    "buckets whose public access is not blocked in all four ways",
    "Lambda permissions for everybody",
    "statements for everybody in any policy of a resource, key policies included",
    "security groups that let every address in, and databases that are publicly accessible",
)


@dataclass(frozen=True, slots=True)
class Public:
    """Something that anybody may reach, and where it is in the template."""

    resource: TemplateResource
    place: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A statement of a resource's own policy: who may do what without a role of ours."""

    resource: TemplateResource
    effect: str
    who: tuple[str, ...]
    actions: tuple[str, ...]
    conditions: tuple[str, ...]


def public(assembly: Assembly) -> list[Public]:
    """Find what anybody may reach: by our own rule of the synthesis, and by any policy or address range that says so.

    Parameters
    ----------
    assembly : Assembly
        The templates.
    """
    bodies = {name: resource.body for name, resource in assembly.resources.items()}
    found = {(name, place.partition("/")[0]) for name, place in no_public_endpoint(bodies)}
    for resource in assembly.resources.values():
        for place, statement in _granting(resource):
            anybody = "*" in principals(assembly, statement) and for_everybody(statement)
            if statement.get("Effect") == "Allow" and anybody:
                found.add((resource.name, place))
        for place, value in resource.properties.items():
            if place == "SecurityGroupEgress" or resource.type == "AWS::EC2::SecurityGroupEgress":
                continue
            if _lets_anywhere_in(value) or (place == "PubliclyAccessible" and value is True):
                found.add((resource.name, place))
    return [Public(assembly.resources[name], place) for name, place in sorted(found)]


def grants(assembly: Assembly) -> list[Grant]:
    """Read who may use a resource by the resource's own policy, roles of ours left out."""
    by_policy = [
        Grant(
            resource=resource,
            effect=statement["Effect"],
            who=principals(assembly, statement),
            actions=tuple(listed(statement["Action"])),
            conditions=conditions(assembly, statement),
        )
        for resource in assembly.resources.values()
        for _, statement in _granting(resource)
    ]
    by_permission = [
        Grant(
            resource=resource,
            effect="Allow",
            who=(assembly.text(resource.properties["Principal"]),),
            actions=(str(resource.properties["Action"]),),
            conditions=tuple(
                f"{key}: {assembly.text(resource.properties[key])}"
                for key in ("SourceArn", "SourceAccount")
                if key in resource.properties
            ),
        )
        for resource in assembly.of_type("AWS::Lambda::Permission")
    ]
    return [*by_policy, *by_permission]


def _granting(resource: TemplateResource) -> Iterator[tuple[str, Json]]:
    """Give every statement with a principal, wherever it is in a resource; trust policies are the roles' own."""
    if resource.type == _ROLE:
        return
    for place, value in resource.properties.items():
        for found in _mappings(value):
            if "Effect" in found and ("Principal" in found or "NotPrincipal" in found):
                yield place, found


def _mappings(value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _mappings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _mappings(inner)


def _lets_anywhere_in(value: object) -> bool:
    """Say whether a rule of a security group names every address; what may go out is not a way in."""
    inner = [found for entry in _mappings(value) for found in entry.values()]
    return any(found in _ANYWHERE for found in (value, *inner) if isinstance(found, str))
