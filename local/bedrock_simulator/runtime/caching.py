"""The prompt cache: which beginning of a request was kept from an earlier one.

Rules of the Bedrock user guide (prompt-caching): a checkpoint keeps everything before it, in the order tools, system,
messages; one with fewer tokens before it than the model's minimum keeps nothing, silently; what is kept lives for the
time to live, which each reading begins anew. Batch inference does not cache.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local.bedrock_simulator.brains.base import estimate_tokens
from local.bedrock_simulator.catalog import FoundationModel
from local.bedrock_simulator.errors import access_denied, validation
from local.bedrock_simulator.protocol.service import Params

# As others met it, with 403 (the model has no prompt caching).
NOT_ALLOWED = "You invoked an unsupported model or your request did not allow prompt caching. See the documentation."
_MOST_CHECKPOINTS = 4
_SECONDS = {"5m": 300.0, "1h": 3600.0}
_POINT = "cachePoint"


@dataclass(frozen=True)
class Checkpoint:
    """A beginning of a request that can be kept: what it is, how long it is, and for how long it is kept."""

    key: str
    tokens: int
    ttl: str


@dataclass(frozen=True)
class CacheUse:
    """Input tokens that were read from the cache and written to it, the latter by time to live."""

    read: int = 0
    write: int = 0
    ttl: str = "5m"


class PromptCache:
    """What is kept, by model or endpoint and beginning."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._until.clear()

    def use(self, owner: str, points: Sequence[Checkpoint], now: datetime) -> CacheUse:
        """Return what a request of an owner reads and writes; the longest kept beginning is read.

        Parameters
        ----------
        owner : str
            The model or endpoint: caches are not shared.
        points : sequence of Checkpoint
            In the request's order.
        now : datetime
            The simulated time.
        """
        if not points:
            return CacheUse()
        with self._lock:
            kept = [point for point in points if self._until.get((owner, point.key), now) > now]
        read = kept[-1].tokens if kept else 0
        return CacheUse(read, points[-1].tokens - read, points[-1].ttl)

    def keep(self, owner: str, points: Sequence[Checkpoint], now: datetime) -> None:
        """Keep the beginnings of an answered request: calls that ran beside it could not read them."""
        with self._lock:
            for point in points:
                self._until[owner, point.key] = now + timedelta(seconds=_SECONDS[point.ttl])


def checkpoints(params: Params, model: FoundationModel, *, allowed: bool) -> list[Checkpoint]:
    """Return the checkpoints of a request that are long enough to be kept.

    Parameters
    ----------
    params : dict
        Parameters of Converse.
    model : FoundationModel
        Who is asked; the catalog knows what it can keep.
    allowed : bool
        Whether the account may cache with it.

    Raises
    ------
    ServiceError
        Where the model cannot keep anything, or not there, or not for so long, or where there are too many.
    """
    blocks = list(_blocks(params))
    points = [(field, block[_POINT]) for field, block in blocks if _POINT in block]
    if not points:
        return []
    support = model.caching
    if support is None or not allowed:
        raise access_denied(NOT_ALLOWED)
    if len(points) > _MOST_CHECKPOINTS:
        raise validation(
            f"A request can have at most {_MOST_CHECKPOINTS} cache checkpoints; this one has {len(points)}."
        )
    for field, point in points:
        if field not in support.fields:
            raise validation(f"The model {model.model_id} takes no cache checkpoint in {field}.")
        if point.get("ttl", "5m") not in support.ttls:
            raise validation(
                f"The model {model.model_id} keeps a cache checkpoint for {' or '.join(support.ttls)} only."
            )
    return [point for point in _measured(blocks, support.fields) if point.tokens >= support.minimum_tokens]


def input_tokens(params: Params) -> int:
    """Estimate the tokens of everything that a model reads, block by block."""
    return sum(_tokens(field, block) for field, block in _blocks(params))


def without_points(params: Params) -> Params:
    """Return the request without its checkpoints, which change no answer."""
    if _POINT not in json.dumps([params.get(name) for name in ("system", "messages", "toolConfig")], default=str):
        return params
    bare = dict(params)
    if "system" in params:
        bare["system"] = _bare(params["system"])
    bare["messages"] = [{**message, "content": _bare(message["content"])} for message in params["messages"]]
    if "tools" in params.get("toolConfig", {}):
        bare["toolConfig"] = params["toolConfig"] | {"tools": _bare(params["toolConfig"]["tools"])}
    return bare


def _bare(blocks: Sequence[Params]) -> list[Params]:
    return [block for block in blocks if _POINT not in block]


def _blocks(params: Params) -> Iterator[tuple[str, Params]]:
    """Give every block with the field that it stands in, in the order in which a model reads them."""
    for tool in params.get("toolConfig", {}).get("tools", []):
        yield "tools", tool
    for block in params.get("system", []):
        yield "system", block
    for message in params["messages"]:
        for block in message["content"]:
            yield "messages", block


def _measured(blocks: Sequence[tuple[str, Params]], fields: Sequence[str]) -> Iterator[Checkpoint]:
    """Give each checkpoint with what is before it; a field that takes none is no part of the beginning."""
    digest, tokens = hashlib.sha256(), 0
    for field, block in blocks:
        if field not in fields:
            continue
        if _POINT in block:
            yield Checkpoint(digest.hexdigest(), tokens, block[_POINT].get("ttl", "5m"))
            continue
        text = json.dumps([field, block], sort_keys=True, ensure_ascii=False, default=str)
        digest.update(text.encode("utf-8", "surrogatepass"))
        tokens += _tokens(field, block)


def _tokens(field: str, block: dict[str, Any]) -> int:
    if field != "tools":
        return estimate_tokens(str(block.get("text", "")))
    if _POINT in block:
        return 0
    return estimate_tokens(json.dumps(block, separators=(",", ":"), ensure_ascii=False, default=str))
