"""Lambda handler of AnswerApproval, invoked by people who may invoke it."""

from collections.abc import Mapping
from typing import Any

from lambdas.gateways.aws import clients
from lambdas.gateways.registry.approvals import Approvals
from lambdas.operations.answer_approval.stage import Word, answer
from lambdas.workflow.stage import deployed_pipeline, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Approve or reject; the fields are those of :class:`lambdas.operations.answer_approval.stage.Word`."""
    pipeline = deployed_pipeline()
    approvals = Approvals(clients.dynamodb(), pipeline.environment.approvals_table)
    given = answer(pipeline, approvals, clients.step_functions(), Word.from_event(event))
    logger.info("approval answered", extra=given)
    return given
