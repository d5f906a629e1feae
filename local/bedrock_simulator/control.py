"""A typed client of the control API, for tests, the demo and the embedded AWS's adapters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

_TIMEOUT_SECONDS = 30.0


class ControlError(RuntimeError):
    """The simulator refused an order; the message says what it allows."""


@dataclass(frozen=True)
class Call:
    """One request in the call log."""

    time: str
    service: str
    operation: str
    params: dict[str, Any]
    status: int
    error: str | None
    caller: str | None
    request_id: str


@dataclass(frozen=True)
class Charge:
    """One entry of the billing record; quantities by usage type, ``usd`` where a price is known."""

    time: str
    kind: str
    model: str
    resource: str
    caller: str | None
    usage: dict[str, float]
    usd: float | None
    start: str | None
    end: str | None
    requests: int
    units: int
    rates: dict[str, float]


@dataclass(frozen=True)
class Resources:
    """What the account holds: each entry has at least ``arn``, ``name`` and ``status``."""

    jobs: list[dict[str, Any]]
    batch_jobs: list[dict[str, Any]]
    models: list[dict[str, Any]]
    deployments: list[dict[str, Any]]
    throughputs: list[dict[str, Any]]
    tags: dict[str, dict[str, str]]


class SimulatorControl:
    """Reads and orders what the control API offers.

    Parameters
    ----------
    url : str
        The simulator, for example ``http://127.0.0.1:4600``.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/_simulator/"
        self._opener = build_opener(ProxyHandler({}))  # a proxy in the environment cannot reach the loopback address

    def calls(self, operation: str | None = None, service: str | None = None) -> list[Call]:
        """Return the call log, of one operation or service if given."""
        query = {name: value for name, value in (("operation", operation), ("service", service)) if value}
        return [Call(**entry) for entry in self._ask("GET", f"calls?{urlencode(query)}")["calls"]]

    def billing(self) -> list[Charge]:
        """Return the billing record, open entries measured up to now."""
        return [Charge(**entry) for entry in self._ask("GET", "billing")["entries"]]

    def resources(self) -> Resources:
        """Return what the account holds."""
        return Resources(**self._ask("GET", "resources"))

    def settings(self) -> dict[str, Any]:
        """Return the settings."""
        return self._ask("GET", "settings")

    def change(self, **changes: object) -> dict[str, Any]:
        """Change settings, for example ``change(durations={"job": 5.0}, label_semantics="verbatim")``."""
        return self._ask("PUT", "settings", changes)

    def order(self, kind: str, **options: object) -> str:
        """Order a fault and return its id, for example ``order("keep_records", records=100)``."""
        return str(self._ask("POST", "faults", {"kind": kind, **options})["id"])

    def order_error(self, operation: str, error: str, **options: object) -> str:
        """Order an error of an operation's modelled list; ``count``, ``skip``, ``message``, ``when`` are optional."""
        return self.order("error", operation=operation, error=error, **options)

    def faults(self) -> list[dict[str, Any]]:
        """Return the ordered faults with their hits."""
        return list(self._ask("GET", "faults")["faults"])

    def withdraw(self, fault_id: str | None = None) -> None:
        """Take back one fault, or all."""
        self._ask("DELETE", f"faults/{fault_id}" if fault_id else "faults")

    def register(self, access_key: str, principal_arn: str) -> None:
        """Tell the simulator who holds an access key."""
        self._ask("PUT", f"principals/{quote(access_key, safe='')}", {"arn": principal_arn})

    def reset(self, *, settings: bool = False) -> None:
        """Forget resources, records and faults, and the settings too if asked."""
        self._ask("POST", "reset", {"settings": settings})

    def health(self) -> bool:
        """Whether the simulator answers."""
        return bool(self._ask("GET", "health")["status"] == "ok")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = json.dumps(body).encode() if body is not None else None
        request = Request(self._url + path, data, {"content-type": "application/json"}, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                result: dict[str, Any] = json.load(answer)
                return result
        except HTTPError as error:
            with error:
                raise ControlError(json.load(error).get("message", str(error))) from error
