"""The SQL of discovery on plain DuckDB: without the emulator, for tests and benches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb

from local.embedded_aws.athena_sql import MACROS, SETTINGS, parsed, to_duckdb
from local.embedded_aws.athena_tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

DATABASE = "logs"
REGION = "us-east-1"
SALT = "5a" * 32
DESTINATION = "s3://runs/discovery/calls/source=0/day=2026-09-01/"


def connection(threads: int = 1) -> duckdb.DuckDBPyConnection:
    """Open a database in memory that has the salt and the macros."""
    found = duckdb.connect(":memory:")
    for statement in (*SETTINGS, f"SET threads = {threads}", *MACROS, f"CREATE SCHEMA {DATABASE}"):
        found.execute(statement)
    found.execute(f"CREATE TABLE {DATABASE}.salt AS SELECT '{SALT}' AS salt")
    return found


def select_of(unload: str) -> str:
    """Give the query within an UNLOAD."""
    return unload[unload.index("(") + 1 : unload.rindex(") TO")]


def translated(query: str) -> str:
    """Write Athena's SQL for DuckDB."""
    return to_duckdb(parsed(query))


def rows(found: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    """Run Athena's SQL; rows by column."""
    result = found.execute(translated(query))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def add_lines(found: duckdb.DuckDBPyConnection, lines: Iterable[str | None], hour: str = "2026/09/01/07") -> None:
    """Make table ``lines_0`` of these lines."""
    found.execute(
        f'CREATE OR REPLACE TABLE {DATABASE}.lines_0 (line VARCHAR, region VARCHAR, hour VARCHAR, "$path" VARCHAR)'
    )
    path = f"s3://logs/AWSLogs/1/BedrockModelInvocationLogs/{REGION}/{hour}/a.json.gz"
    made = [[x, REGION, hour, path] for x in lines]
    if not made:
        return
    found.executemany(
        f"INSERT INTO {DATABASE}.lines_0 VALUES (?, ?, ?, ?)",
        made,
    )


def entry(body: object, answer: object = None, **more: object) -> dict[str, Any]:
    """Make an entry of the log around two bodies."""
    made: dict[str, Any] = {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-09-01T07:00:00Z",
        "identity": {"arn": "arn:aws:sts::111122223333:assumed-role/app/session"},
        "operation": "Converse",
        "modelId": "amazon.nova-pro-v1:0",
        "requestId": "r",
        "input": {"inputBodyJson": body, "inputTokenCount": 11},
        "output": {"outputBodyJson": answer, "outputTokenCount": 3},
    }
    return {**made, **more}


def line(value: Mapping[str, Any]) -> str:
    """Write an entry as the log has it."""
    return json.dumps(value, ensure_ascii=False)


def load(found: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Make table ``lines_0`` of the log objects below a folder, as the embedded Athena reads them."""
    objects = {f"s3://logs/{file.relative_to(folder).as_posix()}": file for file in sorted(folder.rglob("*.gz"))}
    table = Table(
        "lines_0",
        {"line": "string"},
        {"region": "string", "hour": "string"},
        parquet=False,
        parameters={},
        objects=dict.fromkeys(objects, 0),
    )
    files = {}
    for address, file in objects.items():
        parts = address.split("BedrockModelInvocationLogs/")[1].split("/")
        files[address] = (str(file), (parts[0], "/".join(parts[1:5])))
    found.execute(f"CREATE OR REPLACE VIEW {DATABASE}.lines_0 AS {table.relation(files)}")
