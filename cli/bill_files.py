"""Where AWS's export of the bill lies, and how its files are read: as they come, and never in part without a word."""

from __future__ import annotations

import csv
import gzip
import io
import json
import urllib.request
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from cli.errors import CHECK_FAILED, CliError
from lambdas.domain.bill.cost_lines import BillLine, NoCostExportError, read_cost_lines

if TYPE_CHECKING:
    from cli.deployment import Deployment

Rows = Iterator[dict[str, str]]

_UNREADABLE = (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError, csv.Error)
"""What a file that was cut off, or is something else than its name says, raises while it is read."""


def read_bill(deployment: Deployment, files: tuple[Path, ...], month: str, account: str = "") -> list[BillLine]:
    """Read a month's lines of an account: of the files that were given, of the setting's export, or of the simulator's.

    Raises
    ------
    CliError
        When there is no export, or none that can be read, with what is wrong and where.
    """
    found: list[BillLine] = []
    for name, rows in _exports(deployment, files, month):
        try:
            found += read_cost_lines(rows, month, name, account)
        except (NoCostExportError, *_UNREADABLE) as problem:
            raise CliError(f"{name} cannot be read as an export of the bill: {problem}.", CHECK_FAILED) from None
    if not found:  # an idle month has the services around Bedrock alone
        raise CliError(
            f"The export has no line about Bedrock in {month}, nor one of the services around it with an "
            "environment's tag.",
            CHECK_FAILED,
        )
    return found


def _exports(deployment: Deployment, files: tuple[Path, ...], month: str) -> Iterator[tuple[str, Rows]]:
    if files:
        for file in files:
            with file.open("rb") as content:
                yield str(file), _rows(str(file), content)
        return
    if deployment.settings.cost_export:
        yield from _from_s3(deployment, month)
        return
    if deployment.simulator:
        address = f"{deployment.simulator}/_simulator/cost-export?month={month}"
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - this machine's own simulator
            yield "the simulator's export", _rows("", io.BytesIO(json.load(answer)["csv"].encode()))
        return
    raise CliError(
        "There is no export of the bill: give one with --export FILE, or deploy with setting 'cost_export' "
        "(s3://bucket/prefix of a CUR 2.0 export as CSV).",
        CHECK_FAILED,
    )


def _from_s3(deployment: Deployment, month: str) -> Iterator[tuple[str, Rows]]:
    """Read the CSV files of the month's partition (``BILLING_PERIOD=YYYY-MM``, AWS Data Exports user guide).

    An export that keeps its versions writes each into a folder of its own: the newest is the bill.
    """
    place = urlsplit(deployment.settings.cost_export)
    s3, path = deployment.client("s3"), place.path.strip("/")
    versions: dict[str, list[tuple[datetime, str]]] = {}
    others = set()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=place.netloc, Prefix=f"{path}/" if path else ""):
        for item in page.get("Contents", []):
            key = item["Key"]
            if f"BILLING_PERIOD={month}/" not in key or "/metadata/" in f"/{key}":
                continue
            if key.endswith((".csv", ".csv.gz")):
                versions.setdefault(key.rpartition("/")[0], []).append((item["LastModified"], key))
            else:
                others.add(key.rpartition(".")[2])
    if not versions and others:
        raise CliError(
            f"{deployment.settings.cost_export} has {month} as {', '.join(sorted(others))}, and 'reconcile' reads CSV. "
            "Make the export with the format text/csv.",
            CHECK_FAILED,
        )
    newest = max(versions, key=lambda folder: max(versions[folder]), default="")
    for _, key in sorted(versions.get(newest, []), key=lambda one: one[1]):
        body = s3.get_object(Bucket=place.netloc, Key=key)["Body"]
        yield f"s3://{place.netloc}/{key}", _rows(key, body)


def _rows(name: str, content: BinaryIO) -> Rows:
    """Read rows as they are asked for: a bill has millions of lines that are not about the pipeline."""
    plain = gzip.GzipFile(fileobj=content) if name.endswith(".gz") else content
    yield from csv.DictReader(io.TextIOWrapper(plain, encoding="utf-8-sig", newline=""))
