"""Bad input is refused on the person's machine: the fake AWS fails on any call that was not foreseen."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from lambdas.domain.identity import Upload
from tests.unit.cli.conftest import FakeAws, worded


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "task.json is not JSON"),
        ('{"gate": {"min_judge_score": 9}}', "min_judge_score"),
        ('{"budget": 5}', "budget"),
        ('{"teacher_data": {"mode": "logged"}}', "--from-logs"),
    ],
)
def test_a_bad_task_file_uploads_nothing(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path, text: str, said: str
) -> None:
    # Given
    (task_dir / "task.json").write_text(text)
    # When
    result = call("submit", str(task_dir))
    # Then
    assert result.exit_code == 1
    assert "Nothing was uploaded" in result.stderr
    assert said in result.stderr
    assert not aws.clients


def test_too_few_prompts_upload_nothing_and_show_the_rejected_lines(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path
) -> None:
    # Given
    lines = ['{"prompt": "hello"}', "not json", '{"prompt": ""}']
    (task_dir / "prompts.jsonl").write_text("\n".join(lines))
    # When
    result = call("submit", str(task_dir))
    # Then
    assert result.exit_code == 1
    assert "line 2:" in result.stderr
    assert "line 3:" in result.stderr
    assert not aws.clients


def test_one_damaged_line_among_many_uploads_nothing(aws: FakeAws, call: Callable[..., Result], task_dir: Path) -> None:
    # Given a file that would be large enough without its damaged line
    lines = [json.dumps({"prompt": f"find reel {worded(number)}"}) for number in range(800)]
    (task_dir / "prompts.jsonl").write_text("\n".join([*lines[:517], '{"prompt": "cut in the mid', *lines[517:]]))
    # When
    result = call("submit", str(task_dir))
    # Then
    assert result.exit_code == 1
    assert "line 518: not JSON" in result.stderr
    assert not aws.clients


def test_a_calibration_set_that_measures_nothing_uploads_nothing(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path
) -> None:
    # Given
    (task_dir / "calibration.jsonl").write_text(
        '{"question": "q", "reference": "r", "answer": "a", "expected_score": 9}'
    )
    # When
    result = call("submit", str(task_dir))
    # Then
    assert result.exit_code == 1
    assert "calibration.jsonl, line 1: 'expected_score'" in result.stderr
    assert not aws.clients


@pytest.mark.parametrize("content", [b"\xff\xfeh\x00", b"PK\x03\x04zip", b"\x1f\x8bdamaged"])
def test_another_kind_of_file_uploads_nothing(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path, content: bytes
) -> None:
    # Given
    (task_dir / "prompts.jsonl").write_bytes(content)
    # When
    result = call("submit", str(task_dir))
    # Then
    assert result.exit_code == 1
    assert "Nothing was uploaded" in result.stderr
    assert not aws.clients


@pytest.mark.parametrize("name", ["prompts.txt", "holdout.jsonl", "calibration.jsonl"])
def test_a_file_name_that_starts_no_run(call: Callable[..., Result], task_dir: Path, name: str) -> None:
    # Given
    file = task_dir / "prompts.jsonl"
    file.rename(task_dir / name)
    # When
    result = call("submit", str(task_dir), "--file", str(task_dir / name))
    # Then
    assert result.exit_code == 1
    assert "starts no run" in result.stderr


def test_which_prompts_must_be_clear(call: Callable[..., Result], task_dir: Path) -> None:
    # Given
    (task_dir / "more.jsonl").write_text("")
    # When
    several = call("submit", str(task_dir))
    for file in task_dir.glob("*.jsonl"):
        file.unlink()
    none = call("submit", str(task_dir))
    missing = call("submit", str(task_dir / "nowhere"))
    # Then
    assert [several.exit_code, none.exit_code, missing.exit_code] == [2, 2, 2]
    assert "more.jsonl, prompts.jsonl" in several.stderr
    assert "has no prompts" in none.stderr


def test_a_bucket_without_versions(aws: FakeAws, call: Callable[..., Result], task_dir: Path) -> None:
    # Given
    aws.is_missing("greetings/holdout.jsonl")
    aws.is_missing("greetings/calibration.jsonl")
    aws.upload_expected("greetings/task.json", None)
    aws.upload_expected("greetings/prompts.jsonl", None)
    # When
    result = call("submit", str(task_dir))
    # Then
    assert result.exit_code == 3
    assert "keeps no versions" in result.stderr


def test_the_prompts_come_last_and_name_the_run(aws: FakeAws, call: Callable[..., Result], task_dir: Path) -> None:
    # Given: answers in the only order in which the calls may come
    trusted = {
        "schemaVersion": "bedrock-conversation-2024",
        "messages": [
            {"role": "user", "content": [{"text": "PROMPT"}]},
            {"role": "assistant", "content": [{"text": "good day"}]},
        ],
    }
    lines = [json.dumps(trusted).replace("PROMPT", f"ask {number}") for number in range(300)]
    (task_dir / "holdout.jsonl").write_text("\n".join(lines))
    known = {"question": "greet Q", "reference": "good day", "answer": "good day", "expected_score": 5}
    scored = [{**known, "question": f"greet {number}", "expected_score": 1 + number % 5} for number in range(10)]
    (task_dir / "calibration.jsonl").write_text("\n".join(json.dumps(case) for case in scored))
    aws.upload_expected("greetings/task.json", "t1")
    aws.upload_expected("greetings/holdout.jsonl", "h1")
    aws.upload_expected("greetings/calibration.jsonl", "c1")
    aws.upload_expected("greetings/prompts.jsonl", "p1")
    # When
    result = call("--json", "submit", str(task_dir))
    # Then
    document = json.loads(result.stdout)
    assert document["run_id"] == Upload("uploads", "greetings/prompts.jsonl", "p1").run_id
    assert (document["train"], document["holdout"]) == (800, 300)


def test_a_task_file_of_an_earlier_upload_is_pointed_out(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path
) -> None:
    # Given
    (task_dir / "task.json").unlink()
    plain = task_dir / "prompts.jsonl"
    (task_dir / "prompts.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    aws.is_there("greetings/task.json")
    aws.is_missing("greetings/holdout.jsonl")
    aws.is_missing("greetings/calibration.jsonl")
    aws.upload_expected("greetings/prompts.jsonl.gz", "p1")
    # When
    result = call("submit", str(task_dir))
    # Then
    assert result.exit_code == 0
    assert "has no task.json; the one uploaded before counts" in result.stderr


@pytest.mark.parametrize("name", ["holdout.jsonl.gz", "Holdout.jsonl", "calibration.jsonl.gz", "Task.json"])
def test_a_file_of_the_task_under_another_name_uploads_nothing(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path, name: str
) -> None:
    # Given
    (task_dir / "task.json").unlink(missing_ok=True)
    (task_dir / name).write_bytes(b"{}")
    # When
    result = call("submit", str(task_dir))
    # Then
    assert result.exit_code == 1
    assert f"Nothing was uploaded. '{name}' stands for" in result.stderr
    assert not aws.clients


@pytest.mark.parametrize("task_text", ["{}", None])
def test_prompts_without_any_instruction_need_a_word(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path, task_text: str | None
) -> None:
    # Given
    if task_text is None:
        (task_dir / "task.json").unlink()
        aws.is_missing("greetings/task.json")
    else:
        (task_dir / "task.json").write_text(task_text)
    if task_text is None:
        aws.is_missing("greetings/holdout.jsonl")
        aws.is_missing("greetings/calibration.jsonl")
    # When
    result = call("submit", str(task_dir))
    # Then
    assert result.exit_code == 1
    assert "800 of 800 prompts come without any instruction" in result.output
    assert "or say --prompts-say-all if they do" in result.output


def test_with_the_word_they_are_uploaded_and_warned_of(
    aws: FakeAws, call: Callable[..., Result], task_dir: Path
) -> None:
    # Given
    (task_dir / "task.json").write_text("{}")
    for name in ("holdout", "calibration"):
        aws.is_missing(f"greetings/{name}.jsonl")
    aws.upload_expected("greetings/task.json", "t1")
    aws.upload_expected("greetings/prompts.jsonl", "p1")
    # When
    result = call("submit", str(task_dir), "--prompts-say-all")
    # Then
    assert result.exit_code == 0, result.output
    assert "Warning: 800 of 800 prompts come without any instruction" in result.output
