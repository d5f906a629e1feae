"""Every billable thing that a run makes, written down *before* its create call, so that a crash leaves a trace."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.errors import EnvironmentClosed, HourlyLimitExceeded, RetryLater
from lambdas.domain.stored import known_fields, missing_fields
from lambdas.gateways.registry.table import ConditionFailed, Table

if TYPE_CHECKING:
    from lambdas.gateways.registry.items import Item

_logger = logging.getLogger(__name__)

PLANNED, CREATED, IN_USE, KEPT, RELEASED = "PLANNED", "CREATED", "IN_USE", "KEPT", "RELEASED"

CUSTOMIZATION_JOB = "customization_job"
BATCH_JOB = "batch_inference_job"
JOBS = (CUSTOMIZATION_JOB, BATCH_JOB)
CUSTOM_MODEL = "custom_model"
DEPLOYMENT = "custom_model_deployment"
THROUGHPUT = "provisioned_throughput"
ENDPOINTS = (THROUGHPUT, DEPLOYMENT)
"""What can be called."""

RESERVE_TRIES = 8
"""Tries to write a reservation beside other promotions that want one at the same moment."""

OPEN_GROUP = "RESOURCE#OPEN"

LAMBDA_LIFE = timedelta(minutes=16)
"""After that no Lambda that wrote a plan is still running (AWS Lambda quotas: 15 minutes), with a minute for clocks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """One Bedrock resource that a run made or adopted.

    Attributes
    ----------
    kind, name : str
        What it is and its Bedrock name.
    arn : str or None
        ``None`` while the create call has not been seen to succeed.
    state : str
        PLANNED, CREATED, IN_USE (serves a task), KEPT (until ``keep_until``) or RELEASED.
    usd_per_hour : float or None
        What it bills while it exists; ``None`` where unknown or nothing by the hour.
    model_units, commitment : int or None, str or None
        Of a throughput: of how many units that price is, and for how long they are committed, as the task says it;
        ``None`` where an earlier version wrote it down.
    """

    run_id: str
    attempt: int
    task: str
    kind: str
    name: str
    state: str
    created_at: str
    arn: str | None = None
    usd_per_hour: float | None = None
    keep_until: str | None = None
    released_at: str | None = None
    model_units: int | None = None
    commitment: str | None = None

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read an item of the table."""
        return cls(**known_fields(cls, item))

    def may_still_come_until(self) -> datetime | None:
        """Say until when a Lambda that planned it may still create it: StopExecution does not stop one in progress.

        ``None`` for what exists or has been given up, and for a model: only a job makes it.
        """
        if self.state != PLANNED or self.arn is not None or self.kind == CUSTOM_MODEL:
            return None
        return datetime.fromisoformat(self.created_at) + LAMBDA_LIFE

    def to_document(self) -> dict[str, Any]:
        """Give the resource as written to ``report.json``."""
        names = ("kind", "name", "arn", "state", "usd_per_hour", "keep_until")
        return {name: getattr(self, name) for name in names}


class ResourceBook:
    """The resources of all runs.

    Parameters
    ----------
    table : Table
        The registry table.
    closed_since : callable
        Since when the environment is being torn down; ``None`` while it is not.
    """

    def __init__(self, table: Table, closed_since: Callable[[], str | None] = lambda: None) -> None:
        self._table, self._closed_since = table, closed_since

    def plan(self, resource: Resource) -> Resource:
        """Write a resource down before it is created; one that is open already stays as it is.

        Returns
        -------
        Resource
            As it is in the registry now.

        Raises
        ------
        EnvironmentClosed
            Nothing is written, and nothing may be created.
        """
        if resource.arn is None and (since := self._closed_since()):
            raise EnvironmentClosed(
                f"{resource.kind} {resource.name} is not created: this environment is being torn down since {since}. "
                "Deploy it again, or open it with 'python -m cli teardown --reopen', then retry"
            )
        fields = {name: getattr(resource, name) for name in resource.__dataclass_fields__}
        document = {name: value for name, value in fields.items() if value is not None}
        if resource.kind == CUSTOM_MODEL:
            self._table.update(**_holders(resource), expression="ADD holders :run", values={":run": {resource.run_id}})
        item = {**_key(resource), **document, "state_group": OPEN_GROUP, "since": resource.created_at}
        try:
            self._table.put(item, "attribute_not_exists(pk) OR attribute_exists(released_at)")
        except ConditionFailed:
            known = self._table.get(**_key(resource))
            if known is None:
                raise RetryLater(f"{resource.kind} {resource.name} could not be written down") from None
            return Resource.from_item(known)
        return resource

    def let_go(self, resource: Resource) -> bool:
        """Stop holding a model that runs on the same content share.

        One atomic write: of several runs that let go at once, exactly one is the last, and that one deletes.

        Returns
        -------
        bool
            Whether nobody holds it any more. Asked again by the last one, the answer is the same.
        """
        left = self._table.update(
            **_holders(resource), expression="DELETE holders :run", values={":run": {resource.run_id}}
        )
        return not left.get("holders")

    def note_deleted_model(self, name: str, now: str) -> None:
        """Write down that the pipeline deleted a model: no later run on the same content waits for it to be listed.

        It lasts longer than the run's own entries, which ``forget`` deletes.
        """
        self._table.update(f"MODEL#{name}", "HOLDERS", "SET deleted_at = :now", {":now": now})

    def model_deleted_at(self, name: str) -> str | None:
        """Give when the pipeline deleted a model of that name (ISO 8601), or ``None``."""
        deleted_at: str | None = (self._table.get(f"MODEL#{name}", "HOLDERS") or {}).get("deleted_at")
        return deleted_at

    def reserve(self, resource: Resource, limit: float) -> None:
        """Count an endpoint against the environment's dollars per hour, before it is created.

        What was reserved counts until the registry says that it is released, whatever its own promotion came to.

        Parameters
        ----------
        resource : Resource
            Planned, with its ``usd_per_hour``.
        limit : float
            US dollars an hour.

        Raises
        ------
        HourlyLimitExceeded
            When it and what is reserved would cost more.
        RetryLater
            When others keep writing at the same time.
        """
        price = float(resource.usd_per_hour or 0.0)
        for _ in range(RESERVE_TRIES):
            item = self._table.get(**_HOURLY) or {}
            mine = {**_key(resource), "usd_per_hour": price}
            others = [one for one in item.get("reserved", []) if one["sk"] != mine["sk"] and self._bills(one)]
            total = sum(one["usd_per_hour"] for one in others)
            if total + price > limit:
                raise HourlyLimitExceeded(
                    f"provisioned throughput of this environment costs ${total:,.2f} an hour; ${price:,.2f} more would "
                    f"exceed 'max_hourly_usd' ({limit:g}). Nothing was bought. Release a throughput that is no longer "
                    "needed, or raise the setting and deploy, then retry"
                )
            version = item.get("version", 0)
            try:
                self._table.update(
                    **_HOURLY,
                    expression="SET reserved = :reserved, #version = :next",
                    values={":reserved": [*others, mine], ":next": version + 1, ":version": version},
                    condition="attribute_not_exists(#version) OR #version = :version",
                )
            except ConditionFailed:
                continue
            return
        raise RetryLater("other promotions reserve their dollars per hour at the same time")

    def _bills(self, reserved: Item) -> bool:
        known = self._table.get(pk=reserved["pk"], sk=reserved["sk"])
        return known is not None and known["state"] != RELEASED

    def created(self, resource: Resource, arn: str) -> None:
        """Note the ARN that the service gave.

        A resource whose run was released between plan and create is open again: that release found nothing to delete.
        One whose run was forgotten meanwhile is written down anew: what exists must be known.
        """
        try:
            self._table.update(
                **_key(resource),
                expression="SET arn = :arn, #state = :created, state_group = :open REMOVE released_at",
                values={":arn": arn, ":created": CREATED, ":open": OPEN_GROUP},
                condition=_KNOWN,
            )
        except ConditionFailed:
            self.plan(replace(resource, arn=arn, state=CREATED))

    def mark(self, resource: Resource, state: str, keep_until: str | None = None) -> None:
        """Note that a resource serves a task or is kept for a retry."""
        self._change(resource, "SET #state = :state, keep_until = :until", {":state": state, ":until": keep_until})

    def released(self, resource: Resource, now: str) -> None:
        """Note that a resource is gone."""
        self._change(
            resource,
            "SET #state = :released, released_at = :now REMOVE state_group",
            {":released": RELEASED, ":now": now},
        )

    def _change(self, resource: Resource, expression: str, values: Item) -> None:
        """Change what is known: an update must not make half an item, which nobody could read."""
        with contextlib.suppress(ConditionFailed):
            self._table.update(**_key(resource), expression=expression, values=values, condition=_KNOWN)

    def of_run(self, run_id: str) -> list[Resource]:
        """Read every resource of a run, released ones included; a damaged item hides no other one."""
        return list(_readable(self._table.query(f"RUN#{run_id}", "RESOURCE#")))

    def open(self) -> Iterator[Resource]:
        """Read every resource that is not released, oldest first; a damaged item hides no other one."""
        yield from _readable(self._table.in_state(OPEN_GROUP))


_KNOWN = "attribute_exists(pk)"

_HOURLY = {"pk": "HOURLY", "sk": "HOURLY"}
"""The item with what endpoints cost an hour; its version orders the promotions that write it."""


def _readable(items: Iterable[Item]) -> Iterator[Resource]:
    """Leave out what nobody can read: what it stood for is found by its tags, where it still exists."""
    for item in items:
        if missing_fields(Resource, item):
            _logger.error("a damaged item is left out", extra={"pk": item.get("pk"), "sk": item.get("sk")})
            continue
        yield Resource.from_item(item)


def _holders(resource: Resource) -> dict[str, str]:
    return {"pk": f"MODEL#{resource.name}", "sk": "HOLDERS"}


def _key(resource: Resource) -> dict[str, str]:
    return {"pk": f"RUN#{resource.run_id}", "sk": f"RESOURCE#{resource.kind}#{resource.name}"}
