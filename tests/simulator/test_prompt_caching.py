"""The prompt cache: what is kept, for how long, what it costs, and who cannot have it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulator.conftest import Account, refusal

MICRO, HAIKU = "amazon.nova-micro-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0"
POINT: dict[str, Any] = {"cachePoint": {"type": "default"}}
LONG = "Weigh every cue word of the query with care. " * 100  # 1,125 tokens
SHORT = "Weigh every cue word. " * 100  # 550 tokens
MINUTES = 60.0


def ask(account: Account, model_id: str, system: list[Any], said: Any = "a guitar song", **more: Any) -> Any:
    content = [{"text": said}] if isinstance(said, str) else said
    messages: list[Any] = [{"role": "user", "content": content}]
    return account.runtime.converse(modelId=model_id, system=system, messages=messages, **more)


def usage(account: Account, model_id: str = MICRO, system: str = LONG, text: str = "a guitar song") -> tuple[int, ...]:
    """Ask with a checkpoint after the system text: ``(input, read, written)``."""
    used = ask(account, model_id, [{"text": system}, POINT], text)["usage"]
    assert used["totalTokens"] == used["outputTokens"] + (
        used["inputTokens"] + used.get("cacheReadInputTokens", 0) + used.get("cacheWriteInputTokens", 0)
    )
    return used["inputTokens"], used.get("cacheReadInputTokens", 0), used.get("cacheWriteInputTokens", 0)


class TestKept:
    def test_the_first_call_writes_and_the_next_reads(self, account: Account) -> None:
        # Given / When / Then
        assert usage(account) == (4, 0, 1125)
        assert usage(account, text="a sunset by drone") == (5, 1125, 0)

    def test_another_beginning_or_another_model_is_not_the_same(self, account: Account) -> None:
        # Given
        usage(account)

        # When / Then
        assert usage(account, system="x" + LONG)[1] == 0
        assert usage(account, "amazon.nova-pro-v1:0")[1] == 0
        assert usage(account, f"us.{MICRO}")[1] == 1125

    def test_it_lives_five_minutes_after_the_last_reading(self, account: Account) -> None:
        # Given
        usage(account)

        # When / Then each reading begins the time anew
        for _ in range(3):
            account.clock.advance(4 * MINUTES)
            assert usage(account)[1] == 1125
        account.clock.advance(5 * MINUTES)
        assert usage(account) == (4, 0, 1125)

    def test_too_short_a_beginning_is_not_kept_and_nobody_says_so(self, account: Account) -> None:
        # Given / When / Then
        assert usage(account, system=SHORT) == (554, 0, 0)
        assert usage(account, system=SHORT) == (554, 0, 0)
        assert usage(account, HAIKU) == (1129, 0, 0)
        assert usage(account, HAIKU, LONG * 4) == (4, 0, 4500)

    def test_tools_count_where_the_model_takes_them(self, account: Account) -> None:
        # Given a tool before a system text that alone is too short for Haiku
        schema = {"type": "object", "description": LONG * 4}
        tools = {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": schema}}}]}

        # When / Then
        kept = ask(account, HAIKU, [{"text": SHORT}, POINT], toolConfig=tools)["usage"]
        assert kept["cacheWriteInputTokens"] > 4500
        assert kept["inputTokens"] == 4
        ignored = ask(account, MICRO, [{"text": SHORT}, POINT], toolConfig=tools)["usage"]
        assert "cacheWriteInputTokens" not in ignored

    def test_a_longer_beginning_adds_to_a_kept_one(self, account: Account) -> None:
        # Given a kept system text
        usage(account)

        # When a checkpoint further on is asked for
        content: list[Any] = [{"text": LONG}, POINT, {"text": "a guitar song"}]
        used = ask(account, MICRO, [{"text": LONG}, POINT], content)["usage"]

        # Then
        assert (used["inputTokens"], used["cacheReadInputTokens"], used["cacheWriteInputTokens"]) == (4, 1125, 1125)

    def test_an_hour_for_those_who_offer_it(self, account: Account) -> None:
        # Given
        hour = {"cachePoint": {"type": "default", "ttl": "1h"}}
        written = ask(account, HAIKU, [{"text": LONG * 4}, hour])["usage"]
        assert written["cacheDetails"] == [{"ttl": "1h", "inputTokens": 4500}]

        # When / Then
        account.clock.advance(59 * MINUTES)
        assert ask(account, HAIKU, [{"text": LONG * 4}, hour])["usage"]["cacheReadInputTokens"] == 4500
        refused = refusal(lambda: ask(account, MICRO, [{"text": LONG}, hour]))
        assert (refused[0], "5m only" in refused[2]) == ("ValidationException", True)

    def test_a_checkpoint_changes_no_answer(self, account: Account) -> None:
        # Given / When / Then
        with_point = ask(account, HAIKU, [{"text": LONG * 4}, POINT])
        without = ask(account, HAIKU, [{"text": LONG * 4}])
        assert with_point["output"] == without["output"]
        assert "cacheReadInputTokens" not in without["usage"]

    def test_reset_forgets(self, account: Account) -> None:
        # Given / When / Then
        usage(account)
        account.control.reset()
        assert usage(account)[1] == 0


class TestRefused:
    def test_a_model_without_caching(self, account: Account) -> None:
        # Given a model that the account cannot cache with
        account.control.change(models={MICRO: {"caching": False}})

        # When / Then
        code, status, message = refusal(lambda: usage(account))
        assert (code, status) == ("AccessDeniedException", 403)
        assert "did not allow prompt caching" in message

    def test_a_field_that_the_model_does_not_take(self, account: Account) -> None:
        # Given a checkpoint among Nova's tools
        tools = {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}, POINT]}

        # When / Then
        refused = refusal(lambda: ask(account, MICRO, [{"text": LONG}], toolConfig=tools))
        assert (refused[0], "in tools" in refused[2]) == ("ValidationException", True)

    def test_more_than_four(self, account: Account) -> None:
        # Given / When / Then
        refused = refusal(lambda: ask(account, MICRO, [{"text": LONG}, POINT] * 5))
        assert (refused[0], "at most 4" in refused[2]) == ("ValidationException", True)


class TestBill:
    def test_nova_writes_for_nothing_and_reads_for_a_quarter(self, account: Account) -> None:
        # Given / When
        usage(account)
        usage(account)
        first, second = account.control.billing()

        # Then
        output = first.usage["USE1-NovaMicro-output-tokens"] * 0.14
        assert first.usage["USE1-NovaMicro-cache-write-input-token-count"] == 1125
        assert first.usd == pytest.approx((4 * 0.035 + output) / 1e6)
        assert second.usage["USE1-NovaMicro-cache-read-input-token-count"] == 1125
        assert second.usd == pytest.approx((4 * 0.035 + 1125 * 0.00875 + output) / 1e6)

    @pytest.mark.parametrize(("ttl", "price"), [("5m", 1.375), ("1h", 2.2)])
    def test_claude_charges_more_for_writing(self, account: Account, ttl: str, price: float) -> None:
        # Given / When
        ask(account, HAIKU, [{"text": LONG * 4}, {"cachePoint": {"type": "default", "ttl": ttl}}])
        (charge,) = account.control.billing()

        # Then
        output = charge.usage["USE1-ClaudeHaiku4.5-output-tokens"] * 5.5
        assert charge.usd == pytest.approx((4 * 1.1 + 4500 * price + output) / 1e6)


def test_batch_records_are_answered_without_a_cache(account: Account) -> None:
    # Given a hundred records with a checkpoint
    model_input = {"system": [{"text": LONG}, POINT], "messages": [{"role": "user", "content": [{"text": "a song"}]}]}
    account.put_batch([{"recordId": str(i), "modelInput": model_input} for i in range(100)])

    # When
    arn = account.create_batch()
    account.clock.advance(200)

    # Then each is paid in full
    assert account.batch(arn)["successRecordCount"] == 100
    used = account.batch_output(arn)[0]["modelOutput"]["usage"]
    assert (used["inputTokens"], "cacheReadInputTokens" in used) == (1127, False)
    assert json.loads(account.batch_object(arn, "manifest.json.out"))["inputTokenCount"] == 112_700
