"""What differs from the bill is explained by name where the data shows why, and else it is named."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.bill.cost_lines import NoCostExportError, read_cost_lines
from lambdas.domain.bill.factors import learn_factors
from lambdas.domain.bill.reconciliation import (
    BESIDE,
    DELAY,
    DERIVED,
    DISCOUNT,
    FLAW,
    MATCHED,
    MIDNIGHT,
    NOT_LOOKED_AT,
    OTHERS,
    OURS_ONLY,
    PRICE,
    QUANTITY,
    THEIRS_ONLY,
    UNEXPLAINED,
    MonthComparison,
    reconcile_month,
)
from lambdas.domain.focus.charges import Charge
from lambdas.domain.prices.priced_parts import PricedPart
from tests.unit.domain.bill.export_rows import MONTH, TYPES, Row, amount_of, charges, rows

DAYS = 20
FOREIGN = "arn:aws:sts::1:assumed-role/somebody/else"


def compared(bill: list[Row]) -> MonthComparison:
    lines = read_cost_lines(bill, MONTH)
    return reconcile_month(charges(DAYS), lines, environment="dev", principals="distillation-dev-")


def why(comparison: MonthComparison, status: str) -> set[str]:
    return {one.why for one in comparison.findings if one.status == status}


def test_the_same_on_both_sides_matches_to_the_last_dollar() -> None:
    found = compared(rows(DAYS))
    assert {one.status for one in found.findings} == {MATCHED}
    assert found.usd(MATCHED) == sum(charge.usd for charge in charges(DAYS))


# Errors that nothing explains: each is named at its place


def drop(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    del bill[at]
    return {OURS_ONLY}


def twice(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    bill.append(dict(bill[at]))
    return {FLAW}


def again_under_another_id(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    bill.append({**bill[at], "identity_line_item_id": "another"})
    amount_of(bill[-1], Decimal(bill[at]["line_item_usage_amount"]) * 3)
    return {QUANTITY}


def more_used(bill: list[Row], at: int, chance: random.Random) -> set[str]:
    amount_of(
        bill[at], Decimal(bill[at]["line_item_usage_amount"]) * chance.choice((Decimal(3), Decimal(5), Decimal("0.2")))
    )
    return {QUANTITY}


def dearer(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    rate = Decimal(bill[at]["line_item_unblended_rate"]) * Decimal("1.5")
    amount_of(bill[at], Decimal(bill[at]["line_item_usage_amount"]), rate)
    bill[at]["pricing_public_on_demand_rate"] = f"{rate:f}"
    return {PRICE}


def other_cost(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    bill[at]["line_item_unblended_cost"] = f"{Decimal(bill[at]['line_item_unblended_cost']) * 2:f}"
    return {FLAW}


def other_usage(bill: list[Row], at: int, chance: random.Random) -> set[str]:
    others = [name for name in TYPES.values() if name != bill[at]["line_item_usage_type"]]
    bill[at]["line_item_usage_type"] = chance.choice(others)
    return {OURS_ONLY}


def unknown_usage(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    bill[at]["line_item_usage_type"] = "USE1-NovaPro-dreamt-tokens"
    return {FLAW}


def other_principal(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    bill[at] |= {"line_item_iam_principal": FOREIGN, "resource_tags": "{}"}
    return {OURS_ONLY}


def other_environment(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    bill[at]["resource_tags"] = '{"user_distillation_environment": "prod"}'
    return {OURS_ONLY}


def days_later(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    day = date.fromisoformat(bill[at]["line_item_usage_start_date"][:10])
    later = day + timedelta(days=5) if day.day <= 10 else day - timedelta(days=5)
    for name in ("line_item_usage_start_date", "line_item_usage_end_date"):
        bill[at][name] = bill[at][name].replace(str(day), str(later))
    return {OURS_ONLY}


def other_currency(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    bill[at]["line_item_currency_code"] = "EUR"
    return {FLAW}


def credit_that_adds(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    bill.append({**bill[at], "line_item_line_item_type": "Credit", "identity_line_item_id": "credit"})
    return {FLAW}


def unknown_kind(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    bill[at]["line_item_line_item_type"] = "Surprise"
    return {FLAW}


def model_of_nobody(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    more = {"line_item_usage_type": "USE1-NovaPremier-input-tokens", "identity_line_item_id": "premier"}
    bill.append({**bill[at], **more})
    return {THEIRS_ONLY}


def negative(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    amount_of(bill[at], -Decimal(bill[at]["line_item_usage_amount"]))
    return {FLAW}


def other_period(bill: list[Row], at: int, _chance: random.Random) -> set[str]:
    for name in ("line_item_usage_start_date", "line_item_usage_end_date"):
        bill[at][name] = bill[at][name].replace("2026-11", "2026-10")
    return {FLAW}


Corruption = Callable[[list[Row], int, random.Random], set[str]]
CORRUPTIONS: tuple[Corruption, ...] = (
    drop, twice, again_under_another_id, more_used, dearer, other_cost, other_usage, unknown_usage, other_principal,
    other_environment, days_later, other_currency, credit_that_adds, unknown_kind, model_of_nobody, negative,
    other_period,
)  # fmt: skip


@pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda one: one.__name__)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_an_error_in_the_bill_is_named(corrupt: Corruption, seed: int) -> None:
    # Given a bill with one error somewhere before the last days, which may be late
    chance, bill = random.Random(seed), rows(DAYS)  # noqa: S311 - a choice, not a secret
    early = [number for number, line in enumerate(bill) if int(line["line_item_usage_start_date"][8:10]) < DAYS - 1]
    # When
    expected = corrupt(bill, chance.choice(early), chance)
    found = compared(bill)
    # Then
    assert expected <= why(found, UNEXPLAINED), why(found, UNEXPLAINED)
    assert found.usd(UNEXPLAINED) > 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**9), number=st.integers(2, 6))
def test_several_errors_in_different_usages_are_all_named(seed: int, number: int) -> None:
    chance, bill = random.Random(seed), rows(DAYS)  # noqa: S311 - a choice, not a secret
    expected: set[str] = set()
    drawn = [one for one in CORRUPTIONS if one not in (drop, other_usage)]
    for corrupt, usage in zip(chance.sample(drawn, number), chance.sample(sorted(TYPES.values()), number), strict=True):
        places = [
            place
            for place, line in enumerate(bill)
            if line["line_item_usage_type"] == usage and 2 <= int(line["line_item_usage_start_date"][8:10]) < DAYS - 1
        ]
        expected |= corrupt(bill, chance.choice(places), chance)
    assert expected <= why(compared(bill), UNEXPLAINED)


# What the data explains


def test_what_is_not_in_the_export_yet_is_delay() -> None:
    bill = [line for line in rows(DAYS) if int(line["line_item_usage_start_date"][8:10]) < DAYS - 1]
    found = compared(bill)
    assert why(found, UNEXPLAINED) == set()
    assert {one.day.day for one in found.findings if one.why == DELAY and one.day} == {DAYS - 1, DAYS}
    # But not where the bill is closed
    for line in bill:
        line["bill_invoice_id"] = "I1"
    assert why(compared(bill), UNEXPLAINED) == {OURS_ONLY}


def test_what_is_worked_out_may_be_off_by_less_than_two() -> None:
    bill = rows(DAYS)
    for line in bill:
        if "Training" in line["line_item_usage_type"]:
            amount_of(line, Decimal(line["line_item_usage_amount"]) * Decimal("1.25"))
    found = compared(bill)
    assert why(found, UNEXPLAINED) == set()
    assert DERIVED in why(found, "explained")
    # And the bill teaches the factor
    (factor,) = learn_factors(found, charges(DAYS), {})
    assert (factor.name, factor.value, factor.days) == ("training", Decimal("1.25"), DAYS)
    assert "times 1.25" in factor.said()
    # On top of the one that had been set while the lines were written
    (factor,) = learn_factors(found, charges(DAYS), {"training": 1.2})
    assert factor.value == Decimal("1.5")
    assert "multiplied by 1.2" in factor.said()


def test_a_factor_that_holds_is_not_proposed_again() -> None:
    (factor,) = learn_factors(compared(rows(DAYS)), charges(DAYS), {"training": 1.3})
    assert (factor.changes, factor.value) == (False, Decimal("1.3"))
    assert "nothing to change, 1.3 holds" in factor.said()


def test_usage_that_is_written_down_after_midnight_is_compared_over_both_days() -> None:
    bill = rows(DAYS)
    line = next(one for one in bill if one["line_item_usage_start_date"].startswith("2026-11-05"))
    half = Decimal(line["line_item_usage_amount"]) / 2
    amount_of(line, half)
    early = dict(line, identity_line_item_id="early")
    for name in ("line_item_usage_start_date", "line_item_usage_end_date"):
        early[name] = early[name].replace("2026-11-05", "2026-11-04")
    bill.append(early)
    found = compared(bill)
    assert why(found, UNEXPLAINED) == set()
    assert {one.day.day for one in found.findings if one.why == MIDNIGHT and one.day} == {4, 5}


def test_a_discount_is_known_by_the_public_price_beside_it() -> None:
    bill = rows(DAYS)
    for line in bill:
        rate = Decimal(line["line_item_unblended_rate"]) * Decimal("0.9")
        amount_of(line, Decimal(line["line_item_usage_amount"]), rate)
    found = compared(bill)
    assert {one.why for one in found.findings} == {DISCOUNT}
    assert "10.0 % less" in found.findings[0].evidence


def test_tax_credits_and_other_users_are_named_as_that() -> None:
    bill = rows(DAYS)
    blank = dict.fromkeys(("line_item_usage_type", "line_item_usage_amount", "line_item_unblended_rate"), "")
    for kind, cost in (("Tax", "1.5"), ("Credit", "-2")):
        bill.append({**bill[0], **blank, "line_item_line_item_type": kind, "line_item_unblended_cost": cost,
                     "identity_line_item_id": kind})  # fmt: skip
    bill.append({**bill[0], "line_item_iam_principal": FOREIGN, "resource_tags": "{}", "identity_line_item_id": "f"})
    found = compared(bill)
    assert why(found, UNEXPLAINED) == set()
    assert {BESIDE, OTHERS} <= why(found, "explained")
    assert any(FOREIGN in one.evidence for one in found.findings)


@pytest.mark.parametrize(
    ("bill", "said"),
    [
        ([{"a": "1"}], "no column 'line_item_product_code'"),
        ([{k: v for k, v in rows(1)[0].items() if k != "line_item_usage_amount"}], "'line_item_usage_amount'"),
        ([{**rows(1)[0], "line_item_usage_amount": "many"}], "line 2"),
        ([{**rows(1)[0], "line_item_usage_amount": "NaN"}], "line 2: 'NaN' is not a number"),
        ([{**rows(1)[0], "line_item_usage_start_date": "yesterday"}], "line 2"),
    ],
)
def test_what_is_no_export_is_refused_with_its_line(bill: list[Row], said: str) -> None:
    with pytest.raises(NoCostExportError, match=said):
        read_cost_lines(bill, MONTH)


def test_what_a_run_in_progress_has_not_looked_at_yet_is_named_as_that() -> None:
    # Given a job on the bill whose run goes on, beside what is in ledgers
    bill = rows(DAYS)
    training = next(one for one in bill if "Training" in one["line_item_usage_type"])
    tags = '{"user_distillation_environment": "dev", "user_run": "video-9"}'
    bill.append({**training, "identity_line_item_id": "more", "resource_tags": tags})
    lines = read_cost_lines(bill, MONTH)
    # When
    ours, known = charges(DAYS), {"environment": "dev", "principals": "distillation-dev-"}
    going_on = reconcile_month(ours, lines, running={"video-9"}, **known)  # type: ignore[arg-type]
    ended = reconcile_month(ours, lines, **known)  # type: ignore[arg-type]
    # Then
    assert why(going_on, UNEXPLAINED) == set()
    assert [one.evidence for one in going_on.findings if one.why == NOT_LOOKED_AT] == [
        "run video-9 has not looked at its job yet"
    ]
    assert why(ended, "explained") | why(ended, UNEXPLAINED) == {DERIVED}  # twice of what is worked out, and no more


def throughput(arn: str, hours: str, day: int = 3) -> Charge:
    part = PricedPart(usage="throughput", quantity=float(hours), usd_per_unit=2.0)
    return Charge(
        day=date(2026, 11, day), task="video", run_id="video-1", stage="Serving", model="amazon.nova-micro-v1:0",
        part=part, usd=part.usd, evidence="derived", line_id=f"{arn}/{day}", resource=arn,
    )  # fmt: skip


def hours_billed(arn: str, hours: str) -> Row:
    used = {"line_item_usage_type": "USE1-NovaMicro-ProvisionedThroughput-NoCommit", "line_item_resource_id": arn}
    line = {**rows(1)[0], **used, "identity_line_item_id": arn}
    for name in ("line_item_usage_start_date", "line_item_usage_end_date"):
        line[name] = line[name].replace("2026-11-01", "2026-11-03")
    amount_of(line, Decimal(hours), Decimal(2))
    return line


@pytest.mark.parametrize(
    ("billed", "unexplained"),
    [
        ({"a": "24", "b": "24"}, set()),
        ({"a": "12", "b": "36"}, {"a", "b"}),
        ({"a": "24", "b": "24", "forgotten": "24"}, {"forgotten"}),
        ({"a": "24"}, {"b"}),
        ({"x": "48"}, set()),  # named otherwise: compared together
    ],
)
def test_one_throughput_too_much_does_not_hide_one_that_is_missing(
    billed: dict[str, str], unexplained: set[str]
) -> None:
    # Given
    ours = [throughput("a", "24"), throughput("b", "24")]
    lines = read_cost_lines([hours_billed(arn, hours) for arn, hours in billed.items()], MONTH)
    lines = [replace(line, invoice="I1") for line in lines]
    # When
    found = reconcile_month(ours, lines, environment="dev", principals="distillation-dev-")
    # Then
    assert {one.resource for one in found.findings if one.status == UNEXPLAINED} == unexplained


def test_hours_and_storage_teach_no_factor() -> None:
    # Given throughputs and tokens of a training that are worked out, on the same days
    ours = [*charges(DAYS), *(throughput(arn, "24") for arn in ("a", "b"))]
    lines = read_cost_lines([*rows(DAYS), *(hours_billed(arn, "24") for arn in ("a", "b"))], MONTH)
    # When
    found = reconcile_month(ours, lines, environment="dev", principals="distillation-dev-")
    (factor,) = learn_factors(found, ours, {})
    # Then
    assert {one.status for one in found.findings} == {MATCHED}
    assert (factor.name, factor.value, factor.days) == ("training", Decimal(1), DAYS)


def test_own_calls_to_two_models_on_one_day_are_one_day_of_the_factor() -> None:
    # Given
    ours = [replace(one, evidence="derived") for one in charges(2) if one.part and one.part.usage != "training"]
    bill = [one for one in rows(2) if "Training" not in one["line_item_usage_type"]]
    for line in bill:
        amount_of(line, Decimal(line["line_item_usage_amount"]) * Decimal("1.5"))
    # When
    lines = read_cost_lines(bill, MONTH)
    found = reconcile_month(ours, lines, environment="dev", principals="distillation-dev-")
    (factor,) = learn_factors(found, ours, {})
    # Then
    assert (factor.name, factor.value, factor.days) == ("own_teacher_calls", Decimal("1.5"), 2)


def test_a_flaw_in_one_file_is_about_that_files_line_alone() -> None:
    # Given the bill in two files, whose lines are counted from 2 in each, with one flaw at the same place of both
    halves = {"part-1.csv": rows(DAYS)[:60], "part-2.csv": rows(DAYS)[60:]}
    lines, wrong = [], set()
    for file, half in halves.items():
        half[3]["line_item_currency_code"] = "EUR"
        wrong.add(half[3]["identity_line_item_id"])
        lines += read_cost_lines(half, MONTH, file)
    # When
    found = reconcile_month(charges(DAYS), lines, environment="dev", principals="distillation-dev-")
    # Then
    assert sorted(one.evidence.partition(":")[0] for one in found.findings if one.why == FLAW) == [
        "line 5 of part-1.csv", "line 5 of part-2.csv",
    ]  # fmt: skip
    unbilled = [one for one in found.findings if one.why == OURS_ONLY]
    assert len(unbilled) == len(wrong)
    assert len([one for one in found.findings if one.status == MATCHED]) == len(charges(DAYS)) - len(wrong)


def test_lines_of_several_files_are_named_with_theirs() -> None:
    # Given two lines of each file about a usage that nobody of ours had
    more = [{**rows(1)[0], "line_item_usage_type": "USE1-NovaPremier-input-tokens", "identity_line_item_id": n}
            for n in "abcd"]  # fmt: skip
    lines = [*read_cost_lines(more[:2], MONTH, "one.csv"), *read_cost_lines(more[2:], MONTH, "two.csv")]
    # When
    (found,) = reconcile_month([], lines, environment="dev", principals="distillation-dev-").findings
    # Then
    assert found.evidence.startswith("lines 2, 3 of one.csv, lines 2, 3 of two.csv: ")
