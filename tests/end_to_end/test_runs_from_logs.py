"""A team's own production traffic as the source of a run: read with filters, up to a promoted student."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import cli
from lambdas.domain.evaluation.latency_sample import TIMED_RECORDS
from local.bedrock_simulator.rules.video_search_intent import answer
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.end_to_end.account import Account, example_lines, lenient
from tests.end_to_end.conftest import LOG_SOURCE
from tests.unit.domain.logs.log_samples import NOVA, converse, log_object

pytestmark = pytest.mark.end_to_end

ROOT = f"{LOG_SOURCE['prefix']}/AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}/2026/11/02"
RANGE = ["--from", "2026-11-02T09:00:00Z", "--to", "2026-11-02T11:00:00Z"]
PROMPTS = [json.loads(line)["prompt"] for line in example_lines()][:700]
ELSEWHERE = "a prompt that lies elsewhere"


def call(prompt: str, hour: int, **fields: object) -> dict[str, Any]:
    """Give a call of production: with the task's long prompt, answered as the teacher would."""
    made = converse(prompt, json.dumps(answer(prompt)), timestamp=f"2026-11-02T{hour:02d}:30:00Z", **fields)
    made["input"]["inputBodyJson"]["system"] = [{"text": lenient()["teacher_system_prompt"]}]
    return made


@pytest.fixture(scope="module")
def log_bucket(embedded: Account) -> str:
    """Fill a bucket as Bedrock does: two hours, several objects, an offloaded body, errors, another app's calls."""
    bucket, s3 = str(LOG_SOURCE["bucket"]), embedded.s3
    s3.create_bucket(Bucket=bucket)
    mine = {"requestMetadata": {"app": "search"}}
    first = [call(prompt, 9, **mine) for prompt in PROMPTS[:400]]
    second = [call(prompt, 10, modelId=f"us.{NOVA}", **mine) for prompt in PROMPTS[400:]]
    large = call(ELSEWHERE, 10, **mine)
    body = large["input"].pop("inputBodyJson")
    large["input"]["inputBodyS3Path"] = f"s3://{bucket}/{ROOT}/10/data/1_input.json.gz"
    picture = call("with a picture", 10, **mine)
    picture["input"]["inputBodyJson"]["messages"][0]["content"].append({"image": {"format": "png"}})
    others = [
        call("another app's prompt", 9, requestMetadata={"app": "chat"}),
        call("an error's prompt", 9, errorCode="ThrottlingException", **mine),
        call("too late", 11, **mine),
    ]
    objects = {
        "09/20261102T0930_a.json.gz": log_object(*first[:200], *others),
        "09/20261102T0940_b.json.gz": log_object(*first[200:]),
        "10/20261102T1030_c.json.gz": log_object(*second, large, picture, second[0]),
        "10/data/1_input.json.gz": gzip.compress(json.dumps(body).encode()),
    }
    for name, content in objects.items():
        s3.put_object(Bucket=bucket, Key=f"{ROOT}/{name}", Body=content)
    return bucket


def submit(account: Account, folder: Path, *options: str) -> Any:
    place = ["--local-dir", str(account.aws.workdir), "--json"]
    return CliRunner().invoke(cli, [*place, "submit", str(folder), *options])


def folder_of(tmp_path: Path, name: str, **task: object) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "task.json").write_text(json.dumps(task))
    return folder


def test_a_location_that_the_settings_do_not_have_is_refused_and_nothing_is_uploaded(
    account: Account, tmp_path: Path
) -> None:
    # Given
    before, folder = len(account.executions()), folder_of(tmp_path, "stranger")
    # When
    told = submit(account, folder, "--from-logs", "s3://team-invocation-logs/other", *RANGE)
    # Then
    assert told.exit_code == 1
    assert "allowed: s3://team-invocation-logs/app" in told.output
    assert "Nothing was uploaded" in told.output
    found = account.s3.list_objects_v2(Bucket=account.outputs["UploadsBucket"], Prefix="stranger/")
    assert found["KeyCount"] == 0
    assert len(account.executions()) == before


def test_a_request_put_by_hand_for_another_location_costs_nothing(account: Account) -> None:
    # Given
    bill, calls = len(account.simulator.billing()), len(account.simulator.calls(service="bedrock-runtime"))
    request = {"bucket": account.outputs["RunsBucket"], "from": RANGE[1], "to": RANGE[3]}
    # When
    run = account.ended(account.logs("by-hand", request).run_id)
    # Then
    assert run.outcome == "FAILED"
    assert "is no log source of this environment" in str(run.reason)
    assert len(account.simulator.calls(service="bedrock-runtime")) == calls
    assert len(account.simulator.billing()) == bill


def test_production_traffic_trains_a_promoted_student_and_the_teacher_is_asked_about_the_holdout_alone(
    account: Account, tmp_path: Path, log_bucket: str
) -> None:
    # Given
    before = len(account.simulator.billing())
    folder = folder_of(tmp_path, "from-logs", **lenient(approval="automatic", teacher_data={"mode": "logged"}))
    # When
    told = submit(account, folder, "--from-logs", f"s3://{log_bucket}/app", *RANGE, "--metadata", "app=search")
    run = account.ended(json.loads(told.output)["run_id"])
    # Then
    assert run.outcome == "PROMOTED", run.reason
    bucket, files = account.outputs["RunsBucket"], run.files

    def read_key(key: str) -> bytes:
        return bytes(account.s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    def read(name: str) -> bytes:
        return read_key(files.dataset(name))

    dataset = json.loads(read("dataset.json"))
    assert dataset["logs"]["objects"] == 3
    assert dataset["logs"]["errors"] == 1
    assert dataset["logs"]["filtered"] == 2
    assert dataset["logs"]["prompts"] == len(PROMPTS) + 2
    assert dataset["train"] + dataset["holdout"] + dataset["duplicates"] == len(PROMPTS) + 2
    [rejected] = [json.loads(line) for line in read("rejected.jsonl").splitlines()]
    assert rejected["object"].endswith("10/20261102T1030_c.json.gz")
    assert rejected["line"] == 302
    assert "image" in rejected["reason"]
    records = read("train.jsonl").decode() + read("holdout.jsonl").decode()
    assert ELSEWHERE in records
    assert "another app's prompt" not in records
    assert "too late" not in records

    # Then the teacher was paid for the one question that CheckRun asks, for the holdout's answers, for the sample on
    # which it is timed, and for nothing else
    [teacher] = [one for one in account.report(run)["contestants"] if one["role"] == "teacher"]
    assert TIMED_RECORDS <= teacher["timed_apart"] < TIMED_RECORDS + 5, "each shard rounds its share up"
    paid = [charge for charge in account.simulator.billing()[before:] if charge.model == NOVA]
    assert sum(charge.requests for charge in paid) == 1 + dataset["holdout"] + teacher["timed_apart"]
    training = [line for line in account.report(run)["ledger"] if line["stage"] == "LaunchDistillation"]
    assert [line["model"] for line in training] == ["amazon.nova-micro-v1:0:128k"]
    # And Bedrock was given the training part of the log alone
    log = json.loads(read_key(files.teacher_data("teacher_data.json")))["invocation_logs"]
    found = account.s3.list_objects_v2(Bucket=bucket, Prefix=log["prefix"])["Contents"]
    trained = b"".join(gzip.decompress(read_key(item["Key"])) for item in found).splitlines()
    asked = {json.loads(line)["input"]["inputBodyJson"]["messages"][-1]["content"][0]["text"] for line in trained}
    held_out = {json.loads(line)["turns"][-1][1] for line in read("holdout.jsonl").splitlines()}
    assert len(asked) == log["entries"] == dataset["train"]
    assert not asked & held_out
