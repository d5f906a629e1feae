"""Global options count before the verb and after it; what excludes itself is said."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli.main import cli
from cli.session import Session

OPTIONS = ("environment", "region", "local", "local-dir", "json")


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def verbs(group: click.Group, *before: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, verb in group.commands.items():
        found += verbs(verb, *before, name) if isinstance(verb, click.Group) else [(*before, name)]
    return found


@pytest.mark.parametrize("verb", verbs(cli), ids=" ".join)
def test_each_verb_names_the_global_options(verb: tuple[str, ...]) -> None:
    said = run(*verb, "--help")
    assert said.exit_code == 0
    assert [option for option in OPTIONS if f"--{option}" not in said.output] == []


@pytest.mark.parametrize("words", [("--local-dir", "DIR", "runs"), ("runs", "--local-dir", "DIR")])
def test_local_is_looked_for_in_the_same_folder(tmp_path: Path, words: tuple[str, ...]) -> None:
    result = run(*(str(tmp_path) if word == "DIR" else word for word in words))
    assert result.exit_code == 3
    assert f"No embedded AWS runs in {tmp_path}" in result.output


def test_what_stands_on_both_sides_is_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    seen: list[Session] = []

    @click.command()
    @click.pass_obj
    def look(session: Session) -> None:
        seen.append(session)

    cli.add_command(look)
    monkeypatch.setattr("cli.screen.print_json", print)
    try:
        # When
        run("--environment", "prod", "look", "--json", "--region", "us-west-2")
        run("look", "--environment", "prod", "--region", "us-west-2", "--json")
        run("--environment", "prod", "--region", "us-west-2", "--json", "look", "--environment", "prod")
        run("look")
    finally:
        del cli.commands["look"]
    # Then
    said = [(session.environment, session.as_json, session.command, session.local) for session in seen]
    assert said[:3] == [("prod", True, "python -m cli --environment prod --region us-west-2", False)] * 3
    assert said[3] == ("dev", False, "python -m cli", False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--environment", "a", "runs", "--environment", "b"), "--environment is given twice, as a and as b."),
        (("--local", "runs", "--region", "x"), "--region has no meaning with --local"),
        (("runs", "--local", "--region", "x"), "--region has no meaning with --local"),
        (("prices", "--region", "x", "refresh", "--local"), "--region has no meaning with --local"),
    ],
)
def test_what_excludes_itself_is_a_usage_error(words: tuple[str, ...], said: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.output


def test_json_after_the_verb_is_json(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(f'{{"prompt": "number {number}"}}\n' for number in range(120)))
    after, before = run("validate", str(file), "--json"), run("--json", "validate", str(file))
    assert after.output == before.output
    assert json.loads(after.output)["usable"] == 120
