"""Proofs of identity are written nowhere: not to logs, registry, files, messages, nor to what Step Functions keeps."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from tests.faults.scenarios import finish, upload
from tests.faults.world import World, deployed
from tests.stacks.templates import Deployment


def test_no_part_of_a_proof_is_kept_or_logged(deployment: Deployment) -> None:
    with deployed(deployment) as world:
        # Given a run that is answered, confirmed, replaced, and rolled back to; and answers that are refused
        first, second = (upload(world, "video", text) for text in ("of the first day", "of the second day"))
        bodies = world.aws.bodies = []
        finish(world, first)
        world.call("reap_idle_throughput", {"confirm": "video", "run_id": first, "why": "needed"})
        finish(world, second)
        while world.call("roll_back_champion", {"task": "video", "to": first})["status"] == "IN_PROGRESS":
            world.pass_time(60)
        # When
        asked = [parse_qs(urlsplit(url).query) for url in world.sts.asked]
        secrets = {one["X-Amz-Signature"][0] for one in asked}
        kept = "\n".join([world.log.getvalue(), json.dumps(world.sent, default=str), _stored(world)])
        told = "\n".join(text for service, text in bodies if service != "sts")
        # Then
        assert len(secrets) >= 4
        assert not [one for one in secrets if one in kept or one in told]
        assert "X-Amz-" not in kept
        # And who it was is known in the task's history
        actions = {line["action"]: line.get("answered_by") for line in world.tasks.history("video")}
        assert actions.keys() == {"promoted", "confirmed", "rolled back"}
        assert set(actions.values()) == {"arn:aws:iam::000000000000:root"}
        assert {line.get("why") for line in world.tasks.history("video")} >= {"it is good", "needed"}


def _stored(world: World) -> str:
    dynamodb, s3 = world.aws.client("dynamodb"), world.aws.client("s3")
    tables = [dynamodb.scan(TableName=name)["Items"] for name in dynamodb.list_tables()["TableNames"]]
    files = [
        s3.get_object(Bucket="distillation-runs", Key=item["Key"])["Body"].read().decode(errors="replace")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket="distillation-runs")
        for item in page.get("Contents", [])
    ]
    return "\n".join([json.dumps(tables, default=str), *files])
