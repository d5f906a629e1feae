from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from cli.errors import CliError
from cli.main import cli
from cli.progress import age, describe, follow
from cli.session import Session
from lambdas.gateways.registry.runs import ENDED, Run
from tests.unit.cli.conftest import FakeAws, ended, make_run, sha256

RUN = "greetings-aaaa11112222"
KEY = f"runs/greetings/{RUN}/attempts/1/report/report"


@pytest.mark.parametrize(("outcome", "code"), [("PROMOTED", 0), ("REJECTED", 1), ("EXPIRED", 1), ("FAILED", 1)])
def test_watch_ends_with_the_outcome(aws: FakeAws, call: Callable[..., Result], outcome: str, code: int) -> None:
    # Given
    run = ended(outcome)
    aws.run_in_registry(run)
    aws.run_in_registry(run)
    # When
    result = call("watch", RUN)
    # Then
    assert result.exit_code == code
    assert f"{outcome}: because of {outcome.lower()}" in result.stdout


def test_watch_an_unknown_run(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.run_is_unknown()
    # When
    result = call("watch", "nothing")
    # Then
    assert result.exit_code == 4


def test_each_change_is_one_json_line(
    aws: FakeAws, call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr("cli.watching._EVERY_SECONDS", 0.0)
    checking = make_run(progress={"stage": "CheckRun", "since": "2026-11-24T08:00:02.000Z"})
    for seen in (checking, checking, checking, ended("PROMOTED", endpoint_arn="arn:x")):
        aws.run_in_registry(seen)
    # When
    result = call("--json", "watch", RUN)
    # Then
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["outcome"] for line in lines] == [None, "PROMOTED"]
    assert lines[1]["endpoint_arn"] == "arn:x"


def test_an_upload_that_becomes_no_run(aws: FakeAws) -> None:
    # Given
    for _ in range(3):
        aws.run_in_registry(None)
    waits: list[float] = []
    looks = follow(aws.deployment().registry, RUN, every=2.0, sleep=waits.append, claim_seconds=4.0)
    # When
    with pytest.raises(CliError, match="log of StartRun"):
        list(looks)
    # Then
    assert waits == [2.0, 2.0]


def test_a_run_that_does_not_end(aws: FakeAws) -> None:
    # Given
    for _ in range(2):
        aws.run_in_registry(make_run())
    looks = follow(aws.deployment().registry, RUN, every=2.0, sleep=lambda _: None, deadline_seconds=2.0)
    # When / Then
    with pytest.raises(CliError, match="has not ended after 2 s"):
        list(looks)


@pytest.mark.parametrize(
    ("progress", "simulated", "said"),
    [
        ({"stage": "CheckRun", "estimate_usd": 4.2}, True, "simulated estimate $4.20"),
        ({"stage": "CheckRun", "estimate_usd": 4.2}, False, "(estimate $4.20)"),
        ({"stage": "LaunchDistillation", "phase": "training"}, False, "customization job (phase training)"),
        ({"stage": "RequestApproval", "expires": "2026-12-01"}, False, "until 2026-12-01; answer with 'approve'"),
        ({"stage": "ReleaseResources", "released": 1, "pending": ["a", "b"]}, False, "1 released, 2 pending"),
        ({"stage": "SomethingNew"}, False, "is in progress"),
        ({}, False, "waits for the state machine"),
    ],
)
def test_what_a_run_is_doing(progress: dict[str, Any], simulated: bool, said: str) -> None:
    # When
    step = describe(Run.from_item(make_run(progress=progress)), simulated=simulated)
    # Then
    assert said in step.text


@pytest.mark.parametrize("since", [None, "", "yesterday"])
def test_an_age_that_is_not_known(since: str | None) -> None:
    assert age(since) == "-"


def test_report_before_there_is_one(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.run_in_registry(make_run())
    # When
    result = call("report", RUN)
    # Then
    assert result.exit_code == 1
    assert "has no report yet" in result.stderr


def test_a_report_other_than_the_registry_knows(aws: FakeAws, call: Callable[..., Result], tmp_path: Path) -> None:
    # Given
    aws.run_in_registry(ended("REJECTED", report_key=f"{KEY}.html", report_sha256=sha256(b"older")))
    aws.object_in_runs(f"{KEY}.json", b"{}")
    # When
    result = call("report", RUN, "--out", str(tmp_path / "out"))
    # Then
    assert result.exit_code == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [("report", RUN), ("approve", RUN), ("reject", RUN)])
def test_a_report_of_a_later_version_is_not_understood_so_nothing_is_answered(
    aws: FakeAws, call: Callable[..., Result], tmp_path: Path, words: tuple[str, ...]
) -> None:
    # Given
    text = json.dumps({"schema_version": 3, "outcome": "REJECTED"}).encode()
    aws.run_in_registry(make_run(report_key=f"{KEY}.html", report_sha256=sha256(text)))
    aws.object_in_runs(f"{KEY}.json", text)
    # When
    result = call(*words, *(("--out", str(tmp_path / "out")) if words[0] == "report" else ()))
    # Then
    assert result.exit_code == 1, result.output
    assert "schema_version 3" in result.stderr
    assert "Upgrade" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("simulated", [True, False])
def test_report_shows_the_comparison(
    aws: FakeAws, call: Callable[..., Result], tmp_path: Path, simulated: bool
) -> None:
    # Given
    student = {"role": "student", "judge_score": {"mean": 4.25}, "usd_per_1k_requests": 0.5, "latency_ms": {"p50": 300}}
    baseline = {**student, "role": "baseline", "usd_per_1k_requests": 5.0}
    document = {"outcome": "REJECTED", "contestants": [baseline, student], "total_usd": 3.5, "simulated": simulated}
    text = json.dumps(document).encode()
    aws.run_in_registry(ended("REJECTED", report_key=f"{KEY}.html", report_sha256=sha256(text)))
    aws.object_in_runs(f"{KEY}.json", text)
    aws.object_in_runs(f"{KEY}.html", b"<html>")
    # When
    result = call("report", RUN, "--out", str(tmp_path))
    # Then
    assert result.exit_code == 0
    assert "90% cheaper" in result.stdout
    assert "4.25" in result.stdout
    assert ("simulated" in result.stdout) is simulated
    assert str(tmp_path / "report.html") in result.stdout
    assert (tmp_path / "report.html").read_bytes() == b"<html>"


def waiting(aws: FakeAws, champion: dict[str, str] | None = None) -> str:
    """Put a run with a report in place; its hash."""
    text = json.dumps({"champion_before": champion}).encode()
    aws.run_in_registry(make_run(report_key=f"{KEY}.html", report_sha256=sha256(text)))
    aws.object_in_runs(f"{KEY}.json", text)
    return sha256(text)


@pytest.mark.parametrize(("verb", "word"), [("approve", "approved"), ("reject", "rejected")])
@pytest.mark.parametrize("champion", [None, {"run_id": "greetings-before"}])
def test_an_answer_repeats_the_hash_of_the_report_and_the_champion_that_it_names(
    aws: FakeAws, call: Callable[..., Result], verb: str, word: str, champion: dict[str, str] | None
) -> None:
    # Given
    digest = waiting(aws, champion)
    expected = champion["run_id"] if champion else None
    payload = {"run_id": RUN, "answer": word, "why": "I read it", "report_sha256": digest}
    aws.function_answers("answer-approval", payload | {"expected_champion": expected}, {"run_id": RUN, "answer": word})
    # When
    result = call(verb, RUN, "--why", "I read it", "--report-sha256", digest[:12])
    # Then
    assert result.exit_code == 0
    assert f"is {word}, for the report with SHA-256 {digest}" in result.stdout


def test_a_price_and_an_explicit_word_are_handed_over(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    digest = waiting(aws)
    payload: dict[str, Any] = {"run_id": RUN, "answer": "approved", "why": "", "report_sha256": digest}
    payload |= {"expected_champion": None, "hourly_price": 12.5, "explicitly": True}
    aws.function_answers("answer-approval", payload, {"run_id": RUN, "answer": "approved"})
    # When / Then
    assert call("approve", RUN, "--hourly-price", "12.5", "--explicitly").exit_code == 0


@pytest.mark.parametrize(("claimed", "said"), [("0" * 64, "not the one you"), ("abc", "at least 12")])
def test_an_answer_for_a_report_that_is_another_one_now_is_not_even_sent(
    aws: FakeAws, call: Callable[..., Result], claimed: str, said: str
) -> None:
    # Given
    aws.run_in_registry(make_run(report_key=f"{KEY}.html", report_sha256=sha256(b"{}")))
    # When
    result = call("approve", RUN, "--report-sha256", claimed)
    # Then
    assert result.exit_code == 1
    assert said in result.stderr


def test_an_answer_before_there_is_a_report(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.run_in_registry(make_run())
    # When
    result = call("approve", RUN)
    # Then
    assert result.exit_code == 1
    assert "waits for no approval" in result.stderr


@pytest.mark.parametrize(("kind", "code"), [("RetryRefused", 1), ("RunNotFound", 4), ("Sandbox.Timedout", 1)])
def test_a_function_that_refuses(aws: FakeAws, call: Callable[..., Result], kind: str, code: int) -> None:
    # Given
    aws.run_in_registry(ended("PROMOTED"))
    answer = {"errorType": kind, "errorMessage": "only a run that is FAILED can be retried"}
    aws.function_answers("start-run", {"retry": RUN}, answer, error=True)
    # When
    result = call("retry", RUN)
    # Then
    assert result.exit_code == code
    assert f"{kind}: only a run that is FAILED" in result.stderr


def test_retry(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.run_in_registry(ended("FAILED"))
    aws.function_answers("start-run", {"retry": RUN}, {"run_id": RUN, "attempt": 2, "state": "RUNNING"})
    # When
    result = call("retry", RUN)
    # Then
    assert result.exit_code == 0
    assert "Attempt 2" in result.stdout


def test_watch_tells_what_a_run_waits_for() -> None:
    progress = {"stage": "DeployCandidate", "phase": "quota", "waits_for": "too many deployments"}
    text = describe(Run.from_item(make_run(progress=progress)), simulated=False).text
    assert "waits for: too many deployments" in text


def test_watch_tells_the_phases_of_the_training_and_the_second_try() -> None:
    # Given
    phases = [
        {"name": "validation", "started_at": "2026-11-24T08:00:00+00:00", "ended_at": "2026-11-24T08:05:00+00:00"},
        {"name": "training", "started_at": "2026-11-24T08:05:00+00:00", "ended_at": None},
    ]
    progress = {"stage": "LaunchDistillation", "phase": "training", "phases": phases, "failed_tries": 1}
    # When
    text = describe(Run.from_item(make_run(progress=progress)), simulated=False).text
    # Then
    assert "waits for Bedrock's customization job (phase training, validation took 5 min" in text
    assert "training for " in text
    assert "second try: the first job failed or stalled" in text


def test_a_watch_outlasts_a_service_that_does_not_answer_for_now(aws: FakeAws) -> None:
    # Given
    aws.run_in_registry(make_run())
    for _ in range(2):
        aws.stub("dynamodb").add_client_error("get_item", "503", "no backend", http_status_code=503)
    aws.run_in_registry(ended("PROMOTED"))
    # When
    looks = list(follow(aws.deployment().registry, RUN, every=2.0, sleep=lambda _: None))
    # Then
    assert [run.state if run else None for run in looks] == ["RUNNING", "RUNNING", "RUNNING", ENDED]


def test_a_watch_ends_with_a_refusal(aws: FakeAws) -> None:
    aws.stub("dynamodb").add_client_error("get_item", "AccessDeniedException", "no", http_status_code=400)
    with pytest.raises(ClientError, match="AccessDenied"):
        list(follow(aws.deployment().registry, RUN, every=2.0, sleep=lambda _: None))


BILLS = {"mode": "provisioned_throughput", "provisioned_throughput_usd_per_hour": 20.0, "model_units": 2}


def asks_for(aws: FakeAws, **break_even: Any) -> str:
    """Put a run in place whose student would be served so; the hash of its report."""
    text = json.dumps({"champion_before": None, "break_even": BILLS | break_even}).encode()
    aws.run_in_registry(make_run(report_key=f"{KEY}.html", report_sha256=sha256(text)))
    aws.object_in_runs(f"{KEY}.json", text)
    return sha256(text)


def may_be_approved(aws: FakeAws, digest: str, **more: Any) -> None:
    payload = {"run_id": RUN, "answer": "approved", "why": "", "report_sha256": digest, "expected_champion": None}
    aws.function_answers("answer-approval", payload | more, {"run_id": RUN, "answer": "approved"})


class TestWhatBillsByTheHour:
    def test_without_a_terminal_and_without_yes_nothing_is_sent(
        self, aws: FakeAws, call: Callable[..., Result]
    ) -> None:
        asks_for(aws)

        refused = call("approve", RUN)

        assert refused.exit_code == 1
        said = " ".join(refused.stderr.split())
        for part in ("$20.00 an hour", "$14,600.00 a month", "What ends it", "--yes"):
            assert part in said

    def test_a_script_says_yes(self, aws: FakeAws, call: Callable[..., Result]) -> None:
        may_be_approved(aws, asks_for(aws))

        assert call("approve", RUN, "--yes").exit_code == 0

    @pytest.mark.parametrize(("word", "exit_code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
    def test_at_a_terminal_the_person_is_asked(
        self, aws: FakeAws, monkeypatch: pytest.MonkeyPatch, word: str, exit_code: int
    ) -> None:
        digest = asks_for(aws)
        if exit_code == 0:
            may_be_approved(aws, digest)
        monkeypatch.setattr("cli.approval.somebody_can_be_asked", lambda: True)

        said = CliRunner().invoke(cli, ["approve", RUN], obj=Session(aws.deployment, False), input=word)

        assert said.exit_code == exit_code

    def test_a_commitment_says_until_when_nothing_ends_it(self, aws: FakeAws, call: Callable[..., Result]) -> None:
        asks_for(aws, commitment="SixMonths")

        assert "before 180 days are over" in " ".join(call("approve", RUN).stderr.split())

    def test_a_stated_price_counts_for_every_unit(self, aws: FakeAws, call: Callable[..., Result]) -> None:
        asks_for(aws, provisioned_throughput_usd_per_hour=None)

        assert "$25.00 an hour" in call("approve", RUN, "--hourly-price", "12.5").stderr

    def test_on_demand_and_a_refusal_ask_nothing(self, aws: FakeAws, call: Callable[..., Result]) -> None:
        may_be_approved(aws, asks_for(aws, mode="on_demand"))
        assert call("approve", RUN).exit_code == 0

        digest = asks_for(aws)
        payload = {"run_id": RUN, "answer": "rejected", "why": "", "report_sha256": digest, "expected_champion": None}
        aws.function_answers("answer-approval", payload, {"run_id": RUN, "answer": "rejected"})
        assert call("reject", RUN).exit_code == 0


FILE = f"runs/greetings/{RUN}"


def listed(aws: FakeAws, prefix: str, *paths: str) -> None:
    contents = [{"Key": f"{FILE}/{path}"} for path in paths]
    expected = {"Bucket": "runs", "Prefix": prefix}
    aws.stub("s3").add_response("list_objects_v2", {"Contents": contents} if contents else {}, expected)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("dropped", "teacher_data/dropped.jsonl"),
        ("plan", "attempts/1/plan.json"),
        ("dataset/shards/teacher/0.jsonl", "dataset/shards/teacher/0.jsonl"),
    ],
)
def test_any_file_of_a_run_is_fetched_while_it_goes_on(
    aws: FakeAws, call: Callable[..., Result], tmp_path: Path, name: str, path: str
) -> None:
    # Given
    aws.run_in_registry(make_run())
    listed(aws, f"{FILE}/{path}", path)
    aws.object_in_runs(f"{FILE}/{path}", b"{}")
    # When
    result = call("report", RUN, "--file", name, "--out", str(tmp_path))
    # Then
    assert result.exit_code == 0, result.output
    assert (tmp_path / path.rsplit("/", 1)[-1]).read_bytes() == b"{}"


def test_a_file_that_is_not_there_is_said_with_those_that_are(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.run_in_registry(make_run())
    for _ in range(2):
        listed(aws, f"{FILE}/", "task.json", "dataset/dataset.json")
    # When
    result = call("report", RUN, "--file", "drops.jsonl")
    # Then
    assert result.exit_code == 1
    assert "Short names: dropped, training" in result.output
    assert "Files: task.json, dataset/dataset.json" in result.output


@pytest.mark.parametrize("name", ["../../answers/x.jsonl", "a/../../../b"])
def test_no_name_leads_out_of_the_run(aws: FakeAws, call: Callable[..., Result], tmp_path: Path, name: str) -> None:
    aws.run_in_registry(make_run())
    listed(aws, f"{FILE}/{name}")
    listed(aws, f"{FILE}/", "task.json")
    result = call("report", RUN, "--file", name, "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mode", ["provisioned_throughput", "on_demand"])
def test_a_person_sees_the_card_of_the_report_before_the_word(
    aws: FakeAws, call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    # Given a report that waits, and a person who says no
    monkeypatch.setattr("cli.approval.somebody_can_be_asked", lambda: True)
    document = {
        "decision": "PROMOTE",
        "contestants": [{"role": "student"}],
        "judge": {"calibration": None},
        "break_even": {"mode": mode, "provisioned_throughput_usd_per_hour": 2.0},
    }
    text = json.dumps(document).encode()
    aws.run_in_registry(make_run(report_key=f"{KEY}.html", report_sha256=sha256(text)))
    aws.object_in_runs(f"{KEY}.json", text)
    # When
    result = call("approve", RUN)
    # Then nothing was sent
    assert result.exit_code == 1
    assert "Promote this student? The gate says yes." in result.stderr
    assert "judge: not measured, no calibration.jsonl was given" in result.stderr
    assert ("Approving begins to bill $2.00 an hour" in result.stderr) is (mode == "provisioned_throughput")
    assert "Approve?" in result.stderr
    assert "lambda" not in aws.clients
