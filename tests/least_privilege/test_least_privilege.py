"""Least privilege both ways: what roles need they are granted, and what they are granted somebody needs."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from local.bedrock_simulator.policies import trusts_bedrock
from local.embedded_aws.lifecycle import ACCOUNT
from tests.faults.__main__ import local_deployment
from tests.faults.world import NAMES
from tests.least_privilege.configured import of_lambda, of_machine
from tests.least_privilege.grants import Grant, Grants, denied_of, uncovered, unused, unused_of
from tests.least_privilege.needs import STUDENTS, Need, Needs
from tests.least_privilege.recording import record
from tests.stacks.templates import Deployment, text_of

pytestmark = pytest.mark.timeout(900)  # the walks take half a minute, and minutes where others use the processors too

BEDROCK = '{"StringEquals": {"kms:ViaService": "bedrock.us-east-1.amazonaws.com"}}'
MODEL = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/"
BEDROCK_ROLES = {"CustomizationRole": NAMES["CUSTOMIZATION_ROLE_ARN"], "BatchRole": NAMES["BATCH_ROLE_ARN"]}

_ENCRYPTED = (
    "Bedrock encrypts the model with the role's rights; the simulator has no keys (Bedrock user guide, encryption of "
    "model customization jobs and artifacts, names these four actions)."
)
_LOOKED_UP = (
    "Bedrock's own look at a job's folders; the simulator looks only where its documentation says how (Bedrock user "
    "guide, service role of customization, grants both on training data and output)."
)
UNUSED_HERE = {
    **{
        f"Customization: kms:{action} on {NAMES['MODEL_KEY_ARN']} if {BEDROCK}": _ENCRYPTED
        for action in ("CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKey")
    },
    f"Customization: s3:GetObject on arn:aws:s3:::{NAMES['RUNS_BUCKET']}/runs/*/distillation/*": _LOOKED_UP,
    f"Customization: s3:ListBucket on arn:aws:s3:::{NAMES['RUNS_BUCKET']}": _LOOKED_UP,
    f"RunTeacherBatch: bedrock:CreateModelInvocationJob on {MODEL}us.amazon.nova-pro-v1:0": (
        "What the application inference profile copies: asked for when it is invoked, and no source says whether also "
        "when a batch through it is created; docs/real-account.md has it."
    ),
}
"""Grants that no walk uses, to why they stay: only the real AWS uses them, and a source says that it does."""


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return local_deployment()


@pytest.fixture(scope="module")
def grants(deployment: Deployment) -> Grants:
    return Grants(deployment)


@pytest.fixture(scope="module")
def recorded(deployment: Deployment) -> Needs:
    return record(deployment)


@pytest.fixture(scope="module")
def needed(deployment: Deployment, grants: Grants, recorded: Needs) -> dict[str, set[Need]]:
    """What each role needs, by its logical id."""
    by_role = {
        grants.role_of(folder): {*recorded.of.get(folder, ()), *of_lambda(grants, folder)}
        for folder in grants.folders()
    }
    for beginning, arn in BEDROCK_ROLES.items():
        by_role[grants.beginning(beginning)] = recorded.of[arn]
    by_role[grants.beginning("DistillationAccess")] = set(of_machine(deployment, grants))
    return by_role


def test_no_call_is_unknown(recorded: Needs) -> None:
    assert recorded.unknown == set(), "say in needs.py what AWS checks for these"


def test_every_lambda_is_walked(grants: Grants, recorded: Needs) -> None:
    assert {folder for folder in recorded.of if not folder.startswith("arn:")} == set(grants.folders())


def test_no_role_is_passed_over(grants: Grants, needed: dict[str, set[Need]]) -> None:
    assert set(needed) == grants.roles()


def test_nothing_is_denied(grants: Grants, needed: dict[str, set[Need]]) -> None:
    assert denied_of(grants, needed) == {}


def test_nothing_is_granted_that_is_never_used(grants: Grants, needed: dict[str, set[Need]]) -> None:
    # When
    found = unused_of(grants, needed)
    # Then
    assert found - set(UNUSED_HERE) == set(), "cut these, or write a walk that uses them"
    assert set(UNUSED_HERE) - found == set(), "these are used, or not granted any more: no exception is needed"
    assert all(len(reason.split()) >= 6 for reason in UNUSED_HERE.values())


def test_a_grant_that_nobody_uses_would_be_found(grants: Grants, needed: dict[str, set[Need]]) -> None:
    role = grants.role_of("start_run")
    more = [
        Grant("s3:DeleteObject", f"arn:aws:s3:::{NAMES['UPLOADS_BUCKET']}/*"),
        Grant("s3:GetObject", f"arn:aws:s3:::{NAMES['RUNS_BUCKET']}/*"),
        Grant(
            "kms:Decrypt", NAMES["MODEL_KEY_ARN"], '{"StringEquals": {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}}'
        ),
    ]
    assert list(unused([*grants.of_role(role), *more], needed[role])) == sorted(more, key=str)


def test_a_permission_that_is_missing_would_be_found(grants: Grants, needed: dict[str, set[Need]]) -> None:
    # Given
    role = grants.role_of("launch_distillation")
    granted = grants.of_role(role)
    # When
    without = {
        action: uncovered([grant for grant in granted if grant.action != action], needed[role])
        for action in {grant.action for grant in granted}
    }
    # Then
    assert {action for action, denied in without.items() if not denied} == set()


@pytest.mark.parametrize("beginning", BEDROCK_ROLES)
def test_bedrock_takes_a_role_for_the_jobs_of_this_account_only(
    grants: Grants, recorded: Needs, beginning: str
) -> None:
    # Given
    arn, policies = BEDROCK_ROLES[beginning], grants.policies(grants.beginning(beginning))
    sources = {source for role, source in recorded.taken if role == arn}
    # Then for every job that a walk started
    assert sources
    assert all(trusts_bedrock(policies, arn, source) for source in sources)
    # And for no job of another account, of another Region or of another kind
    other = next(iter(sources))
    assert not trusts_bedrock(policies, arn, other.replace(ACCOUNT, "111122223333"))
    assert not trusts_bedrock(policies, arn, other.replace("us-east-1", "us-west-2"))
    assert not trusts_bedrock(policies, arn, f"arn:aws:bedrock:us-east-1:{ACCOUNT}:evaluation-job/abc")


def test_each_role_is_passed_to_bedrock_only(grants: Grants, recorded: Needs) -> None:
    for folder in ("launch_distillation", "run_teacher_batch"):
        [need] = [need for need in recorded.of[folder] if need.action == "iam:PassRole"]
        granted = grants.of_role(grants.role_of(folder))
        assert not uncovered(granted, {need})
        elsewhere = replace(need, context=(("iam:PassedToService", "lambda.amazonaws.com"),))
        others = {replace(need, resource=arn) for arn in BEDROCK_ROLES.values() if arn != need.resource}
        assert uncovered(granted, {elsewhere, *others}) == sorted({elsewhere, *others}, key=str)


def test_rules_invoke_what_they_target_without_a_role(deployment: Deployment) -> None:
    # Given
    rules = deployment.of_type("AWS::Events::Rule")
    targets = {
        (f"<{rule}.Arn>", text_of(target["Arn"]), text_of(target["DeadLetterConfig"]["Arn"]))
        for rule, properties in rules.items()
        for target in properties["Targets"]
    }
    # When
    invoked = {
        (text_of(found["SourceArn"]), text_of(found["FunctionName"]))
        for found in deployment.of_type("AWS::Lambda::Permission").values()
    }
    [undelivered] = deployment.of_type("AWS::SQS::QueuePolicy").values()
    kept = {
        (text_of(statement["Condition"]["ArnEquals"]["aws:SourceArn"]), text_of(statement["Resource"]))
        for statement in undelivered["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    }
    # Then neither more nor less, and no role is there for EventBridge
    assert invoked == {(rule, function) for rule, function, _ in targets}
    assert kept == {(rule, queue) for rule, _, queue in targets}
    trusted = {
        text_of(statement["Principal"]["Service"])
        for role in deployment.of_type("AWS::IAM::Role").values()
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
    }
    assert trusted == {"lambda.amazonaws.com", "states.amazonaws.com", "bedrock.amazonaws.com"}


TAG = "aws:ResourceTag/distillation:environment"
CHANGES = (
    "bedrock:Delete",
    "bedrock:Stop",
    "bedrock:Update",
    "bedrock:CreateCustomModelDeployment",
    "bedrock:CreateProvisioned",
)
BOUND_TO_TAGS = {
    "bedrock:CreateCustomModelDeployment",
    "bedrock:CreateProvisionedModelThroughput",
    "bedrock:DeleteCustomModel",
    "bedrock:DeleteCustomModelDeployment",
    "bedrock:DeleteProvisionedModelThroughput",
    "bedrock:StopModelCustomizationJob",
    "bedrock:StopModelInvocationJob",
    "bedrock:UpdateCustomModelDeployment",
    "bedrock:UpdateProvisionedModelThroughput",
    "bedrock:InvokeModel",
}


def changes_or_asks_a_student(need: Need) -> bool:
    return need.action.startswith(CHANGES) or (
        need.action == "bedrock:InvokeModel" and any(f":{kind}/" in need.resource for kind in STUDENTS)
    )


@pytest.mark.parametrize("owner", ["prod", "LOCAL", None])
def test_what_carries_another_environments_tag_or_none_is_denied(
    grants: Grants, needed: dict[str, set[Need]], owner: str | None
) -> None:
    tried = set()
    for role, needs in needed.items():
        # Given everything that this role changes or asks, as another environment's
        others = {
            replace(need, context=() if owner is None else ((TAG, owner),))
            for need in needs
            if changes_or_asks_a_student(need)
        }
        # Then
        assert set(uncovered(grants.of_role(role), others)) == others, role
        tried |= {need.action for need in others}
    assert tried == BOUND_TO_TAGS


def test_registry_and_pointer_of_another_environment_are_denied(grants: Grants, needed: dict[str, set[Need]]) -> None:
    tried = set()
    for role, needs in needed.items():
        others = {
            replace(
                need,
                resource=re.sub(
                    r"(:table/)[^/]+|(:parameter/distillation/)[^/]+",
                    lambda found: f"{found[1] or found[2]}{'distillation-prod-data-Registry' if found[1] else 'prod'}",
                    need.resource,
                ),
            )
            for need in needs
            if need.action.startswith(("dynamodb:", "ssm:"))
        }
        assert set(uncovered(grants.of_role(role), others)) == others, role
        tried |= {need.action for need in others}
    assert {"dynamodb:GetItem", "dynamodb:UpdateItem", "ssm:PutParameter"} <= tried


def test_who_keeps_the_state_of_runs_reaches_no_task(grants: Grants, needed: dict[str, set[Need]]) -> None:
    keys = "dynamodb:LeadingKeys"
    for folder in ("list_invocation_logs", "read_invocation_logs", "generate_teacher_data", "collect_teacher_data"):
        role = grants.role_of(folder)
        others = {
            replace(need, context=((keys, other),))
            for need in needed[role]
            if need.action.startswith("dynamodb:")
            for other in ("TASK#x", "SLOTS", "HOURLY", "INTAKE")
        }
        assert len(others) >= 8
        assert set(uncovered(grants.of_role(role), others)) == others, role


def test_who_answers_approvals_changes_runs_and_used_proofs_only(grants: Grants) -> None:
    granted = grants.of_role(grants.role_of("answer_approval"))
    table = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{NAMES['REGISTRY_TABLE']}"
    others = {
        Need("dynamodb:UpdateItem", table, (("dynamodb:LeadingKeys", key),))
        for key in ("TASK#x", "SLOTS", "HOURLY", "INTAKE", "MONTH#x", "MODEL#x")
    }
    others |= {Need("dynamodb:GetItem", table, (("dynamodb:LeadingKeys", key),)) for key in ("SLOTS", "HOURLY")}
    assert set(uncovered(granted, others)) == others


def test_nothing_is_claimed_that_carries_another_environments_tag(grants: Grants, needed: dict[str, set[Need]]) -> None:
    tried = 0
    for role, needs in needed.items():
        tagging = {need for need in needs if need.action == "bedrock:TagResource"}
        theirs = {replace(need, context=((TAG, "prod"),)) for need in tagging}
        as_theirs = {replace(need, tags=(("distillation:environment", "prod"),)) for need in tagging}
        without = {replace(need, tags=()) for need in tagging}
        for others in (theirs, as_theirs, without):
            assert set(uncovered(grants.of_role(role), others)) == others, role
        tried += len(tagging)
    assert tried
