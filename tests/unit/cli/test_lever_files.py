"""A lever ends in a file: what is written, for whom, and when nothing is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from click.testing import CliRunner, Result

from cli.discovery.found import latest
from cli.main import cli
from cli.session import Session
from lambdas.gateways.registry.table import Table
from tests.unit.cli.test_discovery import SYSTEM, There, logged_calls
from tests.unit.domain.discovery.found_tasks import traffic

RULES = f"{SYSTEM}\n" + "".join(
    f"Messages of {'the same kind ' * 20}as {n} are about it.\n" for n in "abcdefghijklmnop"
)
MANY = 80
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
Typed = Callable[..., Result]


def typing(there: There) -> Typed:
    def run_it(*arguments: str) -> Result:
        session = Session(there.deployment, "--json" in arguments)
        return CliRunner().invoke(cli, ["opportunity", there.task, *arguments], obj=session)

    return run_it


def fits(service: str, operation: str, request: dict[str, Any]) -> None:
    """Hold a request against the service model of the SDK."""
    model: Any = botocore.session.get_session().get_service_model(service).operation_model(operation)
    shape = model.input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    assert set(request) <= set(shape.members)


def files_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def cached(table: Table) -> There:
    """A task whose calls share a long system text."""
    return There(table, logged_calls(MANY, RULES, "gateway"), prefix_characters=len(RULES), gap_seconds_p50=2.0)


@pytest.fixture
def bursts(table: Table) -> There:
    """A task whose calls come in bursts, an eighth of them streamed."""
    calls = logged_calls(400, SYSTEM, "gateway")
    for one in calls[::8]:
        one["operation"] = "ConverseStream"
    return There(table, calls, batchable_share=0.9, peak_calls_a_minute=5_000, stream_share=0.125)


class TestNothingIsWritten:
    def test_without_a_right_to_the_log(self, cached: There, tmp_path: Path) -> None:
        cached.objects.refuses = True
        given = typing(cached)("--lever", "cache", "--write", str(tmp_path / "request.json"))
        assert given.exit_code == 1
        assert "You may not read the log" in " ".join(given.output.split())
        assert files_of(tmp_path) == []

    def test_where_objects_are_listed_and_may_not_be_opened(self, cached: There, tmp_path: Path) -> None:
        cached.objects.closed = True
        given = typing(cached)("--lever", "cache", "--write", str(tmp_path / "request.json"))
        assert given.exit_code == 1
        assert "objects of the log, or bodies beside it, are deleted or not for you to read" in given.output
        assert files_of(tmp_path) == []

    def test_where_bodies_beside_the_log_are_gone(self, table: Table, tmp_path: Path) -> None:
        # Given calls whose bodies lie beside the log, where nothing is any more
        there = There(table, logged_calls(MANY, RULES, "gateway"), prefix_characters=len(RULES), gap_seconds_p50=2.0)
        offloaded(there, keep=False)
        given = typing(there)("--lever", "cache", "--write", str(tmp_path / "request.json"))
        assert given.exit_code == 1
        assert f"{MANY} objects of the log, or bodies beside it, are deleted" in given.output

    def test_over_a_file_that_is_there(self, cached: There, tmp_path: Path) -> None:
        for there in ("request.json", "request.logged.json"):
            (tmp_path / there).write_text("mine")
            given = typing(cached)("--lever", "cache", "--write", str(tmp_path / "request.json"))
            assert given.exit_code == 2
            assert "is there already" in given.output
            assert (tmp_path / there).read_text() == "mine"
            (tmp_path / there).unlink()

    def test_into_a_folder_that_is_not_there(self, cached: There, tmp_path: Path) -> None:
        given = typing(cached)("--lever", "cache", "--write", str(tmp_path / "none" / "request.json"))
        assert given.exit_code == 2
        assert "cannot be written" in given.output

    def test_of_a_lever_that_is_blocked(self, cached: There, tmp_path: Path) -> None:
        given = typing(cached)("--lever", "reuse", "--write", str(tmp_path / "keys.json"))
        assert given.exit_code == 1
        assert "is blocked" in given.output
        assert "repeat an earlier one word for word" in given.output

    def test_of_distillation_whose_verb_is_said(self, cached: There, tmp_path: Path) -> None:
        given = typing(cached)("--lever", "distillation", "--write", str(tmp_path / "x.json"))
        assert given.exit_code == 1
        assert f"python -m cli distil {cached.task}" in given.output

    def test_without_a_file(self, cached: There) -> None:
        assert typing(cached)("--lever", "cache").exit_code == 2

    def test_of_calls_that_share_less_than_their_model_keeps(self, table: Table, tmp_path: Path) -> None:
        # Given figures of masked lines that say more is shared than is the same word for word
        there = There(table, prefix_characters=20_000, gap_seconds_p50=2.0)
        given = typing(there)("--lever", "cache", "--write", str(tmp_path / "request.json"))
        assert given.exit_code == 1
        assert "word for word" in given.output
        assert "keeps 1,024 or more" in given.output

    def test_of_a_body_that_another_model_does_not_take(self, table: Table, tmp_path: Path) -> None:
        # Given calls of a third party's model, in its own form, of a task that metadata name
        body = {"prompt": "<s>[INST] sort this [/INST]", "max_gen_len": 64}
        there = named_task(table, "InvokeModel", body, models=(traffic(SONNET),))
        given = typing(there)("--lever", "cheaper_model", "--write", str(tmp_path / "request.json"))
        assert given.exit_code == 1
        assert "neither Converse nor InvokeModel of Nova or Claude" in given.output
        assert files_of(tmp_path) == []


def offloaded(there: There, *, keep: bool) -> None:
    """Put the bodies of the log beside it, or nowhere."""
    for key, text in list(there.objects.held.items()):
        lines = []
        for line in text.decode().splitlines():
            if not line.startswith('{"'):
                continue
            entry = json.loads(line)
            path = f"{key.rpartition('/')[0]}/data/{entry['requestId']}.json"
            body = entry["input"].pop("inputBodyJson")
            entry["input"]["inputBodyS3Path"] = f"s3://the-logs/{path}"
            if keep or "gateway" not in entry["requestId"]:
                there.objects.held[path] = json.dumps(body).encode()
            lines.append(json.dumps(entry))
        there.objects.held[key] = "\n".join(lines).encode()


def named_task(table: Table, operation: str, body: dict[str, Any], **changes: object) -> There:
    """Give a task that request metadata name, each of whose calls has this body."""
    calls = logged_calls(200, SYSTEM, "gateway")
    there = There(table, calls, named_by="metadata", **changes)
    for one in calls:
        one |= {"operation": operation, "requestMetadata": {"task": there.task}}
        one["input"]["inputBodyJson"] = body
    for key in list(there.objects.held):
        there.objects.held[key] = "\n".join(json.dumps(one) for one in there.entries).encode()
    return there


def test_a_cache_point_comes_where_the_shared_beginning_ends(cached: There, tmp_path: Path) -> None:
    # When
    path = tmp_path / "request.json"
    given = typing(cached)("--lever", "cache", "--write", str(path))
    assert given.exit_code == 0, given.output

    # Then the changed request is one that Converse takes, and differs from the logged one by the point alone
    changed, logged = (json.loads(one.read_text()) for one in (path, tmp_path / "request.logged.json"))
    fits("bedrock-runtime", "Converse", changed)
    assert changed["system"] == [*logged["system"], {"cachePoint": {"type": "default"}}]
    assert {**changed, "system": logged["system"]} == logged

    # And both are for their owner alone, how to compare them and what to measure is said, and that they have prompts
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in files_of(tmp_path)} == {0o600}
    told = " ".join(given.output.split())
    assert f"git diff --no-index --word-diff {tmp_path / 'request.logged.json'} {path}" in told
    assert "cacheReadInputTokens" in told
    assert "not masked" in told
    assert cached.objects.put == {}


def test_bodies_beside_the_log_are_read(cached: There, tmp_path: Path) -> None:
    offloaded(cached, keep=True)
    given = typing(cached)("--lever", "cache", "--write", str(tmp_path / "request.json"))
    assert given.exit_code == 0, given.output
    assert f"from {MANY} calls" in given.output


def test_variables_go_behind_what_is_shared(table: Table, tmp_path: Path) -> None:
    # Given calls whose system text begins with the hour
    calls = logged_calls(MANY, RULES, "gateway")
    for number, one in enumerate(calls):
        one["input"]["inputBodyJson"]["system"] = [{"text": f"It is {number} minutes past.\n{RULES}"}]
    there = There(table, calls, shared_characters=len(RULES), gap_seconds_p50=2.0)
    path = tmp_path / "request.json"
    given = typing(there)("--lever", "move_and_cache", "--write", str(path), "--json")
    assert given.exit_code == 0, given.output

    # Then it comes after the point
    changed = json.loads(path.read_text())
    fits("bedrock-runtime", "Converse", changed)
    assert changed["system"] == [{"text": RULES.strip()}, {"cachePoint": {"type": "default"}}]
    assert re.match(r"It is \d+ minutes past\.\n\w+", changed["messages"][0]["content"][0]["text"])
    assert "mend sentences" in json.loads(given.output)["about"][-1]


def test_a_batch_jobs_input_and_its_start_are_written(bursts: There, tmp_path: Path) -> None:
    # When
    path = tmp_path / "requests.jsonl"
    given = typing(bursts)("--lever", "batch", "--write", str(path), "--json")
    assert given.exit_code == 0, given.output
    told = json.loads(given.output)

    # Then every record is a request in Converse form that Converse itself would take
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({one["recordId"] for one in records}) == len(records) == 350
    for one in records[:20]:
        assert set(one) == {"recordId", "modelInput"}
        fits("bedrock-runtime", "Converse", {"modelId": "one", **one["modelInput"]})

    # And the job, with a bucket and a role put in, is one that Bedrock would take
    job = json.loads((tmp_path / "requests.job.json").read_text())
    fits("bedrock", "CreateModelInvocationJob", job)
    assert job["modelInvocationType"] == "Converse"
    assert re.fullmatch(r"[a-zA-Z0-9]{1,63}(-*[a-zA-Z0-9\+\-\.]){0,63}", job["jobName"])
    uri = job["inputDataConfig"]["s3InputDataConfig"]["s3Uri"]
    assert told["commands"] == [
        f"aws s3 cp {path} {uri}",
        f"aws bedrock create-model-invocation-job --cli-input-json file://{tmp_path / 'requests.job.json'}",
    ]
    assert "Left out: 50 calls, streamed: somebody waits." in told["about"]
    assert "in a batch job" in told["about"][0]


def test_a_file_of_another_kind_asks_for_the_flex_tier(bursts: There, tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    assert typing(bursts)("--lever", "batch", "--write", str(path)).exit_code == 0
    changed = json.loads(path.read_text())
    fits("bedrock-runtime", "Converse", changed)
    assert changed["serviceTier"] == {"type": "flex"}


def test_a_third_partys_own_form_is_a_record_as_it_is(table: Table, tmp_path: Path) -> None:
    # Given calls in a form that no run can use
    body = {"prompt": "<s>[INST] sort this [/INST]", "max_gen_len": 64}
    there = named_task(table, "InvokeModel", body, batchable_share=0.9, peak_calls_a_minute=5_000)
    path = tmp_path / "requests.jsonl"
    assert typing(there)("--lever", "batch", "--write", str(path)).exit_code == 0
    assert {json.dumps(json.loads(line)["modelInput"]) for line in path.read_text().splitlines()} == {json.dumps(body)}
    assert json.loads((tmp_path / "requests.job.json").read_text())["modelInvocationType"] == "InvokeModel"


def test_a_cheaper_model_is_named_with_what_measuring_it_costs(table: Table, tmp_path: Path) -> None:
    calls = [{**one, "modelId": SONNET} for one in logged_calls(200, SYSTEM, "gateway")]
    there = There(table, calls, models=(traffic(SONNET),))
    path = tmp_path / "request.json"
    given = typing(there)("--lever", "cheaper_model", "--write", str(path))
    assert given.exit_code == 0, given.output
    changed, logged = (json.loads(one.read_text()) for one in (path, tmp_path / "request.logged.json"))
    fits("bedrock-runtime", "Converse", changed)
    assert changed["modelId"] != logged["modelId"]
    assert {**changed, "modelId": logged["modelId"]} == logged
    assert re.search(r"Measure first \(\$[\d.]+\): quality of .* on 200 logged calls, by the judge", given.output)


def test_the_key_of_answers_given_again_is_told(table: Table, tmp_path: Path) -> None:
    # Given calls of which each is made three times
    calls = logged_calls(150, SYSTEM, "gateway")
    there = There(table, [*calls, *({**one, "requestId": f"{n}"} for n, one in enumerate([*calls, *calls]))],
                  duplicate_share=0.66)  # fmt: skip
    path = tmp_path / "keys.json"
    given = typing(there)("--lever", "reuse", "--write", str(path))
    assert given.exit_code == 0, given.output
    found = json.loads(path.read_text())
    assert (found["calls_read"], found["different_requests"]) == (450, 150)
    assert found["repeated_most"][0]["calls"] == 3
    assert files_of(tmp_path) == ["keys.json"]


def test_the_best_lever_is_taken_where_none_is_named(table: Table, tmp_path: Path) -> None:
    # Given a task in bursts that no student could learn
    calls = logged_calls(200, SYSTEM, "gateway")
    there = There(table, calls, tools_share=1.0, batchable_share=0.9, peak_calls_a_minute=5_000)
    best = next(one.best for one in latest(there.deployment()).found if one.task.task == there.task)
    given = typing(there)("--write", str(tmp_path / "requests.jsonl"), "--json")
    assert json.loads(given.output)["lever"] == best.name == "batch"
