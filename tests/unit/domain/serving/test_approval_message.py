"""Nobody approves without having been told what it costs, whether it pays, and how to answer for this report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lambdas.domain.explicit_reasons import explicit_reason
from lambdas.domain.serving.approval_message import ApprovalRequest, approval_message, reminder_message
from lambdas.domain.serving.break_even import advice
from lambdas.domain.task.task_definition import Serving

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
HASH = "ab" * 32


def money(hour: float | None, *, volume: int | None = None, mode: str = "provisioned_throughput") -> dict[str, Any]:
    return {
        "mode": mode,
        "provisioned_throughput_usd_per_hour": hour,
        "requests_per_month_at_break_even": None if hour is None else 1_000_000.0,
        "expected_requests_per_month": volume,
        "usd_per_month": None
        if volume is None
        else {"student_on_demand": 73.0, "student_provisioned_throughput": hour and hour * 730},
        "units_for_volume": None if volume is None else 2,
    }


def message(
    hour: float | None,
    *,
    commitment: str = "none",
    mode: str = "provisioned_throughput",
    explicit: tuple[str, ...] = (),
    volume: int | None = None,
) -> str:
    request = ApprovalRequest(
        environment="dev",
        run_id="video-1",
        task="video",
        serving=Serving(mode=mode, model_units=1, commitment=commitment, expected_requests_per_month=volume),
        decision="PROMOTE",
        rules_passed=5,
        break_even=money(hour, mode=mode, volume=volume),
        explicit_reasons=tuple(explicit_reason("a_reason", one) for one in explicit),
        expires="2026-11-27T08:00:00.000Z",
        report_uri="s3://runs/report.html",
        report_sha256=HASH,
        simulated=False,
    )
    return approval_message(request, NOW)[1]


def test_a_price_that_nobody_knows_is_asked_for_and_the_message_says_where_it_stands() -> None:
    # When
    text = message(None)
    # Then
    assert "price per hour that is not known" in text
    assert "Bedrock console" in text
    assert "approve video-1 --hourly-price USD" in text


def test_the_price_above_which_a_stated_one_needs_an_explicit_word_is_said_where_the_volume_is_known() -> None:
    # Given $73 a month on demand, against two units for 730 hours
    text = message(None, volume=5_000_000)
    # Then
    assert "Above $0.0500 it does not pay at 5,000,000 requests a month and needs --explicitly as well" in text
    assert "--explicitly" not in message(None)
    assert "--explicitly" not in message(2.0, volume=5_000_000)


def test_a_commitment_has_its_total_and_its_end() -> None:
    # When
    text = message(2.0, commitment="SixMonths")
    # Then: 180 days of 24 hours at two dollars, counted from the answer
    assert "$8,640.00 in all" in text
    assert "cannot be ended before 2027-05-23 or later" in text


def test_the_verdict_the_price_the_break_even_and_the_report_are_said() -> None:
    # When
    text = message(2.0)
    # Then
    for said in (
        "Verdict: PROMOTE; the student kept all 5 rules",
        "$2.00 an hour, billed until it is deleted",
        "at 1,000,000 requests a month",
        "s3://runs/report.html",
        f"SHA-256 {HASH}",
        f"approve video-1 --report-sha256 {HASH[:12]}",
        "until 2026-11-27",
    ):
        assert said in text
    assert "--hourly-price" not in text
    assert "--explicitly" not in text


def test_what_needs_an_explicit_word_is_listed_with_the_option_that_gives_it() -> None:
    text = message(2.0, explicit=("It does not pay",))
    assert "explicit word (--explicitly): It does not pay." in text
    assert "approve video-1 --explicitly" in text


def test_on_demand_wants_no_price() -> None:
    text = message(None, mode="on_demand")
    assert "nothing bills by the hour" in text
    assert "--hourly-price" not in text


@pytest.mark.parametrize(
    ("hour", "volume", "mode", "said"),
    [
        (None, 5, "on_demand", "no break-even can be given"),
        (2.0, None, "on_demand", "states no expected_requests_per_month"),
        (2.0, 999_999, "provisioned_throughput", "Advice: on_demand, while the task says provisioned_throughput"),
        (2.0, 5, "provisioned_throughput", "it costs $1,460 a month, on demand $73"),
        (0.1, 1_000_000, "provisioned_throughput", "Advice: provisioned_throughput, as the task says"),
        (0.1, 1_000_000, "on_demand", "Advice: provisioned_throughput, while the task says on_demand"),
        (2.0, 5_000_000, "on_demand", "Advice: on_demand, as the task says"),
    ],
)
def test_the_advised_mode_is_the_one_that_costs_less(hour: float | None, volume: int, mode: str, said: str) -> None:
    assert said in advice(money(hour, volume=volume, mode=mode))


def test_a_reminder_says_until_when_and_what_happens_then() -> None:
    _, text = reminder_message(environment="dev", run_id="video-1", task="video", expires="2026-11-27T08:00")
    assert "expires at 2026-11-27T08:00" in text
    assert "released" in text
