"""What a lever makes of a task's requests: another service tier, another model, a key for answers given again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from lambdas.domain.dataset.line_errors import RejectedLine
from lambdas.domain.discovery.logged_request import CONVERSE, INVOKE, LeverNotWritten, LoggedRequest
from lambdas.domain.discovery.shared_prompt import Request, without_cache_points

MOST_KEYS = 20
"""Keys of repeated requests that are told, the most frequent first."""

_OF_ONE_MODEL = ("additionalModelRequestFields", "additionalModelResponseFieldPaths", "performanceConfig")


def converse_requests(requests: Sequence[LoggedRequest]) -> list[tuple[LoggedRequest, Request]]:
    """Give the requests that can be told in the form of Converse.

    Raises
    ------
    LeverNotWritten
        There is none; with the reason that most of them have.
    """
    found, reasons = [], Counter[str]()
    for one in requests:
        try:
            found.append((one, one.as_converse()))
        except RejectedLine as problem:
            reasons[str(problem)] += 1
    if not found:
        why = reasons.most_common(1)[0][0] if reasons else "there is no call"
        raise LeverNotWritten(f"none of {len(requests):,} requests can be told in the form of Converse: {why}")
    return found


def on_flex_tier(request: Request) -> Request:
    """Ask for the flex tier, whose answers may take longer."""
    return {**request, "serviceTier": {"type": "flex"}}


def to_model(request: Request, model: str) -> Request:
    """Ask another model the same: without fields that only one model knows, and without cache points."""
    kept = {name: value for name, value in without_cache_points(request).items() if name not in _OF_ONE_MODEL}
    return {**kept, "modelId": model}


def answer_keys(requests: Sequence[LoggedRequest]) -> dict[str, Any]:
    """Say under which key an answer may be given again, with the request that is repeated most as the example."""
    calls = Counter(one.key for one in requests)
    often = [(key, count) for key, count in calls.most_common(MOST_KEYS) if count > 1]
    if not often:
        raise LeverNotWritten(f"no request is repeated among {len(requests):,} calls that were read")
    example = next(one for one in requests if one.key == often[0][0])
    fields = sorted({name for one in requests for name in one.as_logged()} - {"requestMetadata"})
    return {
        "key": (
            "SHA-256 in hexadecimal digits of the request without 'requestMetadata', as JSON in UTF-8 with sorted "
            "keys and without spaces: json.dumps(request, sort_keys=True, separators=(',', ':'), ensure_ascii=False)"
        ),
        "fields": fields,
        "form": {CONVERSE: "parameters of Converse", INVOKE: "modelId, and the body of InvokeModel as an object"}[
            example.form
        ],
        "example": {"request": example.as_logged(), "key": example.key},
        "calls_read": len(requests),
        "different_requests": len(calls),
        "repeated_most": [{"key": key, "calls": count} for key, count in often],
    }
