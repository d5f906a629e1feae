"""Lambda handler of the state ReadOffloadedBodies."""

from collections.abc import Mapping
from typing import Any

from lambdas.operations.read_offloaded_bodies.stage import read_offloaded_bodies
from lambdas.workflow.stage import deployed_pipeline, logger, seconds_left_of


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Read the bodies that the query ``query`` names, and note that the ``day`` of ``source`` was read."""
    source, day = int(event["source"]), str(event["day"])
    result = read_offloaded_bodies(deployed_pipeline(), source, day, str(event["query"]), seconds_left_of(context))
    logger.info("day was read", extra={"result": result})
    return result
