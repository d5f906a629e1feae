"""Lambda handler of RollBackChampion, invoked by people who may invoke it and, for what they began, by the schedule."""

from collections.abc import Mapping
from typing import Any

from lambdas.domain.caller_proof import proof_of, rollback_subject
from lambdas.domain.text.plain_text import stated_reason
from lambdas.workflow.callers import CallerCheck
from lambdas.workflow.serving.rollback import roll_back
from lambdas.workflow.stage import Pipeline, deployed_pipeline, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Bring a rollback one step further: ``{"task", "to"?, "why"?, "proof"}``; again while it is IN_PROGRESS.

    The order is a person's, who proves it. What was ordered goes on without a proof: ``{"task", "go_on": true}`` begins
    nothing.
    """
    pipeline, why = deployed_pipeline(), stated_reason(event.get("why"))
    task, to_run = str(event["task"]), str(event["to"]) if event.get("to") else None
    ordered_by = None
    if pipeline.tasks.state(task).rollback is None:
        if event.get("go_on") is True:
            return {"status": "NOTHING_ORDERED", "task": task}
        ordered_by = _verified(pipeline, event, task, to_run)
    result = roll_back(pipeline, task, to_run, why, ordered_by=ordered_by)
    logger.info("rollback", extra={"result": result})
    return result


def _verified(pipeline: Pipeline, event: Mapping[str, Any], task: str, to_run: str | None) -> str:
    """Give the ARN of who orders it."""
    person = CallerCheck(pipeline, proof_of(event), "rollback", rollback_subject(task, to_run))
    arn = person.caller["arn"]
    person.use()
    return arn
