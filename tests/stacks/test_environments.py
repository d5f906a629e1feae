"""Settings come from the context: a mistake is an error at synth that names the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lambdas.domain.errors import InvalidSettings
from stacks.environments import read_environments
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


def test_settings_that_no_lambda_could_hold_are_refused_before_anything_is_deployed() -> None:
    # Given
    price = {
        "usage": "input",
        "usd": 1,
        "unit": "million tokens",
        "source": "an offer of our own",
        "date": "2026-11-01",
    }
    prices = [{"model": f"amazon.model-{number}-v1:0", **price} for number in range(30)]
    # When
    with pytest.raises(InvalidSettings, match="environment 'dev': the settings take") as raised:
        read_environments({"dev": {"prices": prices}})
    # Then
    assert "'prices'" in str(raised.value)


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
