"""Champion and lease of each task. A promotion holds the lease before it creates or changes anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lambdas.domain.errors import ChampionChanged, LeaseTaken, RoutingRefused
from lambdas.domain.serving.serving_policy import ServingChoice
from lambdas.gateways.registry.champions import Champion, RollbackOrder, TaskState
from lambdas.gateways.registry.table import ConditionFailed, Table

if TYPE_CHECKING:
    from lambdas.domain.caller_identity import SaidBy
    from lambdas.gateways.registry.items import Item

TASKS_GROUP = "TASKS"
"""State group of every task's item, so that all can be listed."""

HISTORY_PROMOTED, HISTORY_ROLLED_BACK, HISTORY_RESTORED = "promoted", "rolled back", "restored"
HISTORY_MOVED, HISTORY_CONFIRMED, HISTORY_TORN_DOWN = "moved on demand", "confirmed", "torn down"
HISTORY_TO_BE_FORGOTTEN = "to be forgotten"
HISTORY_CHOSEN = "way to serve chosen"
"""Actions of a task's history, as stored: a new champion; a former one that came back; one whose failed endpoint was
replaced, or that a rebuilt registry found; one that left its throughput; one that a person confirmed; one that
went with its environment; one for which a person chose who answers callers. The outcome of a run is another value, in
capitals."""

NO_CHAMPION = "none"
"""Stands for "no champion yet" in conditions, where an absent attribute cannot be compared."""


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
            torn_down_at=item.get("torn_down_at"),
            torn_down_run=item.get("torn_down_run"),
            choice=ServingChoice.from_item(item["serving_choice"]) if item.get("serving_choice") else None,
        )

    def claim_folder(self, task: str, folder: str) -> str:
        """Give the folder whose name this task has: the first that was claimed, this one where none was before."""
        owner = self._table.update(
            f"TASK#{task}", "FOLDER", "SET folder = if_not_exists(folder, :folder)", {":folder": folder}
        )
        return str(owner["folder"])

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
        self,
        task: str,
        owner: str,
        champion: Champion,
        now: str,
        *,
        keep: int,
        action: str = HISTORY_PROMOTED,
        why: str = "",
        who: SaidBy | None = None,
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
        who : SaidBy, optional
            Whose word it is.

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
        served = [*([state.champion] if state.champion else []), *state.former]
        former = [one.to_document() for one in served if one.run_id != champion.run_id][:keep]
        if action == HISTORY_ROLLED_BACK and former:
            former[0]["rolled_back_at"] = now
        values = {
            ":champion": champion.to_document(),
            ":run": champion.run_id,
            ":former": former,
            ":me": owner,
        }
        expression = "SET champion = :champion, champion_run = :run, former = :former"
        crowned = self._table.update_request(
            **_key(task), expression=expression, values=values, condition="lease_owner = :me"
        )
        try:
            self._table.update_together(crowned, self._entry(task, champion.run_id, action, now, why, who))
        except ConditionFailed:
            raise LeaseTaken(f"the lease of task '{task}' is no longer {owner}'s; nothing was promoted") from None

    def restore(
        self, task: str, champion: Champion, former: list[Champion], now: str, choice: ServingChoice | None = None
    ) -> bool:
        """Write a task's champion as it was found, and how it was served; a task that has one keeps it.

        Returns
        -------
        bool
            Whether it was missing.
        """
        values = {
            ":champion": champion.to_document(),
            ":run": champion.run_id,
            ":former": [one.to_document() for one in former],
            ":group": TASKS_GROUP,
            ":now": now,
            **({":choice": choice.to_document()} if choice else {}),
        }
        try:
            self._table.update_together(
                self._table.update_request(
                    **_key(task),
                    expression=(
                        "SET champion = :champion, champion_run = :run, former = :former, state_group = :group, "
                        f"since = if_not_exists(since, :now){', serving_choice = :choice' if choice else ''}"
                    ),
                    values=values,
                    condition="attribute_not_exists(champion)",
                ),
                self._entry(task, champion.run_id, HISTORY_RESTORED, now, ""),
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

    def tear_down(self, task: str, now: str) -> None:
        """Write down that what served a task was deleted with the environment; no rollback goes on or returns to it."""
        state = self.state(task)
        if state.champion is None:
            return
        run_id = state.champion.run_id
        changed = self._table.update_request(
            **_key(task),
            expression=(
                "SET torn_down_at = :now, torn_down_run = :run REMOVE champion, champion_run, former, rollback_order, "
                "rollback_by, moving_to, moved_from, moved_at, lease_owner, lease_expires, serving_choice, "
                "routing_test"
            ),
            values={":now": now, ":run": run_id},
            condition="champion_run = :run",
        )
        with contextlib.suppress(ConditionFailed):  # somebody else was faster
            self._table.update_together(changed, self._entry(task, run_id, HISTORY_TORN_DOWN, now, ""))

    def open_rollbacks(self) -> Iterator[str]:
        """Name the tasks with a rollback in progress. Eventually consistent."""
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
        }
        expression = "SET champion = :champion, moved_from = :left, moved_at = :now REMOVE moving_to"
        self._as_owner(task, owner, expression, values, self._entry(task, champion.run_id, HISTORY_MOVED, now, why))

    def confirm(self, task: str, run_id: str, now: str, why: str, who: SaidBy | None = None) -> None:
        """Note that a person wants a champion to go on.

        Raises
        ------
        ChampionChanged
            When the task is served by another run, or by none.
        """
        confirmed = self._table.update_request(
            **_key(task),
            expression="SET champion.confirmed_at = :now",
            values={":now": now, ":run": run_id},
            condition="champion_run = :run",
        )
        try:
            self._table.update_together(confirmed, self._entry(task, run_id, HISTORY_CONFIRMED, now, why, who))
        except ConditionFailed:
            raise ChampionChanged(f"task '{task}' is not served by run {run_id}; look again with 'champions'") from None

    def choose(self, task: str, choice: ServingChoice, who: SaidBy | None = None) -> None:
        """Keep how a person wants a task to be served while its present champion is champion.

        Raises
        ------
        ChampionChanged
            When the task is served by another run, or by none.
        """
        chosen = self._table.update_request(
            **_key(task),
            expression="SET serving_choice = :choice",
            values={":choice": choice.to_document(), ":run": choice.for_run},
            condition="champion_run = :run",
        )
        try:
            self._table.update_together(
                chosen,
                self._entry(task, choice.for_run, HISTORY_CHOSEN, choice.at, f"{choice.mode}: {choice.why}", who),
            )
        except ConditionFailed:
            raise ChampionChanged(
                f"task '{task}' is not served by run {choice.for_run}; look again with 'champions'"
            ) from None

    def claim_routing_test(self, task: str, run_id: str, rule: dict[str, Any], fresh_run: str = "") -> None:
        """Use up the one test that a run's records have: a policy that was chosen by its result proves nothing.

        The same policy may be tested again.

        Parameters
        ----------
        task, run_id : str
            Run of the champion.
        rule : dict
        fresh_run : str
            The later run whose records test; empty for the champion's own.

        Raises
        ------
        RoutingRefused
            When these records have tested another policy for this champion.
        """
        claimed = {"for_run": run_id, "rule": rule}
        claim = self._table.update_request(
            pk=f"TASK#{task}",
            sk=f"ROUTING_TEST#{run_id}#{fresh_run or run_id}",
            expression="SET routing_test = :test",
            values={":test": claimed},
            condition="attribute_not_exists(routing_test) OR routing_test = :test",
        )
        # The task's own item has the last claim alone, which was all that earlier versions wrote.
        last = self._table.update_request(
            **_key(task),
            expression="SET routing_test = :test",
            values={":test": claimed, ":run": run_id},
            condition=(
                "champion_run = :run AND (attribute_not_exists(routing_test) OR routing_test.for_run <> :run "
                "OR routing_test = :test)"
            ),
        )
        try:
            self._table.update_together(claim, *([] if fresh_run else [last]))
        except ConditionFailed:
            raise RoutingRefused(
                f"the records of run {fresh_run or run_id} have tested another policy of task '{task}', and one that "
                "is chosen by such a result proves nothing: upload more prompts, and test it on those of their run "
                "(--fresh)"
            ) from None

    def forget_choice(self, task: str, run_id: str) -> None:
        """Forget what was decided for a run that is forgotten."""
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                **_key(task),
                expression="REMOVE serving_choice",
                values={":run": run_id},
                condition="serving_choice.for_run = :run",
            )

    def history(self, task: str) -> list[dict[str, Any]]:
        """Read what happened to a task, oldest first: ``run_id``, ``at``, ``action``, ``why`` and an SaidBy."""
        kept = self._table.get(**_key(task)) or {}
        items = self._table.query(f"TASK#{task}", _HISTORY)
        later = [{name: value for name, value in item.items() if name not in ("pk", "sk")} for item in items]
        return [*kept.get("history", []), *later]  # until 0.1.0 the task's own item held it

    def note(self, task: str, run_id: str, action: str, now: str, why: str, who: SaidBy) -> None:
        """Write a line of a task's history that changes nothing else."""
        self._table.update_together(self._entry(task, run_id, action, now, why, who))

    def _entry(
        self, task: str, run_id: str, action: str, now: str, why: str, who: SaidBy | None = None
    ) -> dict[str, Any]:
        """Make the write of one line of a task's history: an item of its own, so that no number of them is too many.

        The same line written again changes nothing.
        """
        said = {name: value for name, value in ({"why": why, **(who or {})}).items() if value}
        more = "".join(f", {name} = :{name}" for name in said)
        return self._table.update_request(
            f"TASK#{task}",
            f"{_HISTORY}{now}#{run_id}#{action}",
            f"SET run_id = :run, #at = :at, #action = :action{more}",
            {":run": run_id, ":at": now, ":action": action, **{f":{name}": value for name, value in said.items()}},
        )

    def _as_owner(
        self, task: str, owner: str, expression: str, values: Item, entry: dict[str, Any] | None = None
    ) -> None:
        change: dict[str, Any] = {"expression": expression, "values": {**values, ":me": owner}}
        change |= {**_key(task), "condition": "lease_owner = :me"}
        try:
            if entry is None:
                self._table.update(**change)
            else:
                self._table.update_together(self._table.update_request(**change), entry)
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


_HISTORY = "HISTORY#"


def _key(task: str) -> dict[str, str]:
    return {"pk": f"TASK#{task}", "sk": "TASK"}
