"""``estimate`` says what a run would cost before anything is uploaded, with or without an account."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.unit.cli.conftest import FakeAws


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "routing"
    made.mkdir()
    lines = [json.dumps({"prompt": f"cats number {number}"}) for number in range(900)]
    (made / "prompts.jsonl").write_text("\n".join(lines) + "\n")
    return made


def task(folder: Path, **fields: Any) -> Path:
    (folder / "task.json").write_text(json.dumps(fields))
    return folder


def test_offline_it_calls_nothing_and_says_what_it_assumes(
    aws: FakeAws, call: Callable[..., Result], folder: Path
) -> None:
    # Given / When
    result = call("estimate", str(folder), "--offline")

    # Then
    assert result.exit_code == 0, result.output
    assert aws.clients == {}
    assert "No account was asked" in result.stdout
    assert "It fits the budget of $50.00" in result.stdout
    assert "tokens are estimated at 4 characters each" in result.stdout


def test_over_the_budget_it_says_what_would_make_it_fit(call: Callable[..., Result], folder: Path) -> None:
    # Given / When
    result = call("estimate", str(task(folder, budget_usd=1.0)), "--offline")

    # Then
    assert result.exit_code == 1
    assert "raise 'budget_usd' in task.json to at least" in result.stdout
    assert "put us.anthropic.claude-haiku-4-5-20251001-v1:0 first in 'judge_models'" in result.stdout


def test_as_json_it_gives_every_line_with_low_and_high(call: Callable[..., Result], folder: Path) -> None:
    # Given / When
    result = call("--json", "estimate", str(task(folder, training="fine_tuning")), "--offline")

    # Then
    document = json.loads(result.stdout)
    assert document["fits"] is True
    assert document["models"]["training"] == "fine_tuning"
    assert sum(line["usd"] for line in document["estimate"]) == pytest.approx(document["estimate_usd"])
    assert all(line["low_usd"] <= line["usd"] <= line["high_usd"] for line in document["estimate"])


@pytest.mark.parametrize(
    ("teacher", "training"),
    [("us.amazon.nova-pro-v1:0", "distillation"), ("us.anthropic.claude-sonnet-4-6", "fine_tuning")],
)
def test_offline_a_teacher_without_a_listed_pair_is_taken_to_fine_tune(
    call: Callable[..., Result],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    teacher: str,
    training: str,
) -> None:
    # Given
    environments = {"dev": {"teacher_models": [teacher]}}
    (tmp_path / "cdk.json").write_text(json.dumps({"context": {"environments": environments}}))
    monkeypatch.chdir(tmp_path)

    # When
    document = json.loads(call("--json", "estimate", str(task(folder)), "--offline").stdout)

    # Then Bedrock's own calls to the teacher are a line of a distillation alone
    assert document["models"]["training"] == training
    own = [line for line in document["estimate"] if line["what"] == "Bedrock's own calls to the teacher"]
    assert bool(own) == (training == "distillation")


def test_the_tokens_of_the_student_are_those_of_a_custom_model(call: Callable[..., Result], folder: Path) -> None:
    # Given / When
    document = json.loads(call("--json", "estimate", str(task(folder)), "--offline").stdout)

    # Then its usage types are apart from those of the undistilled student
    models = {line["model"] for line in document["estimate"] if line["stage"] == "EvaluateStudent"}
    assert {"custom:amazon.nova-micro-v1:0", "amazon.nova-micro-v1:0"} <= models


def test_a_model_without_a_price_names_the_line_to_add(
    call: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given an environment with a judge that no price book knows
    environments = {"dev": {"judge_models": ["acme.judge-v1:0"]}}
    (tmp_path / "cdk.json").write_text(json.dumps({"context": {"environments": environments}}))
    monkeypatch.chdir(tmp_path)

    # When
    result = call("estimate", str(folder), "--offline")

    # Then
    assert result.exit_code == 1
    assert "no price for 'input' of acme.judge-v1:0" in result.stderr
    assert '"model": "acme.judge-v1:0", "usage": "input"' in result.stderr


def test_a_folder_that_no_run_would_take_is_refused_first(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given
    folder = tmp_path / "few"
    folder.mkdir()
    (folder / "prompts.jsonl").write_text('{"prompt": "one"}\n')

    # When / Then
    result = call("estimate", str(folder), "--offline")
    assert result.exit_code == 1
    assert "0 training records" in result.stderr or "1 training records" in result.stderr


PRICED = {"serving": {"expected_requests_per_month": 400_000_000}}


def test_what_follows_is_said_beside_what_the_run_costs(call: Callable[..., Result], folder: Path) -> None:
    # Given prompts that come with the long prompt, at a volume that is known
    task(folder, teacher_system_prompt="Route the query to a kind of video. " * 40, **PRICED)
    # When
    said = call("estimate", str(folder), "--offline").stdout
    # Then
    assert "What follows, at 400,000,000 requests a month" in said
    assert "The price of provisioned throughput is not known. On demand it would be $" in said
    assert "a month less than the teacher ($" in said
    assert "the price book has no price of its hour" in said
    document = json.loads(call("--json", "estimate", str(folder), "--offline").stdout)["serving"]
    assert document["usd_per_month"]["provisioned_throughput"] is None
    assert document["usd_per_month"]["student"]["expected"] < document["usd_per_month"]["teacher"]["expected"]


def test_a_cost_rule_that_the_task_would_miss_is_told_before_anything_is_paid(
    call: Callable[..., Result], folder: Path
) -> None:
    # Given a student whose prompt is as long as the teacher's
    prompt = "Route the query to a kind of video. " * 40
    task(folder, teacher_system_prompt=prompt, student_system_prompt=prompt, serving={"mode": "on_demand"})
    # When
    said = call("estimate", str(folder), "--offline").stdout
    # Then
    assert "cheaper than the teacher is foreseen (" in said
    assert "'gate.min_cost_reduction' wants 95%" in said
    assert "The volume is not known: set 'serving.expected_requests_per_month'" in said
