"""The control API below ``/_simulator/``: what tests read and order. It is no part of AWS.

``GET health``, ``GET calls?service=&operation=``, ``GET billing``, ``GET cost-export?month=``, ``GET resources``,
``POST services``, ``GET|PUT settings``, ``GET|POST|DELETE faults``, ``DELETE faults/<id>``, ``PUT principals/<access
key>``, ``PUT tasks/<name>`` and ``POST reset``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from local.bedrock_simulator.access import Access
from local.bedrock_simulator.billing import so_far
from local.bedrock_simulator.cost_export import ExportSettings, as_csv, cost_export
from local.bedrock_simulator.fault_kinds import FaultError
from local.bedrock_simulator.faults import Faults
from local.bedrock_simulator.protocol.service import Request, Response
from local.bedrock_simulator.records import CallLog, ServiceEntry, to_json
from local.bedrock_simulator.settings import Settings, SettingsError
from local.bedrock_simulator.subjects import Subjects, TaskFacts
from local.bedrock_simulator.world import World

PREFIX = "/_simulator/"
_OK, _BAD_REQUEST, _NOT_FOUND = 200, 400, 404
Body = dict[str, Any]


@dataclass(frozen=True)
class Hooks:
    """What the control API asks of the rest: to bring everything up to the clock, and to forget."""

    settle: Callable[[], None]
    forget: Sequence[Callable[[], None]]


class ControlApi:
    """Serves the control API."""

    def __init__(
        self, world: World, hooks: Hooks, access: Access, faults: Faults, calls: CallLog, subjects: Subjects
    ) -> None:
        self._world = world
        self._hooks = hooks
        self._access = access
        self._faults = faults
        self._calls = calls
        self._subjects = subjects
        self._routes: dict[tuple[str, str], Callable[[Body, dict[str, str]], Body]] = {
            ("GET", "health"): lambda _body, _query: {"status": "ok", "simulated": True},
            ("GET", "calls"): self._get_calls,
            ("GET", "billing"): self._get_billing,
            ("GET", "cost-export"): self._get_cost_export,
            ("POST", "services"): self._post_services,
            ("GET", "resources"): self._get_resources,
            ("GET", "settings"): lambda _body, _query: self._world.settings.to_json(),
            ("PUT", "settings"): self._put_settings,
            ("GET", "faults"): lambda _body, _query: {"faults": self._faults.listed()},
            ("POST", "faults"): lambda body, _query: self._faults.order(body).to_json(),
            ("DELETE", "faults"): lambda _body, _query: {"withdrawn": self._faults.withdraw()},
            ("POST", "reset"): self._reset,
        }

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        name, _, argument = request.path.removeprefix(PREFIX).partition("/")
        try:
            body = json.loads(request.body) if request.body else {}
            if not isinstance(body, dict):
                return _answer(_BAD_REQUEST, {"message": "the body must be a JSON object"})
            query = {key: values[0] for key, values in parse_qs(request.query).items()}
            if argument:
                return self._with_argument(request.method, name, unquote(argument), body)
            route = self._routes.get((request.method, name))
            if route:
                return _answer(_OK, route(body, query))
        except (FaultError, SettingsError, ValueError, KeyError, TypeError) as error:
            return _answer(_BAD_REQUEST, {"message": str(error)})
        return _answer(_NOT_FOUND, {"message": f"no {request.method} {request.path} in the control API"})

    def _with_argument(self, method: str, name: str, argument: str, body: Body) -> Response:
        if (method, name) == ("PUT", "principals"):
            if not isinstance(body.get("arn"), str):
                return _answer(_BAD_REQUEST, {"message": 'a principal needs {"arn": "..."}'})
            self._access.register(argument, body["arn"])
            return _answer(_OK, {})
        if (method, name) == ("PUT", "tasks"):
            subject = self._subjects.register(TaskFacts.from_document(body | {"name": argument}))
            return _answer(_OK, {"name": argument, "source": subject.source})
        if (method, name) == ("DELETE", "faults") and self._faults.withdraw(argument):
            return _answer(_OK, {"withdrawn": 1})
        return _answer(_NOT_FOUND, {"message": f"no {method} {name}/{argument} in the control API"})

    def _get_calls(self, _body: Body, query: dict[str, str]) -> Body:
        return {"calls": [to_json(entry) for entry in self._calls.select(query.get("service"), query.get("operation"))]}

    def _get_billing(self, _body: Body, _query: dict[str, str]) -> Body:
        self._hooks.settle()
        with self._world.lock:
            entries = [so_far(self._world, entry) for entry in self._world.billing]
        return {"simulated": True, "entries": [to_json(entry) for entry in entries]}

    def _get_cost_export(self, _body: Body, query: dict[str, str]) -> Body:
        """Give the bill as AWS exports it; ``delay_hours``, ``tax_share``, ``discount_share``, ``credit_usd``."""
        numbers = {name: float(value) for name, value in query.items() if name not in ("month", "closed")}
        self._hooks.settle()
        with self._world.lock:
            settings = ExportSettings(month=query["month"], closed=query.get("closed") == "true", **numbers)
            return {"simulated": True, "csv": as_csv(cost_export(self._world, settings))}

    def _post_services(self, body: Body, _query: dict[str, str]) -> Body:
        """Book what other services bill, as somebody counted it: ``{"entries": [{"time", "product", ...}]}``."""
        entries = [
            ServiceEntry(**{**entry, "time": datetime.fromisoformat(entry["time"])}) for entry in body["entries"]
        ]
        with self._world.lock:
            self._world.services += entries
        return {"booked": len(entries)}

    def _get_resources(self, _body: Body, _query: dict[str, str]) -> Body:
        self._hooks.settle()
        world = self._world
        with world.lock:
            return {
                "jobs": [
                    {"arn": j.arn, "name": j.params["jobName"], "status": j.status, "model": j.model_arn}
                    for j in world.jobs.values()
                ],
                "batch_jobs": [
                    {"arn": b.arn, "name": b.params["jobName"], "status": b.status} for b in world.batch_jobs.values()
                ],
                "models": [
                    {"arn": m.arn, "name": m.name, "status": "Active", "job": m.job.arn} for m in world.models.values()
                ],
                "deployments": [
                    {"arn": d.arn, "name": d.name, "status": d.status, "model": d.model_arn}
                    for d in world.deployments.values()
                ],
                "throughputs": [
                    {"arn": t.arn, "name": t.name, "status": t.status, "model": t.model_arn, "units": t.units}
                    for t in world.throughputs.values()
                ],
                "tags": {arn: dict(tags) for arn, tags in world.tags.items()},
            }

    def _put_settings(self, body: Body, _query: dict[str, str]) -> Body:
        with self._world.lock:
            for code in body.get("quotas", {}):
                if code not in self._world.catalog.quotas:
                    raise SettingsError(
                        f"there is no quota '{code}'; known are {', '.join(self._world.catalog.quotas)}"
                    )
            for model in body.get("models", {}):
                if model not in self._world.catalog.models:
                    raise SettingsError(
                        f"there is no model '{model}'; known are {', '.join(self._world.catalog.models)}"
                    )
            self._world.settings = self._world.settings.changed(body)
            self._access.enabled = self._world.settings.check_access
            return self._world.settings.to_json()

    def _reset(self, body: Body, _query: dict[str, str]) -> Body:
        """Forget resources, records and faults; settings too with ``{"settings": true}``. Principals stay."""
        with self._world.lock:
            self._world.clear()
            self._calls.clear()
            self._faults.withdraw()
            for forget in self._hooks.forget:
                forget()
            if body.get("settings"):
                self._world.settings = Settings()
        return {}


def _answer(status: int, body: Body) -> Response:
    return Response(status, json.dumps(body, default=_moment).encode(), {"content-type": "application/json"})


def _moment(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)
