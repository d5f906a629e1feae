"""Athena in the embedded AWS: tables of a template, projection, UNLOAD, what is scanned, and waiting for a query."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.embedded_aws.conftest import eventually

if TYPE_CHECKING:
    from local.embedded_aws.lifecycle import EmbeddedAws
    from tests.embedded_aws.conftest import Bench

PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
TEXT = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
LINES = {
    "projection.enabled": "true",
    "projection.region.type": "enum",
    "projection.region.values": "us-east-1",
    "projection.hour.type": "date",
    "projection.hour.format": "yyyy/MM/dd/HH",
    "projection.hour.range": "2026/09/01/00,NOW",
    "storage.location.template": "s3://athena-logs/p/${region}/${hour}",
}
CALLS = {
    "projection.enabled": "true",
    "projection.source.type": "integer",
    "projection.source.range": "0,9",
    "projection.day.type": "date",
    "projection.day.format": "yyyy-MM-dd",
    "projection.day.range": "2026-09-01,NOW",
    "storage.location.template": "s3://athena-runs/calls/source=${source}/day=${day}",
}
RULES = {
    "projection.enabled": "true",
    "projection.generation.type": "injected",
    "storage.location.template": "s3://athena-runs/rules/${generation}",
}


def table(
    name: str, location: str, library: str, columns: dict[str, str], keys: dict[str, str], **parameters: str
) -> Any:
    def listed(fields: dict[str, str]) -> list[dict[str, str]]:
        return [{"Name": field, "Type": kind} for field, kind in fields.items()]

    storage = {"Columns": listed(columns), "Location": location, "SerdeInfo": {"SerializationLibrary": library}}
    made = {"Name": name, "Parameters": parameters, "PartitionKeys": listed(keys), "StorageDescriptor": storage}
    properties = {"CatalogId": "111122223333", "DatabaseName": {"Ref": "Database"}, "TableInput": made}
    return {"Type": "AWS::Glue::Table", "Properties": properties}


class Athena:
    """A stack with a database, three tables and a workgroup of 2,000 scanned bytes at most."""

    def __init__(self, aws: EmbeddedAws) -> None:
        self.aws, self.s3, self.athena = aws, aws.client("s3"), aws.client("athena")
        for bucket in ("athena-logs", "athena-runs"):
            self.s3.create_bucket(Bucket=bucket)
        template = {
            "Resources": {
                "Database": {
                    "Type": "AWS::Glue::Database",
                    "Properties": {"CatalogId": "111122223333", "DatabaseInput": {"Name": "found"}},
                },
                "Lines": table(
                    "lines_0",
                    "s3://athena-logs/p/",
                    TEXT,
                    {"line": "string"},
                    {"region": "string", "hour": "string"},
                    **LINES,
                ),
                "Salt": table("salt", "s3://athena-runs/salt/", TEXT, {"salt": "string"}, {}),
                "Calls": table(
                    "calls",
                    "s3://athena-runs/calls/",
                    PARQUET,
                    {"n": "bigint", "words": "array<string>", "path": "string"},
                    {"source": "int", "day": "string"},
                    **CALLS,
                ),
                "Rules": table(
                    "rules",
                    "s3://athena-runs/rules/",
                    TEXT,
                    {"line": "string"},
                    {"generation": "string"},
                    **RULES,
                ),
                "Workgroup": {
                    "Type": "AWS::Athena::WorkGroup",
                    "Properties": {
                        "Name": "found",
                        "WorkGroupConfiguration": {
                            "BytesScannedCutoffPerQuery": 2000,
                            "EnforceWorkGroupConfiguration": True,
                            "ResultConfiguration": {"OutputLocation": "s3://athena-runs/results"},
                        },
                    },
                },
            }
        }
        formation = aws.client("cloudformation")
        formation.create_stack(StackName="athena", TemplateBody=json.dumps(template))
        formation.get_waiter("stack_create_complete").wait(StackName="athena", WaiterConfig={"Delay": 1})
        self.put("athena-logs", "p/us-east-1/2026/09/01/07/a.json.gz", gzip.compress(b'{"a":1}\n{"a":\n\n{"a":2}\n'))
        self.put("athena-logs", "p/us-east-1/2026/09/02/07/b.json.gz", gzip.compress(b'{"a":3}\n\xff\xfe{"a"\n'))
        self.put("athena-logs", "p/us-east-1/2026/08/31/23/c.json.gz", gzip.compress(b'{"a":4}\n'))
        self.put("athena-logs", "p/eu-west-1/2026/09/01/07/d.json.gz", gzip.compress(b'{"a":5}\n'))
        self.put("athena-logs", "p/us-east-1/2026/09/03/07/e.json", b'{"a":"' + b"x" * 3000 + b'"}')
        self.put("athena-runs", "salt/salt", b"secret\n")

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=content)

    def run(self, query: str) -> dict[str, Any]:
        started = self.athena.start_query_execution(QueryString=query, WorkGroup="found")["QueryExecutionId"]

        def ended() -> Any:
            found = self.athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]
            return found if found["Status"]["State"] not in ("QUEUED", "RUNNING") else None

        found: dict[str, Any] = eventually(ended)
        return found

    def rows(self, query: str) -> list[list[str]]:
        """Run it and read the file that Athena writes."""
        found = self.run(query)
        assert found["Status"]["State"] == "SUCCEEDED", found["Status"]
        address = found["ResultConfiguration"]["OutputLocation"].removeprefix("s3://athena-runs/")
        text = self.s3.get_object(Bucket="athena-runs", Key=address)["Body"].read().decode()
        return list(csv.reader(io.StringIO(text)))


@pytest.fixture(scope="module")
def athena(aws: EmbeddedAws) -> Athena:
    return Athena(aws)


DAY = "region = 'us-east-1' AND hour BETWEEN '2026/09/01/00' AND '2026/09/01/23'"


def test_damaged_lines_are_rows_and_the_path_is_the_objects(athena: Athena) -> None:
    found = athena.rows(
        f"""SELECT json_extract_scalar(TRY(json_parse(line)), '$.a') AS a, "$path" AS p FROM found.lines_0
            WHERE {DAY} AND (line IS NULL OR trim(line) <> '') ORDER BY 1"""
    )
    address = "s3://athena-logs/p/us-east-1/2026/09/01/07/a.json.gz"
    assert found == [["a", "p"], ["1", address], ["2", address], ["", address]]


def test_bytes_that_are_no_text_stop_no_query(athena: Athena) -> None:
    condition = "region = 'us-east-1' AND hour >= '2026/09/02/00' AND hour < '2026/09/03/00'"
    assert athena.rows(f"SELECT count(*) AS n FROM found.lines_0 WHERE {condition}")[1] == ["2"]


def test_only_objects_of_the_projection_and_of_the_conditions_are_read_and_counted(athena: Athena) -> None:
    # Given
    stored = athena.s3.head_object(Bucket="athena-logs", Key="p/us-east-1/2026/09/01/07/a.json.gz")["ContentLength"]
    # When
    found = athena.run(f"SELECT count(*) AS n FROM found.lines_0 l WHERE l.line <> '' AND {DAY}")
    outside = athena.run("SELECT count(*) AS n FROM found.lines_0 WHERE region = 'eu-west-1'")
    # Then
    assert found["Statistics"]["DataScannedInBytes"] == stored
    assert outside["Statistics"]["DataScannedInBytes"] == 0


def test_a_query_over_the_workgroups_limit_is_cancelled(athena: Athena) -> None:
    found = athena.run("SELECT count(*) AS n FROM found.lines_0")
    assert (found["Status"]["State"], found["Status"]["StateChangeReason"]) == (
        "CANCELLED",
        "Query cancelled! : Bytes scanned limit was exceeded",
    )


UNLOAD = """UNLOAD (SELECT CAST(1 AS bigint) AS n, ARRAY['a', 'b'] AS words, "$path" AS path FROM found.lines_0
    WHERE region = 'us-east-1' AND hour = '2026/09/01/07' AND json_extract_scalar(TRY(json_parse(line)), '$.a') = '1')
    TO 's3://athena-runs/calls/source=3/day=2026-09-01/' WITH (format = 'PARQUET', compression = 'ZSTD')"""


def test_an_unload_is_read_back_and_refuses_a_prefix_that_has_objects(athena: Athena) -> None:
    # When
    first, second = athena.run(UNLOAD), athena.run(UNLOAD)
    # Then
    assert (first["Status"]["State"], second["Status"]["State"]) == ("SUCCEEDED", "FAILED")
    assert "HIVE_PATH_ALREADY_EXISTS" in second["Status"]["StateChangeReason"]
    assert athena.rows("SELECT n, words, source, day FROM found.calls c WHERE c.source IN (2, 3)")[1:] == [
        ["1", "[a, b]", "3", "2026-09-01"]
    ]
    assert athena.rows("SELECT count(*) AS n FROM found.calls WHERE source = 4 AND day = '2026-09-01'")[1:] == [["0"]]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE found.t WITH (format = 'PARQUET') AS SELECT 1 AS n",
        "INSERT INTO found.calls SELECT 1",
        "SELECT * FROM found.nothing",
        "SELECT FROM WHERE",
    ],
)
def test_what_athena_would_not_do_here_fails(athena: Athena, statement: str) -> None:
    assert athena.run(statement)["Status"]["State"] == "FAILED"


def test_an_injected_key_must_be_named(athena: Athena) -> None:
    # Given
    athena.put("athena-runs", "rules/g-1/a.json", b"{}\n")
    athena.put("athena-runs", "rules/g-2/a.json", b"{}\n{}\n")
    # When
    named = athena.rows("SELECT count(*) AS n FROM found.rules WHERE generation = 'g-2'")
    unnamed = athena.run("SELECT count(*) AS n FROM found.rules")
    # Then
    assert named[1:] == [["2"]]
    assert "static equality" in unnamed["Status"]["StateChangeReason"]


def task(query: str) -> dict[str, Any]:
    arguments = {"QueryString": query, "WorkGroup": "found"}
    resource = "arn:aws:states:::athena:startQueryExecution.sync"
    return {"Ask": {"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True}}


@pytest.mark.usefixtures("athena")
def test_a_state_waits_for_its_query_and_fails_with_it(bench: Bench) -> None:
    # When
    done = bench.run(task("SELECT salt FROM found.salt"))
    failed = bench.run(task("SELECT * FROM found.nothing"))
    # Then
    assert done["output"]["QueryExecution"]["Status"]["State"] == "SUCCEEDED"
    assert (failed["status"], failed["error"]) == ("FAILED", "States.TaskFailed")
    assert "TABLE_NOT_FOUND" in json.loads(failed["cause"])["QueryExecution"]["Status"]["StateChangeReason"]
