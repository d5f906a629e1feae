"""Found tasks as discovery measures them, for tests: one that every lever could take, and changes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from lambdas.domain.discovery.found_task import FoundTask, ModelTraffic
from lambdas.domain.discovery.lever import RankedLever
from lambdas.domain.discovery.opportunities import Opportunity, rank
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.task.settings import Settings

PRO, MICRO, HAIKU = "us.amazon.nova-pro-v1:0", "amazon.nova-micro-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0"
SETTINGS = Settings.from_mapping({})
PRICES = PriceBook.shipped()
TODAY = date(2026, 11, 29)


def traffic(model: str = PRO, calls: int = 300_000, sent: int = 2_000, answered: int = 100) -> ModelTraffic:
    """Give calls of one model, tokens by call."""
    return ModelTraffic(
        model=model,
        calls=calls,
        input_tokens=sent * calls,
        cache_read_tokens=0,
        cache_write_tokens=0,
        output_tokens=answered * calls,
    )


def found(*models: ModelTraffic, **changes: object) -> FoundTask:
    """Give thirty days of a task that no lever can take as it is: calls come one by one and share little text."""
    uses = models or (traffic(),)
    calls = sum(use.calls for use in uses)
    sent = uses[0].input_tokens / max(1, uses[0].calls)
    plain = FoundTask(
        task="t-0123456789",
        named_by="rule",
        first_day="2026-10-30",
        last_day="2026-11-28",
        days=30,
        calls=calls,
        failed_calls=0,
        calls_a_day_p50=calls / 30,
        calls_a_day_p95=calls / 25,
        models=uses,
        principals=(("app", calls),),
        input_tokens_p50=sent,
        input_tokens_p95=1.2 * sent,
        output_tokens_p50=100.0,
        output_tokens_p95=150.0,
        json_share=0.0,
        tools_share=0.0,
        tool_use_share=0.0,
        image_share=0.0,
        stream_share=0.0,
        truncated_share=0.0,
        multi_turn_share=0.0,
        scripts={"latin": 1.0},
        duplicate_share=0.0,
        prompt_characters=4 * sent,
        prefix_characters=0,
        shared_characters=round(sent),
        gap_seconds_p50=30 * 86_400 / max(1, calls),
        peak_calls_a_minute=max(1, round(calls / 30 / 600)),
        busiest_hours_share=0.15,
        batchable_share=0.0,
        offloaded_calls=0,
        unread_calls=0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def opportunity(task: FoundTask, settings: Settings = SETTINGS, profiles: dict[str, str] | None = None) -> Opportunity:
    """Rank the levers of one task."""
    return rank([task], PRICES, settings, TODAY, profiles=profiles or {}).found[0]


def lever(name: str, task: FoundTask, settings: Settings = SETTINGS) -> RankedLever:
    """Give one lever of a task."""
    return next(one for one in opportunity(task, settings).levers if one.name == name)


def stopped_by(name: str, task: FoundTask, settings: Settings = SETTINGS) -> dict[str, bool]:
    """Give the hindrances of a lever and whether each stops it."""
    return {block.kind: block.stops for block in lever(name, task, settings).blocks}
