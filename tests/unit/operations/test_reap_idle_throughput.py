"""Whatever a run left behind is found, and nothing that somebody needs is taken away."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import resource_tags
from lambdas.domain.errors import ChampionChanged
from lambdas.domain.outcomes import FAILED
from lambdas.domain.serving.idle_rules import ENDPOINT_MISSING, MODEL_MISSING, POINTER_CHANGED
from lambdas.gateways.aws.bedrock import BATCH_ENDED, BATCH_UNDER_WAY, JOB_ENDED, JOB_UNDER_WAY
from lambdas.gateways.registry.champions import RollbackOrder
from lambdas.gateways.registry.inventory import Inventory
from lambdas.gateways.registry.resources import (
    BATCH_JOB,
    CUSTOM_MODEL,
    CUSTOMIZATION_JOB,
    DEPLOYMENT,
    IN_USE,
    KEPT,
    RELEASED,
    THROUGHPUT,
)
from lambdas.gateways.registry.runs import Run
from lambdas.operations.reap_idle_throughput.stage import Reaper
from lambdas.workflow.serving.deleter import Deleter
from lambdas.workflow.stage import iso
from tests.unit.support.fake_bedrock import MODEL, refuse
from tests.unit.support.workshop import Workshop

OUTSIDE = (ENDPOINT_MISSING, MODEL_MISSING, POINTER_CHANGED)
"""What has tests of its own: most champions here serve at an endpoint that nobody made."""

SERVING = "dev-video-old"
"""Name of the champion's throughput, as the workshop crowns it."""


class Calls:
    """How often each endpoint was called; every other one never."""

    def __init__(self, **counts: float) -> None:
        self.counts: dict[str, float] = dict(counts)

    def invocations(self, endpoints: list[str], now: Any, hours: int) -> dict[str, float]:
        del now, hours
        return {arn: self.counts.get(arn, 0.0) for arn in endpoints}


class Lifecycle:
    """A base model whose life does not end."""

    end: Any = None
    legacy: Any = None
    extended: Any = None

    def get_foundation_model(self, modelIdentifier: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        del modelIdentifier
        moments = {
            "endOfLifeTime": self.end,
            "legacyTime": self.legacy,
            "publicExtendedAccessTime": self.extended,
        }
        lifecycle = {"status": "LEGACY"} if self.legacy else {}
        lifecycle |= {name: moment for name, moment in moments.items() if moment}
        return {"modelDetails": {"modelLifecycle": lifecycle}}


class Runtime:
    """Every endpoint answers."""

    def converse(self, **request: Any) -> dict[str, Any]:
        del request
        return {
            "output": {"message": {"content": [{"text": "fine"}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1},
            "metrics": {"latencyMs": 1},
        }


class Ssm:
    """Pointers by name, as the registry says until something else was put."""

    def __init__(self, workshop: Workshop) -> None:
        self._tasks = workshop.pipeline.tasks
        self.put: list[dict[str, Any]] = []
        self.values: dict[str, str | None] = {}

    def put_parameter(self, **request: Any) -> None:
        self.put.append(request)
        self.values[request["Name"]] = request["Value"]

    def get_parameter(self, Name: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        champion = self._tasks.state(Name.split("/")[3]).champion
        value = self.values.get(Name, json.dumps(champion.to_document()) if champion else None)
        if value is None:
            raise ClientError({"Error": {"Code": "ParameterNotFound"}}, "GetParameter")
        return {"Parameter": {"Value": value}}


class Yard:
    """A workshop with a janitor."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop, self.calls, self.lifecycle, self.ssm = workshop, Calls(), Lifecycle(), Ssm(workshop)
        self.inventory = Inventory(
            cast("Any", workshop.client),
            "dev",
            workshop.pipeline.prices,
            "amazon.nova-micro-v1:0",
            workshop.pipeline.foreign,
        )
        self.reaper = Reaper(
            workshop.pipeline,
            self.inventory,
            cast("Any", self.calls),
            cast("Any", self.lifecycle),
            cast("Any", Runtime),
        )

    def throughput(self, run: Run, name: str = "dev-video-ab", **fields: Any) -> str:
        arn = self.workshop.client.add_throughput(name, "arn:model")
        self.workshop.client.endpoints[arn] |= fields
        self.workshop.client.tags[arn] = resource_tags("dev", run.task, run.run_id, "PromoteStudent")
        return arn

    def end(self, run: Run) -> None:
        now = self.workshop.now()
        self.workshop.pipeline.registry.end(run.run_id, run.attempt, FAILED, "killed", now, None)

    def reasons(self, reap: str = "report", **options: Any) -> dict[str, str]:
        found = self.reaper.reap(reap, **options)["findings"]
        return {finding["name"]: finding["reason"] for finding in found if finding["reason"] not in OUTSIDE}


@pytest.fixture
def yard(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Yard:
    yard = Yard(workshop)
    monkeypatch.setattr("lambdas.gateways.aws.clients.ssm", lambda: yard.ssm)
    return yard


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


class TestWhateverItIsCalled:
    """A throughput that somebody renamed in the console bills on: tags and ARNs tell whose it is, not names."""

    def rename(self, yard: Yard, arn: str, name: str = "my-favourite") -> None:
        yard.workshop.client.endpoints[arn]["provisionedModelName"] = name

    def test_a_renamed_throughput_that_nobody_uses_is_found_priced_and_deleted(self, yard: Yard) -> None:
        # Given
        run = yard.workshop.run()
        arn = yard.throughput(run)
        entry = replace(yard.workshop.made(run, THROUGHPUT, "dev-video-ab", None), arn=arn, usd_per_hour=20.5)
        yard.workshop.pipeline.resources.created(entry, arn)
        yard.end(run)
        self.rename(yard, arn)
        # When
        (finding,) = yard.reaper.reap("delete_unused")["findings"]
        # Then
        assert (finding["name"], finding["done"]) == ("my-favourite", "deleted")
        assert arn not in yard.workshop.client.endpoints
        assert [item.state for item in yard.workshop.pipeline.resources.of_run(run.run_id)] == [RELEASED]

    def test_a_renamed_throughput_of_a_run_under_way_or_of_a_champion_stays(self, yard: Yard) -> None:
        # Given one that serves, and one that a run which adopted it has written down
        serving, run = yard.workshop.run("1"), yard.workshop.run("2")
        served = yard.throughput(serving)
        yard.workshop.crown(serving.run_id, yard.workshop.client.add_model("dev-video-1"), served)
        adopted = yard.throughput(serving, "dev-video-cd")
        made = yard.workshop.made(run, THROUGHPUT, "dev-video-cd", None)
        yard.workshop.pipeline.resources.created(made, adopted)
        yard.end(serving)
        yard.calls.counts[served] = 5
        self.rename(yard, served, "one")
        self.rename(yard, adopted, "two")
        # When, Then the champion's model stays too, which has lost the tag with its task
        assert yard.reasons("delete_unused") == {}
        assert {served, adopted} <= set(yard.workshop.client.endpoints)

    def test_a_renamed_one_is_deleted_by_its_arn_when_its_run_is_released(self, yard: Yard) -> None:
        run = yard.workshop.run()
        arn = yard.throughput(run)
        entry = replace(yard.workshop.made(run, THROUGHPUT, "dev-video-ab", None), arn=arn)
        self.rename(yard, arn)

        assert Deleter(yard.workshop.pipeline.bedrock, "dev").delete(entry)
        assert arn not in yard.workshop.client.endpoints

    def test_the_tags_of_other_peoples_resources_are_not_read_at_each_look(self, yard: Yard) -> None:
        # Given an account with other people's models, made long ago, and one made just now
        client, workshop = yard.workshop.client, yard.workshop
        for number in range(30):
            client.tags[client.add_model(f"tools-{number}")] = []
        workshop.pass_time(days=2)
        client.now = workshop.time
        client.tags[client.add_model("tools-new")] = []
        # When
        read = []
        for hours in (0, 1, 30):
            workshop.pass_time(hours=hours)
            client.calls.clear()
            assert list(yard.inventory.things()) == []
            read.append(len(client.called("ListTagsForResource")))
        # Then all are asked once, then the new one only, and all again when a day is over
        assert read == [31, 1, 31]

    def test_what_somebody_gives_its_tag_back_is_ours_within_a_day(self, yard: Yard) -> None:
        # Given
        run, client = yard.workshop.run(), yard.workshop.client
        arn = client.add_model("renamed-by-restoring")
        client.tags[arn] = []
        yard.workshop.pass_time(days=2)
        assert list(yard.inventory.things()) == []
        # When
        client.tags[arn] = resource_tags("dev", run.task, run.run_id, "LaunchDistillation")
        yard.workshop.pass_time(hours=24)
        # Then
        assert [thing.arn for thing in yard.inventory.things()] == [arn]

    @pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException"])
    def test_a_resource_whose_tags_cannot_be_read_hides_no_other(
        self, yard: Yard, monkeypatch: pytest.MonkeyPatch, code: str
    ) -> None:
        # Given
        run, client = yard.workshop.run(), yard.workshop.client
        secret = client.add_model("tools-secret")
        arn = yard.throughput(run)
        read = client.list_tags_for_resource

        def refusing(resourceARN: str) -> dict[str, Any]:  # noqa: N803 - the API's name
            if resourceARN == secret:
                raise refuse(code, "ListTagsForResource")
            return read(resourceARN)

        monkeypatch.setattr(client, "list_tags_for_resource", refusing)
        # When, Then
        assert [thing.arn for thing in yard.inventory.things()] == [arn]

    def test_the_statuses_that_are_listed_and_those_of_ended_jobs_are_all_that_there_are(self) -> None:
        for under_way, is_over, shape in (
            (JOB_UNDER_WAY, JOB_ENDED, "ModelCustomizationJobStatus"),
            (BATCH_UNDER_WAY, BATCH_ENDED, "ModelInvocationJobStatus"),
        ):
            assert sorted((*under_way, *is_over)) == sorted(cast("Any", MODEL.shape_for(shape)).enum)


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


class TestOutsideChanges:
    """Somebody used the console."""

    def serving(self, yard: Yard) -> tuple[Run, str, str]:
        run = yard.workshop.run()
        yard.workshop.bucket.write_json(run.files.task_definition, {})
        model = yard.workshop.client.add_model("dev-video-model")
        yard.workshop.client.tags[model] = resource_tags("dev", run.task, run.run_id, "LaunchDistillation")
        arn = yard.throughput(run)
        yard.workshop.crown(run.run_id, model, arn)
        yard.end(run)
        return run, arn, model

    def test_nothing_is_said_while_everything_is_as_the_registry_says(self, yard: Yard) -> None:
        self.serving(yard)
        assert yard.reaper.reap("report")["findings"] == []

    def test_an_endpoint_that_was_deleted_is_told_with_the_way_back(self, yard: Yard) -> None:
        run, arn, _ = self.serving(yard)
        del yard.workshop.client.endpoints[arn]
        [finding] = yard.reaper.reap("report")["findings"]
        assert finding["reason"] == "ENDPOINT_MISSING"
        assert f"'python -m cli rollback video --to {run.run_id}'" in finding["explanation"]

    def test_a_model_that_was_deleted_is_told(self, yard: Yard) -> None:
        _, _, model = self.serving(yard)
        yard.workshop.client.models.clear()
        [finding] = yard.reaper.reap("report")["findings"]
        assert (finding["reason"], finding["arn"]) == ("MODEL_MISSING", model)

    @pytest.mark.parametrize("value", [None, "no JSON", '{"endpoint_arn": "arn:elsewhere"}', "[]"])
    def test_a_pointer_that_was_changed_is_told_and_published_anew(self, yard: Yard, value: str | None) -> None:
        # Given
        _, arn, model = self.serving(yard)
        yard.ssm.values["/distillation/dev/video/champion"] = value
        # When somebody only looks
        [seen] = yard.reaper.reap("report", look_only=True)["findings"]
        # Then
        assert (seen["reason"], seen["done"], yard.ssm.put) == ("POINTER_CHANGED", "", [])
        # When the schedule comes
        [mended] = yard.reaper.reap("report")["findings"]
        # Then
        assert mended["done"] == "published anew"
        published = json.loads(yard.ssm.put[-1]["Value"])
        assert (published["endpoint_arn"], published["model_arn"]) == (arn, model)
        assert yard.reaper.reap("report")["findings"] == []

    def test_what_a_promotion_is_changing_is_not_judged(self, yard: Yard) -> None:
        # Given a promotion that holds the lease and has moved the pointer already
        run, _, _ = self.serving(yard)
        yard.ssm.values["/distillation/dev/video/champion"] = '{"endpoint_arn": "arn:next"}'
        tasks, now = yard.workshop.pipeline.tasks, yard.workshop.now()
        tasks.take_lease("video", "next-1", run.run_id, now, iso(yard.workshop.time + timedelta(hours=1)))
        # When / Then
        assert yard.reaper.reap("report")["findings"] == []
        assert yard.ssm.put == []


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
