"""Lambda handler of the state RankOpportunities."""

from collections.abc import Mapping
from typing import Any

from lambdas.operations.rank_opportunities.stage import rank_opportunities
from lambdas.workflow.stage import deployed_pipeline, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Rank what the query ``query`` measured, for the discovery ``generation``; ``failed`` are days without rows."""
    failed = [dict(day) for day in event.get("failed") or []]
    result = rank_opportunities(deployed_pipeline(), str(event["query"]), str(event["generation"]), failed)
    logger.info("ranked", extra={"result": result})
    return result
