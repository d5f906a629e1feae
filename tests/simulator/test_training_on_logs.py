"""Customization jobs that train on invocation logs: what is taken of them, and what the teacher is asked."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.simulator import toy
from tests.simulator.conftest import JOB_SECONDS, Account, distillation, record, refusal

PRO = "amazon.nova-pro-v1:0"
QUERIES = list(dict.fromkeys(toy.queries(400, "logs")))[:300]
LOGS = "s3://runs/logs/"


def entry(query: str, answer: str | None = None, **fields: Any) -> dict[str, Any]:
    """Give a logged Converse call with the short prompt."""
    request = {name: value for name, value in record(query).items() if name != "schemaVersion"}
    text = answer if answer is not None else json.dumps(toy.answer(query))
    response = {"output": {"message": {"role": "assistant", "content": [{"text": text}]}}, "stopReason": "end_turn"}
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": "2026-11-02T09:30:00Z",
        "accountId": "000000000000",
        "requestId": "r",
        "operation": "Converse",
        "modelId": PRO,
        "input": {"inputContentType": "application/json", "inputBodyJson": request},
        "output": {"outputContentType": "application/json", "outputBodyJson": response},
        **fields,
    }


def put(account: Account, entries: list[Any], name: str = "logs/a.json.gz") -> None:
    lines = b"".join(json.dumps(item).encode() + b"\n" for item in entries)
    account.objects.write("runs", name, gzip.compress(lines))


def config(**changes: Any) -> dict[str, Any]:
    return {"invocationLogsConfig": {"usePromptResponse": True, "invocationLogSource": {"s3Uri": LOGS}, **changes}}


def counts(account: Account) -> tuple[int, int]:
    """Give processed and accepted records of the only job."""
    [report] = [body for (_, key), body in account.objects.objects.items() if key.endswith("manifest.report.csv")]
    numbers = report.decode().splitlines()[1].split(",")
    return int(numbers[1]), int(numbers[2])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainingDataConfig": {}}, "either s3Uri or invocationLogsConfig"),
        ({"trainingDataConfig": {**config(), "s3Uri": LOGS}}, "either s3Uri or invocationLogsConfig"),
        ({"trainingDataConfig": config()}, "no invocation logs"),
        (
            {"trainingDataConfig": config(), "customizationType": "FINE_TUNING", "customizationConfig": None},
            "DISTILLATION only",
        ),
    ],
)
def test_what_is_refused_at_once(account: Account, changes: dict[str, Any], said: str) -> None:
    code, _, message = refusal(lambda: account.create_job(**changes))
    assert code == "ValidationException"
    assert said in message


def test_with_responses_the_student_learns_them_and_the_teacher_is_not_asked(account: Account) -> None:
    # Given answers that nobody else would give, in an account that asks again about those of a training file
    put(account, [entry(query, '{"logged": 1}') for query in QUERIES])
    # When
    model = account.train(trainingDataConfig=config())
    # Then
    assert account.text(account.deploy(model), QUERIES[0]) == '{"logged": 1}'
    assert PRO not in {charge.model for charge in account.control.billing()}
    assert counts(account) == (300, 300)


def test_without_responses_the_teacher_is_asked_about_prompts_of_any_model(account: Account) -> None:
    # Given
    put(account, [entry(query, '{"logged": 1}', modelId="x.y") for query in QUERIES])
    # When
    model = account.train(trainingDataConfig=config(usePromptResponse=False))
    # Then
    assert "logged" not in account.text(account.deploy(model), QUERIES[0])
    assert any(charge.requests == 300 for charge in account.control.billing())


@pytest.mark.parametrize(
    ("filters", "taken"),
    [
        ({"equals": {"app": "search"}}, 120),
        ({"notEquals": {"app": "search"}}, 180),
        ({"andAll": [{"equals": {"app": "search"}}, {"equals": {"team": "a"}}]}, None),
        ({"orAll": [{"equals": {"app": "search"}}, {"equals": {"team": "a"}}]}, 300),
    ],
)
def test_metadata_filters(account: Account, filters: dict[str, Any], taken: int | None) -> None:
    # Given
    put(account, [entry(query, requestMetadata={"app": "search"}) for query in QUERIES[:120]])
    put(account, [entry(query, requestMetadata={"team": "a"}) for query in QUERIES[120:]], "logs/b.json.gz")
    put(account, [entry("not a log object")], "logs/c.json")
    # When
    arn = account.create_job(trainingDataConfig=config(requestMetadataFilters=filters))
    account.clock.advance(JOB_SECONDS)
    # Then fewer than a hundred pairs fail the job
    assert account.job(arn)["status"] == ("Completed" if taken else "Failed")
    assert counts(account) == (taken or 0, taken or 0)


def test_answers_of_another_model_are_left_out_and_what_is_broken_is_rejected(account: Account) -> None:
    # Given, among a hundred good ones, every kind of bad one
    several = entry(QUERIES[0])
    several["input"]["inputBodyJson"]["messages"] *= 3
    bad = [{"schemaType": "Other"}, entry(QUERIES[1], input={}), "text", several]
    put(account, [*(entry(query) for query in QUERIES[:100]), *bad, entry(QUERIES[2], modelId=f"us.{PRO}")])
    account.objects.write("runs", "logs/z.json.gz", b"no gzip")
    # When
    account.train(trainingDataConfig=config())
    # Then
    assert counts(account) == (105, 100)


def test_a_teacher_behind_a_profile_is_matched_by_the_name_in_the_request(account: Account) -> None:
    put(account, [entry(query, modelId=f"us.{PRO}") for query in QUERIES])
    account.train(trainingDataConfig=config(), customizationConfig=distillation(f"us.{PRO}"))
    assert counts(account) == (300, 300)
