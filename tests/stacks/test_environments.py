"""Settings come from the context: a mistake is an error at synth that names the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.bedrock_names import content_name
from lambdas.domain.errors import InvalidSettings
from stacks.context import read_environments
from tests.stacks.templates import STACKS, context, synthesize

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"dev": {"max_runing": 3}}, "max_runing"),
        ({"dev": {"max_running": 0}}, "max_running"),
        ({"dev": {"teacher_models": []}}, "teacher_models"),
        ({"dev": {"distillation_poll_seconds": 60, "endpoint_poll_seconds": 15}}, "distillation_poll_seconds"),
        ({"dev": {}, "staging": {"region": "Virginia"}}, "staging"),
        ({"d": {}}, "2 to 12 characters"),
        ({"Dev": {}}, "begins with a letter"),
        ({"development-eu": {}}, "development-eu"),
        ({}, "at least one environment"),
        (None, "at least one environment"),
        ("{", "no JSON"),
        ("[]", "at least one environment"),
    ],
)
def test_a_mistake_is_named(document: Any, named: str) -> None:
    with pytest.raises(InvalidSettings, match=named):
        read_environments(document)


@pytest.mark.parametrize("name", ["dev-", "-dev", "a--b", "dev_", "9dev", "longer-than-12", "d"])
def test_a_name_that_bedrock_s_names_cannot_begin_with_is_refused(name: str) -> None:
    with pytest.raises(InvalidSettings, match=rf"environment '{name}': a name is 2 to 12 characters"):
        read_environments({name: {}})


@given(st.text(alphabet="ab-9", min_size=1, max_size=13))
def test_every_name_that_is_accepted_begins_names_that_bedrock_takes(name: str) -> None:
    try:
        read_environments({name: {}})
    except InvalidSettings:
        return
    assert content_name(name, "task", "0" * 8).startswith(f"{name}-task-")


def test_the_command_line_s_text_is_read_like_cdk_json() -> None:
    document = {"dev": {"max_running": 5}}
    assert read_environments(json.dumps(document)) == read_environments(document)


def test_what_cdk_json_has_can_be_deployed() -> None:
    assert list(read_environments(context()["environments"])) == ["dev"]


def test_two_environments_are_two_sets_of_stacks_that_share_nothing(tmp_path: Path) -> None:
    # When
    deployments = synthesize({"dev": {}, "prod": {"region": "us-west-2", "account": "111122223333"}}, tmp_path)
    # Then
    written = {path.name for path in tmp_path.glob("*.template.json")}
    assert written == {f"distillation-{name}-{stack}.template.json" for name in ("dev", "prod") for stack in STACKS}
    dev, prod = (json.dumps(deployments[name].templates) for name in ("dev", "prod"))
    assert "distillation-prod" not in dev
    assert "distillation-dev" not in prod
    assert "us-east-1" not in prod.replace(r"\"us-east-1\"", "")
    assert "parameter/distillation/prod/*" in prod


def test_everything_is_tagged_with_its_environment(tmp_path: Path) -> None:
    deployment = synthesize({"prod": {}}, tmp_path)["prod"]
    buckets = deployment.of_type("AWS::S3::Bucket").values()
    assert all({"Key": "distillation:environment", "Value": "prod"} in bucket["Tags"] for bucket in buckets)
