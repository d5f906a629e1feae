"""Lambda handler of AnswerApproval, invoked by people who may invoke it."""

from collections.abc import Mapping
from typing import Any

from lambdas.answer_approval.stage import answer
from lambdas.gateways import clients
from lambdas.gateways.approvals import Approvals
from lambdas.pipeline import logger, pipeline


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Approve or reject: ``{"run_id", "answer", "why", "report_sha256"}``."""
    line = pipeline()
    given = answer(
        line,
        Approvals(clients.dynamodb(), line.environment.approvals_table),
        clients.step_functions(),
        run_id=str(event["run_id"]),
        word=str(event["answer"]),
        why=str(event.get("why") or ""),
        report_sha256=str(event["report_sha256"]),
    )
    logger.info("approval answered", extra=given)
    return given
