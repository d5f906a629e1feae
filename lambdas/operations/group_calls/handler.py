"""Lambda handler of the state GroupCalls."""

from collections.abc import Mapping
from typing import Any

from lambdas.operations.group_calls.stage import group_calls
from lambdas.workflow.stage import deployed_pipeline, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Group the rows that the query ``query`` returned, for the discovery ``generation``."""
    result = group_calls(deployed_pipeline(), str(event["query"]), str(event["generation"]))
    logger.info("grouped", extra={"result": result})
    return result
