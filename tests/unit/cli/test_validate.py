"""``validate`` says before any upload what a run would say, and calls nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cli.validation import SHOWN_PROBLEMS
from tests.unit.cli.conftest import FakeAws
from tests.unit.domain.text.secret_samples import SECRETS


def prompts(folder: Path, count: int, *more: str, name: str = "prompts.jsonl", word: str = "cats") -> str:
    lines = [json.dumps({"prompt": f"{word} number {number}"}) for number in range(count)]
    file = folder / name
    file.write_text("\n".join([*lines, *more]) + "\n")
    return str(file)


def test_a_file_that_is_not_there_is_a_usage_error(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given / When / Then
    assert call("validate", str(tmp_path / "none.jsonl")).exit_code == 2
    assert call("validate").exit_code == 2


def test_too_few_prompts_are_not_usable(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given / When
    result = call("validate", prompts(tmp_path, 99))

    # Then
    assert result.exit_code == 1
    assert "99 distinct usable prompts of at least 100" in result.stdout


def test_a_damaged_line_is_not_usable_and_an_invalid_one_is(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given / When
    damaged = call("validate", prompts(tmp_path, 500, "{"))
    invalid = call("validate", prompts(tmp_path, 500, '{"prompt": "?"}'))

    # Then
    assert (damaged.exit_code, invalid.exit_code) == (1, 0)
    assert "line 501: not JSON" in damaged.stdout
    assert "line 501: 'prompt' has no letter or digit" in invalid.stdout


def test_another_kind_of_file_is_not_usable_in_json_too(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given
    file = tmp_path / "p.jsonl"
    file.write_bytes('{"prompt": "a"}'.encode("utf-16"))

    # When
    result = call("validate", str(file), "--json")

    # Then
    assert result.exit_code == 1
    assert "the file is UTF-16" in json.loads(result.stdout)["refusal"]


def test_the_result_as_json_counts_every_line(aws: FakeAws, call: Callable[..., Result], tmp_path: Path) -> None:
    # Given 200 prompts, one again in other letters, and one that is rejected
    file = prompts(tmp_path, 200, '{"prompt": "CATS number 7!"}', '{"prompt": 3}')

    # When
    result = call("validate", file, "--json")

    # Then
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (found["lines"], found["rejected"], found["duplicates"], found["usable"]) == (202, 1, 1, 200)
    assert found["train"] + found["holdout"] == 200
    assert found["problems"] == [{"line": 202, "reason": "'prompt' must be text, not int"}]
    assert any("holdout records; a run needs" in warning for warning in found["warnings"])
    assert not aws.clients


def test_several_files_are_one_upload_and_each_problem_names_its_file(
    call: Callable[..., Result], tmp_path: Path
) -> None:
    # Given
    first = prompts(tmp_path, 60, '{"prompt": 1}', name="a.jsonl")
    second = prompts(tmp_path, 60, '{"prompt": 2}', name="b.jsonl", word="dogs")

    # When
    found = json.loads(call("validate", first, second, "--json").stdout)

    # Then
    assert found["usable"] == 120
    assert [(item["file"], item["line"]) for item in found["problems"]] == [(first, 61), (second, 61)]


def test_a_person_sees_the_first_problems_only(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given / When
    result = call("validate", prompts(tmp_path, 200, *['{"prompt": 1}'] * 50))

    # Then
    assert result.stdout.count("must be text") == SHOWN_PROBLEMS
    assert f"and {50 - SHOWN_PROBLEMS} more" in result.stdout


@pytest.mark.parametrize("name", ["teacher_system_prompt", "student_system_prompt"])
def test_a_reserved_word_in_a_system_prompt_is_not_usable(
    call: Callable[..., Result], tmp_path: Path, name: str
) -> None:
    # Given
    task = tmp_path / "task.json"
    task.write_text(json.dumps({name: "Answer as Bot: would"}))

    # When
    result = call("validate", prompts(tmp_path, 200), "--task", str(task))

    # Then
    assert result.exit_code == 1
    assert f"'{name}' contains 'Bot:'" in result.stderr


DATA_GUIDE = Path(__file__).resolve().parents[3] / "docs" / "data.md"
KEY = SECRETS["AWS Access Key"]


def test_json_prints_exactly_the_documented_keys(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given the table of the guide
    rows = DATA_GUIDE.read_text().split("| key of `--json` |")[1].split("\n\n")[0].splitlines()[2:]
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}

    # When
    usable, refused = (
        json.loads(call("validate", prompts(tmp_path, count), "--json").stdout).keys() for count in (300, 3)
    )

    # Then
    assert usable == refused == documented


@pytest.mark.parametrize(("rule", "exit_code"), [("block", 1), ("drop", 0), ("allow", 0)])
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_a_secret_is_handled_as_the_task_says_and_never_shown(
    call: Callable[..., Result], tmp_path: Path, rule: str, exit_code: int, as_json: list[str]
) -> None:
    # Given
    task = tmp_path / "task.json"
    task.write_text(json.dumps({"secrets": rule}))
    file = prompts(tmp_path, 200, json.dumps({"prompt": f"use {KEY}"}))

    # When
    result = call("validate", file, "--task", str(task), *as_json)

    # Then
    assert result.exit_code == exit_code
    assert "what looks like a secret" in result.stdout
    assert ("line 201 (AWS Access Key)" in result.stdout) == (rule == "block")
    assert KEY not in result.stdout + result.stderr


def test_an_own_holdout_is_checked_against_the_prompts(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given a holdout of one known question, one new one, and one without an answer
    messages = '[{"role": "user", "content": [{"text": "%s"}]}, {"role": "assistant", "content": [{"text": "a"}]}]'
    lines = [
        '{"schemaVersion": "bedrock-conversation-2024", "messages": %s}' % (messages % text)
        for text in ("Cats number 7!", "birds")
    ]
    holdout = tmp_path / "holdout.jsonl"
    holdout.write_text("\n".join([*lines, '{"prompt": "fish"}']))
    file = prompts(tmp_path, 200)

    # When
    said = call("validate", file, "--holdout", str(holdout)).stdout
    found = json.loads(call("validate", file, "--holdout", str(holdout), "--json").stdout)

    # Then
    assert (found["leaked"], found["train"], found["holdout"], found["rejected"]) == (1, 199, 2, 0)
    assert found["holdout_file"]["rejected"] == 1
    assert [(item["file"], item["line"]) for item in found["problems"]] == [(str(holdout), 3)]
    assert "1 lines ask what holdout.jsonl asks" in said
    assert "3 lines in the holdout: 2 to measure, 1 rejected, 0 duplicates" in said
    assert call("validate", file, "--holdout", str(tmp_path / "none.jsonl")).exit_code == 2


def test_of_several_files_the_one_with_the_secret_is_named(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given
    first = prompts(tmp_path, 60, name="a.jsonl")
    second = prompts(tmp_path, 60, json.dumps({"prompt": KEY}), name="b.jsonl", word="dogs")

    # When
    refusal = json.loads(call("validate", first, second, "--json").stdout)["refusal"]

    # Then
    assert f"{second} line 61 (AWS Access Key)" in refusal


def test_a_task_without_any_instruction_is_warned_of(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given
    file = prompts(tmp_path, 600)
    task = tmp_path / "task.json"
    # When
    task.write_text("{}")
    bare = call("validate", file, "--task", str(task))
    task.write_text('{"teacher_system_prompt": "Say it in German."}')
    half = call("validate", file, "--task", str(task))
    task.write_text('{"teacher_system_prompt": "Say it in German.", "student_system_prompt": "German."}')
    whole = call("validate", file, "--task", str(task))
    # Then
    assert "600 of 600 prompts come without any instruction" in bare.stdout
    assert "the student gets 600 of 600 prompts without any instruction" in half.stdout
    assert "instruction" not in whole.stdout
    assert [one.exit_code for one in (bare, half, whole)] == [0, 0, 0]


def test_a_folder_is_checked_with_what_lies_beside_its_prompts(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given
    prompts(tmp_path, 600)
    (tmp_path / "task.json").write_text('{"budget": 1}')
    # When / Then
    assert "unknown key 'budget'" in call("validate", str(tmp_path)).output
    (tmp_path / "task.json").write_text("{}")
    (tmp_path / "calibration.jsonl").write_text("{")
    assert "calibration.jsonl, line 1" in call("validate", str(tmp_path)).output
    (tmp_path / "calibration.jsonl").unlink()
    assert call("validate", str(tmp_path)).exit_code == 0
    assert call("validate", str(tmp_path), "--task", str(tmp_path / "task.json")).exit_code == 2
    (tmp_path / "more.jsonl").write_text("")
    assert "several prompt files (more.jsonl, prompts.jsonl)" in call("validate", str(tmp_path)).output


def test_a_file_of_another_form_is_pointed_to_init_and_not_to_more_prompts(
    call: Callable[..., Result], tmp_path: Path
) -> None:
    # Given
    file = tmp_path / "chat.jsonl"
    lines = [json.dumps({"messages": [{"role": "user", "content": f"question {at}"}]}) for at in range(600)]
    file.write_text("\n".join(lines))
    # When
    said = call("validate", str(file)).stdout
    # Then
    assert "'python -m cli init' does it" in said
    assert "the first is line 1: " in said
    assert "Add distinct prompts" not in said
    assert "rejected.jsonl" not in said


def test_the_planned_holdout_is_told_with_its_dollars_and_the_cap(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given prompts of which a third is fewer than the whole gate needs, for answers with a schema
    folder = tmp_path / "greetings"
    folder.mkdir()
    prompts(folder, 420)
    (folder / "task.json").write_text(json.dumps({"output_schema": {"type": "object"}, "budget_usd": 20}))

    # When
    said = re.sub(r"\s+", " ", call("validate", str(folder)).stdout)
    plan = json.loads(call("validate", str(folder), "--json").stdout)["holdout_plan"]

    # Then
    assert "Holdout: 204 holdout records let 89% of the good students through the whole gate" in said
    assert f"whose evaluation costs about ${plan['usd']:.2f} of the budget of $20.00" in said
    assert "at most a third of the prompts is held out, so that about 612 are needed for as many" in said
    assert plan["usd"] > 0
    assert plan["here"] < plan["records"] == 204


def test_more_prompts_hold_out_no_more_than_is_planned(call: Callable[..., Result], tmp_path: Path) -> None:
    # Given / When
    document = json.loads(call("validate", prompts(tmp_path, 3_000), "--json").stdout)

    # Then
    assert document["holdout"] == 100 == document["holdout_plan"]["records"] + 1
    assert document["train"] == 2_900
