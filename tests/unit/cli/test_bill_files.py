"""The files of a bill: the newest version of the right export, and no file that was cut off."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cli.bill_files import read_bill
from cli.errors import CliError
from lambdas.domain.bill.cost_lines import BillLine
from tests.unit.domain.bill.export_rows import MONTH, rows


def text_of(lines: list[dict[str, str]]) -> bytes:
    written = io.StringIO()
    writer = csv.DictWriter(written, lines[0])
    writer.writeheader()
    writer.writerows(lines)
    return written.getvalue().encode()


WHOLE = text_of(rows(3))


class Bucket:
    """An S3 with objects: bytes and day of change by key."""

    def __init__(self, objects: dict[str, tuple[bytes, int]]) -> None:
        self.objects = objects

    def get_paginator(self, _name: str) -> Any:
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803 - names of the API
        assert Bucket == "exports"
        changed = {key: datetime(2026, 12, day, tzinfo=UTC) for key, (_, day) in self.objects.items()}
        return [{"Contents": [{"Key": key, "LastModified": changed[key]} for key in changed if key.startswith(Prefix)]}]

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == "exports"
        return {"Body": io.BytesIO(self.objects[Key][0])}


def lines_in(objects: dict[str, tuple[bytes, int]], place: str = "s3://exports/cur") -> int:
    deployment: Any = SimpleNamespace(
        settings=SimpleNamespace(cost_export=place), client=lambda _: Bucket(objects), simulator=""
    )
    return len(read_bill(deployment, (), MONTH))


def lines_of(*paths: Path, account: str = "") -> int:
    return len(read_from(*paths, account=account))


def read_from(*paths: Path, account: str = "") -> list[BillLine]:
    nowhere: Any = SimpleNamespace(settings=SimpleNamespace(cost_export=""), simulator="")
    return read_bill(nowhere, paths, MONTH, account)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("torn.csv", WHOLE[:-200], "not as many fields"),
        ("more.csv", WHOLE.rstrip() + b",one more\n", "not as many fields"),
        ("torn.csv.gz", gzip.compress(WHOLE)[:-30], "torn.csv.gz cannot be read as an export of the bill"),
        ("plain.csv.gz", WHOLE, "Not a gzipped file"),
        ("latin.csv", WHOLE.replace(b"dev", b"d\xe9v", 1), "utf-8"),
        ("zipped.csv", gzip.compress(WHOLE), "cannot be read as an export of the bill"),
        ("empty.csv", b"", "no line about Bedrock in 2026-11"),
        ("head.csv", WHOLE.splitlines(keepends=True)[0], "no line about Bedrock in 2026-11"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_and_never_read_in_part(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CliError, match=said):
        lines_of(tmp_path / name)


def test_columns_that_nobody_knows_and_an_order_of_their_own_change_nothing(tmp_path: Path) -> None:
    more = [{"new_column": 'a "quoted", line\nand another', **dict(reversed(row.items()))} for row in rows(3)]
    (tmp_path / "more.csv").write_bytes("\ufeff".encode() + text_of(more))
    (tmp_path / "same.csv.gz").write_bytes(gzip.compress(WHOLE))
    assert lines_of(tmp_path / "more.csv") == lines_of(tmp_path / "same.csv.gz") == len(rows(3))


def test_the_export_beside_it_whose_name_begins_like_it_is_not_read() -> None:
    part = f"data/BILLING_PERIOD={MONTH}/part.csv"
    assert lines_in({f"cur/{part}": (WHOLE, 1), f"cur-old/{part}": (WHOLE, 1)}) == len(rows(3))
    assert lines_in({f"a/{part}": (WHOLE, 1)}, "s3://exports") == len(rows(3))


def test_of_an_export_that_keeps_its_versions_the_newest_is_the_bill() -> None:
    def version(name: str) -> str:
        return f"cur/data/BILLING_PERIOD={MONTH}/{name}"

    objects = {
        version("2026-11-30T01:00:00Z-a/part-1.csv"): (WHOLE, 1),
        version("2026-12-02T01:00:00Z-b/part-1.csv"): (text_of(rows(2)), 2),
        version("2026-12-02T01:00:00Z-b/part-2.csv.gz"): (gzip.compress(text_of(rows(1))), 2),
        f"cur/metadata/BILLING_PERIOD={MONTH}/manifest.json": (b"{}", 2),
    }
    assert lines_in(objects) == len(rows(2)) + len(rows(1))


def test_an_export_in_another_format_is_named() -> None:
    with pytest.raises(CliError, match="has 2026-11 as parquet, and 'reconcile' reads CSV"):
        lines_in({f"cur/data/BILLING_PERIOD={MONTH}/part.snappy.parquet": (b"PAR1", 1)})


def test_a_bill_with_the_services_around_bedrock_alone_is_an_idle_month(tmp_path: Path) -> None:
    key = {**rows(1)[0], "line_item_product_code": "awskms", "line_item_usage_type": "us-east-1-KMS-Keys"}
    (tmp_path / "idle.csv").write_bytes(text_of([key]))
    assert lines_of(tmp_path / "idle.csv") == 1
    (tmp_path / "of-nobody.csv").write_bytes(text_of([{**key, "resource_tags": "{}"}]))
    with pytest.raises(CliError, match="no line about Bedrock in 2026-11, nor one of the services around it"):
        lines_of(tmp_path / "of-nobody.csv")


def test_each_line_knows_its_file_and_other_accounts_lines_are_left_out(tmp_path: Path) -> None:
    # Given two files, the second of two accounts
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_bytes(WHOLE)
    of_two = [{**row, "line_item_usage_account_id": f"{number % 2}" * 12} for number, row in enumerate(rows(3))]
    second.write_bytes(text_of(of_two))
    # When
    found = read_from(first, second, account="1" * 12)
    # Then
    assert [line.file for line in found] == [str(first)] * len(rows(3)) + [str(second)] * (len(rows(3)) // 2)
