"""Writes the billing record: quantities by usage type, with a price where one is public.

Prices per token, for training and for storage are in ``catalog.json`` with their source.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from local.bedrock_simulator.catalog import FoundationModel, InferenceProfile, TokenPrice
from local.bedrock_simulator.records import BillingEntry, Payer, Tokens
from local.bedrock_simulator.world import World

_MILLION = 1_000_000
_THOUSAND = 1_000
_HOUR_SECONDS = 3600.0
# AWS prices a month at 730 hours (AWS Pricing Calculator).
_MONTH_SECONDS = 730 * _HOUR_SECONDS
# Batch inference costs half the on-demand price (Amazon Bedrock pricing).
ON_DEMAND, BATCH = 1.0, 0.5
STORAGE, THROUGHPUT = "custom_model_storage", "provisioned_throughput"


def inference(
    world: World,
    payer: Payer,
    model: FoundationModel,
    tokens: Tokens,
    *,
    kind: str = "converse",
    profile: InferenceProfile | None = None,
    custom: bool = False,
    tier: float = ON_DEMAND,
) -> None:
    """Book tokens of inference; a custom model deployment costs its base model's rate, a batch half of it."""
    price: TokenPrice = profile.price if profile and profile.price else model.price
    scope = "-cross-region-global" if profile and profile.profile_id.startswith("global.") else ""
    suffix = "-custom-model" if custom else scope
    suffix = f"{suffix}-batch" if tier == BATCH else suffix
    usage = {
        f"USE1-{model.usage_name}-input-tokens{suffix}": float(tokens.input),
        f"USE1-{model.usage_name}-output-tokens{suffix}": float(tokens.output),
    }
    cached = {
        f"USE1-{model.usage_name}-cache-read-input-token-count{suffix}": (tokens.cache_read, price.cache_read),
        f"USE1-{model.usage_name}-cache-write-input-token-count{suffix}": (tokens.cache_write, price.cache_write),
        f"USE1-{model.usage_name}-cache-write-1h-input-token-count{suffix}": (
            tokens.cache_write_hour,
            price.cache_write_hour,
        ),
    }
    usage |= {name: float(count) for name, (count, _) in cached.items() if count}
    usd = (tokens.input * price.input + tokens.output * price.output) * tier / _MILLION
    usd += sum(count * each for count, each in cached.values()) / _MILLION
    each = [price.input * tier, price.output * tier, *(rate for count, rate in cached.values() if count)]
    rates = {name: rate / _MILLION for name, rate in zip(usage, each, strict=True)}
    entry = replace(_entry(world, kind, model, payer, usage), usd=usd, requests=tokens.requests, rates=rates)
    _book(world, entry)


def training(world: World, payer: Payer, model: FoundationModel, tokens: int) -> None:
    """Book training tokens: only those that were trained on; a failed job costs nothing."""
    price = model.training_usd_per_thousand_tokens
    usd = None if price is None else tokens * price / _THOUSAND
    usage = {f"USE1-{model.usage_name}-Customization-Training": float(tokens)}
    rates = {} if price is None else dict.fromkeys(usage, price / _THOUSAND)
    _book(world, replace(_entry(world, "training", model, payer, usage), usd=usd, rates=rates))


def storage(world: World, payer: Payer, model: FoundationModel, start: datetime) -> BillingEntry:
    """Open the storage of a custom model."""
    usage = {f"USE1-{model.usage_name}-Customization-Storage": 0.0}
    return _book(world, replace(_entry(world, STORAGE, model, payer, usage), start=start))


def throughput(
    world: World, payer: Payer, model: FoundationModel, start: datetime, *, units: int, commitment: str | None
) -> BillingEntry:
    """Open the hours of a provisioned throughput; quantities are model-unit hours."""
    usage = {f"USE1-{model.usage_name}-ProvisionedThroughput-{commitment or 'NoCommit'}": 0.0}
    return _book(world, replace(_entry(world, THROUGHPUT, model, payer, usage), start=start, units=units))


def so_far(world: World, entry: BillingEntry) -> BillingEntry:
    """Return an entry with the quantity up to its end, or up to now while it still bills."""
    if entry.start is None:
        return entry
    seconds = ((entry.end or world.clock.now()) - entry.start).total_seconds()
    if entry.kind == STORAGE:
        quantity, price = seconds / _MONTH_SECONDS, world.catalog.storage_usd_per_model_month
        return _measured(entry, quantity, quantity * price)
    hours = seconds / _HOUR_SECONDS * entry.units
    hourly = world.settings.throughput_usd_per_unit_hour
    return _measured(entry, hours, None if hourly is None else hours * hourly)


def _measured(entry: BillingEntry, quantity: float, usd: float | None) -> BillingEntry:
    rates = {} if usd is None or not quantity else dict.fromkeys(entry.usage, usd / quantity)
    return replace(entry, usage=dict.fromkeys(entry.usage, quantity), usd=usd, rates=rates)


def _book(world: World, entry: BillingEntry) -> BillingEntry:
    with world.lock:
        world.billing.append(entry)
    return entry


def _entry(world: World, kind: str, model: FoundationModel, payer: Payer, usage: dict[str, float]) -> BillingEntry:
    return BillingEntry(world.clock.now(), kind, model.model_id, payer.resource, payer.caller, usage, None)
