"""Application inference profiles: a name and tags for calls to one model, at that model's price and under its rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator import toy
from tests.simulator.conftest import BATCH_SECONDS, Account, refusal
from tests.simulator.test_access import ACCOUNT, KEY, allow, grant

SYSTEM = f"{ACCOUNT}:inference-profile/us.amazon.nova-pro-v1:0"
MODEL = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0"
ANYWHERE = "arn:aws:bedrock:*::foundation-model/amazon.nova-pro-v1:0"
ENDS = ("end_turn", "max_tokens")
TAGS: Any = [{"key": "distillation:environment", "value": "dev"}]


def create(account: Account, source: str = SYSTEM, name: str = "dev-pro", **fields: Any) -> str:
    made = account.bedrock.create_inference_profile(
        inferenceProfileName=name, modelSource={"copyFrom": source}, tags=TAGS, **fields
    )
    return made["inferenceProfileArn"]


def ask(account: Account, model: str, key: str | None = None) -> Any:
    runtime: Any = account.client("bedrock-runtime", key) if key else account.runtime
    return runtime.converse(
        modelId=model, messages=[{"role": "user", "content": [{"text": "red cats"}]}], inferenceConfig={"maxTokens": 50}
    )


def test_one_of_an_unknown_source_and_one_of_a_name_that_is_taken_are_refused(account: Account) -> None:
    create(account)
    assert refusal(lambda: create(account))[0] == "ConflictException"
    assert (
        refusal(lambda: create(account, f"{ACCOUNT}:inference-profile/us.amazon.nova-huge-v1:0", "dev-huge"))[0]
        == "ResourceNotFoundException"
    )


def test_one_of_a_model_past_its_end_of_life_is_refused(account: Account) -> None:
    assert (
        refusal(lambda: create(account, f"{ACCOUNT}:inference-profile/us.amazon.nova-premier-v1:0", "dev-premier"))[0]
        == "ResourceNotFoundException"
    )


def test_it_says_its_models_and_its_tags_and_is_listed_apart_from_the_systems_own(account: Account) -> None:
    # Given
    arn = create(account)
    # When
    described = account.bedrock.get_inference_profile(inferenceProfileIdentifier=arn)
    # Then
    assert described["type"] == "APPLICATION"
    assert {model["modelArn"].partition("::")[2] for model in described["models"]} == {
        "foundation-model/amazon.nova-pro-v1:0"
    }
    assert account.bedrock.list_tags_for_resource(resourceARN=arn)["tags"] == TAGS
    own = account.bedrock.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"]
    assert [profile["inferenceProfileArn"] for profile in own] == [arn]
    system = account.bedrock.list_inference_profiles()["inferenceProfileSummaries"]
    assert arn not in [profile["inferenceProfileArn"] for profile in system]


def test_it_answers_as_its_model_at_the_same_price(account: Account) -> None:
    # Given
    arn = create(account)
    # When
    direct, through = ask(account, "us.amazon.nova-pro-v1:0"), ask(account, arn)
    # Then
    assert through["output"] == direct["output"]
    one, other = account.control.billing()[-2:]
    assert (one.model, one.usd) == (other.model, other.usd)


def test_its_id_alone_and_a_deleted_one_are_no_model(account: Account) -> None:
    arn = create(account)
    assert refusal(lambda: ask(account, arn.rpartition("/")[2]))[0] == "ValidationException"
    account.bedrock.delete_inference_profile(inferenceProfileIdentifier=arn)
    assert refusal(lambda: ask(account, arn))[0] == "ValidationException"


def test_batch_inference_takes_it(account: Account) -> None:
    # Given
    arn = create(account)
    account.put_batch(toy.queries(100, "batch"))
    # When
    job = account.bedrock.create_model_invocation_job(**account.batch_request(modelId=arn))["jobArn"]
    account.clock.advance(BATCH_SECONDS)
    # Then
    assert account.bedrock.get_model_invocation_job(jobIdentifier=job)["status"] == "Completed"


@pytest.mark.parametrize("without", ["profile", "system", "model"])
def test_a_caller_needs_the_profile_what_it_copies_and_the_model_behind_it(account: Account, without: str) -> None:
    # Given
    arn = create(account)
    through = {"bedrock:InferenceProfileArn": arn}
    statements = {
        "profile": allow("bedrock:InvokeModel", arn),
        "system": allow("bedrock:InvokeModel", SYSTEM),
        "model": allow("bedrock:InvokeModel", ANYWHERE, StringEquals=through),
    }
    # When, Then
    grant(account, *(statement for name, statement in statements.items() if name != without))
    assert refusal(lambda: ask(account, arn, KEY))[0] == "AccessDeniedException"
    grant(account, *statements.values())
    assert ask(account, arn, KEY)["stopReason"] in ENDS


def test_what_is_allowed_through_it_is_not_allowed_past_it(account: Account) -> None:
    # Given
    arn = create(account, MODEL, "dev-micro")
    through = {"bedrock:InferenceProfileArn": arn}
    grant(account, allow("bedrock:InvokeModel", arn), allow("bedrock:InvokeModel", MODEL, StringEquals=through))
    # When, Then
    assert ask(account, arn, KEY)["stopReason"] in ENDS
    assert refusal(lambda: ask(account, "amazon.nova-micro-v1:0", KEY))[0] == "AccessDeniedException"
