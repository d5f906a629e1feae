"""A month by task, team and environment, as a person and as a program read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from cli.deployment import Deployment as Place
from tests.faults.world import World
from tests.focus.busy_month import busy_month, month_of, said
from tests.stacks.templates import Deployment


@pytest.fixture(scope="module")
def month(deployment: Deployment) -> Iterator[tuple[World, Place]]:
    with busy_month(deployment) as played:
        yield played


def test_whatever_it_is_shown_by_the_sums_are_those_of_the_rows(month: tuple[World, Place]) -> None:
    world, place = month
    sums = []
    for by in ("task", "team", "environment"):
        told = said(place, "--json", "showback", "--by", by, "--month", month_of(world))
        assert told.exit_code == 0, (told.output, told.exception)
        lines = json.loads(told.output)["lines"]
        sums.append([sum(Decimal(line[name] or 0) for line in lines) for name in ("runs", "serving", "idle", "saved")])
    assert sums[0] == sums[1] == sums[2]
    runs, serving, idle, _ = sums[0]
    assert runs > 0
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
