"""Levers that leave the model as it is: prompt caching, batch or flex, and answers that are given again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.costs.prompt_caching import MOST_CHARACTERS_A_TOKEN, SUPPORT
from lambdas.domain.discovery.lever import (
    CACHED,
    FEW_CALLS,
    GAPS,
    MORE_THAN_A_FEW,
    MOST,
    NO_CACHE,
    NO_PRICE,
    NO_PROMPT,
    STEADY,
    STREAMING,
    TOOLS,
    UNIQUE,
    Change,
    LeverBasis,
    LeverBlock,
    LeverKind,
    Proposal,
    share_block,
)
from lambdas.domain.discovery.spend import BATCH_WAY, FLEX_WAY, Flow, TaskTraffic, days_of
from lambdas.domain.model_ids import foundation_model_id
from lambdas.domain.training.batch_inference import BatchLimits

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook

CACHE_SECONDS = 300
"""How long a cached beginning lives after its last use (Amazon Bedrock user guide, prompt caching)."""

LEAST_HITS = 0.1
"""Share of calls that must find the cache warm for caching to be worth a change."""

SHARE_OF_PREFIX = 0.8
"""Calls that have the measured beginning at least: see ``FoundTask.prefix_characters``."""

_FEWEST_CHARACTERS, _USUAL_CHARACTERS = 1.0, 4.0
_PLACE_ERROR = 0.1

_MINUTES_A_DAY = 1_440


def characters_a_token(basis: LeverBasis) -> float:
    """Measure the characters of a token where a request is little more than its system text and first turn.

    Returns
    -------
    float
        Between 1 and 5; the usual 4 where tools or further turns, whose characters nobody counted, are sent too.
    """
    task = basis.task
    if max(task.tools_share, task.multi_turn_share, task.image_share) >= MORE_THAN_A_FEW or not basis.input_tokens:
        return _USUAL_CHARACTERS
    return min(MOST_CHARACTERS_A_TOKEN, max(_FEWEST_CHARACTERS, task.prompt_characters / basis.input_tokens))


def warm_share(gap_seconds: float) -> float:
    """Estimate how many calls come while the beginning is still cached.

    Calls that come by chance with this median between them: the share of gaps below :data:`CACHE_SECONDS`.
    """
    return 1.0 if gap_seconds <= 0 else 1.0 - float(0.5 ** (CACHE_SECONDS / gap_seconds))


def _caching(characters: Callable[[LeverBasis], int], *, moved: bool) -> Callable[[LeverBasis, TaskTraffic], Proposal]:
    def propose(basis: LeverBasis, traffic: TaskTraffic) -> Proposal:
        return _propose_cache(basis, traffic, characters(basis), moved=moved)

    return propose


def _propose_cache(basis: LeverBasis, traffic: TaskTraffic, characters: int, *, moved: bool) -> Proposal:
    tokens = characters / characters_a_token(basis)
    hits = warm_share(basis.task.gap_seconds_p50)
    blocks = list(_cache_blocks(basis, traffic, tokens, hits, moved=moved))
    do = (
        f"Move what changes from call to call behind the {characters:,} characters that calls share, and set a cache "
        "point there"
        if moved
        else f"Set a cache point after the first {characters:,} characters that calls share"
    )
    place = 'Converse: {"cachePoint": {"type": "default"}} as a block of its own at that place'
    if any(block.stops for block in blocks):
        return Proposal(blocks=tuple(blocks), do=f"{do} ({place}).")
    low = _cached(
        basis.prices,
        traffic,
        tokens * (1 - _PLACE_ERROR),
        share=SHARE_OF_PREFIX,
        hits=warm_share(2 * basis.task.gap_seconds_p50),
    )
    high = _cached(basis.prices, traffic, tokens * (1 + _PLACE_ERROR), share=1.0, hits=hits)
    return Proposal(
        blocks=tuple(blocks),
        change=Change(low=low, high=high),
        measure="cacheReadInputTokens of the answers on the first day: how many calls find it",
        do=f"{do} ({place}).",
        figures={
            "shared characters": f"{characters:,}",
            "shared tokens": f"{tokens:,.0f}",
            "median gap": f"{basis.task.gap_seconds_p50:,.0f} s",
            "calls that find it": f"{hits:.0%}",
        },
    )


def _cache_blocks(
    basis: LeverBasis, traffic: TaskTraffic, tokens: float, hits: float, *, moved: bool
) -> list[LeverBlock]:
    task, models = basis.task, {foundation_model_id(flow.model) for flow in traffic.open}
    known = {model: SUPPORT[model].least_tokens for model in models if model in SUPPORT}
    blocks = []
    if models and not known:
        blocks.append(LeverBlock(kind=NO_CACHE, text=f"{', '.join(sorted(models))} is not known to cache prompts"))
    least = min(known.values(), default=0)
    if tokens < least:
        shared = "have in common" if moved else "begin with"
        text = f"the calls {shared} about {tokens:,.0f} tokens, fewer than the {least:,} that the model keeps"
        blocks.append(LeverBlock(kind=NO_PROMPT, text=text))
    if hits < LEAST_HITS:
        text = f"half of the gaps between calls are over {task.gap_seconds_p50:,.0f} s; a cache lives {CACHE_SECONDS} s"
        blocks.append(LeverBlock(kind=GAPS, text=text))
    if moved and task.prefix_characters >= SHARE_OF_PREFIX * task.shared_characters:
        text = "what the calls share stands at their beginning already"
        blocks.append(LeverBlock(kind=CACHED, text=text))
    if not blocks and traffic.open and not any(_left(flow, tokens) > 0 for flow in traffic.open):
        blocks.append(LeverBlock(kind=CACHED, text="the calls read as many tokens from the cache already"))
    return blocks


def _left(flow: Flow, tokens: float) -> float:
    """Give the tokens of a call that are sent in full and could come from the cache."""
    cached = (flow.cache_read_tokens + flow.cache_write_tokens) / flow.calls
    return max(0.0, min(tokens - cached, flow.input_tokens / flow.calls))


def _cached(prices: PriceBook, traffic: TaskTraffic, tokens: float, *, share: float, hits: float) -> TaskTraffic:
    return traffic.changed(_cached_flow(prices, flow, tokens, share=share, hits=hits) for flow in traffic.open)


def _cached_flow(prices: PriceBook, flow: Flow, tokens: float, *, share: float, hits: float) -> Flow:
    support = SUPPORT.get(foundation_model_id(flow.model))
    priced = prices.find(flow.model, "cache_read") and prices.find(flow.model, "cache_write")
    if support is None or tokens < support.least_tokens or not priced:
        return flow
    kept = _left(flow, tokens) * flow.calls * share
    read, written = kept * hits, kept * (1 - hits)
    dearer = prices.usd(flow.model, "cache_write", 1) > prices.usd(flow.model, "input", 1)
    # A write that is cheaper than sending is counted as sent: whether it costs nothing only a bill can say.
    done = replace(
        flow,
        input_tokens=flow.input_tokens - read - (written if dearer else 0.0),
        cache_read_tokens=flow.cache_read_tokens + read,
        cache_write_tokens=flow.cache_write_tokens + (written if dearer else 0.0),
    )
    return done if done.usd(prices) < flow.usd(prices) else flow


def _propose_batch(basis: LeverBasis, traffic: TaskTraffic) -> Proposal:
    task = basis.task
    blocks = share_block(STREAMING, task.stream_share, "are streamed: somebody waits for the answer")
    blocks += share_block(TOOLS, task.tool_use_share, "answer with a tool call, and the next call waits for its result")
    per_day = task.calls_a_day_p95
    if task.calls < BatchLimits().min_records:
        text = f"{task.calls} calls in {days_of(task)} days; a batch job takes at least {BatchLimits().min_records}"
        blocks.append(LeverBlock(kind=FEW_CALLS, text=text))
    duty = min(1.0, per_day / max(1.0, float(task.peak_calls_a_minute) * _MINUTES_A_DAY))
    if task.batchable_share < MORE_THAN_A_FEW:
        text = "hardly a call comes in a minute of 30 calls or more: they come one by one"
        blocks.append(LeverBlock(kind=STEADY, text=text))
    ways = {way for flow in traffic.open if (way := _discounted(basis.prices, flow.model)) is not None}
    if traffic.open and not ways:
        names = ", ".join(sorted({flow.model for flow in traffic.open}))
        blocks.append(LeverBlock(kind=NO_PRICE, text=f"the price book has neither batch nor flex prices of {names}"))
    only_batch = any(
        _discounted(basis.prices, flow.model) == BATCH_WAY and not _has_way(basis.prices, flow.model, FLEX_WAY)
        for flow in traffic.open
    )
    in_converse = task.tools_share if only_batch else 0.0
    for block in share_block(TOOLS, in_converse, "offer tools: a batch job takes them in the model's own form alone"):
        blocks.append(replace(block, stops=False))
    do = (
        f"Write the requests of a burst as JSON Lines of at least {BatchLimits().min_records} records "
        '({"recordId": …, "modelInput": …}) and start CreateModelInvocationJob; or keep the call and ask for the flex '
        "tier (serviceTier) where an answer may take longer."
    )
    if any(block.stops for block in blocks):
        return Proposal(blocks=tuple(blocks), do=do)
    free = task.batchable_share * (1 - task.stream_share) * (1 - task.tool_use_share)
    # Nobody counted which form the requests with tools have: in the low case it is Converse's.
    low = free * (1 - task.multi_turn_share) * (1 - in_converse) * max(0.0, 1 - 4 * duty)
    high = free * max(0.0, 1 - duty)
    return Proposal(
        blocks=tuple(blocks),
        change=Change(low=_in_batches(basis.prices, traffic, low), high=_in_batches(basis.prices, traffic, high)),
        measure="ask the owner whether these answers may wait: minutes (flex) or hours (batch)",
        do=do,
        figures={
            "calls in minutes of 30 or more": f"{task.batchable_share:.0%}",
            "most calls a minute": f"{task.peak_calls_a_minute:,}",
            "busiest tenth of the hours": f"{task.busiest_hours_share:.0%} of the calls",
            "busy share of a day": f"{duty:.1%}",
        },
    )


def _discounted(prices: PriceBook, model: str) -> str | None:
    for way in (BATCH_WAY, FLEX_WAY):
        if _has_way(prices, model, way):
            return way
    return None


def _has_way(prices: PriceBook, model: str, way: str) -> bool:
    return all(prices.find(model, f"{way}{usage}") for usage in ("input", "output"))


def _in_batches(prices: PriceBook, traffic: TaskTraffic, share: float) -> TaskTraffic:
    flows = []
    for flow in traffic.open:
        way = _discounted(prices, flow.model)
        moved = flow.times(share).uncached(flow.model, way) if way is not None else None
        if moved is None or not share or moved.usd(prices) >= flow.times(share).usd(prices):
            flows.append(flow)
        else:
            flows += [moved, flow.times(1 - share)]
    return traffic.changed(flows)


def _propose_reuse(basis: LeverBasis, traffic: TaskTraffic) -> Proposal:
    share = basis.task.duplicate_share
    do = (
        "Keep each answer by the digest of its whole request, for as long as an answer stays right, and look there "
        "before the model is asked."
    )
    blocks = share_block(TOOLS, basis.task.tool_use_share, "answer with a tool call, which acts anew each time")
    if share < MORE_THAN_A_FEW:
        text = f"{share:.1%} of the calls repeat an earlier one word for word"
        blocks.append(LeverBlock(kind=UNIQUE, text=text))
    if any(block.stops for block in blocks):
        return Proposal(blocks=tuple(blocks), do=do)
    some, every = (traffic.changed(flow.times(1 - part) for flow in traffic.open) for part in (share * MOST, share))
    return Proposal(
        blocks=tuple(blocks),
        change=Change(low=some, high=every),
        measure="how long an answer stays right, and whether callers want the same one twice",
        do=do,
        figures={"repeated calls": f"{share:.1%}"},
    )


CACHE = LeverKind(
    name="cache",
    title="Prompt caching",
    effort="one block in the request",
    unmeasured=False,
    propose=_caching(lambda basis: basis.task.prefix_characters, moved=False),
)
MOVE_AND_CACHE = LeverKind(
    name="move_and_cache",
    title="Variables to the end, then prompt caching",
    effort="another order of the prompt",
    unmeasured=False,
    propose=_caching(lambda basis: basis.task.shared_characters, moved=True),
)
BATCHES = LeverKind(
    name="batch",
    title="Batch or flex",
    effort="a job in place of calls, or one field of them",
    unmeasured=False,
    propose=_propose_batch,
)
REUSE = LeverKind(
    name="reuse",
    title="Answers given again",
    effort="a store of answers before the model",
    unmeasured=False,
    propose=_propose_reuse,
)
