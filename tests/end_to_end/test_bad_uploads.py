"""Bad input never costs money: a clear answer, an empty bill, no call to a model."""

from __future__ import annotations

import json

import pytest

from tests.end_to_end.account import Account, example_lines

pytestmark = pytest.mark.end_to_end

PROMPTS = example_lines()
BROKEN = [*PROMPTS[:517], b'{"prompt": "cut in the mid', *PROMPTS[518:1000]]


@pytest.mark.parametrize(
    ("folder", "lines", "error", "words"),
    [
        ("fifty", PROMPTS[:50], "DatasetRefused", ["training records of at least 112", "Nothing was paid"]),
        ("empty", [], "DatasetRefused", ["from 0 lines", "Nothing was paid"]),
        ("binary", [b"\x89PNG\r\n\x1a\n\x00\x01\x02" * 200], "InvalidUpload", ["an image", "JSON Lines"]),
        ("broken-line", BROKEN, "InvalidUpload", ["line 518", "not JSON", "Nothing was paid"]),
    ],
)
def test_a_bad_file_gets_a_clear_answer_and_costs_nothing(
    account: Account, folder: str, lines: list[bytes], error: str, words: list[str]
) -> None:
    # Given
    bill, calls = len(account.simulator.billing()), len(account.simulator.calls(service="bedrock-runtime"))
    # When
    run = account.ended(account.upload(folder, lines).run_id)
    # Then
    assert run.outcome == "FAILED"
    assert str(run.reason).startswith(error)
    for word in words:
        assert word in str(run.reason)
    assert len(account.simulator.calls(service="bedrock-runtime")) == calls
    assert len(account.simulator.billing()) == bill
    assert account.report(run)["total_usd"] == 0


def test_a_wrong_task_definition_names_the_key(account: Account) -> None:
    # Given, When
    run = account.ended(account.upload("wrong-task", PROMPTS[:10], gate={"min_judge_scor": 4}).run_id)
    # Then
    assert run.outcome == "FAILED"
    assert "unknown key 'gate.min_judge_scor'" in str(run.reason)


def test_a_budget_that_is_too_small_stops_the_run_before_it_pays(account: Account) -> None:
    # Given
    calls = len(account.simulator.calls(service="bedrock-runtime"))
    # When
    run = account.ended(account.example("poor", budget_usd=0.5).run_id)
    # Then
    assert str(run.reason).startswith("BudgetExceeded")
    assert "'budget_usd'" in str(run.reason)
    assert len(account.simulator.calls(service="bedrock-runtime")) == calls


def test_files_of_the_task_itself_start_no_run(account: Account) -> None:
    # Given
    before = len(account.executions())
    # When
    bucket = account.outputs["UploadsBucket"]
    account.s3.put_object(Bucket=bucket, Key="quiet/task.json", Body=json.dumps({}).encode())
    account.s3.put_object(Bucket=bucket, Key="quiet/holdout.jsonl", Body=b"")
    run = account.ended(account.upload("marker", PROMPTS[:5]).run_id)
    # Then: the later upload has come through, the earlier ones started nothing
    assert run.outcome == "FAILED"
    assert len(account.executions()) == before + 1
