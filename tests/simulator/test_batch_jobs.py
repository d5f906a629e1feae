"""Batch inference: what is refused, how a job moves, what it leaves, what it costs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.simulator import toy
from tests.simulator.conftest import BATCH_SECONDS, STOP_SECONDS, STUDENT, Account, batch_record, refusal

PRO, PREMIER, HAIKU = "amazon.nova-pro-v1:0", "us.amazon.nova-premier-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"
JOBS_AT_ONCE, MOST_RECORDS = "SIM-BATCH-JOBS-NovaPro", "L-9B651738"
MICRO_MINIMUM, PRO_MINIMUM, FILE_GIGABYTES, JOB_GIGABYTES = "L-534E6885", "L-2A3EB975", "L-68FC8D47", "L-26B15D4D"
HOUR = 3600.0


def finish(account: Account, **changes: Any) -> Any:
    """Run a job to its end."""
    arn = account.create_batch(**changes)
    account.clock.advance(BATCH_SECONDS)
    return account.batch(arn)


class TestRefusedAtOnce:
    @pytest.mark.parametrize(
        ("changes", "code", "said"),
        [
            ({"jobName": "under_score"}, "ValidationException", "pattern"),
            ({"clientRequestToken": "a-/"}, "ValidationException", "pattern"),
            ({"timeoutDurationInHours": 23}, "ValidationException", "23"),
            ({"timeoutDurationInHours": 169}, "ValidationException", "169"),
            ({"modelInvocationType": "Chat"}, "ValidationException", "enum"),
            ({"modelId": STUDENT}, "ValidationException", "does not support batch"),
            ({"modelId": "no.such-model"}, "ValidationException", "does not support batch"),
            ({"modelId": PREMIER}, "ResourceNotFoundException", "end of its life"),
            ({"modelId": HAIKU}, "ValidationException", "inference profile"),
            (
                {"modelId": "arn:aws:bedrock:us-east-1:000000000000:provisioned-model/abcdefabcdef"},
                "ValidationException",
                "pattern",
            ),
            (
                {"modelId": "arn:aws:bedrock:us-east-1:000000000000:custom-model/amazon.nova-micro-v1:0/abcdefabcdef"},
                "ValidationException",
                "does not support batch",
            ),
            ({"tags": [{"key": "aws:x", "value": "1"}]}, "ValidationException", "aws:"),
        ],
    )
    def test_what_the_service_refuses(self, account: Account, changes: dict[str, Any], code: str, said: str) -> None:
        # Given a good input
        account.put_batch(toy.queries(100, "batch"))

        # When / Then it is refused, and nothing is made
        refused = refusal(lambda: account.create_batch(**changes))
        assert refused[0] == code
        assert said in refused[2]
        assert account.control.resources().batch_jobs == []

    def test_a_name_is_never_free_again(self, account: Account) -> None:
        # Given a job that failed
        account.put_batch(toy.queries(5, "batch"))
        assert finish(account)["status"] == "Failed"

        # When / Then
        assert refusal(account.create_batch)[:2] == ("ConflictException", 400)

    def test_a_token_makes_one_job(self, account: Account) -> None:
        # Given a job made with a token
        account.put_batch(toy.queries(100, "batch"))
        first = account.create_batch(clientRequestToken="run1")

        # When / Then the same request gives it again, another request with the token is refused
        assert account.create_batch(clientRequestToken="run1") == first
        assert refusal(lambda: account.create_batch(clientRequestToken="run1", jobName="b2"))[0] == "ConflictException"
        assert len(account.control.resources().batch_jobs) == 1

    def test_more_jobs_at_once_than_the_quota(self, account: Account) -> None:
        # Given an account for one job of the model at once, and one under way
        account.put_batch(toy.queries(100, "batch"))
        account.control.change(quotas={JOBS_AT_ONCE: 1})
        account.create_batch()

        # When / Then a second is refused until the first has ended; another model has a quota of its own
        refused = refusal(lambda: account.create_batch(jobName="b2"))
        assert refused[0] == "ServiceQuotaExceededException"
        assert account.create_batch(jobName="b3", modelId="us.amazon.nova-micro-v1:0")
        account.clock.advance(BATCH_SECONDS)
        assert account.create_batch(jobName="b2")

    def test_nobody_finds_what_is_not_there(self, account: Account) -> None:
        # Given / When / Then
        assert refusal(lambda: account.batch("abcdefabcdef"))[:2] == ("ResourceNotFoundException", 404)
        assert refusal(lambda: account.batch("my-job"))[0] == "ValidationException"


class TestFailedInValidation:
    @pytest.mark.parametrize(
        ("records", "said"),
        [
            (toy.queries(99, "batch"), "has 99 records; it must have at least 100"),
            ([*toy.queries(99, "batch"), {"recordId": "x"}], "line 100 of questions.jsonl"),
            ([*toy.queries(99, "batch"), {"recordId": 7, "modelInput": {}}], "recordId"),
        ],
    )
    def test_the_input_is_not_as_it_must_be(self, account: Account, records: list[Any], said: str) -> None:
        # Given an input that breaks a rule
        account.put_batch(records)

        # When the job runs
        job = finish(account)

        # Then it fails with the reason, writes nothing and costs nothing
        assert job["status"] == "Failed"
        assert said in job["message"]
        assert list(account.objects.keys("runs", "batch/")) == []
        assert account.control.billing() == []

    def test_a_line_that_is_no_json(self, account: Account) -> None:
        # Given / When
        account.objects.write("runs", "in/questions.jsonl", b'{"recordId": "1", "modelInput": {}}\n{broken\n')
        job = finish(account)

        # Then
        assert (job["status"], "line 2" in job["message"]) == ("Failed", True)

    def test_an_input_that_is_not_there(self, account: Account) -> None:
        # Given / When / Then
        assert "could not be read" in finish(account)["message"]
        folder = {"s3InputDataConfig": {"s3Uri": "s3://runs/nothing/"}}
        assert "no file" in finish(account, jobName="b2", inputDataConfig=folder)["message"]

    @pytest.mark.parametrize(
        ("quota", "value", "said"),
        [
            (MOST_RECORDS, 120, "quota is 120 a file"),
            ("L-89197AE6", 120, "quota is 120 a job"),
            (FILE_GIGABYTES, 1e-6, "The file questions.jsonl is larger"),
            (JOB_GIGABYTES, 1e-6, "The input files together are larger"),
        ],
    )
    def test_more_than_the_quotas(self, account: Account, quota: str, value: float, said: str) -> None:
        # Given a quota below what the input has
        account.put_batch(toy.queries(121, "batch"))
        account.control.change(quotas={quota: value})

        # When / Then
        assert said in finish(account)["message"]

    def test_the_quotas_can_be_read(self, account: Account) -> None:
        # Given / When
        pages = account.quotas.get_paginator("list_service_quotas").paginate(ServiceCode="bedrock")
        quotas = {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}

        # Then
        assert quotas["Minimum number of records per batch inference job for Nova Pro V1"] == 100
        assert quotas["Records per batch inference job for Nova Micro V1"] == 50_000
        assert quotas["Batch inference job size (in GB) for Nova Lite V1"] == 100
        assert quotas["Sum of in-progress and submitted batch inference jobs using a base model for Nova Pro V1"] == 20


class TestRun:
    def test_every_record_is_answered_once_without_order(self, account: Account) -> None:
        # Given a hundred and fifty questions
        queries = toy.queries(150, "batch")
        account.put_batch(queries)

        # When the job has run
        job = finish(account)
        lines = account.batch_output(job["jobArn"])

        # Then each has its answer, the teacher's own, in another order than asked
        assert job["status"] == "Completed"
        assert sorted(line["recordId"] for line in lines) == sorted(f"r{i}" for i in range(150))
        assert [line["recordId"] for line in lines] != [f"r{i}" for i in range(150)]
        first = next(line for line in lines if line["recordId"] == "r0")
        assert first["modelInput"] == batch_record("r0", queries[0])["modelInput"]
        answer = first["modelOutput"]
        assert json.loads(answer["output"]["message"]["content"][0]["text"]) == toy.answer(queries[0])
        assert answer["stopReason"] == "end_turn"
        assert "metrics" not in answer

        # And the counts and the manifest say so
        counts = {
            "totalRecordCount": 150,
            "processedRecordCount": 150,
            "successRecordCount": 150,
            "errorRecordCount": 0,
        }
        assert {name: job[name] for name in counts} == counts
        manifest = json.loads(account.batch_object(job["jobArn"], "manifest.json.out"))
        usages = [line["modelOutput"]["usage"] for line in lines]
        assert manifest == counts | {
            "inputTokenCount": sum(usage["inputTokens"] for usage in usages),
            "outputTokenCount": sum(usage["outputTokens"] for usage in usages),
        }

    def test_it_costs_half(self, account: Account) -> None:
        # Given the same question asked on demand and a hundred times in a batch
        account.ask(PRO, "a guitar song", toy.LONG_PROMPT)
        account.put_batch(["a guitar song"] * 100)

        # When
        job = finish(account)

        # Then the batch is billed to the job, a hundred times half the price
        single, batch = account.control.billing()
        assert single.usd is not None
        assert (batch.kind, batch.resource, batch.requests) == ("batch", job["jobArn"], 100)
        assert batch.usd == pytest.approx(single.usd * 100 / 2)
        assert set(batch.usage) == {"USE1-NovaPro-input-tokens-batch", "USE1-NovaPro-output-tokens-batch"}

    def test_states_follow_the_clock(self, account: Account) -> None:
        # Given a job
        account.put_batch(toy.queries(100, "batch"))
        arn = account.create_batch(timeoutDurationInHours=48, tags=[{"key": "run", "value": "r1"}])
        assert account.batch(arn)["status"] == "Submitted"

        # When time passes
        seen: list[str] = []
        while seen[-1:] != ["Completed"]:
            account.clock.advance(BATCH_SECONDS / 20)
            seen.append(account.batch(arn.rsplit("/", 1)[1])["status"])

        # Then it passes through each state in order
        assert list(dict.fromkeys(seen)) == ["Validating", "Scheduled", "InProgress", "Completed"]
        job = account.batch(arn)
        assert (job["endTime"] - job["submitTime"]).total_seconds() == BATCH_SECONDS
        assert (job["jobExpirationTime"] - job["submitTime"]).total_seconds() == 48 * HOUR
        assert account.bedrock.list_tags_for_resource(resourceARN=arn)["tags"] == [{"key": "run", "value": "r1"}]

    def test_counts_grow_while_it_works(self, account: Account) -> None:
        # Given a job that is working
        account.put_batch(toy.queries(100, "batch"))
        arn = account.create_batch()
        account.clock.advance(BATCH_SECONDS * 0.39)
        assert (account.batch(arn)["status"], account.batch(arn)["totalRecordCount"]) == ("Scheduled", 100)
        account.clock.advance(BATCH_SECONDS * 0.31)

        # When / Then half of it is done
        deadline = time.monotonic() + 30  # the answers are made on another thread
        while not (job := account.batch(arn)).get("processedRecordCount"):
            assert time.monotonic() < deadline
        assert (job["status"], job["processedRecordCount"]) == ("InProgress", 50)

    def test_jobs_are_listed(self, account: Account) -> None:
        # Given two jobs, one of which has ended
        account.put_batch(toy.queries(100, "batch"))
        finish(account, jobName="old-1")
        account.create_batch(jobName="new-1")

        # When / Then
        listed = account.bedrock.list_model_invocation_jobs()["invocationJobSummaries"]
        assert [job["jobName"] for job in listed] == ["new-1", "old-1"]
        under_way = account.bedrock.list_model_invocation_jobs(statusEquals="Submitted", nameContains="new")
        assert [job["jobName"] for job in under_way["invocationJobSummaries"]] == ["new-1"]

    def test_a_folder_of_files(self, account: Account) -> None:
        # Given two files below a prefix, and one that is none of the input
        queries = toy.queries(120, "batch")
        account.put_batch(queries[:60], "in/a.jsonl")
        account.put_batch(queries[60:], "in/deep/b.jsonl")
        account.put_batch(queries, "in/notes.txt")

        # When
        job = finish(account, inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://runs/in/"}})

        # Then each has its output
        assert job["totalRecordCount"] == 120
        assert len(account.batch_output(job["jobArn"], "a.jsonl.out")) == 60
        assert len(account.batch_output(job["jobArn"], "deep/b.jsonl.out")) == 60

    def test_record_ids_are_the_callers_business(self, account: Account) -> None:
        # Given records with the same id, and one without any
        records: list[Any] = [batch_record("same", query) for query in toy.queries(100, "batch")]
        del records[99]["recordId"]
        account.put_batch(records)

        # When
        lines = account.batch_output(finish(account)["jobArn"])

        # Then nothing is refused, and the service made an id
        assert sum(line["recordId"] == "same" for line in lines) == 99
        (made,) = (line["recordId"] for line in lines if line["recordId"] != "same")
        assert (len(made), made.isalnum()) == (11, True)

    def test_what_a_record_gets_wrong_concerns_this_record_only(self, account: Account) -> None:
        # Given good records, and one of each kind of bad ones
        tools = {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]}
        bad: dict[str, Any] = {
            "tool": batch_record("tool", "x")["modelInput"] | {"toolConfig": tools},
            "blank": batch_record("blank", " ")["modelInput"],
            "shape": {"messages": [{"role": "user", "content": "text"}]},
            "empty": {},
        }
        account.put_batch([*toy.queries(100, "batch"), *({"recordId": k, "modelInput": v} for k, v in bad.items())])

        # When
        job = finish(account)
        lines = {line["recordId"]: line for line in account.batch_output(job["jobArn"])}

        # Then those have errors, are not billed, and the job completes
        assert (job["status"], job["successRecordCount"], job["errorRecordCount"]) == ("Completed", 100, 4)
        assert {lines[name]["error"]["errorCode"] for name in bad} == {400}
        assert all("modelOutput" not in lines[name] for name in bad)
        assert "toolConfig" in lines["tool"]["error"]["errorMessage"]
        assert account.control.billing()[0].requests == 100


class TestInvokeModelFormat:
    def test_nova_records_may_call_a_tool(self, account: Account) -> None:
        # Given records in Nova's own format, with a tool
        query = toy.queries(1, "batch")[0]
        body = batch_record("r", query)["modelInput"] | {
            "schemaVersion": "messages-v1",
            "inferenceConfig": {"maxTokens": 300, "topK": 5},
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "route", "inputSchema": {"json": {"type": "object"}}}}],
                "toolChoice": {"tool": {"name": "route"}},
            },
        }
        account.put_batch([{"recordId": str(i), "modelInput": body} for i in range(100)])

        # When no invocation type is given, InvokeModel is meant
        job = finish(account, modelInvocationType=None)

        # Then
        assert job["modelInvocationType"] == "InvokeModel"
        answer = account.batch_output(job["jobArn"])[0]["modelOutput"]
        assert answer["output"]["message"]["content"][0]["toolUse"]["input"] == toy.answer(query)
        assert answer["usage"]["cacheReadInputTokenCount"] == 0

    def test_claude_records(self, account: Account) -> None:
        # Given records in the Messages format
        body = {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 300,
            "system": toy.LONG_PROMPT,
            "messages": [{"role": "user", "content": [{"type": "text", "text": toy.queries(1, "batch")[0]}]}],
        }
        account.put_batch([{"recordId": str(i), "modelInput": body} for i in range(99)] + [batch_record("bad", "x")])

        # When
        job = finish(account, modelInvocationType="InvokeModel", modelId=f"us.{HAIKU}")

        # Then
        lines = {line["recordId"]: line for line in account.batch_output(job["jobArn"])}
        assert lines["0"]["modelOutput"]["content"][0]["type"] == "text"
        assert lines["0"]["modelOutput"]["usage"]["input_tokens"] > 0
        assert "anthropic_version" in lines["bad"]["error"]["errorMessage"]


class TestStop:
    def test_what_was_processed_is_left_and_billed(self, account: Account) -> None:
        # Given a job half way through its work
        account.put_batch(toy.queries(100, "batch"))
        arn = account.create_batch()
        account.clock.advance(BATCH_SECONDS * 0.7)

        # When it is stopped
        account.bedrock.stop_model_invocation_job(jobIdentifier=arn)
        assert account.batch(arn)["status"] == "Stopping"
        account.clock.advance(STOP_SECONDS)

        # Then half of the records are there and paid
        job = account.batch(arn)
        assert (job["status"], job["totalRecordCount"], job["processedRecordCount"]) == ("Stopped", 100, 50)
        assert len(account.batch_output(arn)) == 50
        assert account.control.billing()[0].requests == 50
        assert refusal(lambda: account.bedrock.stop_model_invocation_job(jobIdentifier=arn))[0] == "ConflictException"

    def test_before_it_began_nothing_is_left(self, account: Account) -> None:
        # Given a job that waits
        account.put_batch(toy.queries(100, "batch"))
        arn = account.create_batch()
        account.clock.advance(BATCH_SECONDS * 0.2)

        # When
        account.bedrock.stop_model_invocation_job(jobIdentifier=arn)
        account.clock.advance(STOP_SECONDS)

        # Then
        assert account.batch(arn)["status"] == "Stopped"
        assert list(account.objects.keys("runs", "batch/")) == []
        assert account.control.billing() == []
