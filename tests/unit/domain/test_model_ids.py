"""Which ids are system inference profiles, and of what: geographies come and go, so no list of them decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.model_ids import PROVIDERS, foundation_model_id, is_profile, model_behind, model_family

MODELS = [
    "amazon.nova-pro-v1:0",
    "amazon.nova-micro-v1:0:128k",
    "anthropic.claude-opus-4-5-20251101-v1:0",
    "anthropic.claude-opus-4-6-v1",
    "ai21.jamba-1-5-large-v1:0",
    "deepseek.v3.2",
    "zai.glm-4.6",
    "moonshotai.kimi-k2.5",
    "minimax.minimax-m2.1",
    "google.gemma-3.5-27b",
    "openai.gpt-oss-120b-1:0",
    "meta.llama4-maverick-17b-instruct-v1:0",
    "newprovider.model-4.6-v1:0",
]
scopes = st.from_regex(r"[a-z]{2,6}(-[a-z]{2,4})?", fullmatch=True).filter(lambda scope: scope not in PROVIDERS)


@given(scopes, st.sampled_from(MODELS))
def test_a_profile_of_any_geography_is_known_with_what_lies_behind_it(scope: str, model: str) -> None:
    profile = f"{scope}.{model}"
    assert is_profile(profile)
    assert foundation_model_id(profile) == foundation_model_id(model)
    assert model_family(profile) == model_family(model)
    arn = f"arn:aws:bedrock:us-east-1:111122223333:inference-profile/{profile}"
    assert model_behind(arn) == model_behind(profile) == foundation_model_id(model)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_no_profile_whatever_dots_its_version_has(model: str) -> None:
    assert not is_profile(model)
    assert model_family(model) == model.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("scope", ["us", "eu", "apac", "jp", "au", "ca", "us-gov", "global", "amer", "in", "emea"])
def test_a_provider_that_nobody_knows_yet_is_told_from_a_scope(scope: str) -> None:
    assert is_profile(f"{scope}.newprovider.model-v1:0")
    assert model_family(f"{scope}.newprovider.model-v1:0") == "newprovider"


@pytest.mark.parametrize("model", ["", "us", "us.amazon", "us.amazon.", "nova-pro"])
def test_what_is_no_id_is_no_profile(model: str) -> None:
    assert not is_profile(model)
