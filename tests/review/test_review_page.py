"""The reviewer's page and the diagrams say everything that the templates have."""

from __future__ import annotations

import html
import json
import re
from copy import deepcopy
from typing import TYPE_CHECKING

import pytest

from lambdas.domain.costs.at_rest import usd_at_rest
from lambdas.domain.prices.price_book import PriceBook
from review.access import acknowledgements, roles
from review.assembly import Assembly
from review.diagrams import diagrams, state_machine
from review.exposure import grants, public
from review.files import RENEW, differing
from review.idle_cost import USE_ONLY, by_use, idle_cost
from review.page import review_page
from review.purposes import CONSTRUCTS, purpose
from tests.stacks.templates import Deployment, Json, all_states, build

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder: Path = tmp_path_factory.mktemp("assembly")
    build({"dev": {}}, folder).synth()
    return Assembly.read(folder, "dev")


@pytest.fixture(scope="module")
def page(assembly: Assembly) -> str:
    return review_page(assembly, PriceBook.shipped(), environment="dev")


def with_resource(assembly: Assembly, name: str, body: Json) -> Assembly:
    """The same assembly with one more resource in the data stack."""
    templates, metadata = deepcopy(assembly.templates), deepcopy(assembly.metadata)
    templates["data"]["Resources"][name] = body
    metadata["data"][f"/distillation-dev-data/{name}/TemplateResource"] = [{"type": "aws:cdk:logicalId", "data": name}]
    return Assembly(templates, metadata)


def bucket_policy(principal: object, effect: str = "Allow") -> Json:
    statement = {"Effect": effect, "Principal": principal, "Action": "s3:GetObject", "TemplateResource": "*"}
    return {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": {"Statement": [statement]}}}


# What is public


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["arn:aws:iam::111122223333:root", "*"]}])
def test_a_bucket_policy_for_everybody_shows_as_public(assembly: Assembly, principal: object) -> None:
    # When
    opened = with_resource(assembly, "MadeUp", bucket_policy(principal))
    # Then
    assert [(found.resource.name, found.place) for found in public(opened)] == [("MadeUp", "PolicyDocument")]
    text = review_page(opened, PriceBook.shipped(), environment="dev")
    assert "Anybody may reach these" in text
    assert "look below before you deploy" in text


@pytest.mark.parametrize(
    ("kind", "properties", "place"),
    [
        ("AWS::Lambda::Url", {"AuthType": "NONE"}, "Type"),
        ("AWS::S3::Bucket", {}, "PublicAccessBlockConfiguration"),
        ("AWS::Lambda::Permission", {"Principal": "*", "Action": "lambda:InvokeFunction"}, "Principal"),
        ("AWS::EC2::SecurityGroup", {"SecurityGroupIngress": [{"CidrIp": "0.0.0.0/0"}]}, "SecurityGroupIngress"),
        ("AWS::EC2::SecurityGroupIngress", {"CidrIpv6": "::/0"}, "CidrIpv6"),
        ("AWS::RDS::DBInstance", {"PubliclyAccessible": True}, "PubliclyAccessible"),
        (
            "AWS::DynamoDB::Table",
            {"ResourcePolicy": {"PolicyDocument": {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "*"}}}},
            "ResourcePolicy",
        ),
    ],
)
def test_whatever_lets_anybody_in_is_public(assembly: Assembly, kind: str, properties: Json, place: str) -> None:
    opened = with_resource(assembly, "MadeUp", {"Type": kind, "Properties": properties})
    assert [(found.resource.name, found.place) for found in public(opened)] == [("MadeUp", place)]


def test_a_statement_that_refuses_everybody_makes_nothing_public(assembly: Assembly) -> None:
    assert public(with_resource(assembly, "MadeUp", bucket_policy("*", effect="Deny"))) == []


def test_nothing_of_ours_is_public_and_the_page_says_so(assembly: Assembly, page: str) -> None:
    assert public(assembly) == []
    assert '<p class="clear">Nothing.</p>' in page


def test_every_policy_of_a_resource_is_on_the_page(assembly: Assembly, page: str) -> None:
    kinds = {grant.resource.type for grant in grants(assembly)}
    assert kinds == {
        "AWS::KMS::Key",
        "AWS::Lambda::Permission",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
    }
    assert page.count('data-label="Who"') == len(grants(assembly))


# Resources


def test_every_resource_has_a_purpose(assembly: Assembly) -> None:
    missing = [resource.path for resource in assembly.resources.values() if not purpose(assembly, resource)]
    assert missing == [], "say in review/purposes.py what it is there for"


def test_no_purpose_is_left_over(assembly: Assembly) -> None:
    assert set(CONSTRUCTS) <= {resource.path for resource in assembly.resources.values()}


def test_a_resource_without_a_purpose_is_shown_as_such(assembly: Assembly) -> None:
    odd = with_resource(assembly, "MadeUp", {"Type": "AWS::Odd::Thing"})
    assert purpose(odd, odd.resources["MadeUp"]) is None
    text = review_page(odd, PriceBook.shipped(), environment="dev")
    assert "nobody has said what it is for" in text
    assert "Nobody has said what it costs at rest." in text


def test_every_resource_is_on_the_page_with_type_id_and_purpose(
    assembly: Assembly, deployment: Deployment, page: str
) -> None:
    assert set(assembly.resources) == set(deployment.resources)
    rows = {row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if 'data-label="Logical id"' in row}
    assert len(rows) == len(assembly.resources)
    for name, resource in assembly.resources.items():
        [row] = [row for row in rows if f"<code>{name}</code>" in row]
        assert resource.type in row
        assert html.unescape(row).count(str(purpose(assembly, resource)).split("'")[0]) == 1, name
    assert "nobody has said" not in page


def test_what_is_retained_is_on_the_page_with_its_end(assembly: Assembly, page: str) -> None:
    section = page.partition('id="retained"')[2].partition("</section>")[0]
    data = [found for found in assembly.resources.values() if found.retained and found.type != "AWS::Lambda::Version"]
    assert {found.path for found in data} == {"DataKey/Key", "AccessLogs", "Uploads", "Runs", "Registry", "Approvals"}
    assert all(found.path in section for found in data)
    assert "answers/: 400 days" in section


# Roles


def test_every_statement_of_every_role_has_a_reason(assembly: Assembly, deployment: Deployment) -> None:
    # Given
    synthesized = deployment.policy_documents()
    # When
    read = {role.resource.name: role.statements for role in roles(assembly)}
    # Then
    assert {name: len(statements) for name, statements in read.items()} == {
        name: len(statements) for name, statements in synthesized.items()
    }
    for name, statements in read.items():
        for statement in statements:
            assert statement.to, f"{name} {statement.actions}: say to= in stacks/"
            assert all(len(reason.split()) > 1 for reason in statement.to)
            if any("*" in resource for resource in statement.resources):
                assert statement.because, f"{name} {statement.actions}: a wildcard without because="


def test_every_statement_of_every_role_is_on_the_page(assembly: Assembly, page: str) -> None:
    for role in roles(assembly):
        card = html.unescape(page.partition(f'id="{role.resource.name}"')[2].partition("</article>")[0])
        assert card.count('data-label="On"') == len(role.statements) > 0
        assert role.trusted
        for text in (*role.trusted, *(one for found in role.statements for one in _said(found))):
            assert text in card, role.resource.name


def _said(statement: object) -> list[str]:
    parts = ("actions", "resources", "conditions", "to", "because")
    return [text for part in parts for text in getattr(statement, part)]


def test_merged_statements_keep_every_reason(assembly: Assembly) -> None:
    # Given two permissions on "*" that CDK merges into one statement
    [check] = [role for role in roles(assembly) if role.resource.path == "CheckRun/Role"]
    # When
    [merged] = [found for found in check.statements if "servicequotas:GetServiceQuota" in found.actions]
    # Then
    assert "bedrock:GetFoundationModelAvailability" in merged.actions
    assert set(merged.to) == {
        "hold the estimate against the models' quotas",
        "see that the account has access to the models",
        "see that a first champion fits into the quota",
    }


def test_an_action_that_nobody_has_given_a_reason_for_leaves_the_statement_without_one(assembly: Assembly) -> None:
    # Given
    templates = deepcopy(assembly.templates)
    [name] = [found.name for found in assembly.resources.values() if found.path == "StartRun/Role"]
    document = templates["pipeline"]["Resources"][name]["Properties"]["Policies"][0]["PolicyDocument"]
    [start] = [found for found in document["Statement"] if found["Action"] == "states:StartExecution"]
    start["Action"] = ["states:StartExecution", "states:DeleteStateMachine"]
    # When
    changed = Assembly(templates, assembly.metadata)
    # Then
    [role] = [found for found in roles(changed) if found.resource.name == name]
    assert [found.actions for found in role.statements if not found.to] == [tuple(start["Action"])]
    assert "nobody has said why" in review_page(changed, PriceBook.shipped(), environment="dev")


def test_every_accepted_finding_is_on_the_page_with_its_reason(assembly: Assembly, page: str) -> None:
    # Given
    written = {
        (finding.removeprefix("Annotation::").partition("[")[0], path.removeprefix("/").partition("/")[2], reason)
        for notes in assembly.metadata.values()
        for path, entries in notes.items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for finding, reason in entry["data"].items()
    }
    # Then
    read = acknowledgements(assembly)
    assert {(found.rule, found.path, found.reason) for found in read} == written
    assert len(written) > 50
    assert page.partition('id="acknowledged"')[2].count('data-label="Rule"') == len(read)


# Cost at rest


def test_the_cost_at_rest_adds_up_from_the_price_book(assembly: Assembly) -> None:
    # When
    lines = {line.what: line for line in idle_cost(assembly, PriceBook.shipped())}
    # Then
    assert lines["KMS key"].usd == PriceBook.shipped().usd("AWS KMS", "key", 1)
    assert usd_at_rest(PriceBook.shipped()) == sum(
        line.usd or 0.0 for line in lines.values() if line.unit in ("key", "alarm metric", "dashboard")
    )
    assert lines["CloudWatch alarms"].quantity == len(assembly.of_type("AWS::CloudWatch::Alarm"))
    assert lines["ReconcileRuns, invoked by Triggers/EveryFiveMinutes"].quantity == 730 * 12
    assert next(line for what, line in lines.items() if what.startswith("Logs in ")).usd is None


def test_a_price_that_the_book_has_not_is_unknown_and_never_zero(assembly: Assembly) -> None:
    lines = idle_cost(assembly, PriceBook({}, "eu-central-1"))
    assert lines
    assert all(line.usd is None for line in lines)
    text = review_page(assembly, PriceBook({}, "eu-central-1"), environment="dev")
    assert f"{len(lines)} lines are unknown" in text


def test_every_type_has_a_line_or_bills_by_use(assembly: Assembly) -> None:
    assert "Nobody has said" not in "".join(line.note for line in idle_cost(assembly, PriceBook.shipped()))
    # A subscription is there only where the settings name an address.
    assert set(USE_ONLY) - {kind for kind, _ in by_use(assembly)} == {
        "AWS::SNS::Subscription",
        "AWS::EC2::SecurityGroup",
    }


# The page itself


def test_the_page_needs_no_other_file_and_takes_texts_as_texts(assembly: Assembly, page: str) -> None:
    # Given a description that would be markup
    hostile = "<script>alert(1)</script>"
    changed = with_resource(
        assembly, "MadeUp", {"Type": "AWS::KMS::Key", "Properties": {"Description": hostile, "KeyPolicy": {}}}
    )
    # Then
    assert hostile not in review_page(changed, PriceBook.shipped(), environment="dev")
    for outside in ("<script", "<link", "src=", "http://", "https://", "@import"):
        assert outside not in page


def test_two_pages_of_one_assembly_are_equal(assembly: Assembly, page: str) -> None:
    assert review_page(assembly, PriceBook.shipped(), environment="dev") == page


# Diagrams


def test_the_diagrams_are_what_the_templates_are_now(assembly: Assembly) -> None:
    assert differing(diagrams(assembly)) == [], f"run '{RENEW}'"


def test_the_diagram_has_every_state_and_every_way(assembly: Assembly) -> None:
    # Given
    lines = [line.strip() for line in state_machine(assembly.definition)]
    drawn = {(line.split(" ")[0], line.split(" ")[-1]) for line in lines if "-->" in line}
    # Then
    for name, state in all_states(assembly.definition):
        assert [line for line in lines if line.startswith((name, f"subgraph {name} "))], name
        following = {choice["Next"] for choice in state.get("Choices", [])}
        following |= {state[way] for way in ("Next", "Default") if way in state}
        assert {target for source, target in drawn if source == name} == following, name


def test_a_condition_cannot_break_out_of_its_label(assembly: Assembly) -> None:
    # Given
    changed = json.loads(json.dumps(assembly.definition))
    changed["States"]["ComesFromLogs"]["Choices"][0]["Condition"] = '{% $a > "x" and $b < 2 %}'
    # Then
    [line] = [line for line in state_machine(changed) if "ComesFromLogs -->|" in line and "otherwise" not in line]
    assert line.strip() == "ComesFromLogs -->|\"a above 'x' and b below 2\"| ListInvocationLogs"
