"""What an environment has stored, as one document that can be kept in a file and put into another world.

Bedrock is not stored: what was asked of it is, and is asked again.
"""

from __future__ import annotations

import base64
import json
import lzma
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from local.bedrock_simulator.protocol.service import Request, Response
from tests.faults.machine import Execution
from tests.faults.world import World
from tests.stored.stories import Ids

Document = dict[str, Any]

FIXTURE = Path(__file__).parent / "at_70254ec.json.xz"
TABLES = ("registry", "approvals")
BUCKETS = ("uploads", "distillation-runs", "team-invocation-logs")
BEDROCKS_OWN = ("/output/", "/distillation/")
MOST_ITEMS = 25
"""That one BatchWriteItem takes."""

CHANGES = ("Create", "Update", "Delete", "Stop")
"""Beginnings of the names of Bedrock's operations that change something."""


@contextmanager
def listening(world: World, ids: Ids) -> Iterator[list[Document]]:
    """Write down what changes the simulated Bedrock: requests with their time and the number of the next id."""
    asked: list[Document] = []
    simulator: Any = world.aws.simulator
    answer: Callable[[Request], Response] = simulator.handle

    def listen(request: Request) -> Response:
        operations = [service.operation_of(request) for service in simulator.services]
        changes = any(operation and operation.startswith(CHANGES) for operation in operations)
        ordered = request.path.startswith("/_simulator") and request.method != "GET"
        entry = {
            "at": world.clock.now().isoformat(),
            "id": ids.made,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "body": request.body.decode(),
        }
        response = answer(request)
        if ordered or (changes and response.status < 300):
            asked.append(entry)
        return response

    with mock.patch.object(simulator, "handle", listen):
        yield asked


def taken(world: World, ids: Ids, asked: list[Document]) -> Document:
    """Take everything that is stored."""
    return {
        "now": world.clock.now().isoformat(),
        "ids": ids.made,
        "tables": {name: _items(world, name) for name in TABLES},
        "buckets": {name: list(_objects(world, name)) for name in BUCKETS},
        "parameters": _parameters(world),
        "executions": [_execution(one) for one in world.executions.values()],
        "asked": asked,
        "metrics": _metrics(world),
    }


def write(document: Document, path: Path) -> None:
    """Keep a snapshot in a file; equal snapshots make equal files."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    path.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))


@cache
def _text(path: Path) -> str:
    return lzma.decompress(path.read_bytes()).decode()


def stored(path: Path = FIXTURE) -> Document:
    """Read a snapshot; whoever reads it may change it."""
    document: Document = json.loads(_text(path))
    return document


def put_back(world: World, ids: Ids, document: Document) -> None:
    """Put a snapshot into a world in which nothing has happened."""
    _put_objects(world, ids, document, "")
    for entry in document["asked"]:
        _wait_until(world, entry["at"])
        ids.made = entry["id"]
        answer = world.aws.simulator.handle(
            Request(entry["method"], entry["path"], entry["query"], {}, entry["body"].encode())
        )
        assert answer.status < 300, (entry, answer)
    _wait_until(world, document["now"])
    ids.made = document["ids"]
    for folder in BEDROCKS_OWN:  # once more: a job that was asked again has written its output anew
        _put_objects(world, ids, document, folder)
    dynamodb, ssm = world.aws.client("dynamodb"), world.aws.client("ssm")
    for table, items in document["tables"].items():
        for first in range(0, len(items), MOST_ITEMS):
            puts = [{"PutRequest": {"Item": item}} for item in items[first : first + MOST_ITEMS]]
            dynamodb.batch_write_item(RequestItems={table: puts})
    for name, value in document["parameters"].items():
        ssm.put_parameter(Name=name, Value=value, Type="String", Overwrite=True)
    for one in document["executions"]:
        execution = Execution(one["arn"], world.definition, one["given"], world)
        for field in ("state", "value", "status", "path", "variables"):
            setattr(execution, field, one[field])
        world.executions[one["arn"]] = execution


def _wait_until(world: World, moment: str) -> None:
    """Let Bedrock's jobs go on until then; each is looked at on its way, as the pipeline does."""
    seconds = (datetime.fromisoformat(moment) - world.clock.now()).total_seconds()
    while seconds > 0:
        step = min(seconds, 300.0)
        world.pass_time(step)
        seconds -= step
        world.control("resources")


def _put_objects(world: World, ids: Ids, document: Document, part: str) -> None:
    """Put the objects whose key has a part."""
    client = world.aws.client("s3")
    for bucket, objects in document["buckets"].items():
        if bucket == BUCKETS[2] and objects and not part:
            client.create_bucket(Bucket=bucket)
        for key, version, body in objects:
            if part not in key:
                continue
            ids.version = version
            client.put_object(Bucket=bucket, Key=key, Body=_body(body))
    ids.version = None


def _body(kept: str | Document) -> bytes:
    return kept.encode() if isinstance(kept, str) else base64.b64decode(kept["base64"])


def _kept(body: bytes) -> str | Document:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _items(world: World, table: str) -> list[Document]:
    pages = world.aws.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    items = [_plain(item) for page in pages for item in page["Items"]]
    return sorted(items, key=lambda item: json.dumps([item.get("pk"), item.get("sk"), item.get("run_id")]))


def _plain(item: Document) -> Document:
    return {name: _sorted_sets(value) for name, value in item.items()}


def _sorted_sets(value: Any) -> Any:
    return {kind: sorted(inner) if kind == "SS" else inner for kind, inner in value.items()}


def _objects(world: World, bucket: str) -> Iterator[list[Any]]:
    client = world.aws.client("s3")
    if bucket not in [one["Name"] for one in client.list_buckets()["Buckets"]]:
        return
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            answer = client.get_object(Bucket=bucket, Key=found["Key"])
            yield [found["Key"], answer.get("VersionId"), _kept(answer["Body"].read())]


def _parameters(world: World) -> dict[str, str]:
    client = world.aws.client("ssm")
    pages = client.get_paginator("get_parameters_by_path").paginate(Path="/distillation", Recursive=True)
    return {one["Name"]: one["Value"] for page in pages for one in page["Parameters"]}


def _execution(one: Execution) -> Document:
    fields = ("arn", "given", "state", "value", "status", "path", "variables")
    return {field: getattr(one, field) for field in fields}


def _metrics(world: World) -> list[Document]:
    """Give each metric once as it was first written: name, unit, dimensions."""
    found: dict[str, Document] = {}
    for line in world.log.getvalue().splitlines():
        if '"_aws"' not in line:
            continue
        entry = json.loads(line)
        for said in entry["_aws"]["CloudWatchMetrics"]:
            for metric in said["Metrics"]:
                dimensions = {name: entry[name] for group in said["Dimensions"] for name in group}
                known = {"namespace": said["Namespace"], **metric, "dimensions": dimensions}
                found[json.dumps(known, sort_keys=True)] = known
    return [found[key] for key in sorted(found)]
