"""Somebody used the console: what was renamed is found all the same, and what was changed is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import resource_tags
from lambdas.gateways.aws.bedrock import BATCH_ENDED, BATCH_UNDER_WAY, JOB_ENDED, JOB_UNDER_WAY
from lambdas.gateways.registry.resources import CUSTOM_MODEL, DEPLOYMENT, RELEASED, THROUGHPUT
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.serving.deleter import Deleter
from lambdas.workflow.serving.published import publish_policy
from lambdas.workflow.stage import iso
from tests.unit.support.fake_bedrock import MODEL, refuse
from tests.unit.support.yard import Yard, yard

__all__ = ["yard"]


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

    @pytest.mark.parametrize("kind", [THROUGHPUT, DEPLOYMENT, CUSTOM_MODEL])
    def test_tags_that_are_not_found_do_not_say_that_it_is_gone(self, yard: Yard, kind: str) -> None:
        # Given something that exists, whose tags the service does not find
        run, client = yard.workshop.run(), yard.workshop.client
        made = {
            THROUGHPUT: lambda: client.add_throughput("dev-video-ab", "arn:model"),
            DEPLOYMENT: lambda: client.add_deployment("dev-video-ab", "arn:model"),
            CUSTOM_MODEL: lambda: client.add_model("dev-video-ab"),
        }
        arn = made[kind]()
        client.refuses["ListTagsForResource"] = "ResourceNotFoundException"
        entry = replace(yard.workshop.made(run, kind, "dev-video-ab", None), arn=arn)
        # Then it is not taken for gone
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            Deleter(yard.workshop.pipeline.bedrock, "dev").delete(entry)

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

    @pytest.mark.parametrize(
        ("changed", "reasons"),
        [
            ({"mode": "fallback"}, ["POINTER_CHANGED"]),
            ({"for_run": "video-another"}, ["POINTER_CHANGED"]),
            ({"fallback": None}, ["POINTER_CHANGED"]),
            ({"student": {"usd_per_million_tokens": {"input": 9.0, "output": 9.0}}}, []),
            (None, []),
        ],
        ids=["mode", "run", "fallback", "prices", "never written"],
    )
    def test_a_policy_that_was_changed_is_told_and_one_with_old_prices_is_written_in_silence(
        self, yard: Yard, changed: dict[str, Any] | None, reasons: list[str]
    ) -> None:
        # Given a policy as it was published, and what became of it
        run, _, _ = self.serving(yard)
        yard.workshop.plan(run)
        champion = yard.workshop.pipeline.tasks.state("video").champion
        assert champion is not None
        wanted = publish_policy(yard.workshop.stage("PromoteStudent", run), champion)
        name = "/distillation/dev/video/policy"
        assert yard.reaper.reap("report")["findings"] == []
        yard.ssm.values[name] = None if changed is None else json.dumps({**wanted, **changed})
        put = len(yard.ssm.put)
        # When somebody only looks
        seen = yard.reaper.reap("report", look_only=True)["findings"]
        # Then
        assert [one["reason"] for one in seen] == reasons
        assert len(yard.ssm.put) == put
        # When the schedule comes
        assert [one["done"] for one in yard.reaper.reap("report")["findings"]] == ["published anew"] * len(reasons)
        # Then
        assert json.loads(yard.ssm.values[name] or "") == wanted
        assert yard.reaper.reap("report")["findings"] == []

    def test_a_pointer_that_is_mended_leaves_the_fallback_of_a_run_whose_plan_has_expired(self, yard: Yard) -> None:
        # Given
        run, _, _ = self.serving(yard)
        yard.workshop.plan(run)
        champion = yard.workshop.pipeline.tasks.state("video").champion
        assert champion is not None
        published = publish_policy(yard.workshop.stage("PromoteStudent", run), champion)
        del yard.workshop.bucket.objects[run.files.plan(1)]
        yard.ssm.values["/distillation/dev/video/champion"] = '{"endpoint_arn": "arn:another"}'
        # When
        [finding] = yard.reaper.reap("report")["findings"]
        # Then
        assert finding["done"] == "published anew"
        assert json.loads(yard.ssm.values["/distillation/dev/video/policy"] or "") == published

    def test_what_a_promotion_is_changing_is_not_judged(self, yard: Yard) -> None:
        # Given a promotion that holds the lease and has moved the pointer already
        run, _, _ = self.serving(yard)
        yard.ssm.values["/distillation/dev/video/champion"] = '{"endpoint_arn": "arn:next"}'
        tasks, now = yard.workshop.pipeline.tasks, yard.workshop.now()
        tasks.take_lease("video", "next-1", run.run_id, now, iso(yard.workshop.time + timedelta(hours=1)))
        # When / Then
        assert yard.reaper.reap("report")["findings"] == []
        assert yard.ssm.put == []
