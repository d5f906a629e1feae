"""What levers are written as is taken by the service: a cache is found, and a batch job answers each record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.domain.discovery.batch_records import batch_file, job_request
from lambdas.domain.discovery.logged_request import LoggedRequest
from lambdas.domain.discovery.shared_prompt import cached_after_beginning, cached_after_moving
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.training.batch_inference import BatchLimits
from tests.simulator.conftest import BATCH_SECONDS, Account
from tests.unit.domain.logs.log_samples import NOVA, claude, converse

RULES = "".join(f"Rule {number}: a search for a thing of kind {number} goes to that kind.\n" for number in range(150))
PRICES = PriceBook.shipped()


def asked(system: str, user: str) -> dict[str, Any]:
    return {
        "modelId": NOVA,
        "system": [{"text": system}],
        "messages": [{"role": "user", "content": [{"text": user}]}],
    }


@pytest.mark.parametrize("moving", [False, True])
def test_the_second_call_finds_what_the_first_one_shared(account: Account, *, moving: bool) -> None:
    # Given calls of a task; where lines must move, each begins with something of its own
    names = ("Anna", "Ben", "Carla", "Dora")
    requests = [asked(f"You work for {name}.\n{RULES}" if moving else RULES, f"cats of {name}") for name in names]
    change = cached_after_moving if moving else cached_after_beginning

    # When two of them are sent as they would be written
    first, second = change(requests[:3]), change([*requests[1:], requests[0]])
    answers = [account.runtime.converse(**made.request)["usage"] for made in (first, second)]

    # Then they differ, and the second one reads from the cache what the first one wrote
    assert first.request["messages"] != second.request["messages"]
    assert answers[0]["cacheWriteInputTokens"] > 1_000
    assert answers[1]["cacheReadInputTokens"] == answers[0]["cacheWriteInputTokens"]


@pytest.mark.parametrize("form", ["Converse", "InvokeModel"])
def test_a_job_answers_every_record_of_the_file(account: Account, form: str) -> None:
    # Given logged calls of one form
    entries = []
    for number in range(120):
        entry = converse(f"prompt {number}") if form == "Converse" else claude()
        if form == "InvokeModel":
            entry["modelId"] = f"us.{entry['modelId']}"
        entries.append({**entry, "requestId": f"id-{number}"})
    calls = [LoggedRequest.of(entry, entry["input"]["inputBodyJson"]) for entry in entries]
    made = batch_file([call for call in calls if call is not None], PRICES, {}, BatchLimits())

    # When the job is started as the file beside it says
    request = job_request(made, "lever-1", "runs", "arn:aws:iam::000000000000:role/batch")
    account.objects.write("runs", "batch/lever-1/input.jsonl", b"".join(made.lines))
    arn = account.bedrock.create_model_invocation_job(**request)["jobArn"]
    account.clock.advance(BATCH_SECONDS)

    # Then every record is answered
    job = account.batch(arn)
    assert (job["status"], job["successRecordCount"]) == ("Completed", 120)
    output = account.objects.read("runs", f"batch/lever-1/output/{arn.rsplit('/', 1)[1]}/input.jsonl.out")
    answered = {line["recordId"] for line in map(json.loads, output.splitlines()) if "modelOutput" in line}
    assert answered == {f"id-{number}" for number in range(120)}
