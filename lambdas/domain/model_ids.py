"""Model identifiers: what is a profile, what lies behind it, and how ARNs are made of it."""

from __future__ import annotations

import re

PROVIDERS = ("ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "luma", "meta", "minimax", "mistral",
             "moonshot", "moonshotai", "nvidia", "openai", "qwen", "stability", "twelvelabs",
             "writer", "zai")  # fmt: skip
"""First parts of the ids of foundation models (Amazon Bedrock user guide, supported models, autumn 2026).

The list need not be complete: see :func:`is_profile`.
"""

SCOPES = ("us", "eu", "apac", "jp", "au", "ca", "us-gov", "global")
"""First parts of system-defined inference profile ids that were in use in autumn 2026; there will be others."""

_PROVIDER = re.compile(r"[a-z]+")


def is_profile(model: str) -> bool:
    """Tell whether an identifier names a system-defined inference profile, of whatever geography.

    Bedrock adds geographies (``us``, ``eu``, ``apac``, ``jp``, ``amer``, ``in``, ``global`` and more) as it adds
    Regions. So no list of them decides: a profile's id is a scope before the id of a model, which is a provider's word
    and a name. A version with a dot (``zai.glm-4.6``) makes no profile, since no provider is called ``glm-4``.

    Examples
    --------
    >>> is_profile("amer.amazon.nova-pro-v1:0"), is_profile("amazon.nova-pro-v1:0"), is_profile("deepseek.v3.2")
    (True, False, False)
    """
    scope, _, behind = model.partition(".")
    provider, _, name = behind.partition(".")
    if scope in PROVIDERS or not name:
        return False
    return scope in SCOPES or provider in PROVIDERS or _PROVIDER.fullmatch(provider) is not None


CUSTOM = "custom:"
"""Marks the custom models of a base in prices and ledger: their tokens are other usage types than the base's."""


def custom_model_of(base: str) -> str:
    """Name the custom models of a base, by which their tokens are priced.

    Examples
    --------
    >>> custom_model_of("amazon.nova-micro-v1:0:128k")
    'custom:amazon.nova-micro-v1:0'
    """
    return f"{CUSTOM}{foundation_model_id(base)}"


def foundation_model_id(model: str) -> str:
    """Strip the mark of a custom model, the scope of a profile id and the context length of a customization id.

    Examples
    --------
    >>> foundation_model_id("us.amazon.nova-pro-v1:0")
    'amazon.nova-pro-v1:0'
    >>> foundation_model_id("amazon.nova-micro-v1:0:128k")
    'amazon.nova-micro-v1:0'
    """
    model = model.removeprefix(CUSTOM)
    bare = model.split(".", 1)[1] if is_profile(model) else model
    head, _, tail = bare.rpartition(":")
    return head if head and tail.endswith("k") and tail[:-1].isdigit() else bare


def model_family(model: str) -> str:
    """Name the provider of a model: ``amazon``, ``anthropic``, ``meta`` …."""
    return foundation_model_id(model).split(".", 1)[0]


def model_behind(identifier: str) -> str:
    """Name the model behind whatever a call named: an id, a system profile, or the ARN of either.

    An application inference profile does not say its model: its ARN stays as it is.

    Examples
    --------
    >>> model_behind("arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.amazon.nova-pro-v1:0")
    'amazon.nova-pro-v1:0'
    >>> model_behind("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0")
    'amazon.nova-pro-v1:0'
    """
    if not identifier.startswith("arn:"):
        return foundation_model_id(identifier)
    kind, _, name = identifier.split(":", 5)[-1].partition("/")
    return foundation_model_id(name) if kind in ("foundation-model", "inference-profile") else identifier
