"""Lambda handler of the state PlanDiscovery."""

from collections.abc import Mapping
from typing import Any

from lambdas.operations.plan_discovery.stage import plan_discovery
from lambdas.workflow.stage import deployed_pipeline, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Plan one discovery: ``request`` is the execution's input, ``generation`` its name."""
    result = plan_discovery(deployed_pipeline(), event.get("request") or {}, str(event["generation"]))
    logger.info("planned", extra={"days": len(result["days"]), "bytes": result["bytes"]})
    return result
