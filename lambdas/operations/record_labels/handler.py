"""Lambda handler of RecordLabels, invoked by people who may invoke it."""

from collections.abc import Mapping
from typing import Any

from lambdas.gateways.aws import clients
from lambdas.gateways.registry.approvals import Approvals
from lambdas.operations.record_labels.stage import GivenLabels, record
from lambdas.workflow.stage import deployed_pipeline, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Keep scores; the fields are those of :class:`lambdas.operations.record_labels.stage.GivenLabels`."""
    pipeline = deployed_pipeline()
    approvals = Approvals(clients.dynamodb(), pipeline.environment.approvals_table)
    kept = record(pipeline, approvals, clients.step_functions(), GivenLabels.from_event(event))
    logger.info("labels kept", extra=kept)
    return kept
