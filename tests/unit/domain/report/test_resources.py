"""What is left in the account: only what still is there, and what that bills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambdas.domain.report.render import render_report
from lambdas.domain.report.resources import resources_left
from tests.unit.domain.report.page_reader import Page

Sample = Callable[[str], dict[str, Any]]


def made(kind: str, state: str, usd_per_hour: float | None = None) -> dict[str, Any]:
    return {"kind": kind, "name": f"{kind}-{state}", "state": state, "usd_per_hour": usd_per_hour, "keep_until": None}


def test_what_was_released_is_neither_listed_nor_added_up(sample: Sample) -> None:
    # Given a run that gave back the throughput and everything else that it made
    report = sample("measured") | {"outcome": "REJECTED", "endpoint": None}
    report["resources"] = [made("provisioned_throughput", "RELEASED", 2.0), made("customization_job", "RELEASED")]

    # When
    section = Page(render_report(report)).text.partition("What the run left in the account")[2]

    # Then
    assert "None: whatever the run made has been deleted, and nothing is billed on." in section
    assert "per hour, until somebody deletes them" not in section


def test_throughput_that_bills_on_is_told_with_its_price(sample: Sample) -> None:
    # Given one that serves, beside a model and a deployment of which no hour is billed
    report = sample("measured")
    report["resources"] = [
        made("provisioned_throughput", "IN_USE", 2.0),
        made("provisioned_throughput", "RELEASED", 7.0),
        made("custom_model", "IN_USE"),
        made("custom_model_deployment", "CREATED"),
    ]

    # When
    table, together = resources_left(report)

    # Then
    assert together == "$2.00"
    assert [(row[0], row[3]) for row in table.rows] == [
        ("provisioned throughput", "$2.00"),
        ("custom model", "by the month"),
        ("custom model deployment", "none"),
    ]


@pytest.mark.parametrize(
    ("prices", "expected"), [((2.0, None), "at least $2.00"), ((None, None), "an unknown sum"), ((), None)]
)
def test_a_price_that_nobody_knows_is_not_counted_as_nothing(
    prices: tuple[float | None, ...], expected: str | None
) -> None:
    # Given
    report = {"resources": [made("provisioned_throughput", "IN_USE", price) for price in prices]}

    # When
    _, together = resources_left(report)

    # Then
    assert together == expected
