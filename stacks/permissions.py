"""Permissions as explicit statements: what, on what, when, and why a wildcard is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import aws_iam as iam

Conditions = Mapping[str, Mapping[str, str | list[str]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Permission:
    """One IAM statement that allows.

    Attributes
    ----------
    because : str
        Why a resource with a wildcard cannot be named at synth; empty where no resource has one.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Conditions = field(default_factory=dict)
    because: str = ""

    def statement(self) -> iam.PolicyStatement:
        """Build the statement."""
        return iam.PolicyStatement(
            actions=list(self.actions), resources=list(self.resources), conditions=self.conditions or None
        )


def allow(*actions: str, on: Sequence[str], when: Conditions | None = None, because: str = "") -> Permission:
    """Allow actions on resources."""
    return Permission(actions=actions, resources=tuple(on), conditions=when or {}, because=because)


def policy_document(permissions: list[Permission]) -> iam.PolicyDocument:
    """Put permissions into one document."""
    return iam.PolicyDocument(statements=[permission.statement() for permission in permissions])
