"""The demo of a user's own task: it says from where it knows what is right, or refuses before it starts anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from local import demo
from local.embedded_aws.deploy import ROOT
from tests.unit.cli.conftest import worded


def line(number: int, answer: str | None) -> str:
    messages = [{"role": "user", "content": [{"text": f"question {worded(number)} of {number % 7} things"}]}]
    messages += [{"role": "assistant", "content": [{"text": answer}]}] if answer else []
    return json.dumps({"schemaVersion": "bedrock-conversation-2024", "messages": messages})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the demo starts; it comes to nothing."""
    found: list[str] = []

    def deployed(*_place: object, **_options: object) -> None:
        found.append("an embedded AWS")
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "deployed", deployed)
    return found


def test_a_task_with_nothing_to_learn_from_is_refused_before_anything(tmp_path: Path, started: list[str]) -> None:
    # Given prompts without an answer
    task = tmp_path / "mine"
    task.mkdir()
    (task / "prompts.jsonl").write_text("\n".join(line(number, None) for number in range(700)))

    # When
    ran = CliRunner().invoke(demo.main, ["--task", str(task), "--workdir", str(tmp_path / "work")])

    # Then it says what is missing, and nothing was started
    assert ran.exit_code == 1
    assert "The demo failed: Nobody on this machine knows what a right answer to the task 'mine' is." in ran.stderr
    assert "at least 20 are needed" in ran.stderr
    assert not started
    assert not (tmp_path / "work").exists()


def test_a_task_with_answers_is_learned_from_those_that_are_not_held_out(tmp_path: Path, started: list[str]) -> None:
    # Given
    task = tmp_path / "mine"
    task.mkdir()
    (task / "prompts.jsonl").write_text("\n".join(line(number, f"{number % 7} things") for number in range(700)))

    # When
    ran = CliRunner().invoke(demo.main, ["--task", str(task), "--workdir", str(tmp_path / "work")])

    # Then
    assert started
    said = ran.stdout.partition("is known from ")[2]
    assert 400 < int(said.split()[0]) < 700


@pytest.mark.parametrize("name", ["video-search-intent", "ticket-triage", "ticket-summary"])
def test_an_example_is_known_by_its_rules(name: str, tmp_path: Path, started: list[str]) -> None:
    # Given / When
    folder = ROOT / "examples" / name
    ran = CliRunner().invoke(demo.main, ["--task", str(folder), "--workdir", str(tmp_path / "work")])

    # Then
    assert started
    assert f"known from the rules of examples/{name}" in ran.stdout
