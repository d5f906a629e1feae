"""A model at extended access is paid at the prices of extended access, in the ledger as in the estimate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdas.domain.costs.training_cost import TrainingVolume
from lambdas.domain.errors import PriceMissing
from lambdas.domain.prices.price_book import PriceLine
from lambdas.domain.task.model_choice import ModelChoice
from lambdas.gateways.registry.run_ledger import PaidJob
from tests.unit.support.workshop import Workshop

TEACHER = "us.amazon.nova-pro-v1:0"
VOLUME = TrainingVolume(records=100, prompt_tokens=1e6, answer_tokens=0.0)


def planned(workshop: Workshop, extended_access: list[str]) -> tuple[ModelChoice, object]:
    run = workshop.run()
    workshop.plan(run)
    plan = workshop.bucket.read_json(run.files.plan(run.attempt))
    models = replace(ModelChoice.from_document(plan["models"]), extended_access=extended_access)
    workshop.bucket.write_json(run.files.plan(run.attempt), {"models": models.to_document()})
    workshop.stage("LaunchDistillation", run).ledger.write_own_calls(PaidJob("job"), models, VOLUME, whole=True)
    (line,) = workshop.pipeline.registry.ledger(run.run_id)
    return models, line.usd


def test_what_a_model_costs_is_what_the_plan_says_of_its_life(workshop: Workshop) -> None:
    # Given a book with both prices of a teacher
    line = PriceLine(
        model=TEACHER, usage="extended_input", usd=1.6, unit="million tokens", source="a page", date="2026-11-01"
    )
    free = replace(line, usage="extended_output", usd=0.1)
    workshop.pipeline.__dict__["prices"] = workshop.pipeline.prices.with_lines([line, free])

    # When / Then
    assert planned(workshop, [TEACHER])[1] == pytest.approx(1.6)


def test_an_active_model_costs_its_usual_price(workshop: Workshop) -> None:
    assert planned(workshop, [])[1] == pytest.approx(0.8)


def test_a_price_of_extended_access_that_is_not_known_is_no_usual_price(workshop: Workshop) -> None:
    with pytest.raises(PriceMissing, match="extended_input"):
        planned(workshop, [TEACHER])
