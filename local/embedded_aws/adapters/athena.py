"""Athena: tables as Glue has them, the dialect, UNLOAD, and what a query scans.

The emulator runs queries on DuckDB as they are written. Athena's SQL differs in functions and in JSON
(:mod:`local.embedded_aws.athena_sql`), and tables with partition projection, ``"$path"``, UNLOAD and the limit of
scanned bytes are unknown to the emulator. It lets a CTAS succeed without its properties: here it is refused.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

from ministack.services import athena, glue, s3
from ministack.services import stepfunctions as states

from local.embedded_aws.athena_run import BytesScannedLimit, Query, Written
from local.embedded_aws.athena_tables import Table

_LOG = logging.getLogger("athena")
_SYNC = "arn:aws:states:::athena:startQueryExecution"
_POLL_SECONDS = 0.1
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


def queries_run_as_athena_runs_them() -> None:
    """Run SELECT and UNLOAD in Athena's dialect over Glue's tables, and count the bytes of the objects that are read.

    The emulator takes DuckDB's dialect; reads every object of a location, whatever the projection; knows neither
    ``"$path"`` nor UNLOAD; counts the characters of the result as scanned; ignores ``BytesScannedCutoffPerQuery``; and
    writes the result beside ``OutputLocation``, where Athena writes it there.
    """
    stock = athena._execute_query

    async def execute_query(query_id: str, query: str, database: str, ddl: Any, catalog: str | None = None) -> None:
        if ddl is not None:
            await stock(query_id, query, database, ddl, catalog)
            return
        execution = athena._executions[query_id]
        execution["Status"]["State"] = "RUNNING"
        begin = time.monotonic()
        statistics = execution["Statistics"]
        try:
            run = Query(query, lambda name, other: _table(other or database, name), _object)
            _check_empty(run.destination)
            run.check_limit(_cutoff(execution["WorkGroup"]))
            found = await asyncio.to_thread(run.run)
            for written in found.files:
                _put(written)
            _put(Written(_result_location(execution, query_id), found.csv()))
            execution["_results"] = {"columns": found.columns, "rows": found.rows}
            execution["_column_types"] = found.types(athena._DUCKDB_TYPE_MAP)
            statistics["DataScannedInBytes"] = run.scanned_bytes
            execution["Status"]["State"] = "SUCCEEDED"
        except BytesScannedLimit as limit:
            statistics["DataScannedInBytes"] = limit.bytes
            execution["Status"] |= {"State": "CANCELLED", "StateChangeReason": str(limit)}
        except Exception as problem:  # noqa: BLE001 - whatever stops a query is its reason
            _LOG.exception("Athena query %s failed", query_id)
            execution["Status"] |= {"State": "FAILED", "StateChangeReason": str(problem)[:2000]}
        statistics["EngineExecutionTimeInMillis"] = int((time.monotonic() - begin) * 1000)
        statistics["TotalExecutionTimeInMillis"] = statistics["EngineExecutionTimeInMillis"]
        execution["Status"]["CompletionDateTime"] = int(time.time())

    athena._execute_query = execute_query


def state_machines_wait_for_queries() -> None:
    """Run ``athena:startQueryExecution.sync``, which the emulator does not know: start, wait, and give the execution.

    A query that fails or is cancelled fails its state with ``States.TaskFailed``; its cause is the execution.
    """

    def start(resource: str, arguments: dict[str, Any]) -> Any:
        begun = states._invoke_aws_sdk_integration("arn:aws:states:::aws-sdk:athena:startQueryExecution", arguments)
        if not resource.endswith(".sync"):
            return begun
        while True:
            found = states._invoke_aws_sdk_integration(
                "arn:aws:states:::aws-sdk:athena:getQueryExecution", {"QueryExecutionId": begun["QueryExecutionId"]}
            )
            state = found["QueryExecution"]["Status"]["State"]
            if state == "SUCCEEDED":
                return found
            if state in _ENDED:
                raise states._ExecutionError("States.TaskFailed", json.dumps(found, default=str))
            time.sleep(_POLL_SECONDS)

    states._SERVICE_DISPATCH[_SYNC] = start


def _table(database: str, name: str) -> Table | None:
    """Give a table of the Glue catalog with the objects under its location."""
    found = glue._tables.get(f"{database}/{name}")
    if found is None:
        return None
    location = str(found["StorageDescriptor"]["Location"])
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    stored = (s3._buckets.get(bucket) or {"objects": {}})["objects"]
    objects = {
        f"s3://{bucket}/{key}": _size(stored[key])
        for key in sorted(stored)
        if key.startswith(prefix) and not key.endswith("/") and not athena._hidden(key[len(prefix) :])
    }
    return Table.from_glue(found, objects)


def _check_empty(destination: str | None) -> None:
    """Refuse an UNLOAD into a prefix that has objects, as Athena does."""
    if destination is None:
        return
    bucket, _, prefix = destination.removeprefix("s3://").partition("/")
    folder = f"{prefix.rstrip('/')}/"
    if any(key.startswith(folder) for key in (s3._buckets.get(bucket) or {"objects": {}})["objects"]):
        raise ValueError(f"HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {destination}")


def _size(stored: dict[str, Any]) -> int:
    return int(stored["size"])


def _object(address: str) -> bytes:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    found = s3._get_object_data(bucket, key)
    if found is None:
        raise ValueError(f"HIVE_CANNOT_OPEN_SPLIT: {address} was deleted while the query ran")
    return bytes(found)


def _put(written: Written) -> None:
    bucket, _, key = written.address.removeprefix("s3://").partition("/")
    answer = s3._put_object(bucket, key, written.content, {"content-length": str(len(written.content))})
    if answer[0] >= 300:  # noqa: PLR2004 - HTTP
        raise ValueError(f"Access denied when writing output to url: {written.address}: {answer[2]!r}")


def _result_location(execution: dict[str, Any], query_id: str) -> str:
    """Give where the result goes; a workgroup's location may come without its last slash."""
    name = f"{query_id}.csv"
    folder = str(execution["ResultConfiguration"]["OutputLocation"]).removesuffix(name).rstrip("/")
    execution["ResultConfiguration"]["OutputLocation"] = f"{folder}/{name}"
    return f"{folder}/{name}"


def _cutoff(workgroup: str) -> int | None:
    found = athena._workgroups.get(workgroup, {}).get("Configuration", {}).get("BytesScannedCutoffPerQuery")
    return None if found is None else int(found)
