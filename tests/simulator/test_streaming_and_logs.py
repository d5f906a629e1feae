"""ConverseStream, and the log of the calls of several applications."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from lambdas.domain.logs.log_entry import OPERATIONS, check_entry, is_error
from local.bedrock_simulator.fault_kinds import STREAM_ERRORS
from tests.simulator import toy
from tests.simulator.conftest import Account, refusal

PRO = "amazon.nova-pro-v1:0"
QUERY = "drone over a beach"
BUCKET = {"bucketName": "logs", "keyPrefix": "app"}


def request(text: str = QUERY, **more: Any) -> dict[str, Any]:
    return {"modelId": PRO, "messages": [{"role": "user", "content": [{"text": text}]}], **more}


def piece_of(event: dict[str, Any]) -> str:
    return str(event.get("contentBlockDelta", {}).get("delta", {}).get("text", ""))


def streamed(account: Account, text: str = QUERY, **more: Any) -> tuple[str, list[dict[str, Any]]]:
    """Return the text that came, and all events."""
    said, events = "", []
    stream: Any = account.runtime.converse_stream(**request(text, **more))["stream"]
    for event in stream:
        said += piece_of(event)
        events.append(event)
    return said, events


class TestStream:
    def test_it_says_what_converse_says_for_the_same_tokens(self, account: Account) -> None:
        # Given
        whole = account.runtime.converse(**request())

        # When
        said, events = streamed(account)

        # Then in several pieces, with the same end
        assert said == whole["output"]["message"]["content"][0]["text"]
        names = [next(iter(event)) for event in events]
        assert names[0] == "messageStart"
        assert names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
        assert names.count("contentBlockDelta") >= 2
        assert events[-2]["messageStop"]["stopReason"] == whole["stopReason"]
        assert events[-1]["metadata"]["usage"] == whole["usage"]
        assert events[-1]["metadata"]["metrics"]["latencyMs"] > 0
        first, second = account.control.billing()
        assert first.usd == second.usd

    def test_a_forced_tool_comes_in_pieces_of_its_input(self, account: Account) -> None:
        # Given
        tool = {"toolSpec": {"name": "weigh", "inputSchema": {"json": {"type": "object"}}}}
        config = {"tools": [tool], "toolChoice": {"tool": {"name": "weigh"}}}

        # When
        _, events = streamed(account, toolConfig=config)

        # Then
        assert events[1]["contentBlockStart"]["start"]["toolUse"]["name"] == "weigh"
        parts = [e["contentBlockDelta"]["delta"]["toolUse"]["input"] for e in events if "contentBlockDelta" in e]
        assert json.loads("".join(parts)) == toy.answer(QUERY)

    @pytest.mark.parametrize("error", STREAM_ERRORS)
    def test_it_can_break_off_after_a_part_of_the_text(self, account: Account, error: str) -> None:
        # Given
        whole, _ = streamed(account)
        account.control.order("broken_stream", error=error, share=0.5, count=1)

        # When
        pieces: list[str] = []
        stream: Any = account.runtime.converse_stream(**request())["stream"]
        with pytest.raises(EventStreamError) as broken:
            pieces.extend(piece_of(event) for event in stream)
        said = "".join(pieces)

        # Then once, and what was streamed before is the beginning of the answer
        assert broken.value.response["Error"]["Code"] == f"{error[0].lower()}{error[1:]}"
        assert whole.startswith(said)
        assert 0 < len(said) < len(whole)
        assert streamed(account)[0] == whole

    def test_a_refused_request_is_an_error_as_ever(self, account: Account) -> None:
        # Given / When / Then
        code, status, _ = refusal(lambda: account.runtime.converse_stream(modelId=PRO, messages=[]))
        assert (code, status) == ("ValidationException", 400)


class TestEndpointsThatFailForATime:
    def test_they_answer_again_afterwards(self, account: Account, trained: str) -> None:
        # Given an endpoint that fails for ten minutes from the first call on
        endpoint = account.deploy(trained)
        account.control.order("endpoint_errors", error="ServiceUnavailableException", seconds=600)

        def answers() -> bool:
            try:
                account.ask(endpoint, QUERY)
            except ClientError:
                return False
            return True

        # When / Then
        assert not answers()
        account.clock.advance(599)
        assert not answers()
        account.clock.advance(1)
        assert answers()


class TestInvocationLog:
    @pytest.fixture(autouse=True)
    def logging(self, account: Account) -> None:
        account.bedrock.put_model_invocation_logging_configuration(
            loggingConfig={"s3Config": BUCKET, "textDataDeliveryEnabled": True}  # type: ignore[typeddict-item]
        )

    @staticmethod
    def entries(account: Account) -> list[dict[str, Any]]:
        account.simulator.invocation_log.flush()
        keys = [
            key
            for key in account.objects.keys("logs", "app/AWSLogs/")
            if key.endswith(".json.gz") and "/data/" not in key
        ]
        lines = [line for key in keys for line in gzip.decompress(account.objects.read("logs", key)).splitlines()]
        return [check_entry(json.loads(line)) for line in lines]

    def test_calls_of_several_applications_are_told_apart(self, account: Account) -> None:
        # Given two applications with a role each
        for name in ("shop", "search"):
            account.control.register(name, f"arn:aws:sts::000000000000:assumed-role/{name}/session")
        account.control.change(check_access=False)

        # When they call in each way, and one call is refused
        account.client("bedrock-runtime", "shop").converse(**request(requestMetadata={"app": "shop", "task": "triage"}))
        streams = account.client("bedrock-runtime", "search").converse_stream(
            **request(requestMetadata={"app": "search"})
        )
        list(streams["stream"])
        body = {"messages": request()["messages"], "inferenceConfig": {"maxTokens": 50}}
        account.runtime.invoke_model(modelId=PRO, body=json.dumps(body).encode())
        account.control.order("refuse_prompt", containing=QUERY)
        refusal(lambda: account.runtime.converse(**request()))

        # Then each is an entry that the pipeline's own reader takes
        found = self.entries(account)
        assert [entry["operation"] for entry in found] == ["Converse", "ConverseStream", "InvokeModel", "Converse"]
        assert {entry["operation"] for entry in found} <= set(OPERATIONS)
        assert [entry.get("requestMetadata") for entry in found] == [
            {"app": "shop", "task": "triage"},
            {"app": "search"},
            None,
            None,
        ]
        assert ["role/shop/" in str(entry.get("identity")) for entry in found] == [True, False, False, False]
        assert [is_error(entry) for entry in found] == [False, False, False, True]
        assert all(entry["input"]["inputBodyJson"]["messages"][0]["content"][0]["text"] == QUERY for entry in found)
        answered = found[0]["output"]
        said = json.loads(answered["outputBodyJson"]["output"]["message"]["content"][0]["text"])
        assert said == toy.answer(QUERY)
        assert answered["outputTokenCount"] == answered["outputBodyJson"]["usage"]["outputTokens"]

    def test_a_large_body_lies_beside_the_entries(self, account: Account) -> None:
        # Given / When
        account.runtime.converse(**request("word " * 30_000))

        # Then
        [entry] = self.entries(account)
        place = entry["input"]["inputBodyS3Path"].removeprefix("s3://logs/")
        assert "/data/" in place
        assert json.loads(gzip.decompress(account.objects.read("logs", place)))["messages"]

    def test_nothing_is_logged_before_and_after(self, account: Account) -> None:
        # Given logging that ends
        account.runtime.converse(**request())
        account.bedrock.delete_model_invocation_logging_configuration()
        assert "loggingConfig" not in account.bedrock.get_model_invocation_logging_configuration()

        # When
        account.runtime.converse(**request())

        # Then
        assert len(self.entries(account)) == 1
