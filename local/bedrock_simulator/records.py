"""The two records that tests read: every request (the call log) and every billable thing (the billing record)."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

_LONG_TEXT = 300
_LONG_LIST = 60
_BODIES = frozenset({"messages", "system", "toolConfig", "additionalModelRequestFields", "body"})


@dataclass(frozen=True)
class Tokens:
    """Tokens of one or more requests; ``input`` has none that were read from the prompt cache or written to it."""

    input: int = 0
    output: int = 0
    requests: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_hour: int = 0

    def to_metrics(self) -> dict[str, int]:
        """Return the counts by the names that Bedrock's metrics have."""
        write = self.cache_write + self.cache_write_hour
        cached = {"CacheReadInputTokenCount": self.cache_read, "CacheWriteInputTokenCount": write}
        counts = {"InputTokenCount": self.input, "OutputTokenCount": self.output}
        return counts | {name: count for name, count in cached.items() if count}

    def share(self, part: float) -> Tokens:
        """Return the part of these tokens that had been used when something was stopped."""
        return Tokens(round(self.input * part), round(self.output * part), round(self.requests * part))


@dataclass(frozen=True)
class Payer:
    """On whose account of use an entry is booked."""

    resource: str
    caller: str | None


@dataclass(frozen=True)
class CallEntry:
    """One request, refused or not."""

    time: datetime
    service: str
    operation: str
    params: dict[str, Any]
    status: int
    error: str | None
    caller: str | None
    request_id: str


@dataclass
class BillingEntry:
    """One billable thing.

    ``usage`` maps a usage type to its quantity: tokens, model-months or model-unit hours. ``usd`` is ``None`` where
    the price is not known; ``rates`` are the dollars of one of each usage type. ``end`` is ``None`` while the thing
    still bills; quantity and price are then those so far.
    """

    time: datetime
    kind: str
    model: str
    resource: str
    caller: str | None
    usage: dict[str, float]
    usd: float | None
    start: datetime | None = None
    end: datetime | None = None
    requests: int = 1
    units: int = 1
    rates: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ServiceEntry:
    """What another service of AWS bills: somebody who counted it says so, since the simulator has only Bedrock.

    ``rate`` is the dollars of one. ``tags`` are the resource's.
    """

    time: datetime
    product: str
    usage_type: str
    quantity: float
    rate: float
    resource: str = ""
    tags: dict[str, str] = field(default_factory=dict)


@dataclass
class CallLog:
    """Every request in the order in which it was answered."""

    entries: list[CallEntry] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, entry: CallEntry) -> None:
        """Append one entry."""
        with self._lock:
            self.entries.append(entry)

    def clear(self) -> None:
        """Forget every entry."""
        with self._lock:
            self.entries.clear()

    def select(self, service: str | None = None, operation: str | None = None) -> list[CallEntry]:
        """Return the entries of a service, an operation, or both."""
        with self._lock:
            entries = list(self.entries)
        return [e for e in entries if service in (None, e.service) and operation in (None, e.operation)]


def without_bodies(params: dict[str, Any]) -> dict[str, Any]:
    """Return ``params`` as the call log keeps them: names, limits and identifiers, but no prompt or answer."""
    kept = {name: _shortened(value) for name, value in params.items() if name not in _BODIES}
    if "messages" in params:
        kept["messageCount"] = len(params["messages"])
    choice = params.get("toolConfig", {}).get("toolChoice") if isinstance(params.get("toolConfig"), dict) else None
    if choice:
        kept["toolChoice"] = choice
    return kept


def _shortened(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= _LONG_TEXT else f"{value[:_LONG_TEXT]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: _shortened(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_shortened(member) for member in value[:_LONG_LIST]]
    return value


def to_json(entry: CallEntry | BillingEntry) -> dict[str, Any]:
    """Return an entry as the control API shows it."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(entry).items()
        if name != "_lock"
    }
