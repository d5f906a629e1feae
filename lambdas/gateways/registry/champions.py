"""Who serves a task: its champion, the former ones, and a rollback between them, as they are in the task's item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.stored import known_fields

if TYPE_CHECKING:
    from lambdas.domain.run_facts import ChampionFact
    from lambdas.domain.serving.serving_policy import ServingChoice
    from lambdas.gateways.registry.items import Item

CALLERS_NOTICE = timedelta(hours=1)
"""How long a replaced endpoint is left to callers that have not read the changed pointer yet."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Champion:
    """The student that serves a task.

    ``endpoint_arn`` is what callers use; ``model_arn`` the custom model behind it; ``base_model`` what it was
    customized from; ``confirmed_at`` when a person last said that it shall go on. A former champion has
    ``rolled_back_at`` where a rollback moved away from it: no rollback returns to it unless told so. ``limits`` is what
    it was held against when it was approved (:class:`~lambdas.domain.gate.approved_limits.ApprovedLimits`); ``None``
    where an earlier version promoted it.
    """

    run_id: str
    model_arn: str
    base_model: str
    endpoint_arn: str
    endpoint_name: str
    mode: str
    promoted_at: str
    confirmed_at: str | None = None
    rolled_back_at: str | None = None
    limits: dict[str, Any] | None = None

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Read the map of a task's item, or of a run's facts."""
        return cls(**known_fields(cls, item))

    def to_document(self) -> ChampionFact:
        """Give the champion as a map."""
        return {
            "run_id": self.run_id,
            "model_arn": self.model_arn,
            "base_model": self.base_model,
            "endpoint_arn": self.endpoint_arn,
            "endpoint_name": self.endpoint_name,
            "mode": self.mode,
            "promoted_at": self.promoted_at,
            "confirmed_at": self.confirmed_at,
            "rolled_back_at": self.rolled_back_at,
            "limits": self.limits,
        }

    @property
    def on_throughput(self) -> bool:
        """Whether a provisioned throughput serves it, else a deployment."""
        return self.mode == "provisioned_throughput"


def rollback_owner(task: str) -> str:
    """Name who holds the lease for a rollback that no run began."""
    return f"rollback-{task}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackOrder:
    """A rollback in progress.

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
        Of an endpoint that is created for it, written down before the create call, so that neither a release nor the
        janitor takes it for a leftover before it is crowned.
    gave_up : str or None
        Where the champion's own endpoint failed under a rollback, so that it gets another one: why that rollback
        did not come to its end.
    ordered_by : str or None
        ARN of the person who ordered it, by the word of STS; ``None``: the pipeline did, or an earlier version.
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
    ordered_by: str | None = None

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


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskState:
    """What the registry knows of a task.

    ``former`` champions keep their models, the latest one first. ``moving_to`` is the endpoint that a champion is being
    moved to; ``moved_from`` the one that it was moved away from at ``moved_at``, which callers may still need for a
    while. ``choice`` is what a person decided of who answers callers. ``torn_down_run`` served until the environment
    was torn down at ``torn_down_at``, and nothing did since.
    """

    champion: Champion | None = None
    former: list[Champion] = field(default_factory=list)
    rollback: RollbackOrder | None = None
    lease_owner: str | None = None
    lease_expires: str | None = None
    moving_to: str | None = None
    moved_from: str | None = None
    moved_at: str | None = None
    torn_down_at: str | None = None
    torn_down_run: str | None = None
    choice: ServingChoice | None = None

    def is_held_by(self, run_id: str) -> bool:
        """Tell whether an attempt of a run holds the lease, or held it to its expiry and has not given it back."""
        return self.lease_owner is not None and self.lease_owner.rpartition("-")[0] == run_id

    @property
    def previous(self) -> Champion | None:
        """What a rollback returns to unless told otherwise: the latest that no rollback has moved away from."""
        return next((one for one in self.former if one.rolled_back_at is None), None)

    def uses(self, arn: str | None, now: datetime, *, name: str | None = None) -> bool:
        """Tell whether a model or an endpoint serves the task, or is what a rollback returns to.

        ``name`` knows an endpoint whose ARN has not been written down yet: one that a rollback is creating.

        The models of former champions are kept; the previous one's endpoint, where it is another one than the
        champion's, bills by the hour, so it stays only as long as callers need to notice the changed pointer.
        """
        if self.champion is None:
            return False
        if name is not None and self.rollback is not None and name == self.rollback.endpoint_name:
            return self.rollback.failed is None
        used = {self.champion.model_arn, self.champion.endpoint_arn, *(one.model_arn for one in self.former)}
        noticed = datetime.fromisoformat(self.champion.promoted_at) + CALLERS_NOTICE
        if self.former and now < noticed:
            used.add(self.former[0].endpoint_arn)
        if self.moving_to is not None:
            used.add(self.moving_to)
        if self.moved_from and self.moved_at and now < datetime.fromisoformat(self.moved_at) + CALLERS_NOTICE:
            used.add(self.moved_from)
        return arn in used
