"""Who is shown what, and a page that needs nothing else and believes no name."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.focus.charges import Charge
from lambdas.domain.focus.savings import Baseline, Saving, saving_row, savings
from lambdas.domain.focus.serving import SERVING, STORAGE
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.showback.page import showback_page
from lambdas.domain.showback.sums import BY, NO_TASK, NO_TEAM, Shown, dated_baseline, old_baselines, shown_by

DAY = date(2026, 11, 24)
BASELINE = Baseline(
    run_id="video-1", model="haiku", usd_per_1k=Decimal(2), low=Decimal("1.5"), high=Decimal("2.5"), records=200
)


def charge(task: str, stage: str, usd: str | int, day: date = DAY) -> Charge:
    return Charge(
        day=day, task=task, run_id="", stage=stage, model="m", part=None, usd=Decimal(usd), evidence="actual",
        line_id=f"{task}/{stage}",
    )  # fmt: skip


CHARGES = st.lists(
    st.builds(
        charge,
        task=st.sampled_from(["", "a", "b", "c"]),
        stage=st.sampled_from(["CheckRun", SERVING, STORAGE]),
        usd=st.integers(0, 10**6).map(str),
    ),
    max_size=30,
)


@given(CHARGES, st.sampled_from(BY))
def test_whatever_it_is_shown_by_the_dollars_are_the_same(charges: list[Charge], by: str) -> None:
    lines = shown_by(by, "dev", charges, [], [], {"a": "search", "b": "search"})
    assert sum(line.runs + line.serving for line in lines) == sum(one.usd for one in charges)
    assert [line.runs + line.serving for line in lines] == sorted(
        (line.runs + line.serving for line in lines), reverse=True
    )
    names = {"environment": {"dev"}, "team": {"search", NO_TEAM}, "task": {NO_TASK, "a", "b", "c"}}
    assert {line.name for line in lines} <= names[by]


def test_idle_dollars_are_a_part_of_serving() -> None:
    idle = charge("a", SERVING, 48)
    (line,) = shown_by("task", "dev", [idle, charge("a", SERVING, 2), charge("a", "CheckRun", 1)], [idle], [], {})
    assert (line.runs, line.serving, line.idle, line.saved) == (Decimal(1), Decimal(50), Decimal(48), None)


def test_what_was_saved_is_what_the_baseline_would_have_cost_less_all_that_serving_cost() -> None:
    # Given two days, one of them idle, and a task that nobody measured
    later = date(2026, 11, 25)
    charges = [
        charge("a", SERVING, 3),
        charge("a", STORAGE, 1),
        charge("a", SERVING, 4, later),
        charge("a", "CheckRun", 9),
    ]
    # When
    found = savings({("a", DAY): 10_000, ("b", DAY): 5}, lambda task, _: {"a": BASELINE}.get(task), charges)
    # Then
    assert [(one.day, one.requests, one.paid, one.saved) for one in found] == [
        (DAY, 10_000, Decimal(4), Decimal(16)), (later, 0, Decimal(4), Decimal(-4)),
    ]  # fmt: skip
    row = saving_row(found[0], "dev", simulated=False)
    assert (row["SavedUsdLow"], row["SavedUsd"], row["SavedUsdHigh"]) == ("11", "16", "21")
    (line,) = shown_by("task", "dev", charges, [], found, {})
    assert (line.saved, line.low, line.high) == (Decimal(12), Decimal(7), Decimal(17))


def test_without_bounds_in_the_report_none_are_made_up() -> None:
    bare = Baseline(run_id="r", model="m", usd_per_1k=Decimal(2), low=None, high=None, records=1)
    row = saving_row(Saving(day=DAY, task="a", requests=1_000, baseline=bare, paid=Decimal(1)), "dev", simulated=True)
    assert (row["SavedUsd"], row["SavedUsdLow"], row["SavedUsdHigh"], row["Simulated"]) == ("1", "", "", "true")


def test_a_report_gives_its_baseline_and_one_without_gives_none() -> None:
    found = {"role": "baseline", "model_id": "haiku", "records": 200, "usd_per_1k_requests": 2.0}
    assert Baseline.of_report("r", {"contestants": [{"role": "student"}]}) is None
    assert Baseline.of_report("r", {}) is None
    assert Baseline.of_report("r", {"contestants": [found]}) == Baseline(
        run_id="r", model="haiku", usd_per_1k=Decimal(2), low=None, high=None, records=200
    )
    bounded = Baseline.of_report("r", {"contestants": [{**found, "usd_per_1k_ci95": [1.5, 2.5]}]})
    assert bounded is not None
    assert (bounded.low, bounded.high) == (Decimal("1.5"), Decimal("2.5"))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("us.amazon.nova-pro-v1:0", "amazon.nova-lite-v1:0"),
        ("amazon.nova-micro-v1:0", ""),
        ("nobody.knows-v1:0", ""),
    ],
)
def test_a_baseline_that_is_not_its_familys_cheapest_is_told(model: str, said: str) -> None:
    told = dated_baseline(model, PriceBook.shipped())
    assert (said in told) if said else (told == "")


@given(st.lists(st.builds(Shown, name=st.text(min_size=1), runs=st.integers(0, 99).map(Decimal)), max_size=5))
def test_a_page_loads_nothing_and_runs_nothing(lines: list[Shown]) -> None:
    evil = Shown(name="<script>alert(1)</script>", serving=Decimal(5), idle=Decimal(2), saved=Decimal(-3))
    page = showback_page(
        [*lines, evil], month="2026-11", by="task", environment="dev", notes=["<img src=x>"], simulated=True
    )
    assert not re.search(r"<(script|img|link|iframe)|https?://|url\(", page)
    assert "Every figure is simulated." in page
    assert "of it idle" in page


@given(
    dollars=st.lists(st.decimals(-10_000, 10_000, places=2), min_size=3, max_size=3), idle=st.decimals(0, 500, places=2)
)
def test_no_bar_leaves_the_picture(dollars: list[Decimal], idle: Decimal) -> None:
    low, saved, high = sorted(dollars)
    line = Shown(name="a", runs=Decimal(1), serving=idle + 2, idle=idle, saved=saved, low=low, high=high)
    page = showback_page([line], month="2026-11", by="task", environment="dev", notes=[], simulated=False)
    bars = re.findall(r'style="left:([-\d.]+)%;width:([-\d.]+)%"', page)
    assert len(bars) >= 4
    for left, width in bars:
        assert 0 <= float(left) <= 100
        assert 0 <= float(width) <= 100.01 - float(left)


def test_what_cost_more_than_the_baseline_is_shown_as_that() -> None:
    lost = Shown(name="a", serving=Decimal(9), saved=Decimal(-5), low=Decimal(-6), high=Decimal(-4))
    page = showback_page([lost], month="2026-11", by="task", environment="dev", notes=[], simulated=False)
    assert "cost more than the baseline" in page
    assert "<td class=minus>\u2212$5.00</td>" in page


def test_a_month_without_a_dollar_has_a_page_too() -> None:
    page = showback_page([], month="2026-11", by="team", environment="dev", notes=[], simulated=False)
    assert "Nothing was spent." in page
    assert "simulated" not in page


@pytest.mark.parametrize(("days", "said"), [(None, []), (0, []), (180, []), (181, ["video, 181 days"])])
def test_savings_that_rest_on_an_old_measurement_say_so_once(days: int | None, said: list[str]) -> None:
    # Given
    measured = None if days is None else DAY - timedelta(days=days)
    baseline = replace(BASELINE, measured_on=measured)
    saved = [
        Saving(day=DAY - timedelta(days=ago), task="video", requests=5, baseline=baseline, paid=Decimal(1))
        for ago in range(3)
    ]
    # When / Then
    found = [re.findall(r"Savings of (\w+) .* (\d+ days) before", text) for text in old_baselines(saved)]
    assert [", ".join(one[0]) for one in found] == said
