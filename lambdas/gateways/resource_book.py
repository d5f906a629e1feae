"""Every billable thing that a run makes, written down *before* its create call, so that a crash leaves a trace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from lambdas.gateways.items import Item, known_fields
from lambdas.gateways.table import ConditionFailed, Table

PLANNED, CREATED, IN_USE, KEPT, RELEASED = "PLANNED", "CREATED", "IN_USE", "KEPT", "RELEASED"

CUSTOMIZATION_JOB = "customization_job"
BATCH_JOB = "batch_inference_job"
CUSTOM_MODEL = "custom_model"
DEPLOYMENT = "custom_model_deployment"
THROUGHPUT = "provisioned_throughput"

OPEN_GROUP = "RESOURCE#OPEN"


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

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read an item of the table."""
        return cls(**known_fields(cls, item))

    def to_document(self) -> dict[str, Any]:
        """Give the resource as it stands in ``report.json``."""
        names = ("kind", "name", "arn", "state", "usd_per_hour", "keep_until")
        return {name: getattr(self, name) for name in names}


class ResourceBook:
    """The resources of all runs.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def plan(self, resource: Resource) -> Resource:
        """Write a resource down before it is created; one that is open already stays as it is.

        Returns
        -------
        Resource
            As it stands in the registry now.
        """
        fields = {name: getattr(resource, name) for name in resource.__dataclass_fields__}
        document = {name: value for name, value in fields.items() if value is not None}
        item = {**_key(resource), **document, "state_group": OPEN_GROUP, "since": resource.created_at}
        try:
            self._table.put(item, "attribute_not_exists(pk) OR attribute_exists(released_at)")
        except ConditionFailed:
            known = self._table.get(**_key(resource))
            return Resource.from_item(known or item)
        return resource

    def created(self, resource: Resource, arn: str) -> None:
        """Note the ARN that the service gave."""
        self._table.update(
            **_key(resource),
            expression="SET arn = :arn, #state = :created",
            values={":arn": arn, ":created": CREATED},
        )

    def mark(self, resource: Resource, state: str, keep_until: str | None = None) -> None:
        """Note that a resource serves a task or is kept for a retry."""
        self._table.update(
            **_key(resource),
            expression="SET #state = :state, keep_until = :until",
            values={":state": state, ":until": keep_until},
        )

    def released(self, resource: Resource, now: str) -> None:
        """Note that a resource is gone."""
        self._table.update(
            **_key(resource),
            expression="SET #state = :released, released_at = :now REMOVE state_group",
            values={":released": RELEASED, ":now": now},
        )

    def of_run(self, run_id: str) -> list[Resource]:
        """Read every resource of a run, released ones included."""
        return [Resource.from_item(item) for item in self._table.query(f"RUN#{run_id}", "RESOURCE#")]

    def open(self) -> Iterator[Resource]:
        """Read every resource that is not released, oldest first."""
        for item in self._table.in_state(OPEN_GROUP):
            yield Resource.from_item(item)


def _key(resource: Resource) -> dict[str, str]:
    return {"pk": f"RUN#{resource.run_id}", "sk": f"RESOURCE#{resource.kind}#{resource.name}"}
