"""Evaluates IAM policies of the embedded AWS's roles, with the condition keys that Bedrock sets.

The emulator's own ``SimulatePrincipalPolicy`` ignores ``ContextEntries`` and looks at the first resource only, so a
grant under ``bedrock:InferenceProfileArn`` or ``iam:PassedToService`` would always be denied. The policies are
therefore fetched through the IAM API and evaluated here with the emulator's evaluator.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from ministack.core import iam_evaluator

from local.bedrock_simulator.catalog import ACCOUNT, REGION

Document = Mapping[str, Any]
_CACHE_SECONDS = 2.0


@dataclass(frozen=True)
class RolePolicies:
    """What decides over a role: identity policies, boundary and trust policy."""

    identity: Sequence[Document]
    trust: Document = field(default_factory=dict)
    boundary: Document | None = None


@dataclass(frozen=True)
class Permission:
    """One thing that a principal wants to do, with the condition keys that the service sets."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)
    request_tags: Mapping[str, str] = field(default_factory=dict)


class PolicySource(Protocol):
    """Where a role's policies come from."""

    def role(self, name: str) -> RolePolicies | None:
        """Return a role's policies; ``None`` where there is no such role."""
        ...


class IamPolicySource:
    """Reads policies through the embedded AWS's IAM API and keeps them for two seconds.

    Parameters
    ----------
    endpoint_url : str
        Where the embedded AWS listens.
    """

    def __init__(self, endpoint_url: str) -> None:
        self._iam = boto3.client(
            "iam",
            endpoint_url=endpoint_url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 (the emulator's documented root key)
            config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 3}),
        )
        self._known: dict[str, tuple[float, RolePolicies | None]] = {}
        self._lock = threading.Lock()

    def role(self, name: str) -> RolePolicies | None:
        """Return a role's policies."""
        with self._lock:
            known = self._known.get(name)
            if known and time.monotonic() - known[0] < _CACHE_SECONDS:
                return known[1]
            policies = self._fetch(name)
            self._known[name] = (time.monotonic(), policies)
            return policies

    def _fetch(self, name: str) -> RolePolicies | None:
        try:
            role = self._iam.get_role(RoleName=name)["Role"]
        except ClientError:
            return None
        inline = [
            self._iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for listed in self._iam.get_paginator("list_role_policies").paginate(RoleName=name)
            for policy in listed["PolicyNames"]
        ]
        attached = [
            self._managed(policy["PolicyArn"])
            for listed in self._iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
            for policy in listed["AttachedPolicies"]
        ]
        boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        return RolePolicies(
            identity=[_document(policy) for policy in [*inline, *attached]],
            trust=_document(role.get("AssumeRolePolicyDocument", {})),
            boundary=_document(self._managed(boundary)) if boundary else None,
        )

    def _managed(self, policy_arn: str) -> object:
        version = self._iam.get_policy(PolicyArn=policy_arn)["Policy"]["DefaultVersionId"]
        return self._iam.get_policy_version(PolicyArn=policy_arn, VersionId=version)["PolicyVersion"]["Document"]


def allows(policies: RolePolicies, role_arn: str, permission: Permission) -> bool:
    """Whether a role may do something: an Allow in its policies and in its boundary, and no Deny anywhere."""
    context = iam_evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=permission.action,
        resource_arn=permission.resource,
        region=REGION,
        secure_transport=True,
        request_tags=dict(permission.request_tags),
        tag_keys=list(permission.request_tags),
        service_context={key.lower(): value for key, value in permission.context.items()},
    )
    identity = [iam_evaluator.parse_policy_document(dict(policy)) for policy in policies.identity]
    limits = [[iam_evaluator.parse_policy_document(dict(policies.boundary))]] if policies.boundary else []
    return bool(iam_evaluator.evaluate(context, identity, *limits).decision == "Allow")


def trusts_bedrock(policies: RolePolicies, role_arn: str, source_arn: str) -> bool:
    """Whether Bedrock may assume a role, under the trust conditions ``aws:SourceAccount`` and ``aws:SourceArn``."""
    context = iam_evaluator.EvalContext(
        principal_arn="bedrock.amazonaws.com",
        principal_type="Service",
        principal_account=ACCOUNT,
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=REGION,
        secure_transport=True,
        service_context={"aws:sourceaccount": ACCOUNT, "aws:sourcearn": source_arn},
    )
    # Not the evaluator's own trust check: its matcher lets only root through where a service is named.
    statements = policies.trust.get("Statement", [])
    naming_bedrock = [
        {**statement, "Resource": "*"}
        for statement in ([statements] if isinstance(statements, dict) else statements)
        if "bedrock.amazonaws.com" in _services(statement.get("Principal"))
    ]
    identity = iam_evaluator.parse_policy_document({"Statement": naming_bedrock})
    return bool(iam_evaluator.evaluate(context, [identity]).decision == "Allow")


def _services(principal: object) -> list[str]:
    named = principal.get("Service", []) if isinstance(principal, dict) else []
    return [named] if isinstance(named, str) else list(named)


def _document(value: object) -> Document:
    if isinstance(value, str):
        value = json.loads(unquote(value))
    return value if isinstance(value, dict) else {}
