"""A month as it is exported and shown: the official rules, every line of every ledger once, and the same sums."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from cli.deployment import Deployment as Place
from lambdas.domain.costs.ledger import exact_usd
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING
from tests.faults.world import MACHINE, World
from tests.focus.busy_month import REQUESTS, month_of, said

VALIDATOR = Path(sys.prefix) / "focus" / "bin" / "python"


@pytest.fixture(scope="module")
def exported(month: tuple[World, Place], tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    world, place = month
    out = tmp_path_factory.mktemp("export") / "month.csv"
    told = said(place, "costs", "--focus", "--month", month_of(world), "--out", str(out))
    assert told.exit_code == 0, (told.output, told.exception)
    return world, out


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(encoding="utf-8")))


def test_each_ledger_line_is_there_once_and_nothing_else_of_runs(exported: tuple[World, Path]) -> None:
    # Given
    world, out = exported
    expected = {
        f"{run.run_id}/{entry.stage}/{entry.id}": exact_usd(entry)
        for state in (QUEUED, RUNNING, ENDED)
        for run in world.registry.in_state(state)
        for entry in world.registry.ledger(run.run_id)
    }
    # When
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    kinds = set()
    for row in rows(out):
        if row["x_Stage"] not in ("Serving", "Storage", "Pipeline"):
            found[row["x_LineId"]] += Decimal(row["BilledCost"])
            assert (row["x_LineId"], row["x_TokenType"]) not in kinds
            kinds.add((row["x_LineId"], row["x_TokenType"]))
    # Then
    assert len(expected) > 20
    assert found == {line: pytest.approx(usd, rel=Decimal("1e-11")) for line, usd in expected.items()}


def test_serving_is_charged_by_the_day_with_what_idles(exported: tuple[World, Path]) -> None:
    _, out = exported
    served = [row for row in rows(out) if row["x_Stage"] == "Serving"]
    days = {row["ChargePeriodStart"] for row in served if "provisioned-model" in row["ResourceId"]}
    assert len(days) >= 3
    for row in served:
        assert Decimal(row["BilledCost"]) == Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"])
        assert row["x_Simulated"] == "true"
    stored = [row for row in rows(out) if row["x_Stage"] == "Storage"]
    assert {row["PricingUnit"] for row in stored} == {"Model-Months"}


def test_the_pipelines_own_services_are_charged_by_the_day_and_say_how_they_are_known(
    exported: tuple[World, Path],
) -> None:
    _, out = exported
    own = [row for row in rows(out) if row["x_Stage"] == "Pipeline"]
    assert len({row["x_LineId"] for row in own}) == len(own)
    known = {(row["ServiceName"], row["SkuMeter"]): row["x_Evidence"] for row in own}
    assert known == {
        ("AWS Lambda", "request"): "actual", ("AWS Lambda", "gb_second"): "derived",
        ("Amazon DynamoDB", "read_unit"): "actual", ("Amazon DynamoDB", "write_unit"): "actual",
        ("Amazon S3", "stored"): "actual", ("Amazon CloudWatch", "log"): "actual",
        ("AWS KMS", "key"): "derived", ("Amazon CloudWatch", "alarm"): "derived",
        ("Amazon CloudWatch", "dashboard"): "derived", ("Amazon CloudWatch", "metric"): "estimated",
        ("AWS Step Functions", "transition"): "estimated", ("Amazon S3", "put"): "estimated",
        ("Amazon S3", "get"): "estimated", ("AWS KMS", "request"): "estimated",
    }  # fmt: skip
    for row in own:
        assert Decimal(row["BilledCost"]) == Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"])
        assert (row["x_Task"], row["x_RunId"]) == ("", "")
    key = [Decimal(row["PricingQuantity"]) for row in own if row["SkuMeter"] == "key"]
    assert max(key) == pytest.approx(Decimal(1) / 30, abs=Decimal("1e-9"))


def test_savings_are_a_table_of_their_own_and_never_a_negative_cost(exported: tuple[World, Path]) -> None:
    _, out = exported
    assert all(Decimal(row["BilledCost"]) >= 0 for row in rows(out))
    saved = rows(out.with_name("month-savings.csv"))
    asked = [row for row in saved if row["Requests"] != "0"]
    assert {int(row["Requests"]) for row in asked if row["Task"] == "video"} == {REQUESTS}
    for row in saved:
        assert Decimal(row["SavedUsd"]) == Decimal(row["BaselineUsd"]) - Decimal(row["PaidUsd"])
        assert Decimal(row["SavedUsdLow"]) <= Decimal(row["SavedUsd"]) <= Decimal(row["SavedUsdHigh"])
    # A day on which a throughput idles costs, and saves nothing
    assert any(Decimal(row["SavedUsd"]) < 0 for row in saved if row["Requests"] == "0")


def test_the_schedule_writes_the_same_rows_to_s3_and_replaces_them(exported: tuple[World, Path]) -> None:
    # Given
    world, out = exported
    charges, savings = (
        f"focus/{name}/billing_period={month_of(world)}/environment=local/{name}.csv" for name in ("charges", "savings")
    )
    # When
    written = world.call("export_costs", {"month": month_of(world)})
    again = world.call("export_costs", {"month": month_of(world)})
    # Then
    objects = world.aws.client("s3").list_objects_v2(Bucket="distillation-runs", Prefix="focus/")["Contents"]
    assert sorted(one["Key"] for one in objects) == [charges, savings]
    rows_there = world.aws.client("s3").get_object(Bucket="distillation-runs", Key=charges)["Body"].read()
    ours = out.read_text().replace(MACHINE.split(":")[4], "ACCOUNT")
    assert rows_there.decode().replace(MACHINE.split(":")[4], "ACCOUNT") == ours
    assert written == again == {month_of(world): len(rows(out))}


def test_the_same_month_again_is_the_same_file(
    month: tuple[World, Place], exported: tuple[World, Path], tmp_path: Path
) -> None:
    world, place = month
    for name, asked in (("again", month_of(world)), ("empty", "2020-01")):
        told = said(place, "costs", "--focus", "--month", asked, "--out", str(tmp_path / f"{name}.csv"))
        assert told.exit_code == 0, told.output
    assert (tmp_path / "again.csv").read_bytes() == exported[1].read_bytes()
    assert rows(tmp_path / "empty.csv") == []


def test_whatever_it_is_shown_by_the_sums_are_those_of_the_rows(month: tuple[World, Place]) -> None:
    world, place = month
    sums = []
    for by in ("task", "team", "environment"):
        told = said(place, "--json", "showback", "--by", by, "--month", month_of(world))
        assert told.exit_code == 0, (told.output, told.exception)
        lines = json.loads(told.output)["lines"]
        sums.append(
            [
                sum(Decimal(line[name] or 0) for line in lines)
                for name in ("runs", "serving", "idle", "services", "saved")
            ]
        )
    assert sums[0] == sums[1] == sums[2]
    runs, serving, idle, services, _ = sums[0]
    assert runs > services > 0
    assert serving > idle > 0


def test_a_person_reads_the_budget_and_gets_a_page(month: tuple[World, Place], tmp_path: Path) -> None:
    world, place = month
    page = tmp_path / "page.html"
    told = said(place, "showback", "--month", month_of(world), "--out", str(page))
    assert told.exit_code == 0, (told.output, told.exception)
    assert f"Budget of {month_of(world)}: runs have spent or reserved $" in told.output
    assert "video" in page.read_text()
    assert "Every figure is simulated." in page.read_text()


def test_a_month_without_anything_says_so(month: tuple[World, Place]) -> None:
    _, place = month
    told = said(place, "showback", "--month", "2020-01")
    assert told.exit_code == 0, (told.output, told.exception)
    assert "Nothing was spent in 2020-01." in told.output


@pytest.mark.thorough
def test_the_official_rules_find_nothing(exported: tuple[World, Path], tmp_path: Path) -> None:
    """The validator has an environment of its own: ``make focus`` makes it."""
    _, out = exported
    assert VALIDATOR.exists(), "'make focus' installs the validator"
    rules = Path(__file__).parent / "official_rules.py"
    held = subprocess.run([VALIDATOR, rules, out], capture_output=True, text=True, check=False)  # noqa: S603 - our own files
    assert held.returncode == 0, held.stdout[-2_000:] + held.stderr[-2_000:]
    assert held.stdout.strip().endswith(": 0 broken")
    # And they do find something where something is wrong
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(out.read_text().replace("Usage-Based", "Sometimes"))
    held = subprocess.run([VALIDATOR, rules, wrong], capture_output=True, text=True, check=False)  # noqa: S603 - our own files
    assert "failed ChargeFrequency_Enum" in held.stdout


def test_a_line_that_was_corrected_after_the_export_replaces_its_rows_and_adds_none(
    exported: tuple[World, Path],
) -> None:
    # Given a line that is exported
    world, out = exported
    run = next(run for run in world.registry.in_state(ENDED) if world.registry.ledger(run.run_id))
    line = next(entry for entry in world.registry.ledger(run.run_id) if entry.priced)
    parts = [replace(part, quantity=2 * part.quantity) for part in line.priced]
    # When it is written again with twice the tokens
    world.registry.record_cost(run.run_id, replace(line, usd=2 * line.usd, priced=parts))
    try:
        world.call("export_costs", {"month": month_of(world)})
        key = f"focus/charges/billing_period={month_of(world)}/environment=local/charges.csv"
        body = world.aws.client("s3").get_object(Bucket="distillation-runs", Key=key)["Body"].read().decode()
    finally:
        world.registry.record_cost(run.run_id, line)
    # Then
    name = f"{run.run_id}/{line.stage}/{line.id}"
    before, after = (
        {row["x_TokenType"]: Decimal(row["BilledCost"]) for row in found if row["x_LineId"] == name}
        for found in (rows(out), list(csv.DictReader(body.splitlines())))
    )
    assert after == {kind: 2 * usd for kind, usd in before.items()}
    assert len(list(csv.DictReader(body.splitlines()))) == len(rows(out))
