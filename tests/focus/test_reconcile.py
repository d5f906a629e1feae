"""The simulator's bill, exported as AWS exports it, against ledger and serving: every dollar matched or explained."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from cli.deployment import Deployment as Place
from tests.faults.world import World
from tests.focus.busy_month import bill_of, month_of, said

SERVICES = {
    ("AWS Lambda", "request"): "matched", ("AWS Lambda", "gb_second"): "estimated",
    ("Amazon DynamoDB", "read_unit"): "matched", ("Amazon DynamoDB", "write_unit"): "matched",
    ("Amazon DynamoDB", "TimedPITRStorage-ByteHrs"): "not counted", ("Amazon S3", "stored"): "matched",
    ("Amazon CloudWatch", "log"): "matched", ("AWS KMS", "key"): "matched", ("Amazon CloudWatch", "alarm"): "matched",
    ("Amazon CloudWatch", "dashboard"): "matched",
}  # fmt: skip
ESTIMATED = (
    ("Amazon CloudWatch", "metric"), ("AWS Step Functions", "transition"), ("Amazon S3", "put"), ("Amazon S3", "get"),
    ("AWS KMS", "request"),
)  # fmt: skip
"""What is estimated may match, too, where the bill happens to say the same."""


def findings(place: Place, world: World, export: Path) -> tuple[int, dict[str, object], list[dict[str, str]]]:
    told = said(place, "--json", "reconcile", "--month", month_of(world), "--export", str(export))
    assert told.exit_code in (0, 1), (told.output, told.exception)
    document = json.loads(told.output)
    return told.exit_code, document["usd"], document["findings"]


def test_every_dollar_of_the_bill_is_matched_or_explained(month: tuple[World, Place], tmp_path: Path) -> None:
    # Given
    world, place = month
    # When
    code, usd, found = findings(place, world, bill_of(world, tmp_path / "bill.csv"))
    # Then
    assert [one for one in found if one["status"] == "unexplained"] == []
    assert (code, usd["unexplained"]) == (0, "0")
    assert Decimal(str(usd["matched"])) > 0
    services: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in found:
        if " " in one["model"]:
            services[one["model"], one["usage"]].add(one["why"] or one["status"])
    assert services.keys() == {*SERVICES, *ESTIMATED}
    for what, whys in services.items():
        # The last day is billed up to the time at which the month was played, and others use the same services.
        own = whys - {"delay", "others"}
        assert own <= ({"matched", "estimated"} if what in ESTIMATED else {SERVICES[what]}), (what, whys)
    assert sum(whys >= {SERVICES[what]} for what, whys in services.items() if what not in ESTIMATED) > len(SERVICES) / 2
    assert {one["usage"] for one in found} >= {"input", "output", "batch_input", "training", "storage", "throughput"}


def test_what_is_late_taxed_discounted_or_credited_is_explained(month: tuple[World, Place], tmp_path: Path) -> None:
    world, place = month
    how = {"delay_hours": "30", "tax_share": "0.19", "credit_usd": "5", "discount_share": "0.07"}
    code, _, found = findings(place, world, bill_of(world, tmp_path / "bill.csv", **how))
    assert [one for one in found if one["status"] == "unexplained"] == []
    assert {"delay", "beside usage", "discount"} <= {one["why"] for one in found}
    assert code == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_line_that_is_lost_or_grown_is_found(month: tuple[World, Place], tmp_path: Path, seed: int) -> None:
    # Given the bill with the dearest line of a usage that the service reports lost, or grown
    world, place = month
    chance = random.Random(seed)  # noqa: S311 - a choice, not a secret
    export = bill_of(world, tmp_path / "bill.csv", closed="true")
    bill = list(csv.DictReader(export.open()))
    reported = [
        row for row in bill if "batch" in row["line_item_usage_type"] or "Throughput" in row["line_item_usage_type"]
    ]
    row = chance.choice(sorted(reported, key=lambda one: -Decimal(one["line_item_unblended_cost"]))[:4])
    if chance.random() < 0.5:
        bill.remove(row)
    else:
        for name in ("line_item_usage_amount", "line_item_unblended_cost"):
            row[name] = f"{Decimal(row[name]) * 40:f}"
    with export.open("w") as written:
        writer = csv.DictWriter(written, bill[0])
        writer.writeheader()
        writer.writerows(bill)
    # When
    code, _, found = findings(place, world, export)
    # Then
    assert code == 1
    assert [one for one in found if one["status"] == "unexplained"]


def test_a_file_that_is_no_export_is_refused_by_name(month: tuple[World, Place], tmp_path: Path) -> None:
    world, place = month
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    told = said(place, "reconcile", "--month", month_of(world), "--export", str(tmp_path / "notes.csv"))
    assert told.exit_code == 1
    assert "notes.csv cannot be read as an export of the bill" in told.output


def test_a_person_reads_sums_and_what_differs(month: tuple[World, Place], tmp_path: Path) -> None:
    world, place = month
    export = bill_of(world, tmp_path / "bill.csv", tax_share="0.19")
    told = said(place, "reconcile", "--month", month_of(world), "--export", str(export), "--learn")
    assert told.exit_code == 0, told.output
    assert told.output.startswith(f"✓ {month_of(world)}: all $")
    assert "nothing is unexplained." in told.output
    assert "~ beside usage: 2026-11-01 Tax: ours $0.00" in told.output
    assert "there is nothing to set" in told.output


def test_without_an_export_a_person_is_told_how_to_get_one(month: tuple[World, Place]) -> None:
    world, place = month
    told = said(place, "reconcile", "--month", month_of(world))
    assert told.exit_code == 1
    assert "'cost_export'" in told.output


def test_each_file_of_a_month_is_read_from_s3(month: tuple[World, Place], tmp_path: Path) -> None:
    # Given an export in two compressed files, beside another month's
    world, place = month
    header, *lines = bill_of(world, tmp_path / "bill.csv").read_text().splitlines(keepends=True)
    s3 = world.aws.client("s3")
    s3.create_bucket(Bucket="exports")
    for number, some in enumerate((lines[::2], lines[1::2])):
        key = f"cur/data/BILLING_PERIOD={month_of(world)}/part-{number}.csv.gz"
        s3.put_object(Bucket="exports", Key=key, Body=gzip.compress("".join([header, *some]).encode()))
    s3.put_object(Bucket="exports", Key="cur/data/BILLING_PERIOD=2020-01/part.csv", Body=b"a\n1\n")
    elsewhere = replace(place.settings, cost_export="s3://exports/cur")
    there = Place("local", "us-east-1", world.aws.client, local=True, _outputs=place._outputs)
    there.__dict__["settings"] = elsewhere
    # When
    told = said(there, "--json", "reconcile", "--month", month_of(world))
    # Then
    assert told.exit_code == 0, told.output
    assert json.loads(told.output)["usd"]["unexplained"] == "0"
