"""Model identifiers: what is a profile, what lies behind it, and how ARNs are made of it."""

from __future__ import annotations

PROFILE_SCOPES = ("us", "eu", "apac", "jp", "au", "ca", "us-gov", "global")
"""First parts of system-defined inference profile ids (Amazon Bedrock user guide, inference profiles)."""


def is_profile(model: str) -> bool:
    """Tell whether an identifier names a system-defined inference profile."""
    return model.split(".", 1)[0] in PROFILE_SCOPES


def foundation_model_id(model: str) -> str:
    """Strip the scope of a profile id and the context length of a customization id.

    Examples
    --------
    >>> foundation_model_id("us.amazon.nova-pro-v1:0")
    'amazon.nova-pro-v1:0'
    >>> foundation_model_id("amazon.nova-micro-v1:0:128k")
    'amazon.nova-micro-v1:0'
    """
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
