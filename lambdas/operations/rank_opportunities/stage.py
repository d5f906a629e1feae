"""Rank the found tasks and write what was found, for the command line and the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.discovery_plan import checked_generation
from lambdas.domain.discovery.figures import found_tasks
from lambdas.domain.discovery.opportunities import Opportunities, rank
from lambdas.domain.metrics import ACTED_ON_USD, FOUND_USD, Measured
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.inference_profiles import models_of_profiles
from lambdas.workflow.acted_on import acted_on
from lambdas.workflow.discovery import query_rows

if TYPE_CHECKING:
    from lambdas.workflow.stage import Pipeline, Result


def rank_opportunities(pipeline: Pipeline, query: str, generation: str, failed: Sequence[dict[str, Any]]) -> Result:
    """Rank what a query measured.

    Returns
    -------
    dict
        How many ``tasks`` were found.
    """
    tasks = found_tasks(query_rows(pipeline, query))
    ranked = rank(
        tasks,
        pipeline.prices,
        pipeline.environment.settings,
        pipeline.now().date(),
        generation=checked_generation(generation),
        profiles=models_of_profiles(clients.bedrock(), [use.model for task in tasks for use in task.models]),
        not_read=failed,
    )
    document = {**ranked.to_document(), "days_not_read": list(failed)}
    for key in (discovery_files.opportunities(generation), discovery_files.LATEST):
        pipeline.runs.write_json(key, document)
    pipeline.meter.emit_all(list(measured(pipeline, ranked)))
    return {"tasks": len(tasks)}


def measured(pipeline: Pipeline, ranked: Opportunities) -> Iterator[Measured]:
    """Measure what could be saved at most, and how much of it somebody has acted on; US dollars a year."""
    acted = acted_on(pipeline.registry, pipeline.tasks, [one.task.task for one in ranked.found])
    of_acted = sum(float(one.high_usd) for one in ranked.found if one.task.task in acted)
    yield Measured(metric=FOUND_USD, value=float(ranked.high_usd))
    yield Measured(metric=ACTED_ON_USD, value=of_acted)
