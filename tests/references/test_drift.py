"""What a newer botocore says otherwise is told: a request that it refuses, a field that came or went."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader

from tests.faults.scenarios import SCENARIOS
from tests.references.drift import Models, Request, breaches, differences, record_requests

Json = dict[str, Any]
_JOBS = "arn:aws:bedrock:us-east-1:111122223333:model-customization-job"
JOB = Request(
    "bedrock",
    "StopModelCustomizationJob",
    {"jobIdentifier": f"{_JOBS}/amazon.nova-micro-v1:0/abcdefghij12"},
)
LIST = Request("bedrock", "ListCustomModels", {"maxResults": 10})


@pytest.fixture
def another(tmp_path: Path) -> Callable[[Callable[[Json], object]], Models]:
    """A botocore whose model of Bedrock was changed."""

    def made(change: Callable[[Json], object]) -> Models:
        model = json.loads(json.dumps(Loader().load_service_model("bedrock", "service-2")))
        change(model)
        folder = tmp_path / "botocore" / "data" / "bedrock" / "2023-04-20"
        folder.mkdir(parents=True)
        (folder / "service-2.json").write_text(json.dumps(model))
        return Models(tmp_path)

    return made


def test_a_pattern_that_grew_narrower_refuses_the_request(another: Callable[..., Models]) -> None:
    models = another(lambda model: model["shapes"]["ModelCustomizationJobIdentifier"].update(pattern="[a-z]+"))
    [line] = breaches([JOB, LIST], models)
    assert line.startswith("bedrock StopModelCustomizationJob: Value 'arn:aws:")
    assert "pattern: [a-z]+" in line


def test_an_operation_that_is_gone_is_told(another: Callable[..., Models]) -> None:
    models = another(lambda model: model["operations"].pop("ListCustomModels"))
    assert breaches([JOB, LIST], models) == ["bedrock ListCustomModels: no such operation any more"]
    assert differences([LIST], Models(), models) == ["bedrock ListCustomModels: gone"]


def test_fields_and_errors_that_came_or_went_are_told(another: Callable[..., Models]) -> None:
    # Given
    def change(model: Json) -> None:
        request, answer = (model["shapes"][f"ListCustomModels{side}"] for side in ("Request", "Response"))
        request["members"]["aNewFilter"] = {"shape": "NonBlankString"}
        request["members"]["maxResults"] = {"shape": "NonBlankString"}
        del answer["members"]["nextToken"]
        model["operations"]["ListCustomModels"]["errors"].append({"shape": "ConflictException"})

    # When
    told = differences([JOB, LIST], Models(), another(change))
    # Then
    assert [line.split(": ", 1)[0] for line in told] == [
        "bedrock ListCustomModels error ConflictException",
        "bedrock ListCustomModels input.aNewFilter",
        "bedrock ListCustomModels input.maxResults",
        "bedrock ListCustomModels output.nextToken",
    ]


def test_every_request_of_a_run_keeps_the_pinned_models() -> None:
    # Given
    requests = record_requests(SCENARIOS[:1])
    # When, Then
    assert len({(request.service, request.operation) for request in requests}) > 25
    assert breaches(requests, Models()) == []
    assert differences(requests, Models(), Models()) == []
