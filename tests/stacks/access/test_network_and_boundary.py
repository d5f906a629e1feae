"""What teams with rules of their own set: a permissions boundary on every role, and Lambdas in private subnets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.errors import InvalidSettings
from lambdas.domain.task.settings import OF_THE_STACKS, Settings
from review.assembly import Assembly
from review.exposure import public
from review.idle_cost import idle_cost
from review.purposes import purpose
from stacks.access.network import GATEWAYS, INTERFACES
from stacks.access.rule_packs import enforce_rule_packs
from tests.stacks.templates import Deployment, build, listed, synthesize, text_of

BOUNDARY = "arn:aws:iam::111122223333:policy/team/boundary"
SUBNETS = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
VPC: dict[str, Any] = {
    "vpc_id": "vpc-0123456789abcdef0",
    "subnet_ids": SUBNETS,
    "route_table_ids": ["rtb-0123456789abcdef0"],
}
BOUNDED = {"permissions_boundary": BOUNDARY, "vpc": VPC}

USED_BY_AWS = ("ec2", "iam", "kms", "logs", "sqs", "xray")
"""Services that nothing calls from inside a Lambda: they are used in its role's name, or are conditions of a call."""

ENDPOINT_OF = {"bedrock": {"bedrock", "bedrock-runtime"}, "cloudwatch": {"monitoring"}}


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    return synthesize({"dev": BOUNDED}, tmp_path_factory.mktemp("bounded"))["dev"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"permissions_boundary": "boundary"}, "permissions_boundary"),
        ({"vpc": {"vpc_id": "vpc-0123456789abcdef0"}}, "subnet_ids"),
        ({"vpc": {**VPC, "subnet_ids": SUBNETS[:1]}}, "subnet_ids"),
        ({"vpc": {**VPC, "cidr": "10.0.0.0/16"}}, "cidr"),
    ],
)
def test_what_cannot_be_set_is_said(settings: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidSettings, match=says):
        Settings.from_mapping(settings)


def test_without_these_settings_nothing_of_them_is_in_the_templates(deployment: Deployment) -> None:
    assert not any("PermissionsBoundary" in role for role in deployment.of_type("AWS::IAM::Role").values())
    assert not any("VpcConfig" in function for function in deployment.of_type("AWS::Lambda::Function").values())
    assert not [resource for resource in deployment.resources.values() if resource["Type"].startswith("AWS::EC2::")]
    assert not [name for name in OF_THE_STACKS if name in json.dumps(deployment.templates)]


def test_every_role_of_every_stack_has_the_boundary(bounded: Deployment) -> None:
    roles = bounded.of_type("AWS::IAM::Role")
    assert len(roles) > 20
    assert {role.get("PermissionsBoundary") for role in roles.values()} == {BOUNDARY}


def test_every_lambda_is_in_the_subnets_and_nothing_reaches_it(bounded: Deployment) -> None:
    # Given
    [(group, lambdas)] = [
        (name, found)
        for name, found in bounded.of_type("AWS::EC2::SecurityGroup").items()
        if name.startswith("NetworkLambda")
    ]
    # Then
    assert "SecurityGroupIngress" not in lambdas
    assert [(rule["FromPort"], rule["ToPort"]) for rule in lambdas["SecurityGroupEgress"]] == [(443, 443)]
    for function in bounded.of_type("AWS::Lambda::Function").values():
        assert function["VpcConfig"]["SubnetIds"] == SUBNETS
        assert listed(function["VpcConfig"]["SecurityGroupIds"]) == [f"<{group}.GroupId>"]


def test_each_lambda_may_join_the_subnets_and_no_others(bounded: Deployment) -> None:
    for function in bounded.of_type("AWS::Lambda::Function").values():
        statements = bounded.policy_documents()[function["Role"]["Fn::GetAtt"][0]]
        [create] = [one for one in statements if "ec2:CreateNetworkInterface" in listed(one["Action"])]
        subnets = [arn.rpartition("/")[2] for arn in listed(create["Resource"]) if ":subnet/" in arn]
        assert subnets == SUBNETS


def test_there_is_an_endpoint_for_every_service_that_a_lambda_calls(bounded: Deployment) -> None:
    # Given what the Lambdas may do
    roles = {function["Role"]["Fn::GetAtt"][0] for function in bounded.of_type("AWS::Lambda::Function").values()}
    called = {
        action.partition(":")[0]
        for role in roles
        for statement in bounded.policy_documents()[role]
        for action in listed(statement["Action"])
    } - set(USED_BY_AWS)
    needed = {endpoint for service in called for endpoint in ENDPOINT_OF.get(service, {service})}
    needed |= {"sts"}  # it is asked who signed a proof, which takes no right
    # Then
    made = bounded.of_type("AWS::EC2::VPCEndpoint").values()
    assert {text_of(endpoint["ServiceName"]).removeprefix("com.amazonaws.us-east-1.") for endpoint in made} == needed
    assert needed == {*INTERFACES, *GATEWAYS}


def test_interface_endpoints_serve_the_lambdas_and_this_account_only(bounded: Deployment) -> None:
    [entry] = [
        found
        for name, found in bounded.of_type("AWS::EC2::SecurityGroup").items()
        if name.startswith("NetworkEndpoint")
    ]
    [rule] = entry["SecurityGroupIngress"]
    assert text_of(rule["SourceSecurityGroupId"]).startswith("<NetworkLambda")
    for endpoint in bounded.of_type("AWS::EC2::VPCEndpoint").values():
        if endpoint["VpcEndpointType"] == "Interface":
            assert endpoint["PrivateDnsEnabled"] is True
            [statement] = endpoint["PolicyDocument"]["Statement"]
            assert text_of(statement["Condition"]["StringEquals"]["aws:PrincipalAccount"]) == "<AWS::AccountId>"


@pytest.mark.parametrize(
    ("changes", "kinds"), [({"endpoints": False}, set()), ({"route_table_ids": []}, {"Interface"})]
)
def test_endpoints_that_are_there_are_not_made_again(
    tmp_path: Path, changes: dict[str, object], kinds: set[str]
) -> None:
    deployment = synthesize({"dev": {"vpc": {**VPC, **changes}}}, tmp_path)["dev"]
    assert {found["VpcEndpointType"] for found in deployment.of_type("AWS::EC2::VPCEndpoint").values()} == kinds
    assert all("VpcConfig" in function for function in deployment.of_type("AWS::Lambda::Function").values())


def test_lambdas_are_not_told_of_boundary_and_network(bounded: Deployment) -> None:
    for function in bounded.of_type("AWS::Lambda::Function").values():
        told = json.loads(function["Environment"]["Variables"]["PIPELINE_SETTINGS"])
        assert not set(OF_THE_STACKS) & set(told)


def test_rules_and_linter_find_nothing_with_boundary_and_network(tmp_path: Path) -> None:
    # Given
    app = build({"dev": BOUNDED}, tmp_path)
    enforce_rule_packs(app, in_full=True)
    # When
    app.synth()
    # Then
    linter = str(Path(sys.executable).parent / "cfn-lint")
    templates = [str(path) for path in tmp_path.glob("*.template.json")]
    command = [linter, "--ignore-checks", "W3005", "W6001", "--regions", "us-east-1", "--", *templates]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own linter
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_reviewer_s_page_knows_boundary_and_network(tmp_path: Path) -> None:
    # Given
    build({"dev": BOUNDED}, tmp_path).synth()
    assembly = Assembly.read(tmp_path, "dev")
    # Then every resource has a purpose, nothing is public, and what the endpoints bill at rest is there
    assert [resource.path for resource in assembly.resources.values() if not purpose(assembly, resource)] == []
    assert public(assembly) == []
    book = Settings.from_mapping({}).price_book()
    [line] = [line for line in idle_cost(assembly, book) if "endpoint" in line.what]
    assert line.quantity == len(INTERFACES) * len(SUBNETS) * 730
    assert line.usd == pytest.approx(131.4)
