"""An application inference profile is priced as what it was copied from."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.gateways.aws.inference_profiles import models_of_profiles

MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"


class OneProfile:
    """Bedrock with one profile, whose model is in these Regions."""

    def __init__(self, *regions: str) -> None:
        self.models = [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{MODEL}"} for region in regions]

    def get_inference_profile(self, **request: Any) -> dict[str, Any]:
        if request["inferenceProfileIdentifier"] != PROFILE:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no"}}, "GetInferenceProfile")
        return {"models": self.models}


@pytest.mark.parametrize(
    ("regions", "name"),
    [
        (("us-east-1",), MODEL),
        (("us-east-1", "us-east-2", "us-west-2"), f"us.{MODEL}"),
        (("ca-central-1", "us-east-1", "us-west-2"), f"us.{MODEL}"),
        (("eu-central-1", "eu-west-1", "eu-north-1"), f"eu.{MODEL}"),
        (("ap-south-1", "ap-northeast-1", "ap-southeast-2"), f"apac.{MODEL}"),
        (("ap-northeast-1", "ap-northeast-3"), f"jp.{MODEL}"),
        (("us-east-1", ""), f"global.{MODEL}"),
        (("",), f"global.{MODEL}"),
    ],
)
def test_a_profile_of_several_regions_is_named_by_their_geography(regions: tuple[str, ...], name: str) -> None:
    client: Any = OneProfile(*regions)
    assert models_of_profiles(client, [PROFILE, PROFILE, f"us.{MODEL}"]) == {PROFILE: name}


@pytest.mark.parametrize("regions", [(), ("us-east-1", "eu-west-1"), ("xx-north-1", "xx-north-2")])
def test_a_profile_of_no_model_or_of_no_known_geography_is_absent(regions: tuple[str, ...]) -> None:
    client: Any = OneProfile(*regions)
    assert models_of_profiles(client, [PROFILE, f"{PROFILE}-gone"]) == {}
