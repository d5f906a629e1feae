"""RankOpportunities writes what was found, prices profiles by their models, and counts what somebody acted on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.discovery_plan import InvalidDiscovery
from lambdas.domain.identity import task_slug
from lambdas.gateways.aws import clients
from lambdas.operations.rank_opportunities import stage
from tests.unit.domain.discovery.found_tasks import PRO, found, traffic
from tests.unit.support.workshop import Workshop

PROFILE = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"
GONE = f"{PROFILE}-gone"


class Profiles:
    """Bedrock, which knows one profile."""

    def get_inference_profile(self, **request: Any) -> dict[str, Any]:
        if request["inferenceProfileIdentifier"] != PROFILE:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no"}}, "GetInferenceProfile")
        model = PRO.removeprefix("us.")
        regions = ("us-east-1", "us-east-2", "us-west-2")
        return {"models": [{"modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model}"} for region in regions]}


@pytest.fixture
def ranked(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Rank three tasks: one of a profile, one of a profile that is gone, and one that has a run."""
    tasks = [
        found(traffic(PROFILE), task="by-profile"),
        found(traffic(GONE), task="dark"),
        found(traffic(PRO), task="video-search-intent"),
    ]
    monkeypatch.setattr(clients, "bedrock", Profiles)
    monkeypatch.setattr(stage, "query_rows", lambda _pipeline, _query: iter(()))
    monkeypatch.setattr(stage, "found_tasks", lambda _rows: tasks)
    registry = workshop.pipeline.registry
    monkeypatch.setattr(
        registry,
        "in_state",
        lambda state, **_: (
            [type("Run", (), {"task": task_slug("video-search-intent"), "run_id": "one"})] if state == "ENDED" else []
        ),
    )
    assert stage.rank_opportunities(workshop.pipeline, "query", "d-1", [{"day": "2026-11-01"}]) == {"tasks": 3}
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    document = json.loads(workshop.bucket.objects[discovery_files.LATEST])
    assert (
        workshop.bucket.objects[discovery_files.opportunities("d-1")] == workshop.bucket.objects[discovery_files.LATEST]
    )
    return {"document": document, "metrics": {name: one[name] for one in metrics for name in one}}


def test_a_generation_that_is_not_a_key_is_refused(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "bedrock", Profiles)
    monkeypatch.setattr(stage, "query_rows", lambda _pipeline, _query: iter(()))
    with pytest.raises(InvalidDiscovery):
        stage.rank_opportunities(workshop.pipeline, "query", "../runs", [])
    assert workshop.bucket.objects == {}


def test_a_profile_is_priced_by_its_model_and_one_that_is_gone_is_said(ranked: dict[str, Any]) -> None:
    usd = {one["task"]["task"]: one["usd"] for one in ranked["document"]["opportunities"]}
    assert usd["dark"] is None
    assert usd["by-profile"] == usd["video-search-intent"]
    assert any(GONE in note for note in ranked["document"]["notes"])
    assert ranked["document"]["days_not_read"] == [{"day": "2026-11-01"}]


def test_a_day_that_was_not_read_is_said_beside_the_dollars_that_lack_it(ranked: dict[str, Any]) -> None:
    assert any("2026-11-01" in note and note.startswith("Not read") for note in ranked["document"]["notes"])
    assert {one["task"]["unread_days"] for one in ranked["document"]["opportunities"]} == {1}


def test_dollars_found_and_acted_on_are_measured(ranked: dict[str, Any]) -> None:
    def value(name: str) -> float:
        given = ranked["metrics"][name]
        return float(given[0] if isinstance(given, list) else given)

    # Two of the same tasks have a price, and one of them has a run
    assert value("FoundSavingsUsd") == pytest.approx(float(ranked["document"]["high_usd"]), rel=1e-4)
    assert value("ActedOnSavingsUsd") == pytest.approx(value("FoundSavingsUsd") / 2, rel=1e-4)
