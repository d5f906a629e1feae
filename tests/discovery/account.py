"""One account's discovery, end to end but for AWS: logs on disk, the three queries on DuckDB, grouping between them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from lambdas.domain.discovery.calls import COLUMNS, call_of
from lambdas.domain.discovery.figures import found_tasks
from lambdas.domain.discovery.grouping import rules_of
from lambdas.domain.discovery.queries import figures, sample, stage_one
from lambdas.domain.discovery.rules import Rules
from lambdas.domain.discovery.sampled_call import SampledCall, sampled
from tests.discovery import duck
from tests.discovery.account_logs import FIRST_DAY, AccountLogs, Options, Truth

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lambdas.domain.discovery.found_task import FoundTask
    from tests.discovery.account_logs import Family

GENERATION = "g-1"
_DUCK = {"string": "VARCHAR", "bigint": "BIGINT", "array<bigint>": "BIGINT[]"}


class Account:
    """Logs with their truth, and what the stages make of them."""

    def __init__(
        self,
        folder: Path,
        options: Options,
        seed: int,
        *families: tuple[Family, ...],
        logs: type[AccountLogs] = AccountLogs,
    ) -> None:
        self.logs = logs(options, seed, *families)
        self.truth: Truth = self.logs.write(folder)
        self.last = FIRST_DAY + timedelta(days=options.days - 1)
        self.duck = duck.connection(2)
        duck.load(self.duck, folder)
        self.folder = folder
        self._day_tables()

    def _day_tables(self) -> None:
        columns = ", ".join(f"{name} {_DUCK[kind]}" for name, kind in COLUMNS.items())
        self.duck.execute(f"CREATE TABLE {duck.DATABASE}.calls ({columns}, source INTEGER, day VARCHAR)")
        for table in ("bodies", "rules"):
            keys = "source INTEGER, day VARCHAR" if table == "bodies" else "generation VARCHAR"
            self.duck.execute(f"CREATE TABLE {duck.DATABASE}.{table} (line VARCHAR, {keys})")

    @property
    def days(self) -> list[date]:
        return [FIRST_DAY + timedelta(days=n) for n in range((self.last - FIRST_DAY).days + 1)]

    def extract(self, *days: date) -> None:
        """Run stage 1 for these days, or for all; it replaces a day's rows."""
        for day in days or self.days:
            query = duck.select_of(stage_one(duck.DATABASE, 0, duck.REGION, day, duck.DESTINATION, "task"))
            self.duck.execute(f"DELETE FROM {duck.DATABASE}.calls WHERE day = '{day}'")
            self.duck.execute(
                f"INSERT INTO {duck.DATABASE}.calls BY NAME SELECT *, 0 AS source, '{day}' AS day "
                f"FROM ({duck.translated(query)})"
            )

    def calls(self) -> list[dict[str, Any]]:
        return duck.rows(self.duck, f"SELECT * FROM {duck.DATABASE}.calls")

    def read_offloaded(self, entries: dict[str, Any], bodies: dict[str, Any]) -> None:
        """Make the rows of the offloaded calls with the twin."""
        for entry in entries.values():
            call = call_of(entry, bodies.get, duck.SALT, "task")
            self.duck.execute(
                f"INSERT INTO {duck.DATABASE}.bodies VALUES (?, 0, ?)", [call.to_line(), (call.called_at or "")[:10]]
            )

    def sampled(self, calls: int) -> list[dict[str, str]]:
        query = sample(duck.DATABASE, [0], FIRST_DAY, self.last, calls, GENERATION)
        return [_as_csv(row) for row in duck.rows(self.duck, query)]

    def group(self, calls: int) -> Rules:
        rules = rules_of(self.sampled(calls))
        self.keep_rules(rules.to_lines())
        return rules

    def keep_rules(self, lines: Iterable[str]) -> None:
        self.duck.execute(f"DELETE FROM {duck.DATABASE}.rules")
        self.duck.executemany(
            f"INSERT INTO {duck.DATABASE}.rules VALUES (?, ?)", [[line, GENERATION] for line in lines]
        )

    def owners(self) -> dict[str, str]:
        """Give the true task that most calls of each found task are of."""
        lines = self.duck.execute(f"SELECT line FROM {duck.DATABASE}.rules").fetchall()
        rules = Rules.from_lines(line for (line,) in lines)
        counts: dict[str, Counter[str]] = {}
        for request_id, call in known_calls(self.calls(), named=True).items():
            counts.setdefault(rules.task_of(call), Counter())[self.truth.tasks[request_id]] += 1
        return {task: of_task.most_common(1)[0][0] for task, of_task in counts.items()}

    def measure(self) -> list[FoundTask]:
        query = figures(duck.DATABASE, [0], FIRST_DAY, self.last, GENERATION)
        rows = duck.rows(self.duck, query)
        return found_tasks(map(_as_csv, rows))


def _as_csv(row: dict[str, Any]) -> dict[str, str]:
    """Give a row as Athena's CSV has it."""
    return {name: "" if value is None else str(value) for name, value in row.items()}


def known_calls(rows: list[dict[str, Any]], *, named: bool) -> dict[str, SampledCall]:
    """Give what grouping knows of each call, with or without what the metadata names."""
    found = {}
    for row in rows:
        if row["features"] is None or row["request_id"] is None:
            continue
        text = _as_csv(row) | {"features": " ".join(map(str, row["features"]))}
        if not named:
            text["named_task"] = ""
        found[row["request_id"]] = sampled(text)
    return found


def offloaded_of(logs: AccountLogs) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make the log again, and give its offloaded entries and their bodies by path."""
    entries, bodies = {}, {}
    for found in AccountLogs(logs.options, logs.seed, logs.families).lines():
        if found.body:
            entries[found.request_id] = json.loads(found.line)
            bodies[found.body[0]] = json.loads(found.body[1])
    return entries, bodies
