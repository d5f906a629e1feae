"""From an account's own logs to a promoted student, and back into the list of opportunities as acted on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import cli
from local.bedrock_simulator.rules.video_search_intent import answer
from local.embedded_aws.deploy import deployed
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.end_to_end.account import JOB_UNDER_WAY, Account, example_lines, lenient, until
from tests.end_to_end.conftest import LOG_SOURCE, SIMULATOR, WAIT_SCALE
from tests.unit.domain.logs.log_samples import converse, log_object

pytestmark = pytest.mark.end_to_end

DAY = (datetime.now(UTC) - timedelta(hours=1)).date() - timedelta(days=1)
PROMPTS = [json.loads(line)["prompt"] for line in example_lines()][:900]
CANARY = "CANARY-7f3a-quartz"
TRIAGE = Path(__file__).parents[2] / "examples" / "ticket-triage"
TICKETS = [json.loads(line)["messages"] for line in (TRIAGE / "prompts.jsonl").read_text().splitlines()]
FIRST_TICKETS = [messages[0]["content"][0]["text"] for messages in TICKETS if len(messages) == 1][:200]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """Deploy an environment with discovery, whose log has a day of two tasks and of calls that are none."""
    workdir = tmp_path_factory.mktemp("embedded-aws")
    settings = {"log_sources": [LOG_SOURCE], "discovery": {"days": 1, "sample_calls": 1_000}}
    with deployed(workdir, wait_scale=WAIT_SCALE, simulator_settings=SIMULATOR, settings=settings) as aws:
        found = Account(aws)
        _fill(found.s3)
        yield found


def _fill(s3: Any) -> None:
    bucket = str(LOG_SOURCE["bucket"])
    s3.create_bucket(Bucket=bucket)
    search = str(lenient()["teacher_system_prompt"])
    mine = [_call(prompt, search, "search", number) for number, prompt in enumerate(PROMPTS)]
    triage = str(json.loads((TRIAGE / "task.json").read_text())["teacher_system_prompt"])
    others = [_call(ticket, triage, "tickets", number) for number, ticket in enumerate(FIRST_TICKETS)]
    chat = [_call(f"{prompt} {CANARY}", "", "chat", number) for number, prompt in enumerate(PROMPTS[:20])]
    root = f"{LOG_SOURCE['prefix']}/AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}/{DAY:%Y/%m/%d}"
    calls = [*mine, *others, *chat]
    for hour in range(4):
        s3.put_object(Bucket=bucket, Key=f"{root}/{8 + hour:02d}/a.json.gz", Body=log_object(*calls[hour::4]))


def _call(prompt: str, system: str, role: str, number: int) -> dict[str, Any]:
    minute = 0 if role == "tickets" else number % 60  # fifty at once, each hour, as a job of somebody's own makes them
    moment = f"{DAY}T{8 + number % 4:02d}:{minute:02d}:00Z"
    made = converse(prompt, json.dumps(answer(prompt)), timestamp=moment, requestId=f"{role}-{number}")
    made["modelId"] = "us.amazon.nova-pro-v1:0"
    made["identity"] = {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session"}
    if system:
        made["input"]["inputBodyJson"]["system"] = [{"text": system}]
    made["input"]["inputTokenCount"] = 2_000
    made["output"]["outputTokenCount"] = 80
    return made


def a_role_for_batch_jobs(account: Account, bucket: str) -> str:
    """Make the role that a team gives Bedrock for its own batch jobs (user guide, batch-iam-sr)."""
    roles = account.aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"}
    rights: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/batch/*"},
        {"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": "*"},
    ]
    made = roles.create_role(RoleName="team-batch", AssumeRolePolicyDocument=_policy(trust))
    roles.put_role_policy(RoleName="team-batch", PolicyName="batch", PolicyDocument=_policy(*rights))
    return str(made["Role"]["Arn"])


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


TYPED: list[str] = []
"""What was typed, with the words of the page for what differs from run to run."""


def documented() -> list[str]:
    """Give the commands of the page that shows this walk."""
    page = (Path(__file__).parents[2] / "docs" / "discovery.md").read_text()
    walk = page.partition("## One walk, from a log to a saving")[2].partition("```sh\n")[2].partition("```")[0]
    return walk.strip().splitlines()


def typed(account: Account, *arguments: str, **words: str) -> Any:
    said = " ".join(arguments)
    for word, value in {"DAY": f"{DAY}", **words}.items():
        said = said.replace(value, word)
    TYPED.append(f"python -m cli {said}")
    return asked(account, *arguments)


def asked(account: Account, *arguments: str) -> Any:
    place = ["--local-dir", str(account.aws.workdir), "--json"]
    given = CliRunner().invoke(cli, [*place, *arguments])
    assert given.exit_code == 0, (arguments, given.output, given.exception)
    return json.loads(given.stdout.splitlines()[-1])


def test_the_first_opportunity_of_the_logs_becomes_a_promoted_student(account: Account, tmp_path: Path) -> None:
    # Given a day of the log, of which a dry run says what reading it costs
    plan = typed(account, "discover", "--dry-run", "--from", f"{DAY}", "--to", f"{DAY}")
    assert plan["objects"] == 4
    assert plan["usd"] is not None

    # When it is discovered, the first opportunity is the task with the most dollars, and its lever distillation
    found = typed(account, "discover", "--yes", "--from", f"{DAY}", "--to", f"{DAY}")
    first = found["opportunities"][0]
    assert first["task"]["calls"] == len(PROMPTS)
    assert first["task"]["principals"] == [["search", len(PROMPTS)]]
    assert any(lever["name"] == "distillation" and not lever["blocks"] for lever in first["levers"])
    assert sum(one["task"]["calls"] for one in found["opportunities"]) == len(PROMPTS) + 220
    task = first["task"]["task"]
    words = {"ID": task, "FOLDER": str(tmp_path)}
    shown = typed(account, "opportunity", task, **words)
    assert len(shown["examples"]) == 3

    # When its folder is made, looked at, and submitted
    made = typed(account, "distil", task, "--out", str(tmp_path), **words)
    assert made["run_id"] is None
    path = tmp_path / made["task"] / "task.json"
    proposed = json.loads(path.read_text())
    assert proposed["teacher_system_prompt"] == lenient()["teacher_system_prompt"]
    path.write_text(json.dumps({**lenient(approval="automatic"), "serving": proposed["serving"]}))
    submitted = typed(account, "distil", task, "--out", str(tmp_path), "--submit", **words)
    run = account.ended(submitted["run_id"])

    # Then the run read the calls of that task alone, and its student serves
    assert run.outcome == "PROMOTED", run.reason
    runs = account.outputs["RunsBucket"]
    dataset = json.loads(account.s3.get_object(Bucket=runs, Key=run.files.dataset("dataset.json"))["Body"].read())
    assert dataset["logs"]["prompts"] == len(PROMPTS)
    assert dataset["logs"]["filtered"] == 220

    # And the saving is acted on
    listed = typed(account, "opportunities")
    assert listed["opportunities"][0]["acted_on"] == {"run_id": run.run_id, "serves": True}
    assert documented() == TYPED
    assert float(listed["acted_on_usd"]) == pytest.approx(float(listed["opportunities"][0]["high_usd"]), abs=0.01)

    # And no text of any call is in what discovery wrote
    pages = account.s3.get_paginator("list_objects_v2").paginate(Bucket=runs, Prefix="discovery/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    assert any(key.startswith("discovery/rules/") for key in keys)
    for key in keys:
        body = account.s3.get_object(Bucket=runs, Key=key)["Body"].read()
        assert CANARY.encode() not in body, key
        assert b"sort tickets" not in body, key


def test_the_batch_lever_of_a_found_task_is_a_job_that_answers_each_record(account: Account, tmp_path: Path) -> None:
    # Given the tickets of the log, a bucket of the team and its role
    found = asked(account, "opportunities")["opportunities"]
    [tickets] = [one["task"]["task"] for one in found if one["task"]["principals"] == [["tickets", 200]]]
    account.s3.create_bucket(Bucket="team-data")
    role = a_role_for_batch_jobs(account, "team-data")

    # When the lever is written, and the two commands that it prints are done with the team's names in them
    path = tmp_path / "tickets.jsonl"
    written = asked(account, "opportunity", tickets, "--lever", "batch", "--write", str(path))
    request = json.loads(path.with_name("tickets.job.json").read_text().replace("BUCKET", "team-data"))
    key = request["inputDataConfig"]["s3InputDataConfig"]["s3Uri"].removeprefix("s3://team-data/")
    account.s3.put_object(Bucket="team-data", Key=key, Body=path.read_bytes())
    bedrock = account.aws.client("bedrock")
    arn = bedrock.create_model_invocation_job(**{**request, "roleArn": role})["jobArn"]

    def done() -> dict[str, Any] | None:
        job = bedrock.get_model_invocation_job(jobIdentifier=arn)
        return job if job["status"] not in JOB_UNDER_WAY else None

    job = until(done, "the end of the batch job")

    # Then each record of the log is answered once
    assert len(written["commands"]) == 2
    assert (job["status"], job["successRecordCount"], job["errorRecordCount"]) == ("Completed", 200, 0)
    listed = account.s3.list_objects_v2(Bucket="team-data", Prefix=key.replace("input.jsonl", "output/"))["Contents"]
    [output] = [item["Key"] for item in listed if item["Key"].endswith(".jsonl.out")]
    answers = account.s3.get_object(Bucket="team-data", Key=output)["Body"].read().splitlines()
    answered = [json.loads(line) for line in answers]
    assert sorted(line["recordId"] for line in answered) == sorted(f"tickets-{number}" for number in range(200))
    assert all("modelOutput" in line for line in answered)
