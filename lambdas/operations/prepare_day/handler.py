"""Lambda handler of the state PrepareDay."""

from collections.abc import Mapping
from typing import Any

from lambdas.operations.prepare_day.stage import prepare_day
from lambdas.workflow.stage import deployed_pipeline


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Prepare one ``day`` of one ``source``."""
    return prepare_day(deployed_pipeline(), int(event["source"]), str(event["day"]))
