"""What a usage type of the bill means: which model, and what is counted.

It is in tables: the spellings follow no rule, and a wrong guess would price another model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lambdas.domain.model_ids import custom_model_of
from lambdas.domain.prices.price_book import UNITS

FAMILIES = {
    "NovaMicro": "amazon.nova-micro-v1:0",
    "NovaLite": "amazon.nova-lite-v1:0",
    "NovaPro": "amazon.nova-pro-v1:0",
    "NovaPremier": "amazon.nova-premier-v1:0",
    "Nova2.0Lite": "amazon.nova-2-lite-v1:0",
    "Llama3-1-8B": "meta.llama3-1-8b-instruct-v1:0",
    "Llama3-1-70B": "meta.llama3-1-70b-instruct-v1:0",
    "Llama3-3-70B": "meta.llama3-3-70b-instruct-v1:0",
    "openai.gpt-oss-20b-mantle": "openai.gpt-oss-20b-1:0",
    "openai.gpt-oss-120b-mantle": "openai.gpt-oss-120b-1:0",
}
"""What stands for a model in usage types, for example ``USE1-NovaMicro-input-tokens``."""

ON_THE_BILL = {
    "ClaudeHaiku4.5": "anthropic.claude-haiku-4-5-20251001-v1:0",
    "Claude4.5Haiku": "anthropic.claude-haiku-4-5-20251001-v1:0",
    "ClaudeSonnet4.6": "anthropic.claude-sonnet-4-6",
    "Claude4.6Sonnet": "anthropic.claude-sonnet-4-6",
}
"""The same for models of another offer than Bedrock's own: their usage types are to be confirmed on a real bill
(docs/real-account.md), and no price is read by them."""

TOKENS_A_UNIT = {
    "1k tokens": 1_000, "1000 tokens": 1_000, "1m tokens": 1_000_000, "1000000 tokens": 1_000_000, "tokens": 1,
    "token": 1,
}  # fmt: skip
"""How many tokens a unit of a price or of an amount is, in small letters."""

_TOKENS = {
    "input-tokens": "input",
    "text-input-tokens": "input",
    "output-tokens": "output",
    "text-output-tokens": "output",
    "cache-read-input-token-count": "cache_read",
    "cache-write-input-token-count": "cache_write",
}
_HOURS = {"NoCommit": "throughput", "1Month": "throughput_OneMonth", "6Month": "throughput_SixMonths"}
_OTHER = {"Customization-Training": "training", "Customization-Storage": "storage"}
_TIERS = {"standard": "", "batch": "batch_", "flex": "flex_", "priority": "priority_"}
_GLOBAL = "cross-region-global"
_USAGE = re.compile(r"^(?P<region>[A-Z]{2,4}[0-9]?)-(?P<rest>.+)$")
_THROUGHPUT = re.compile(r"^ProvisionedThroughput(?:-Custom)?-(NoCommit|1Month|6Month)[A-Za-z]*(?:-ModelUnits)?$")


def meaning_of(usage_type: str, families: Mapping[str, str] = FAMILIES) -> tuple[str, str] | None:
    """Give model and usage of a usage type; a usage of "" where only the model is known, ``None`` for other models.

    Parameters
    ----------
    usage_type : str
    families : mapping of str to str
        What stands for which model.

    Examples
    --------
    >>> meaning_of("USE1-Nova2.0Lite-input-tokens-cross-region-global-batch")
    ('global.amazon.nova-2-lite-v1:0', 'batch_input')
    >>> meaning_of("USE1-NovaMicro-output-tokens-custom-model")
    ('custom:amazon.nova-micro-v1:0', 'output')
    """
    match = _USAGE.match(usage_type)
    family = next((name for name in families if match and match["rest"].startswith(f"{name}-")), None)
    if match is None or family is None:
        return None
    model, counted = families[family], match["rest"].removeprefix(f"{family}-")
    if counted in _OTHER:
        return model, _OTHER[counted]
    hours = _THROUGHPUT.match(counted)
    if hours:
        return model, _HOURS[hours[1]]
    tokens = next((name for name in _TOKENS if counted == name or counted.startswith(f"{name}-")), None)
    if tokens is None:
        return model, ""
    modifiers = counted.removeprefix(tokens).removeprefix("-")
    if _GLOBAL in modifiers:
        model, modifiers = f"global.{model}", modifiers.replace(_GLOBAL, "").strip("-").replace("--", "-")
    elif modifiers.startswith("custom-model"):
        model, modifiers = custom_model_of(model), modifiers.removeprefix("custom-model").strip("-")
    tier = _TIERS.get(modifiers or "standard")
    usage = "" if tier is None else f"{tier}{_TOKENS[tokens]}"
    return model, usage if usage in UNITS else ""
