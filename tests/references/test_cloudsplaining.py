"""No role can raise its own rights, carry data away or expose a resource, as cloudsplaining reads the policies."""

from __future__ import annotations

from typing import Any

import pytest
from cloudsplaining.scan.authorization_details import AuthorizationDetails

from tests.references.iam_reference import resolved, statements_by_owner
from tests.stacks.templates import Deployment

Json = dict[str, Any]
RISKS = (
    "PrivilegeEscalation",
    "DataExfiltration",
    "ResourceExposure",
    "ServiceWildcard",
    "CredentialsExposure",
    "InfrastructureModification",
)
TRUST = {"Version": "2012-10-17", "Statement": []}


def role(name: str, statements: list[Json], trust: Json) -> Json:
    """Describe a role as ``aws iam get-account-authorization-details`` does."""
    policy = {"PolicyName": "all", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}
    return {
        "Path": "/",
        "RoleName": name,
        "RoleId": name,
        "Arn": f"arn:aws:iam::111122223333:role/{name}",
        "CreateDate": "2026-01-01",
        "AssumeRolePolicyDocument": trust,
        "InstanceProfileList": [],
        "RolePolicyList": [policy],
        "AttachedManagedPolicies": [],
        "Tags": [],
    }


def risks(roles: list[Json]) -> dict[str, dict[str, Any]]:
    """Give what cloudsplaining finds, by role and risk."""
    details = {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": roles, "Policies": []}
    results = AuthorizationDetails(details, flag_trust_policies=True).results
    found: dict[str, dict[str, Any]] = {}
    for name, described in results["roles"].items():
        for policy in described["inline_policies"]:
            told = {risk: results["inline_policies"][policy][risk]["findings"] for risk in RISKS}
            found[name] = {risk: findings for risk, findings in told.items() if findings}
    return found


@pytest.mark.parametrize(
    ("actions", "resource", "risk"),
    [
        (["iam:CreatePolicyVersion"], "*", "PrivilegeEscalation"),
        (["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"], "*", "PrivilegeEscalation"),
        (["s3:GetObject"], "*", "DataExfiltration"),
        (["s3:PutBucketPolicy"], "*", "ResourceExposure"),
        (["kms:PutKeyPolicy"], "*", "ResourceExposure"),
        (["bedrock:*"], "*", "ServiceWildcard"),
        (["sts:AssumeRole"], "*", "CredentialsExposure"),
        (["bedrock:DeleteCustomModel"], "*", "InfrastructureModification"),
    ],
)
def test_a_planted_fault_is_found(actions: list[str], resource: str, risk: str) -> None:
    planted = [{"Effect": "Allow", "Action": actions, "Resource": resource}]
    assert risk in risks([role("Planted", planted, TRUST)])["Planted"]


def test_no_role_of_the_templates_has_a_risk(deployment: Deployment) -> None:
    # Given
    statements = statements_by_owner(deployment)
    trust = {
        name: resolved(deployment, made["AssumeRolePolicyDocument"])
        for name, made in deployment.of_type("AWS::IAM::Role").items()
    }
    # When
    found = risks([role(name, statements[name], trust[name]) for name in statements])
    # Then
    assert len(found) >= 25
    assert {name: told for name, told in found.items() if told} == {}
