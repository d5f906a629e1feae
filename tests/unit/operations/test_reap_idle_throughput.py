"""Whatever a run left behind is found, and nothing that somebody needs is taken away."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import resource_tags
from lambdas.domain.errors import ChampionChanged
from lambdas.gateways.registry.champions import RollbackOrder
from lambdas.gateways.registry.resources import (
    BATCH_JOB,
    CREATED,
    CUSTOM_MODEL,
    CUSTOMIZATION_JOB,
    DEPLOYMENT,
    IN_USE,
    KEPT,
    PLANNED,
    RELEASED,
    THROUGHPUT,
)
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.stage import Stage, iso
from tests.unit.support.yard import OUTSIDE, SERVING, Yard, yard

__all__ = ["yard"]


def test_throughput_of_a_killed_run_that_the_registry_never_heard_of_is_found_and_deleted(yard: Yard) -> None:
    run = yard.workshop.run()
    arn = yard.throughput(run)
    yard.end(run)

    assert yard.reasons() == {"dev-video-ab": "UNUSED"}
    assert arn in yard.workshop.client.endpoints, "a report deletes nothing"
    result = yard.reaper.reap("delete_unused")

    assert result["findings"][0]["done"] == "deleted"
    assert result["usd_per_hour"] == 0
    assert arn not in yard.workshop.client.endpoints


def leave(yard: Yard, run: Run, kind: str, name: str) -> str:
    """Make what a run that was killed while its stage worked leaves in the account, the registry knowing nothing."""
    client = yard.workshop.client
    if kind == THROUGHPUT:
        return yard.throughput(run, name)
    if kind == CUSTOM_MODEL:
        arn = client.add_model(name)
    elif kind == DEPLOYMENT:
        arn = client.add_deployment(name, "arn:model")
    elif kind == CUSTOMIZATION_JOB:
        arn = client.add_job(name, "InProgress")
    else:
        arn = "arn:aws:bedrock:us-east-1:000000000000:model-invocation-job/abcdef123456"
        client.batches[name] = {"jobArn": arn, "jobName": name, "status": "InProgress", "submitTime": client.now}
    client.tags[arn] = resource_tags("dev", run.task, run.run_id, "a stage")
    return arn


@pytest.mark.parametrize(
    ("stage", "kind"),
    [
        ("RunTeacherBatch", BATCH_JOB),
        ("LaunchDistillation", CUSTOMIZATION_JOB),
        ("LaunchDistillation", CUSTOM_MODEL),
        ("DeployCandidate", DEPLOYMENT),
        ("PromoteStudent", THROUGHPUT),
    ],
)
def test_what_a_run_killed_in_any_stage_left_is_found_and_taken_away(yard: Yard, stage: str, kind: str) -> None:
    # Given a run that was killed in that stage, and a registry that lost what it had made
    run = yard.workshop.run()
    arn, name = leave(yard, run, kind, f"dev-video-{stage.lower()}"), f"dev-video-{stage.lower()}"
    assert yard.reasons("delete_unused") == {}, "its run is in progress"
    yard.end(run)
    # When
    [looked] = yard.reaper.reap("report")["findings"]
    [found] = yard.reaper.reap("delete_unused")["findings"]
    # Then
    assert (looked["reason"], looked["kind"], looked["arn"], looked["done"]) == ("UNUSED", kind, arn, "")
    assert found["name"] == name
    assert found["done"] or "it is being stopped" in found["explanation"]
    for batch in yard.workshop.client.batches.values():
        assert batch["status"] == "Stopping"
        batch["status"] = "Stopped"
    assert yard.reasons("report") == {}


def test_what_a_run_under_way_needs_is_left_alone(yard: Yard) -> None:
    arn = yard.throughput(yard.workshop.run())

    assert yard.reasons("delete_idle") == {}
    assert arn in yard.workshop.client.endpoints


def test_what_only_has_a_similar_name_is_not_ours(yard: Yard) -> None:
    arn = yard.workshop.client.add_throughput("dev-tools-of-another-team", "arn:model")
    other = yard.workshop.client.add_throughput("my-dev-box", "arn:model")
    yard.workshop.client.tags[arn] = yard.workshop.client.tags[other] = []

    assert yard.reasons("delete_idle") == {}
    assert {arn, other} <= yard.workshop.client.endpoints.keys()


def test_a_model_kept_for_a_retry_stays_until_its_time_is_over(yard: Yard) -> None:
    run = yard.workshop.run()
    arn = yard.workshop.client.add_model("dev-video-model")
    yard.workshop.client.tags[arn] = resource_tags("dev", run.task, run.run_id, "LaunchDistillation")
    resource = yard.workshop.made(run, CUSTOM_MODEL, "dev-video-model", arn)
    until = iso(yard.workshop.time + timedelta(days=7))
    yard.workshop.pipeline.resources.mark(resource, KEPT, until)
    yard.end(run)

    assert yard.reasons("delete_unused") == {}
    yard.workshop.pass_time(days=8)

    assert yard.reasons("delete_unused") == {"dev-video-model": "UNUSED"}
    assert yard.workshop.client.models == {}
    assert [item.state for item in yard.workshop.pipeline.resources.of_run(run.run_id)] == [RELEASED]


@pytest.mark.parametrize("known", [PLANNED, CREATED])
@pytest.mark.parametrize("minutes", [1, 59])
def test_a_model_that_the_release_of_an_ended_run_has_not_decided_about_is_left_to_it(
    yard: Yard, known: str, minutes: int
) -> None:
    # Given a run that was stopped, and a model that came while its release waited for the job: it may be kept
    run, name = yard.workshop.run(), "dev-video-left"
    arn = leave(yard, run, CUSTOM_MODEL, name)
    planned = Stage(name="x", pipeline=yard.workshop.pipeline, run=run, attempt=1).resource(CUSTOM_MODEL, name)
    yard.workshop.pipeline.resources.plan(planned)
    if known == CREATED:
        yard.workshop.pipeline.resources.created(planned, arn)
    yard.end(run)
    # When the janitor looks before the schedule has come to it again
    yard.workshop.pass_time(minutes=minutes)
    # Then
    assert yard.reasons("delete_unused") == {}
    assert yard.workshop.client.models
    # But what the release has not given back within an hour is nobody's
    yard.workshop.pass_time(minutes=61 - minutes)
    [found] = yard.reaper.reap("delete_unused")["findings"]
    assert (found["arn"], found["reason"], found["done"]) == (arn, "UNUSED", "deleted")


def test_an_endpoint_that_the_release_of_an_ended_run_has_not_deleted_yet_is_deleted_at_once(yard: Yard) -> None:
    # Given: it bills by the hour, and no endpoint is kept for a retry
    run = yard.workshop.run()
    arn = yard.throughput(run)
    yard.workshop.made(run, THROUGHPUT, "dev-video-ab", arn)
    yard.end(run)
    # When / Then
    [found] = yard.reaper.reap("delete_unused")["findings"]
    assert (found["arn"], found["done"]) == (arn, "deleted")


def test_a_commitment_is_reported_and_never_deleted(yard: Yard) -> None:
    run = yard.workshop.run()
    ends = yard.workshop.time + timedelta(days=12)
    arn = yard.throughput(run, commitmentDuration="OneMonth", commitmentExpirationTime=ends)
    yard.end(run)

    found = yard.reaper.reap("delete_idle")["findings"]

    assert [finding["deletable"] for finding in found] == [False]
    assert arn in yard.workshop.client.endpoints


def promoted(yard: Yard) -> tuple[Run, str]:
    """Give a run whose student serves on throughput, with the files that its run left."""
    run = yard.workshop.run()
    arn = yard.throughput(run, SERVING)
    yard.workshop.made(run, THROUGHPUT, SERVING, arn, IN_USE)
    yard.workshop.crown(
        run.run_id, "arn:aws:bedrock:us-east-1:000000000000:custom-model/amazon.nova-micro-v1:0:128k/abcdef123456", arn
    )
    yard.workshop.bucket.write_json(run.files.task_definition, {})
    record = {"id": "0" * 16, "turns": [["user", "red cats"]]}
    yard.workshop.bucket.write(run.files.dataset("holdout.jsonl"), json.dumps(record).encode())
    yard.end(run)
    return run, arn


def test_an_idle_champion_is_reported_and_goes_on_serving(yard: Yard) -> None:
    _, arn = promoted(yard)
    yard.workshop.pass_time(hours=25)

    assert yard.reasons("delete_unused") == {SERVING: "IDLE"}
    assert arn in yard.workshop.client.endpoints


def test_a_champion_that_is_called_is_not_found(yard: Yard) -> None:
    _, arn = promoted(yard)
    yard.calls.counts[arn] = 3.0
    yard.workshop.pass_time(hours=25)

    assert yard.reasons("delete_idle") == {}


def test_a_champion_nobody_confirms_moves_to_a_deployment_and_its_throughput_goes_after_the_notice(
    yard: Yard,
) -> None:
    ssm = yard.ssm
    _, arn = promoted(yard)
    yard.calls.counts[arn] = 100.0
    yard.workshop.pass_time(days=91)
    tasks, client = yard.workshop.pipeline.tasks, yard.workshop.client

    assert yard.reasons(look_only=True) == {SERVING: "REVIEW_DUE"}
    assert not client.called("CreateCustomModelDeployment"), "looking changes nothing"
    yard.reaper.reap("report")
    [deployment] = [key for key in client.endpoints if ":custom-model-deployment/" in key]
    assert tasks.state("video").uses(deployment, yard.workshop.time), "no release may take it for a leftover"
    assert not ssm.put, "callers are sent to nothing that is not ready"
    client.endpoints[deployment]["status"] = "Active"
    yard.workshop.pass_time(minutes=30)
    yard.reaper.reap("report")

    champion = tasks.state("video").champion
    assert champion is not None
    assert (champion.endpoint_arn, champion.mode) == (deployment, "on_demand")
    assert json.loads(ssm.put[-1]["Value"])["endpoint_arn"] == deployment
    assert len(client.called("CreateCustomModelDeployment")) == 1
    assert tasks.state("video").uses(arn, yard.workshop.time), "callers are given time to read the pointer"
    yard.workshop.pass_time(minutes=61)
    assert not tasks.state("video").uses(arn, yard.workshop.time)


def test_a_deployment_that_fails_leaves_the_champion_where_it_is(yard: Yard) -> None:
    _, arn = promoted(yard)
    yard.workshop.pass_time(days=91)
    yard.reaper.reap("report")
    [deployment] = [key for key in yard.workshop.client.endpoints if ":custom-model-deployment/" in key]
    yard.workshop.client.endpoints[deployment]["status"] = "Failed"

    found = yard.reaper.reap("report")["findings"]

    assert "could not be moved" in found[0]["explanation"]
    champion = yard.workshop.pipeline.tasks.state("video").champion
    assert champion is not None
    assert champion.endpoint_arn == arn
    assert deployment not in yard.workshop.client.endpoints


def test_a_confirmed_champion_is_not_asked_about_again_for_a_while(yard: Yard) -> None:
    run, arn = promoted(yard)
    yard.calls.counts[arn] = 100.0
    yard.workshop.pass_time(days=91)

    yard.workshop.pipeline.tasks.confirm("video", run.run_id, yard.workshop.now(), "still needed")

    assert yard.reasons() == {}
    yard.workshop.pass_time(days=91)
    assert yard.reasons(look_only=True) == {SERVING: "REVIEW_DUE"}


def test_a_champion_that_has_changed_cannot_be_confirmed(yard: Yard) -> None:
    promoted(yard)

    with pytest.raises(ChampionChanged, match="not served by run video-other"):
        yard.workshop.pipeline.tasks.confirm("video", "video-other", yard.workshop.now(), "")


def test_a_base_model_near_its_end_of_life_is_said_early(yard: Yard) -> None:
    _, arn = promoted(yard)
    yard.calls.counts[arn] = 5.0
    yard.lifecycle.end = yard.workshop.time + timedelta(days=100)

    found = yard.reaper.reap("report")["findings"]

    [said] = [finding for finding in found if finding["reason"] not in OUTSIDE]
    assert said["reason"] == "END_OF_LIFE"
    assert "distil on its successor" in said["explanation"]


def test_a_base_model_that_becomes_legacy_is_said_at_once(yard: Yard) -> None:
    # Given a base model that became Legacy today and ends long after the days of the settings
    _, arn = promoted(yard)
    yard.calls.counts[arn] = 5.0
    yard.lifecycle.legacy = yard.workshop.time
    yard.lifecycle.end = yard.workshop.time + timedelta(days=400)

    # When
    (found,) = [finding for finding in yard.reaper.reap("report")["findings"] if finding["reason"] == "END_OF_LIFE"]

    # Then
    assert f"LEGACY since {yard.workshop.time:%Y-%m-%d}, ends on" in found["explanation"]
    assert "no new training" in found["explanation"]


def test_a_legacy_base_model_without_an_announced_end_is_said_too(yard: Yard) -> None:
    promoted(yard)
    yard.lifecycle.legacy = yard.workshop.time

    assert "END_OF_LIFE" in [finding["reason"] for finding in yard.reaper.reap("report")["findings"]]


def test_an_active_base_model_with_a_far_end_is_not_said(yard: Yard) -> None:
    promoted(yard)
    yard.lifecycle.end = yard.workshop.time + timedelta(days=400)

    assert "END_OF_LIFE" not in [finding["reason"] for finding in yard.reaper.reap("report")["findings"]]


def test_an_endpoint_that_a_rollback_has_bought_and_not_yet_crowned_is_left_alone(yard: Yard) -> None:
    # Given a rollback under way that buys an endpoint: planned, created, its ARN not written down
    run, _ = promoted(yard)
    tasks, now = yard.workshop.pipeline.tasks, yard.workshop.now()
    tasks.take_lease("video", "rollback-video", run.run_id, now, iso(yard.workshop.time + timedelta(hours=1)))
    order = RollbackOrder(
        to_run="video-old",
        from_run=run.run_id,
        why="",
        at=now,
        owner="rollback-video",
        endpoint_name="dev-video-rollback",
    )
    tasks.order_rollback("video", order)
    yard.throughput(run, "dev-video-rollback")

    # When, Then
    assert "dev-video-rollback" not in yard.reasons("delete_unused")
    tasks.order_rollback("video", replace(order, failed="it could not serve"))
    assert yard.reasons("report")["dev-video-rollback"] == "UNUSED"


def test_a_champions_endpoint_that_has_failed_is_said_and_not_deleted(yard: Yard) -> None:
    run, arn = promoted(yard)
    yard.workshop.client.endpoints[arn]["status"] = "Failed"

    findings = yard.reaper.reap("delete_idle")["findings"]

    [found] = [finding for finding in findings if finding["reason"] not in OUTSIDE]
    assert (found["reason"], found["done"]) == ("BROKEN", "")
    assert f"rollback video --to {run.run_id}" in found["explanation"]
    assert arn in yard.workshop.client.endpoints


def test_a_price_that_only_the_approval_knew_is_added(yard: Yard) -> None:
    run = yard.workshop.run()
    arn = yard.throughput(run, "dev-video-ab")
    book = yard.workshop.pipeline.resources
    book.plan(
        replace(
            yard.workshop.made(run, THROUGHPUT, "dev-video-other", None), name="dev-video-ab", arn=arn, usd_per_hour=7.5
        )
    )
    yard.end(run)

    assert yard.reaper.reap("report")["usd_per_hour"] == 7.5


def test_only_our_jobs_under_way_are_listed_to_be_stopped(yard: Yard) -> None:
    # Given jobs of ours under way and ended, and another team's
    client, run = yard.workshop.client, yard.workshop.run()
    for name, status in (("dev-video-a", "InProgress"), ("dev-video-b", "Completed"), ("dev-tools-c", "InProgress")):
        arn = client.add_job(name, status)
        client.batches[name] = {"jobArn": f"{arn}/batch", "jobName": name, "status": status, "submitTime": client.now}
        client.tags[arn] = client.tags[f"{arn}/batch"] = []
        if "video" in name:
            client.tags[arn] = client.tags[f"{arn}/batch"] = resource_tags("dev", "video", run.run_id, "a stage")
    client.calls.clear()
    # When, Then
    assert [(job.kind, job.name, job.usd_per_hour) for job in yard.inventory.jobs()] == [
        ("customization_job", "dev-video-a", None),
        ("batch_inference_job", "dev-video-a", None),
    ]


def test_what_a_service_refuses_is_told_and_keeps_no_other_finding_from_being_dealt_with(yard: Yard) -> None:
    # Given a throughput that may not be deleted, and a model of the same run
    run, client = yard.workshop.run(), yard.workshop.client
    throughput = yard.throughput(run)
    model = client.add_model("dev-video-1")
    client.tags[model] = resource_tags("dev", run.task, run.run_id, "LaunchDistillation")
    yard.end(run)
    client.refuses["DeleteProvisionedModelThroughput"] = "AccessDeniedException"
    # When
    findings = {finding["arn"]: finding for finding in yard.reaper.reap("delete_unused")["findings"]}
    # Then
    assert findings[throughput]["done"] == ""
    assert "AccessDeniedException" in findings[throughput]["explanation"]
    assert findings[model]["done"] == "deleted"


def test_who_is_crowned_while_bedrock_is_listed_is_no_leftover(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a run that ended while the list was read, and whose student was crowned at that moment
    run = yard.workshop.run()
    arn = yard.throughput(run)
    listed = yard.reaper._inventory.things

    def crowned_meanwhile() -> Any:
        yield from listed()
        yard.workshop.crown(run.run_id, "arn:model", arn)
        yard.end(run)

    monkeypatch.setattr(yard.reaper._inventory, "things", crowned_meanwhile)
    # When
    yard.reaper.reap("delete_unused")
    # Then
    assert arn in yard.workshop.client.endpoints


def test_who_is_crowned_after_everything_was_judged_is_not_deleted(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a throughput that nobody used when it was judged
    run = yard.workshop.run()
    arn = yard.throughput(run)
    yard.end(run)
    due = yard.reaper._due

    def crowned_meanwhile(*given: Any) -> Any:
        yield from due(*given)
        yard.workshop.crown(run.run_id, "arn:model", arn)

    monkeypatch.setattr(yard.reaper, "_due", crowned_meanwhile)
    monkeypatch.setattr(yard.reaper, "_idle", lambda *given, idle=yard.reaper._idle: [*idle(*given)])
    # When
    findings = yard.reaper.reap("delete_unused")["findings"]
    # Then
    assert arn in yard.workshop.client.endpoints
    assert not any(finding["done"] == "deleted" for finding in findings)


@pytest.mark.parametrize("field", ["endpoint_arn", "model_arn"])
def test_what_callers_are_led_to_stays_where_the_registry_has_lost_its_champion(yard: Yard, field: str) -> None:
    # Given a lost item of the task, and a pointer that still names the throughput
    run = yard.workshop.run()
    arn = yard.throughput(run)
    yard.end(run)
    yard.ssm.values["/distillation/dev/video/champion"] = json.dumps({field: arn})
    # When
    [finding] = yard.reaper.reap("delete_unused")["findings"]
    # Then
    assert arn in yard.workshop.client.endpoints
    assert "callers of task video are led to it" in finding["explanation"]


def test_what_another_team_took_over_meanwhile_stays(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    run = yard.workshop.run()
    arn = yard.throughput(run)
    yard.end(run)
    needed = yard.reaper._needed_now

    def taken_over(finding: Any) -> str:
        yard.workshop.client.tags[arn] = resource_tags("prod", "video", "somebody", "by hand")
        return needed(finding)

    monkeypatch.setattr(yard.reaper, "_needed_now", taken_over)
    # When
    [finding] = yard.reaper.reap("delete_unused")["findings"]
    # Then
    assert (finding["done"], arn in yard.workshop.client.endpoints) == ("", True)


def bare(*_arguments: Any, **_request: Any) -> Any:
    metadata: Any = {"HTTPStatusCode": 502, "HTTPHeaders": {}}
    raise ClientError({"Error": {"Code": "502", "Message": "Bad Gateway"}, "ResponseMetadata": metadata}, "Anything")


@pytest.mark.parametrize("operation", ["delete_custom_model_deployment", "get_custom_model_deployment"])
def test_what_a_gateway_does_not_answer_for_keeps_nothing_else_from_being_deleted(
    yard: Yard, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given two leftovers, and a gateway that answers for one of them
    run = yard.workshop.run()
    leave(yard, run, DEPLOYMENT, "dev-video-aa")
    throughput = leave(yard, run, THROUGHPUT, "dev-video-ab")
    yard.end(run)
    # When
    with monkeypatch.context() as gateway:
        gateway.setattr(yard.workshop.client, operation, bare)
        found = {finding["name"]: finding for finding in yard.reaper.reap("delete_unused")["findings"]}
    # Then
    assert throughput not in yard.workshop.client.endpoints
    assert found["dev-video-ab"]["done"] == "deleted"
    assert not found["dev-video-aa"]["done"]
    yard.reaper.reap("delete_unused")
    assert yard.workshop.client.endpoints == {}
