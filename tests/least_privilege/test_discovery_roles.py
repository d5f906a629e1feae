"""Least privilege of the discovery stack, both ways: each role can do what its code calls, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.faults.world import NAMES
from tests.least_privilege.configured import of_lambda, of_machine
from tests.least_privilege.discovery import RUNS, SOURCES, WORKGROUP, Walked, discovery_deployment, of_queries, walk
from tests.least_privilege.grants import DISCOVERY_MACHINE, Grants, denied_of, uncovered, unused_of
from tests.least_privilege.needs import Need
from tests.stacks.templates import Deployment, text_of

pytestmark = pytest.mark.timeout(600)

START = Need("states:StartExecution", DISCOVERY_MACHINE)


@pytest.fixture(scope="module")
def deployment() -> Deployment:
    return discovery_deployment()


@pytest.fixture(scope="module")
def grants(deployment: Deployment) -> Grants:
    return Grants(deployment)


@pytest.fixture(scope="module")
def walked(deployment: Deployment) -> Walked:
    return walk(deployment)


@pytest.fixture(scope="module")
def needed(deployment: Deployment, grants: Grants, walked: Walked) -> dict[str, set[Need]]:
    """What each role needs, by its logical id."""
    by_role = {
        grants.role_of(folder): {*walked.needs.of[folder], *of_lambda(grants, folder)} for folder in grants.folders()
    }
    machine = {*of_machine(deployment, grants), *of_queries(deployment, grants, walked.queries)}
    by_role[grants.beginning("DiscoveryAccess")] = machine
    by_role[grants.beginning("DiscoveryMachineEvents")] = {START}
    return by_role


def test_every_lambda_is_walked_and_no_call_is_unknown(grants: Grants, walked: Walked) -> None:
    assert walked.needs.unknown == set(), "say in needs.py what AWS checks for these"
    assert set(walked.needs.of) == set(grants.folders())
    assert len(walked.queries) == 6


def test_no_role_is_passed_over(grants: Grants, needed: dict[str, set[Need]]) -> None:
    assert set(needed) == grants.roles()


def test_nothing_is_denied(grants: Grants, needed: dict[str, set[Need]]) -> None:
    assert denied_of(grants, needed) == {}


def test_nothing_is_granted_that_is_never_used(grants: Grants, needed: dict[str, set[Need]]) -> None:
    assert unused_of(grants, needed) == set(), "cut these, or write into discovery.py what uses them"


def test_a_permission_that_is_missing_would_be_found(grants: Grants, needed: dict[str, set[Need]]) -> None:
    role = grants.beginning("DiscoveryAccess")
    granted = grants.of_role(role)
    without = {
        action: uncovered([grant for grant in granted if grant.action != action], needed[role])
        for action in {grant.action for grant in granted}
    }
    assert {action for action, denied in without.items() if not denied} == set()


def test_another_environments_registry_rows_and_workgroup_are_denied(
    grants: Grants, needed: dict[str, set[Need]]
) -> None:
    tried = set()
    for role, needs in needed.items():
        others = {
            replace(need, resource=need.resource.replace(NAMES["REGISTRY_TABLE"], "registry-of-prod"))
            for need in needs
            if need.action.startswith("dynamodb:")
        }
        others |= {
            replace(need, resource=need.resource.replace("-dev-", "-prod-"))
            for need in needs
            if need.resource == WORKGROUP
        }
        others |= {
            replace(need, resource=need.resource.replace("distillation_dev", "distillation_prod"))
            for need in needs
            if need.action.startswith("glue:") and "distillation_dev" in need.resource
        }
        assert set(uncovered(grants.of_role(role), others)) == others, role
        tried |= {need.action for need in others}
    assert {"dynamodb:GetItem", "athena:StartQueryExecution", "glue:GetTable"} <= tried


def test_no_role_reaches_runs_answers_uploads_or_a_log_that_the_settings_do_not_name(
    grants: Grants, needed: dict[str, set[Need]]
) -> None:
    runs = f"arn:aws:s3:::{RUNS}"
    logs = f"AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs"
    named = SOURCES[0]["bucket"]
    others = {
        Need("s3:GetObject", f"{runs}/runs/one/report/report.json"),
        Need("s3:GetObject", f"{runs}/answers/one.jsonl"),
        Need("s3:PutObject", f"{runs}/runs/one/report/report.json"),
        Need("s3:DeleteObject", f"{runs}/runs/one/report/report.json"),
        Need("s3:ListBucket", runs, (("s3:prefix", "runs/"),)),
        Need("s3:GetObject", f"arn:aws:s3:::{NAMES['UPLOADS_BUCKET']}/task/prompts.jsonl"),
        Need("s3:GetObject", f"arn:aws:s3:::unnamed-logs/{logs}/{REGION}/one"),
        Need("s3:GetObject", f"arn:aws:s3:::{named}/other/{logs}/{REGION}/one"),
        Need("s3:GetObject", f"arn:aws:s3:::{named}/app/{logs}/eu-west-1/one"),
        Need("s3:PutObject", f"arn:aws:s3:::{named}/app/{logs}/{REGION}/one"),
        Need("s3:DeleteObject", f"arn:aws:s3:::{named}/app/{logs}/{REGION}/one"),
        Need("states:StartExecution", NAMES["STATE_MACHINE_ARN"]),
        Need("bedrock:InvokeModel", f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-pro-v1:0"),
    }
    for role in needed:
        assert set(uncovered(grants.of_role(role), others)) == others, role


def test_the_schedule_starts_this_machine_alone_and_keeps_what_is_undelivered(
    deployment: Deployment, grants: Grants
) -> None:
    # Given
    [rule] = deployment.of_type("AWS::Events::Rule").values()
    [target] = rule["Targets"]
    role = grants.beginning("DiscoveryMachineEvents")

    # Then the rule takes the role that may start the machine, and which events alone may take
    assert target["RoleArn"] == {"Fn::GetAtt": [role, "Arn"]}
    assert grants.resolved(target["Arn"]) == DISCOVERY_MACHINE
    trusted = {
        text_of(statement["Principal"]["Service"])
        for name in grants.roles()
        for statement in deployment.of_type("AWS::IAM::Role")[name]["AssumeRolePolicyDocument"]["Statement"]
        if name == role
    }
    assert trusted == {"events.amazonaws.com"}

    # And the queue takes what that rule could not deliver, and nothing of anybody else
    [queue] = deployment.of_type("AWS::SQS::QueuePolicy").values()
    allowed = [one for one in queue["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
    [name] = deployment.of_type("AWS::Events::Rule")
    assert [text_of(one["Condition"]["ArnEquals"]["aws:SourceArn"]) for one in allowed] == [f"<{name}.Arn>"]


def test_lambdas_and_machine_are_taken_by_their_service_alone(deployment: Deployment, grants: Grants) -> None:
    roles = deployment.of_type("AWS::IAM::Role")
    taken = {
        name: [text_of(one["Principal"]["Service"]) for one in roles[name]["AssumeRolePolicyDocument"]["Statement"]]
        for name in grants.roles()
    }
    by_lambda = {grants.role_of(folder) for folder in grants.folders()}
    assert {name for name, services in taken.items() if services == ["lambda.amazonaws.com"]} == by_lambda
    assert taken[grants.beginning("DiscoveryAccess")] == ["states.amazonaws.com"]
