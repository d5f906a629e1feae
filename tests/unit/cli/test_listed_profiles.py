"""Doctor says under which ids Bedrock offers a model that does not answer under the id of the settings."""

from __future__ import annotations

import pytest

from cli.doctor import PROBLEM, _role
from lambdas.workflow.model_catalog import ModelCatalog
from tests.unit.cli.conftest import FakeAws

HERE = "arn:aws:bedrock:ap-south-2::foundation-model/amazon.nova-pro-v1:0"


@pytest.mark.parametrize("named", ["us.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "oldscope.amazon.nova-pro-v1:0"])
def test_a_model_of_another_geography_is_named_by_what_bedrock_lists(aws: FakeAws, named: str) -> None:
    # Given a Region whose profiles begin with words that no list of ours has
    bedrock = aws.stub("bedrock")
    bedrock.add_client_error("get_foundation_model", "ResourceNotFoundException")
    profile = {
        "inferenceProfileName": "n",
        "inferenceProfileArn": "arn:aws:bedrock:ap-south-2:123456789012:inference-profile/in.amazon.nova-pro-v1:0",
        "inferenceProfileId": "in.amazon.nova-pro-v1:0",
        "models": [{"modelArn": HERE}],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }
    other = profile | {"inferenceProfileId": "in.amazon.nova-lite-v1:0", "models": [{"modelArn": f"{HERE}x"}]}
    listed = {"inferenceProfileSummaries": [profile, other]}
    bedrock.add_response("list_inference_profiles", listed, {"typeEquals": "SYSTEM_DEFINED"})
    # When
    check = _role(ModelCatalog(aws.client("bedrock"), aws.client("service-quotas")), "teacher", [named])
    # Then
    assert check.state == PROBLEM
    assert check.found == f"{named} is not known in this Region (Bedrock lists in.amazon.nova-pro-v1:0 here)"


def test_who_may_not_list_gets_the_check_without_the_hint(aws: FakeAws) -> None:
    # Given
    bedrock = aws.stub("bedrock")
    bedrock.add_client_error("get_foundation_model", "ResourceNotFoundException")
    bedrock.add_client_error("list_inference_profiles", "AccessDeniedException")
    # When
    check = _role(ModelCatalog(aws.client("bedrock"), aws.client("service-quotas")), "teacher", ["us.a.b"])
    # Then
    assert check.found == "us.a.b is not known in this Region"
