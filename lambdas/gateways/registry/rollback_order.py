"""What is to be done when a task is to be served by another student or endpoint, as it stands in the task's item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from lambdas.gateways.registry.items import Item, known_fields

if TYPE_CHECKING:
    from lambdas.gateways.registry.tasks import Champion


def rollback_owner(task: str) -> str:
    """Name who holds the lease for a rollback that no run began."""
    return f"rollback-{task}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackOrder:
    """A rollback under way.

    Attributes
    ----------
    to_run, from_run : str
        Run of the champion that comes back, and of the one that serves. They are equal where a champion whose endpoint
        has failed is to be served by another one.
    why, at : str
        A person's word, and when it was given (ISO 8601).
    owner : str
        Holder of the lease while it lasts.
    asked : bool
        Whether Bedrock was asked to move the endpoint.
    failed : str or None
        Why the former champion could not serve: then the present one is put back.
    endpoint_name : str or None
        Of an endpoint that is bought for it, written down before the create call, so that neither a release nor the
        janitor takes it for a leftover before it is crowned.
    gave_up : str or None
        Where the champion's own endpoint failed under a rollback, so that it is bought another one: why that rollback
        did not come to its end.
    """

    to_run: str
    from_run: str
    why: str
    at: str
    owner: str
    asked: bool = False
    failed: str | None = None
    endpoint_name: str | None = None
    gave_up: str | None = None

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read the map of a task's item."""
        return cls(**known_fields(cls, item))

    @property
    def restores(self) -> bool:
        """Whether the champion stays and only what serves it is another one."""
        return self.to_run == self.from_run

    def is_done(self, champion: Champion | None) -> bool:
        """Tell whether the registry's word has been given: the champion that was ordered serves."""
        if champion is None or champion.run_id != self.to_run:
            return False
        return not self.restores or champion.endpoint_name == self.endpoint_name
