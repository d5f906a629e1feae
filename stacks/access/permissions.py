"""Permissions as explicit statements: what, on what, when, and why a wildcard is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam
from constructs import Node

if TYPE_CHECKING:
    from constructs import IConstruct

REASONS = "distillation:reasons"
"""Kind of the metadata in the cloud assembly that say why a role has its statements; templates do not have them."""

Conditions = Mapping[str, Mapping[str, str | list[str]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Permission:
    """One IAM statement that allows.

    Attributes
    ----------
    to : str
        What the code does with it, as the end of "allowed to …": the reviewer's page says it.
    because : str
        Why a resource with a wildcard cannot be named at synth; empty where no resource has one.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    to: str
    conditions: Conditions = field(default_factory=dict)
    because: str = ""

    def statement(self) -> dict[str, object]:
        """Write the statement as a policy document has it."""
        statement: dict[str, object] = {
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        return {**statement, "Condition": self.conditions} if self.conditions else statement


def allow(*actions: str, on: Sequence[str], to: str, when: Conditions | None = None, because: str = "") -> Permission:
    """Allow actions on resources, to some end."""
    return Permission(actions=actions, resources=tuple(on), to=to, conditions=when or {}, because=because)


def policy_document(permissions: list[Permission]) -> iam.PolicyDocument:
    """Put permissions into one document: in one call across the language border, not in one for each statement."""
    return iam.PolicyDocument.from_json({"Statement": [permission.statement() for permission in permissions]})


def keep_reasons(construct: IConstruct, permissions: list[Permission]) -> None:
    """Write into the cloud assembly why a role or policy has its statements, for the reviewer's page.

    IAM statements have no place for a reason, and CDK merges statements. Metadata of the assembly leave the templates
    as they are.
    """
    reasons = [
        {
            "actions": list(permission.actions),
            "resources": list(permission.resources),
            "to": permission.to,
            "because": permission.because,
        }
        for permission in permissions
    ]
    Node.of(construct).add_metadata(REASONS, reasons)
