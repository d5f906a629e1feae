"""How many calls a simulated account may make: at once, and in a minute."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from local.bedrock_simulator.catalog import FoundationModel
from local.bedrock_simulator.errors import ServiceError
from local.bedrock_simulator.runtime.target import Target
from local.bedrock_simulator.world import World

_TOO_MANY = "Too many requests, please wait before trying again."
_TOO_MANY_TODAY = "Too many tokens per day, please wait before trying again."
_MINUTE_SECONDS = 60.0


@dataclass
class _Bucket:
    """Tokens of one model; filled at the rate of the quota, and no fuller than the burst that it allows."""

    tokens: float
    filled_at: float


class Throttle:
    """Refuses what exceeds the quotas that the settings ask for; without them, nothing.

    Quotas are those of a model; behind a provisioned throughput there are none.

    Parameters
    ----------
    world : World
        Has the settings, the catalog's quotas and the time.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._buckets: dict[str, _Bucket] = {}
        self._under_way: dict[str, int] = {}
        self._today: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def admit(self, target: Target) -> Iterator[None]:
        """Count a call while it is under way.

        Raises
        ------
        ServiceError
            ``ThrottlingException`` where it is one too many.
        """
        settings, owner = self._world.settings, target.owner
        self._check_today(target)
        per_minute = self._per_minute(target.model)
        if not target.billed or (per_minute is None and settings.max_concurrency is None):
            yield
            return
        with self._lock:
            running = self._under_way.get(owner, 0)
            if settings.max_concurrency is not None and running >= settings.max_concurrency:
                raise throttled(settings.retry_after_seconds)
            if per_minute is not None and not self._take(owner, per_minute):
                raise throttled(settings.retry_after_seconds)
            self._under_way[owner] = running + 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[owner] -= 1

    def spend(self, target: Target, tokens: float) -> None:
        """Count what a call used of its model's quota of the day."""
        if target.billed and not target.custom:
            day, model = self._day(), target.model.model_id
            with self._lock:
                known, used = self._today.get(model, (day, 0.0))
                self._today[model] = (day, tokens + (used if known == day else 0.0))

    def clear(self) -> None:
        """Fill every bucket again."""
        with self._lock:
            self._buckets.clear()
            self._today.clear()

    def _check_today(self, target: Target) -> None:
        if not target.billed or target.custom:
            return
        quotas = self._world.catalog.quotas.values()
        quota = next((q for q in quotas if q.tokens_per_day_of == target.model.model_id), None)
        day, used = self._today.get(target.model.model_id, (-1, 0.0))
        if (
            quota
            and used >= self._world.quota(quota.code)
            and (day == self._day() or not self._world.quota(quota.code))
        ):
            raise ServiceError("ThrottlingException", _TOO_MANY_TODAY, {})

    def _day(self) -> int:
        return int(self._world.clock.now().timestamp() // max(self._world.settings.day_seconds, 1e-3))

    def _per_minute(self, model: FoundationModel) -> float | None:
        settings = self._world.settings
        if settings.requests_per_minute is not None or not settings.enforce_request_quotas:
            return settings.requests_per_minute
        served = [name for name in (model.model_id, model.served_as) if name]
        quotas = (q for q in self._world.catalog.quotas.values() if q.requests_per_minute_of in served)
        quota = next(quotas, None)
        return self._world.quota(quota.code) if quota else None

    def _take(self, owner: str, per_minute: float) -> bool:
        now = self._world.clock.now().timestamp()
        burst = self._world.settings.burst_requests
        most = per_minute if burst is None else burst
        bucket = self._buckets.setdefault(owner, _Bucket(most, now))
        bucket.tokens = min(most, bucket.tokens + (now - bucket.filled_at) * per_minute / _MINUTE_SECONDS)
        bucket.filled_at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True


def throttled(retry_after_seconds: float | None) -> ServiceError:
    """Make the refusal of a call too many, with a ``Retry-After`` header where the settings have one."""
    headers = {} if retry_after_seconds is None else {"retry-after": f"{retry_after_seconds:g}"}
    return ServiceError("ThrottlingException", _TOO_MANY, headers)
