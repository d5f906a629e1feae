"""What existed and was asked in a month: from the registry of resources, the ledgers and CloudWatch's counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, cast

import pytest

from lambdas.domain.costs.ledger import ENDPOINT_CALLS, LedgerEntry
from lambdas.domain.outcomes import FAILED
from lambdas.domain.prices.priced_parts import PricedPart
from lambdas.gateways.aws.endpoint_metrics import Usage
from lambdas.gateways.aws.own_metrics import OwnMetrics
from lambdas.gateways.registry.resources import CREATED, CUSTOM_MODEL, DEPLOYMENT, THROUGHPUT, Resource
from lambdas.workflow.money.ledger_charges import Line
from lambdas.workflow.money.month import MoneyReader
from lambdas.workflow.money.serving_charges import ServedMonth, ServingReader
from lambdas.workflow.stage import iso
from tests.unit.support.workshop import Workshop

MODEL = "arn:aws:bedrock:us-east-1:000000000000:custom-model/amazon.nova-micro-v1:0:128k/m"
SERVES = "arn:aws:bedrock:us-east-1:000000000000:provisioned-model/x"

Counts = Mapping[tuple[str, date], dict[str, float]]


@dataclass(frozen=True)
class CountedCalls:
    """CloudWatch's sums, by endpoint and day."""

    counts: Counts = field(default_factory=dict)

    def sums_by_day(self, endpoints: list[str], *_: object) -> Counts:
        return {key: values for key, values in self.counts.items() if key[0] in endpoints}


def reader(workshop: Workshop, counts: Counts | None = None) -> ServingReader:
    pipeline = workshop.pipeline
    return ServingReader(
        registry=pipeline.registry, tasks=pipeline.tasks, resources=pipeline.resources,
        usage=cast("Usage", cast("Any", CountedCalls(counts or {}))), prices=pipeline.prices,
        student_model=pipeline.environment.settings.student_model, now=lambda: workshop.time,
    )  # fmt: skip


def served(workshop: Workshop, month: str, counts: Counts | None = None, lines: Iterable[Line] = ()) -> ServedMonth:
    return reader(workshop, counts).read(month, lines)


def at(workshop: Workshop, day: str) -> str:
    """Set the clock; give it as the registry keeps it."""
    workshop.time = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return iso(workshop.time)


def test_a_model_that_was_kept_as_long_as_the_setting_allows_is_charged_until_its_release(workshop: Workshop) -> None:
    # Given the model of a failed run, kept for 90 days and released since
    at(workshop, "2026-07-30")
    run = workshop.run()
    model = workshop.made(run, CUSTOM_MODEL, "dev-video-m", MODEL)
    registry = workshop.pipeline.registry
    registry.end(run.run_id, run.attempt, FAILED, "why", at(workshop, "2026-07-31"), None)
    registry.free_slot(run.run_id)
    workshop.pipeline.resources.released(model, at(workshop, "2026-10-29"))
    at(workshop, "2026-11-25")
    # When
    days = [charge.day for charge in served(workshop, "2026-10").charges]
    # Then
    assert days == [date(2026, 10, number) for number in range(1, 29)]


def test_units_that_a_later_run_wrote_down_are_those_of_the_throughput_that_it_took_over(workshop: Workshop) -> None:
    # Given a throughput of an earlier version's run, and the run of this version that moved it to its own model
    at(workshop, "2026-11-03")
    for version, more in (("1", {}), ("2", {"model_units": 2, "commitment": "OneMonth"})):
        run = workshop.run(version)
        created = Resource(
            run_id=run.run_id, attempt=1, task="video", kind=THROUGHPUT, name="dev-video-x", state=CREATED,
            created_at=workshop.now(), arn=SERVES, usd_per_hour=160.0, **cast("Any", more),
        )  # fmt: skip
        workshop.pipeline.resources.plan(created)
        workshop.pass_time(hours=12)
    at(workshop, "2026-11-04")
    # When
    (charge,) = served(workshop, "2026-11").charges
    # Then
    assert charge.part is not None
    assert (charge.part.usage, charge.part.quantity, charge.part.usd_per_unit) == ("throughput_OneMonth", 48.0, 80.0)


@pytest.mark.parametrize("arns", [("a", "b"), ("b", "a")], ids=["the old one first", "the new one first"])
def test_own_questions_are_taken_off_each_deployment_of_a_day_and_never_more_than_it_counted(
    workshop: Workshop, arns: tuple[str, str]
) -> None:
    # Given a champion that a run's evaluation asked, its successor that the smoke test asked, and callers of both
    at(workshop, "2026-11-10")
    old, new = (f"arn:aws:bedrock:us-east-1:000000000000:custom-model-deployment/{name}" for name in arns)
    for version, arn in (("1", old), ("2", new)):
        run = workshop.run(version)
        workshop.made(run, DEPLOYMENT, arn[-1], arn)

    def counted(calls: int) -> dict[str, float]:
        return {"Invocations": calls, "InputTokenCount": 1_000 * calls, "OutputTokenCount": 100 * calls}

    def asked(calls: int) -> Line:
        prices, model = workshop.pipeline.prices, "custom:amazon.nova-micro-v1:0"
        parts = [
            PricedPart.of(prices, model, "input", 1_000 * calls),
            PricedPart.of(prices, model, "output", 100 * calls),
        ]
        return run, LedgerEntry(
            id=str(calls), stage="s", model=model, kind="actual", usage={ENDPOINT_CALLS: calls}, priced=parts,
            at=workshop.now(),
        )  # fmt: skip

    day = date(2026, 11, 10)
    # When
    found = served(
        workshop, "2026-11", {(old, day): counted(300 + 40), (new, day): counted(5 + 7)}, [asked(300), asked(5)]
    )
    # Then
    tokens = dict.fromkeys(("input", "output"), 0.0)
    for charge in found.charges:
        assert charge.part is not None
        tokens[charge.part.usage] += charge.part.quantity
    assert found.requests == {("video", day): 47}
    assert tokens == {"input": 47_000.0, "output": 4_700.0}


def test_what_has_no_price_is_told_of_the_task_that_was_asked_for_alone(workshop: Workshop) -> None:
    # Given a throughput whose price nobody knows
    at(workshop, "2026-11-10")
    workshop.made(workshop.run(), THROUGHPUT, "dev-video-x", SERVES)
    pipeline = workshop.pipeline
    money = MoneyReader(
        registry=pipeline.registry, tasks=pipeline.tasks, resources=pipeline.resources,
        usage=cast("Usage", cast("Any", CountedCalls())), own=cast("OwnMetrics", cast("Any", None)),
        runs=workshop.bucket, settings=pipeline.environment.settings, now=lambda: workshop.time,
    )  # fmt: skip
    # Then
    assert [said.split(": ")[0] for said in money.read("2026-11", "video").unpriced] == [SERVES]
    assert money.read("2026-11", "another").unpriced == []
