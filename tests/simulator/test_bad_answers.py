"""Answers that end badly, prompts that are refused, a judge that cannot be trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.bedrock_simulator.control import ControlError
from tests.simulator import toy
from tests.simulator.conftest import BATCH_SECONDS, Account, refusal

PRO, MICRO = "amazon.nova-pro-v1:0", "amazon.nova-micro-v1:0"
QUERIES = toy.queries(60, "endings")
SCORE = {
    "tools": [{"toolSpec": {"name": "record_score", "inputSchema": {"json": {"type": "object"}}}}],
    "toolChoice": {"tool": {"name": "record_score"}},
}


def endings(account: Account) -> list[str]:
    return [account.ask(PRO, query)["stopReason"] for query in QUERIES]


def judged(account: Account, number: int = 0, right: bool = True) -> Any:
    """Ask the judge about an answer that is right, or far off."""
    reference = '{"visual":0.7,"audio":0.1,"transcription":0.1,"metadata":0.1}'
    answer = reference if right else '{"visual":0.1,"audio":0.1,"transcription":0.1,"metadata":0.7}'
    case = f"<question>q {number}</question><reference>{reference}</reference><answer>{answer}</answer>"
    return account.ask(PRO, case, toolConfig=SCORE)


def score(reply: Any) -> int:
    return int(reply["output"]["message"]["content"][0]["toolUse"]["input"]["score"])


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("bad_ending", {"fraction": 0.1}, "needs reason"),
        ("bad_ending", {"fraction": 0.1, "reason": "bored"}, "reason must be one of content_filtered"),
        ("wrong_judge", {"how": "asleep"}, "how must be one of error, drift"),
        ("refuse_prompt", {"containing": 3}, "containing must be a text"),
        ("throttling_storm", {"seconds": -1}, "seconds must be a number of 0 or more, or null"),
        ("endpoint_errors", {"error": "ConflictException"}, "error must be one of"),
        ("endpoint_latency", {}, "needs milliseconds"),
        ("fail_update", {"status": "Gone"}, "status must be one of InService, Failed"),
    ],
)
def test_what_makes_no_sense_is_not_taken(account: Account, kind: str, options: dict[str, Any], said: str) -> None:
    # Given / When / Then
    with pytest.raises(ControlError, match=said):
        account.control.order(kind, **options)


class TestEndings:
    @pytest.mark.parametrize(
        ("reason", "stop"),
        [
            ("content_filtered", "content_filtered"),
            ("guardrail_intervened", "guardrail_intervened"),
            ("refusal", "end_turn"),
            ("max_tokens", "max_tokens"),
            ("malformed_model_output", "malformed_model_output"),
            ("malformed_tool_use", "malformed_tool_use"),
            ("model_context_window_exceeded", "model_context_window_exceeded"),
        ],
    )
    def test_an_answer_ends_so_and_is_paid(self, account: Account, reason: str, stop: str) -> None:
        # Given
        good = account.text(PRO, QUERIES[0])
        account.control.order("bad_ending", fraction=1, reason=reason)

        # When
        reply = account.ask(PRO, QUERIES[0])

        # Then it is not the good answer, and its tokens are those of what was said
        text = reply["output"]["message"]["content"][0]["text"]
        assert reply["stopReason"] == stop
        assert text != good
        assert reply["usage"]["outputTokens"] == -(-len(text) // 4)
        assert account.control.billing()[-1].usage["USE1-NovaPro-output-tokens"] == reply["usage"]["outputTokens"]
        assert good.startswith(text) == (reason not in ("content_filtered", "guardrail_intervened", "refusal"))

    def test_a_share_of_the_records_is_struck_each_time(self, account: Account) -> None:
        # Given
        account.control.order("bad_ending", fraction=0.3, reason="content_filtered")

        # When
        first = endings(account)

        # Then asking again does not help
        assert 8 < first.count("content_filtered") < 30
        assert endings(account) == first

    def test_only_the_model_that_is_meant(self, account: Account) -> None:
        # Given / When / Then
        account.control.order("bad_ending", fraction=1, reason="max_tokens", model="nova-pro")
        assert account.ask(MICRO, QUERIES[0])["stopReason"] == "end_turn"
        assert account.ask(PRO, QUERIES[0])["stopReason"] == "max_tokens"

    def test_a_tool_call_is_torn(self, account: Account) -> None:
        # Given
        tool = {
            "tools": [{"toolSpec": {"name": "route", "inputSchema": {"json": {"type": "object"}}}}],
            "toolChoice": {"tool": {"name": "route"}},
        }
        account.control.order("bad_ending", fraction=1, reason="malformed_tool_use")

        # When
        reply = account.ask(PRO, QUERIES[0], toolConfig=tool)

        # Then there is no call, but the half of one
        assert reply["stopReason"] == "malformed_tool_use"
        assert set(reply["output"]["message"]["content"][0]) == {"text"}

    def test_records_of_a_batch_end_as_badly(self, account: Account) -> None:
        # Given
        account.control.order("bad_ending", fraction=0.2, reason="max_tokens")
        account.control.order("refuse_prompt", containing="guitar")
        account.put_batch(toy.queries(200, "batch"))

        # When
        arn = account.create_batch()
        account.clock.advance(BATCH_SECONDS)
        assert account.batch(arn)["status"] == "Completed"
        lines = account.batch_output(arn)

        # Then
        cut = [line for line in lines if line.get("modelOutput", {}).get("stopReason") == "max_tokens"]
        refused = [line for line in lines if "error" in line]
        assert 15 < len(cut) < 70
        assert refused
        assert all("guitar" in str(line["modelInput"]) for line in refused)
        assert {line["error"]["errorCode"] for line in refused} == {400}


class TestRefusedPrompts:
    def test_a_prompt_is_refused_for_good(self, account: Account) -> None:
        # Given
        account.control.order("refuse_prompt", containing="drone", message="No drones.")

        # When / Then each time, at no cost, and others are answered
        for _ in range(2):
            assert refusal(lambda: account.ask(PRO, "a drone"))[::2] == ("ValidationException", "No drones.")
        assert account.ask(PRO, "a guitar")
        assert len(account.control.billing()) == 1


class TestJudge:
    def test_it_fails(self, account: Account) -> None:
        # Given
        account.control.order("wrong_judge", how="error", fraction=0.5)

        # When
        failed = 0
        for number in range(40):
            try:
                judged(account, number)
            except account.runtime.exceptions.ModelErrorException:
                failed += 1

        # Then about half of the cases, and nobody but the judge
        assert 8 < failed < 32
        assert account.ask(PRO, QUERIES[0])

    def test_it_drifts(self, account: Account) -> None:
        # Given
        before = score(judged(account, right=False))
        account.control.order("wrong_judge", how="drift")

        # When / Then it is one too kind, but never above five
        assert score(judged(account, right=False)) == before + 1
        assert score(judged(account)) == 5

    def test_it_returns_six(self, account: Account) -> None:
        # Given / When / Then
        account.control.order("wrong_judge", how="six")
        assert score(judged(account, right=False)) == 6

    def test_it_calls_no_tool(self, account: Account) -> None:
        # Given
        account.control.order("wrong_judge", how="no_tool_call", count=1)

        # When
        reply = judged(account)

        # Then once, with a text that a careless reader takes for a verdict
        [block] = reply["output"]["message"]["content"]
        assert reply["stopReason"] == "end_turn"
        assert json.loads(block["text"])["score"] == 5
        assert score(judged(account)) == 5

    @pytest.mark.parametrize(
        ("how", "names", "stop"),
        [
            ("two_calls", ["record_score", "record_score"], "tool_use"),
            ("other_tool", ["record_opinion"], "tool_use"),
            ("words_beside", [None, "record_score"], "tool_use"),
            ("malformed_call", ["record_score"], "malformed_tool_use"),
        ],
    )
    def test_it_calls_the_tool_in_another_way(
        self, account: Account, how: str, names: list[str | None], stop: str
    ) -> None:
        # Given
        account.control.order("wrong_judge", how=how, count=1)

        # When
        reply = judged(account)

        # Then
        blocks = reply["output"]["message"]["content"]
        assert [block.get("toolUse", {}).get("name") for block in blocks] == names
        assert reply["stopReason"] == stop
        assert score(judged(account)) == 5
