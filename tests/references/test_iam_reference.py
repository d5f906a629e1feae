"""Every action of every policy exists, with the resource form and the condition keys that AWS's reference gives it."""

from __future__ import annotations

import pytest

from tests.references.iam_reference import (
    EXCEPTIONS,
    Json,
    findings,
    statements_by_owner,
    statements_of_resources,
)
from tests.stacks.templates import Deployment

MODEL = "arn:aws:bedrock:us-east-1:111122223333:custom-model/x"


def statement(action: str, resource: str, **condition: Json) -> Json:
    return {"Effect": "Allow", "Action": action, "Resource": resource, "Condition": condition}


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        (statement("bedrock:GetCustomModels", MODEL), "bedrock:GetCustomModels: no such action"),
        (statement("bedrok:GetCustomModel", MODEL), "bedrok:GetCustomModel: no such action"),
        (
            statement("bedrock:GetCustomModel", MODEL.replace("custom-model", "custommodel")),
            "bedrock:GetCustomModel: resource custommodel: not a form that the action supports",
        ),
        (
            statement("bedrock:ListCustomModels", MODEL),
            "bedrock:ListCustomModels: it cannot be limited to a resource, so this statement allows nothing",
        ),
        (statement("bedrock:GetCustomModel", "*"), "bedrock:GetCustomModel: '*', although it can be limited to"),
        (
            statement("bedrock:GetCustomModel", MODEL, StringEquals={"bedrock:InferenceProfileArn": "x"}),
            "bedrock:GetCustomModel: condition key bedrock:InferenceProfileArn is not supported",
        ),
        (
            statement("bedrock:GetCustomModel", MODEL, StringEquals={"aws:SourceAcount": "x"}),
            "bedrock:GetCustomModel: no such condition key aws:SourceAcount",
        ),
    ],
)
def test_a_planted_fault_is_found(planted: Json, found: str) -> None:
    [finding] = findings([planted])
    assert finding.startswith(found)


def test_what_a_policy_may_say_is_no_finding() -> None:
    tagged = {"StringEquals": {"aws:ResourceTag/environment": "dev"}}
    via = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    context = {"StringEquals": {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::x"}}
    key = "arn:aws:kms:us-east-1:111122223333:key/x"
    allowed = [
        statement("bedrock:GetCustomModel", MODEL, **tagged),
        statement("kms:Decrypt", key, **via),
        statement("kms:Decrypt", key, **context),
    ]
    assert findings(allowed) == []


def test_the_roles_keep_to_the_reference(deployment: Deployment) -> None:
    found = {owner: findings(statements) for owner, statements in statements_by_owner(deployment).items()}
    assert len(found) >= 25
    assert {owner: lines for owner, lines in found.items() if lines} == {}


def test_the_policies_of_resources_keep_to_the_reference(deployment: Deployment) -> None:
    found = {
        owner: findings(statements, attached_to_resource=True)
        for owner, statements in statements_of_resources(deployment).items()
    }
    assert len(found) >= 5
    assert {owner: lines for owner, lines in found.items() if lines} == {}


def test_each_exception_is_still_needed_and_names_its_source(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = dict(EXCEPTIONS)
    monkeypatch.setattr("tests.references.iam_reference.EXCEPTIONS", {})
    lines = [line for found in statements_by_owner(deployment).values() for line in findings(found)]
    carried = statements_of_resources(deployment)
    lines += [line for found in carried.values() for line in findings(found, attached_to_resource=True)]
    for (action, beginning), source in known.items():
        assert any(line.startswith(f"{action}: {beginning}") for line in lines), (action, beginning)
        assert len(source) > 20
