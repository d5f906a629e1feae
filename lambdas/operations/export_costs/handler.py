"""Lambda handler of ExportCosts: its schedule, or somebody who asks for a month."""

from collections.abc import Mapping
from typing import Any

from lambdas.gateways.aws import clients
from lambdas.gateways.aws.endpoint_metrics import Usage
from lambdas.operations.export_costs.stage import export_costs, own_metrics
from lambdas.workflow.stage import deployed_pipeline, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Export this month and the one before; ``{"month": "YYYY-MM"}`` exports another one."""
    pipeline = deployed_pipeline()
    own = own_metrics(pipeline, clients.lambdas(), clients.dynamodb(), clients.cloudwatch())
    result = export_costs(pipeline, Usage(clients.cloudwatch()), own, event.get("month"))
    logger.info("exported", extra={"result": result})
    return result
