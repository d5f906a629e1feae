"""The walk through discovery's Lambdas, and what Athena does in the machine's name for each of its queries."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlglot

from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.queries import figures
from local.embedded_aws.athena_sql import parsed
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.faults.world import NAMES, World, deployed
from tests.least_privilege.grants import Grants
from tests.least_privilege.needs import Need, Needs, key_needs
from tests.stacks.templates import DISCOVERY, Deployment, Json, all_states, shared_deployment, text_of
from tests.unit.domain.logs.log_samples import converse, log_object

OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0a1b2c3d"
SOURCES: list[Json] = [
    {"bucket": "team-logs", "prefix": "app"},
    {"bucket": "other-logs", "key": OTHER_KEY},
]
DAY = "2026-11-23"
"""The last complete day of the world's clock."""

RUNS = NAMES["RUNS_BUCKET"]
QUERY = "athena:startQueryExecution.sync"
WORKGROUP = f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/distillation-dev-discovery"
CATALOG = f"arn:aws:athena:{REGION}:{ACCOUNT}:datacatalog/AwsDataCatalog"


def discovery_deployment() -> Deployment:
    """Synthesize an environment with two log sources, one of which has a key of its own."""
    settings = {"log_sources": SOURCES, "discovery": {"days": 1}}
    return shared_deployment("dev", settings, (DISCOVERY,))


@dataclass
class Walked:
    """What was needed, and the queries that Lambdas gave the machine."""

    needs: Needs = field(default_factory=Needs)
    queries: list[str] = field(default_factory=list)


def walk(deployment: Deployment) -> Walked:
    """Go through every Lambda of the machine as two executions of it do."""
    walked = Walked()
    with deployed(deployment) as world:
        _furnish(world)
        walked.needs.listen(world)
        for generation in ("first", "second"):  # the salt is made in the one and found in the other
            plan = world.call("plan_discovery", {"request": {}, "generation": generation})
        for source in range(len(SOURCES)):
            day = world.call("prepare_day", {"source": source, "day": DAY})
            result = {"source": source, "day": DAY, "query": f"bodies-{source}"}
            assert world.call("read_offloaded_bodies", result)["read"] == 1
            walked.queries += [day["query"], day["offloaded_query"]]
        world.call("group_calls", {"query": "sample", "generation": "second"})
        ranked = world.call("rank_opportunities", {"query": "figures", "generation": "second", "failed": []})
        assert ranked == {"tasks": 1}
        walked.queries += [plan["sample_query"], plan["figures_query"]]
    for role, needs in walked.needs.of.items():
        walked.needs.of[role] = {*needs, *(found for need in needs for found in _other_key(need))}
    return walked


def _root(source: Json) -> str:
    before = f"{source['prefix']}/" if "prefix" in source else ""
    return f"{before}AWSLogs/{ACCOUNT}/BedrockModelInvocationLogs/{REGION}/"


def _furnish(world: World) -> None:
    """Put calls into both logs, one of each with its body beside it; leftovers of an earlier reading; results."""
    s3 = world.aws.client("s3")
    for number, source in enumerate(SOURCES):
        bucket, root = source["bucket"], f"{_root(source)}{DAY.replace('-', '/')}/10"
        s3.create_bucket(Bucket=bucket)
        long, key = converse("a long one", requestId="long"), f"{root}/data/long_input.json"
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(long["input"].pop("inputBodyJson")).encode())
        long["input"]["inputBodyS3Path"] = f"s3://{bucket}/{key}"
        s3.put_object(Bucket=bucket, Key=f"{root}/a.json.gz", Body=log_object(converse(), long))
        for left in (
            f"{discovery_files.calls_prefix(number, DAY)}a.parquet",
            f"{discovery_files.bodies_prefix(number, DAY)}bodies.json",
            discovery_files.marker(number, DAY),
        ):
            s3.put_object(Bucket=RUNS, Key=left, Body=b"{}")
        wanted = {"object": f"s3://{bucket}/{root}/a.json.gz", "request_id": "long"}
        _result(s3, f"bodies-{number}", wanted)
    made = world.aws.client("bedrock").create_inference_profile(
        inferenceProfileName="of-a-caller",
        modelSource={"copyFrom": f"arn:aws:bedrock:{REGION}::foundation-model/amazon.nova-pro-v1:0"},
    )
    columns = ("principal", "tools_digest", "called_at", "named_task", "features")
    _result(s3, "sample", {**dict.fromkeys(columns, ""), "called_at": f"{DAY}T10:00:00Z", "features": "1 2 3"})
    _result(s3, "figures", _figures(made["inferenceProfileArn"]))


def _figures(profile: str) -> dict[str, str]:
    """Give a row of the last query; its calls named a profile, of which Bedrock is asked."""
    day = date.fromisoformat(DAY)
    query: Any = parsed(figures("found", [0], day, day, "second"))
    columns = query.named_selects
    told = {"task": "one", "named_by": "metadata", "first_day": DAY, "last_day": DAY, "calls": "10"}
    return {**dict.fromkeys(columns, ""), **told, "models": f"{profile}\t10\t1000\t0\t0\t100"}


def _result(s3: Any, query: str, row: dict[str, str]) -> None:
    written = io.StringIO()
    writer = csv.DictWriter(written, list(row))
    writer.writeheader()
    writer.writerow(row)
    s3.put_object(Bucket=RUNS, Key=discovery_files.result(query), Body=written.getvalue().encode())


def _other_key(need: Need) -> Iterator[Need]:
    """Give what S3 needs of a log source's own key."""
    if need.action == "s3:GetObject" and need.resource.startswith("arn:aws:s3:::other-logs/"):
        yield Need("kms:Decrypt", OTHER_KEY, (("kms:ViaService", f"s3.{REGION}.amazonaws.com"),))


def of_queries(deployment: Deployment, grants: Grants, queries: list[str]) -> Iterator[Need]:
    """Give what the machine's role needs for its queries: Athena acts with the rights of whoever asks.

    Step Functions developer guide, "Call Athena with Step Functions" (what .sync polls and stops); Athena user guide,
    "Fine-grained access to databases and tables" (catalog, database and table, each), "UNLOAD" and "Access to Amazon
    S3" (where results and unloaded files go, in parts where they are large).
    """
    states = [state for _, state in all_states(deployment.definition()) if state["Type"] == "Task"]
    assert {text_of(one["Arguments"]["WorkGroup"]) for one in states if one["Resource"].endswith(QUERY)} == {
        WORKGROUP.rpartition("/")[2]
    }
    for action in ("Start", "Stop", "Get"):
        yield Need(f"athena:{action}QueryExecution", WORKGROUP)
    tables = {
        table["TableInput"]["Name"]: table["TableInput"] for table in deployment.of_type("AWS::Glue::Table").values()
    }

    def location(table: str) -> str:
        found = str(grants.resolved(tables[table]["StorageDescriptor"]["Location"]))
        return found.replace("arn:aws:s3:::", "")  # the bucket is known by its ARN here

    for query in queries:
        yield from of_query(query, location)


def of_query(query: str, location_of: Callable[[str], str]) -> Iterator[Need]:
    """Give what Athena does for one query in the name of whoever asks."""
    yield Need("athena:GetDataCatalog", CATALOG)
    yield from _written(f"s3://{RUNS}/discovery/results/one.csv")
    unloaded = re.search(r"TO '(s3://[^']+)'", query)
    if unloaded:
        yield from _written(f"{unloaded[1]}part-1")
        yield _listed(RUNS, unloaded[1].removeprefix(f"s3://{RUNS}/"))
    for database, name in _tables_of(query):
        yield from _described(database, name, partitioned=name != "salt")
        yield from _read(location_of(name))


def _tables_of(query: str) -> set[tuple[str, str]]:
    """Name the tables of a query with their database."""
    inner = re.search(r"UNLOAD\s*\((.*)\)\s*TO\s", query, re.DOTALL)
    tree = parsed(inner[1] if inner else query)
    return {(table.db, table.name) for table in tree.find_all(sqlglot.exp.Table) if table.db}


def _described(database: str, table: str, *, partitioned: bool) -> Iterator[Need]:
    glue = f"arn:aws:glue:{REGION}:{ACCOUNT}"
    named = [f"{glue}:catalog", f"{glue}:database/{database}", f"{glue}:table/{database}/{table}"]
    for resource in named[:2]:
        yield Need("glue:GetDatabase", resource)
    for resource in named:
        yield Need("glue:GetTable", resource)
        if partitioned:
            yield Need("glue:GetPartitions", resource)


def _read(location: str) -> Iterator[Need]:
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    yield Need("s3:GetBucketLocation", f"arn:aws:s3:::{bucket}")
    yield _listed(bucket, f"{prefix}one")
    need = Need("s3:GetObject", f"arn:aws:s3:::{bucket}/{prefix}one")
    yield need
    yield from _other_key(need) if bucket != RUNS else key_needs("s3", "Decrypt")


def _written(address: str) -> Iterator[Need]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    for action in ("GetBucketLocation", "ListBucketMultipartUploads"):
        yield Need(f"s3:{action}", f"arn:aws:s3:::{bucket}")
    for action in ("PutObject", "AbortMultipartUpload", "ListMultipartUploadParts"):
        yield Need(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}")
    yield from key_needs("s3")


def _listed(bucket: str, prefix: str) -> Need:
    return Need("s3:ListBucket", f"arn:aws:s3:::{bucket}", (("s3:prefix", prefix),))
