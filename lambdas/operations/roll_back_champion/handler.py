"""Lambda handler of RollBackChampion, invoked by people who may invoke it and, for what they began, by the schedule."""

from collections.abc import Mapping
from typing import Any

from lambdas.domain.text.plain_text import stated_reason
from lambdas.workflow.serving.rollback import roll_back
from lambdas.workflow.stage import deployed_pipeline, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Bring a rollback one step further: ``{"task", "to"?, "why"?}``; to be called again while it is IN_PROGRESS."""
    why = stated_reason(event.get("why"))
    result = roll_back(deployed_pipeline(), str(event["task"]), event.get("to") or None, why)
    logger.info("rollback", extra={"result": result})
    return result
