"""Seconds of discovery: the queries of all stages through the embedded AWS, and what they scan."""

from __future__ import annotations

import csv
import io
import json
import random
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lambdas.domain.discovery.calls import COLUMNS
from lambdas.domain.discovery.figures import found_tasks
from lambdas.domain.discovery.grouping import rules_of
from lambdas.domain.discovery.queries import figures, sample, stage_one
from local.embedded_aws.lifecycle import EmbeddedAws
from tests.discovery.account import Account
from tests.discovery.account_logs import ACCOUNT, FAMILIES, FIRST_DAY, REGION, AccountLogs, Options

if TYPE_CHECKING:
    from pathlib import Path

CALLS, MANY_CALLS = 200_000, 1_000_000
SAMPLE = 20_000
DATABASE, WORKGROUP, LOGS, RUNS, GENERATION = "discovery", "discovery", "discovery-logs", "discovery-runs", "g-1"
_TEXT = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
_DAYS = {
    "projection.source.type": "integer",
    "projection.source.range": "0,9",
    "projection.day.type": "date",
    "projection.day.format": "yyyy-MM-dd",
    "projection.day.range": "2026-09-01,NOW",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoveryTime:
    """Seconds of all queries and of the grouping; scanned bytes of stage one against the log objects' size."""

    seconds: float
    scanned_share: float
    tasks: int


def measure_discovery(workdir: Path, calls: int = CALLS) -> DiscoveryTime:
    """Write the log of a week into the embedded AWS and run every stage; making the log is not counted."""
    options = Options(calls=calls, one_role=True)
    folder = workdir / "logs"
    AccountLogs(options, random.SystemRandom().randrange(10**6), FAMILIES).write(folder)
    with EmbeddedAws.start(workdir / "aws", simulator_module="tests.embedded_aws.stand_in_simulator") as aws:
        account = _Athena(aws)
        size = account.upload(folder)
        days = [FIRST_DAY + timedelta(days=n) for n in range(options.days)]
        begun = time.monotonic()
        scanned = 0
        for day in days:
            destination = f"s3://{RUNS}/calls/source=0/day={day}/"
            ended = account.run(stage_one(DATABASE, 0, REGION, day, destination, "task"))
            scanned += ended["Statistics"]["DataScannedInBytes"]
        rows = account.rows(sample(DATABASE, [0], days[0], days[-1], SAMPLE, GENERATION))
        rules = "\n".join(rules_of(rows).to_lines()).encode()
        account.s3.put_object(Bucket=RUNS, Key=f"rules/{GENERATION}/rules.json", Body=rules)
        tasks = found_tasks(account.rows(figures(DATABASE, [0], days[0], days[-1], GENERATION)))
        seconds = time.monotonic() - begun
    return DiscoveryTime(seconds=seconds, scanned_share=scanned / size, tasks=len(tasks))


def measure_on_duckdb(workdir: Path, calls: int = MANY_CALLS) -> tuple[float, int]:
    """Run every stage on DuckDB alone, without the embedded AWS between; making the log is not counted.

    Returns
    -------
    tuple of float and int
        Seconds, and found tasks.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    account = Account(workdir, Options(calls=calls, one_role=True), random.SystemRandom().randrange(10**6), FAMILIES)
    begun = time.monotonic()
    account.extract()
    account.group(SAMPLE)
    tasks = account.measure()
    return time.monotonic() - begun, len(tasks)


class _Athena:
    """Tables as the discovery stack has them, and queries over them."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.s3, self._athena, glue = aws.client("s3"), aws.client("athena"), aws.client("glue")
        for bucket in (LOGS, RUNS):
            self.s3.create_bucket(Bucket=bucket)
        glue.create_database(DatabaseInput={"Name": DATABASE})
        base = f"s3://{LOGS}/AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs"
        projection = {
            "projection.region.type": "enum",
            "projection.region.values": REGION,
            "projection.hour.type": "date",
            "projection.hour.format": "yyyy/MM/dd/HH",
            "projection.hour.range": "2026/09/01/00,NOW",
            "storage.location.template": base + "/${region}/${hour}",
        }
        by_day = {"source": "int", "day": "string"}

        def add(name: str, location: str, columns: dict[str, str], keys: dict[str, str], **parameters: str) -> None:
            listed = [{"Name": field, "Type": kind} for field, kind in columns.items()]
            library = _PARQUET if name == "calls" else _TEXT
            storage = {"Columns": listed, "Location": location, "SerdeInfo": {"SerializationLibrary": library}}
            made: dict[str, Any] = {"Name": name, "StorageDescriptor": storage}
            made["PartitionKeys"] = [{"Name": field, "Type": kind} for field, kind in keys.items()]
            made["Parameters"] = {"projection.enabled": "true", **parameters} if keys else {}
            glue.create_table(DatabaseName=DATABASE, TableInput=made)

        add("lines_0", f"{base}/", {"line": "string"}, {"region": "string", "hour": "string"}, **projection)
        add("salt", f"s3://{RUNS}/salt/", {"salt": "string"}, {})
        for name, columns in (("calls", COLUMNS), ("bodies", {"line": "string"})):
            template = f"s3://{RUNS}/{name}/source=${{source}}/day=${{day}}"
            add(name, f"s3://{RUNS}/{name}/", columns, by_day, **_DAYS, **{"storage.location.template": template})
        injected = {"projection.generation.type": "injected"}
        template = f"s3://{RUNS}/rules/${{generation}}"
        rules = {**injected, "storage.location.template": template}
        add("rules", f"s3://{RUNS}/rules/", {"line": "string"}, {"generation": "string"}, **rules)
        self._athena.create_work_group(
            Name=WORKGROUP, Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{RUNS}/results/"}}
        )
        self.s3.put_object(Bucket=RUNS, Key="salt/salt", Body=b"5a" * 32 + b"\n")

    def upload(self, folder: Path) -> int:
        """Store the log objects; bytes of those that hold lines of the log."""
        size = 0
        for file in sorted(folder.rglob("*.gz")):
            key = file.relative_to(folder).as_posix()
            self.s3.upload_file(str(file), LOGS, key)
            size += file.stat().st_size
        return size

    def run(self, query: str) -> dict[str, Any]:
        """Wait for a query."""
        started = self._athena.start_query_execution(QueryString=query, WorkGroup=WORKGROUP)["QueryExecutionId"]
        while True:
            found: dict[str, Any] = self._athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]
            if found["Status"]["State"] == "SUCCEEDED":
                return found
            if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
                raise RuntimeError(json.dumps(found["Status"], default=str))
            time.sleep(0.1)

    def rows(self, query: str) -> list[dict[str, str]]:
        """Run a query and read the file that Athena writes."""
        address = self.run(query)["ResultConfiguration"]["OutputLocation"].removeprefix(f"s3://{RUNS}/")
        text = self.s3.get_object(Bucket=RUNS, Key=address)["Body"].read().decode()
        csv.field_size_limit(2**24)
        return list(csv.DictReader(io.StringIO(text)))
