"""Champion and lease of each task. A promotion holds the lease before it creates or changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from lambdas.domain.errors import ChampionChanged, LeaseTaken
from lambdas.gateways.registry.items import Item, known_fields
from lambdas.gateways.registry.rollback_order import RollbackOrder
from lambdas.gateways.registry.table import ConditionFailed, Table

CALLERS_NOTICE = timedelta(hours=1)
"""How long a replaced endpoint is left to callers that have not read the changed pointer yet."""

TASKS_GROUP = "TASKS"
"""State group of every task's item, so that all can be listed."""

PROMOTED, ROLLED_BACK, RESTORED = "promoted", "rolled back", "restored"
"""What a task's history says of a new champion, or of one whose failed endpoint was replaced."""

NO_CHAMPION = "none"
"""Stands for "no champion yet" in conditions, where an absent attribute cannot be compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Champion:
    """The student that serves a task.

    ``endpoint_arn`` is what callers use; ``model_arn`` the custom model behind it; ``base_model`` what it was
    customized from; ``confirmed_at`` when a person last said that it shall go on. A former champion has
    ``rolled_back_at`` where a rollback moved away from it: no rollback returns to it unless told so.
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

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read the map of a task's item."""
        return cls(**known_fields(cls, item))

    def to_document(self) -> dict[str, Any]:
        """Give the champion as a map."""
        return asdict(self)

    @property
    def on_throughput(self) -> bool:
        """Whether a provisioned throughput serves it, else a deployment."""
        return self.mode == "provisioned_throughput"


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskState:
    """What the registry knows of a task.

    ``former`` champions keep their models, the latest one first. ``moving_to`` is the endpoint that a champion is being
    moved to; ``moved_from`` the one that it was moved away from at ``moved_at``, which callers may still need for a
    while.
    """

    champion: Champion | None = None
    former: list[Champion] = field(default_factory=list)
    rollback: RollbackOrder | None = None
    lease_owner: str | None = None
    lease_expires: str | None = None
    moving_to: str | None = None
    moved_from: str | None = None
    moved_at: str | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    def is_held_by(self, run_id: str) -> bool:
        """Tell whether an attempt of a run holds the lease, or held it to its expiry and has not given it back."""
        return self.lease_owner is not None and self.lease_owner.rpartition("-")[0] == run_id

    @property
    def previous(self) -> Champion | None:
        """What a rollback returns to unless told otherwise: the latest that no rollback has moved away from."""
        return next((one for one in self.former if one.rolled_back_at is None), None)

    def uses(self, arn: str | None, now: datetime, *, name: str | None = None) -> bool:
        """Tell whether a model or an endpoint serves the task, or is what a rollback returns to.

        ``name`` knows an endpoint whose ARN has not been written down yet: one that a rollback is buying.

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


class TaskBook:
    """The tasks of an environment.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def state(self, task: str) -> TaskState:
        """Read a task; one that never had a champion is empty."""
        item = self._table.get(**_key(task)) or {}
        champion, rollback = item.get("champion"), item.get("rollback_order")
        return TaskState(
            champion=Champion.from_item(champion) if champion else None,
            former=[Champion.from_item(one) for one in item.get("former", [])],
            rollback=RollbackOrder.from_item(rollback) if rollback else None,
            lease_owner=item.get("lease_owner"),
            lease_expires=item.get("lease_expires"),
            moving_to=item.get("moving_to"),
            moved_from=item.get("moved_from"),
            moved_at=item.get("moved_at"),
            history=item.get("history", []),
        )

    def take_lease(self, task: str, owner: str, expected_champion: str | None, now: str, expires: str) -> None:
        """Take or prolong the lease of a task.

        Parameters
        ----------
        task : str
        owner : str
            The attempt that promotes, ``<run>-<attempt>``.
        expected_champion : str or None
            Run of the champion that the report was written against.
        now, expires : str
            ISO 8601 in UTC, so that they compare as text.

        Raises
        ------
        LeaseTaken
            Another attempt holds it and it has not expired.
        ChampionChanged
            The task has another champion than expected.
        """
        expected = expected_champion or NO_CHAMPION
        free = "(attribute_not_exists(lease_owner) OR lease_owner = :me OR lease_expires < :now)"
        same = "champion_run = :expected"
        if expected_champion is None:
            same = f"(attribute_not_exists(champion_run) OR {same})"
        try:
            self._table.update(
                **_key(task),
                expression=(
                    "SET lease_owner = :me, lease_expires = :expires, state_group = :group, "
                    "since = if_not_exists(since, :now)"
                ),
                values={
                    ":me": owner,
                    ":now": now,
                    ":expires": expires,
                    ":expected": expected,
                    ":group": TASKS_GROUP,
                },
                condition=f"{free} AND {same}",
            )
        except ConditionFailed:
            state = self.state(task)
            serving = state.champion.run_id if state.champion else NO_CHAMPION
            if serving != expected:
                message = f"task '{task}' is served by run {serving}, not by {expected} as when the report was written"
                raise ChampionChanged(f"{message}; retry the run to compare with the new champion") from None
            message = f"{state.lease_owner} is promoting a student of task '{task}' until {state.lease_expires}"
            raise LeaseTaken(f"{message}; retry the run when it has ended") from None

    def crown(
        self, task: str, owner: str, champion: Champion, now: str, *, keep: int, action: str = PROMOTED, why: str = ""
    ) -> None:
        """Make a student the champion; only the holder of the lease may.

        Parameters
        ----------
        task, owner : str
        champion : Champion
        now : str
            ISO 8601.
        keep : int
            How many former champions keep their model.
        action, why : str
            For the task's history.

        Raises
        ------
        LeaseTaken
            When the lease is no longer the owner's.
        """
        state = self.state(task)
        if state.champion and (state.champion.run_id, state.champion.endpoint_arn) == (
            champion.run_id,
            champion.endpoint_arn,
        ):
            return
        entry = {"run_id": champion.run_id, "at": now, "action": action, **({"why": why} if why else {})}
        served = [*([state.champion] if state.champion else []), *state.former]
        former = [one.to_document() for one in served if one.run_id != champion.run_id][:keep]
        if action == ROLLED_BACK and former:
            former[0]["rolled_back_at"] = now
        values = {
            ":champion": champion.to_document(),
            ":run": champion.run_id,
            ":former": former,
            ":history": [entry],
            ":empty": [],
            ":me": owner,
        }
        try:
            self._table.update(
                **_key(task),
                expression=(
                    "SET champion = :champion, champion_run = :run, former = :former, "
                    "history = list_append(if_not_exists(history, :empty), :history)"
                ),
                values=values,
                condition="lease_owner = :me",
            )
        except ConditionFailed:
            raise LeaseTaken(f"the lease of task '{task}' is no longer {owner}'s; nothing was promoted") from None

    def restore(self, task: str, champion: Champion, former: list[Champion], now: str) -> bool:
        """Write a task's champion as it was found; a task that has one keeps it.

        Returns
        -------
        bool
            Whether it was missing.
        """
        values = {
            ":champion": champion.to_document(),
            ":run": champion.run_id,
            ":former": [one.to_document() for one in former],
            ":history": [{"run_id": champion.run_id, "at": now, "action": "restored"}],
            ":empty": [],
            ":group": TASKS_GROUP,
            ":now": now,
        }
        try:
            self._table.update(
                **_key(task),
                expression=(
                    "SET champion = :champion, champion_run = :run, former = :former, state_group = :group, "
                    "since = if_not_exists(since, :now), "
                    "history = list_append(if_not_exists(history, :empty), :history)"
                ),
                values=values,
                condition="attribute_not_exists(champion)",
            )
        except ConditionFailed:
            return False
        return True

    def order_rollback(self, task: str, order: RollbackOrder) -> None:
        """Write a rollback down, or how far it has come; only the holder of the lease may.

        Raises
        ------
        LeaseTaken
            When the lease is no longer the owner's.
        """
        self._as_owner(task, order.owner, "SET rollback_order = :order, rollback_by = :me", {":order": asdict(order)})

    def end_rollback(self, task: str, owner: str) -> None:
        """Forget a rollback that has ended, and give its lease back."""
        try:
            self._table.update(
                **_key(task),
                expression="REMOVE rollback_order, rollback_by",
                values={":me": owner},
                condition="rollback_by = :me",
            )
        except ConditionFailed:
            return
        self.drop_lease(task, owner)

    def open_rollbacks(self) -> Iterator[str]:
        """Name the tasks with a rollback under way. Eventually consistent."""
        for item in self._table.in_state(TASKS_GROUP):
            if "rollback_order" in item:
                yield str(item["pk"]).removeprefix("TASK#")

    def all_tasks(self) -> Iterator[str]:
        """Name every task that ever had a champion or a lease."""
        for item in self._table.in_state(TASKS_GROUP):
            yield str(item["pk"]).removeprefix("TASK#")

    def begin_move(self, task: str, owner: str, endpoint_arn: str) -> None:
        """Note the endpoint that the champion is about to move to, so that no release takes it for a leftover.

        Raises
        ------
        LeaseTaken
            When the lease is no longer the owner's.
        """
        self._as_owner(task, owner, "SET moving_to = :arn", {":arn": endpoint_arn})

    def finish_move(self, task: str, owner: str, champion: Champion, left: str, now: str, why: str) -> None:
        """Let the champion be served by another endpoint; the one that it left stays for the callers' notice.

        Raises
        ------
        LeaseTaken
            When the lease is no longer the owner's.
        """
        values = {
            ":champion": champion.to_document(),
            ":left": left,
            ":now": now,
            ":history": [{"run_id": champion.run_id, "at": now, "action": "moved on demand", "why": why}],
            ":empty": [],
        }
        expression = (
            "SET champion = :champion, moved_from = :left, moved_at = :now, "
            "history = list_append(if_not_exists(history, :empty), :history) REMOVE moving_to"
        )
        self._as_owner(task, owner, expression, values)

    def confirm(self, task: str, run_id: str, now: str, why: str) -> None:
        """Note that a person wants a champion to go on.

        Raises
        ------
        ChampionChanged
            When the task is served by another run, or by none.
        """
        values = {
            ":now": now,
            ":run": run_id,
            ":history": [{"run_id": run_id, "at": now, "action": "confirmed", "why": why}],
            ":empty": [],
        }
        expression = "SET champion.confirmed_at = :now, history = list_append(if_not_exists(history, :empty), :history)"
        try:
            self._table.update(**_key(task), expression=expression, values=values, condition="champion_run = :run")
        except ConditionFailed:
            raise ChampionChanged(f"task '{task}' is not served by run {run_id}; look again with 'champions'") from None

    def _as_owner(self, task: str, owner: str, expression: str, values: Item) -> None:
        try:
            self._table.update(
                **_key(task),
                expression=expression,
                values={**values, ":me": owner},
                condition="lease_owner = :me",
            )
        except ConditionFailed:
            raise LeaseTaken(f"the lease of task '{task}' is no longer {owner}'s; nothing was changed") from None

    def check_lease(self, task: str, owner: str) -> None:
        """Make sure that no release has given the lease back meanwhile.

        Raises
        ------
        LeaseTaken
            When the lease is no longer the owner's.
        """
        self._as_owner(task, owner, "SET lease_owner = :me", {})

    def drop_lease(self, task: str, owner: str) -> None:
        """Give the lease back if it is still the owner's."""
        try:
            self._table.update(
                **_key(task),
                expression="REMOVE lease_owner, lease_expires",
                values={":me": owner},
                condition="lease_owner = :me",
            )
        except ConditionFailed:
            return


def _key(task: str) -> dict[str, str]:
    return {"pk": f"TASK#{task}", "sk": "TASK"}
