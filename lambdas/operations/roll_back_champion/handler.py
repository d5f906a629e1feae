"""Lambda handler of RollBackChampion, invoked by people who may invoke it and, for what they began, by the schedule."""

from collections.abc import Mapping
from typing import Any

from lambdas.domain.caller_proof import proof_of, rollback_subject, serving_subject
from lambdas.domain.gate.routing import RoutingTest
from lambdas.domain.text.plain_text import stated_reason
from lambdas.workflow.callers import CallerCheck
from lambdas.workflow.serving.rollback import roll_back
from lambdas.workflow.serving.routing import ServingWord, route, serve_as
from lambdas.workflow.stage import Pipeline, deployed_pipeline, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Change who answers a task's callers, by the word of a person who proves it.

    ``{"task", "to"?, "why"?, "proof"}`` brings a rollback one step further; again while it is IN_PROGRESS. What was
    ordered goes on without a proof: ``{"task", "go_on": true}`` begins nothing. ``{"serve": mode, "task", "run_id",
    "why"?, "proof"}`` lets student, cascade or fallback answer. ``{"route": share, "task", "run_id"}`` proposes routing
    within a share; with ``"adopt": true`` and a proof it is tested and, where it passes, adopted. With ``"fresh": run``
    the records of a later run test it.
    """
    pipeline, why = deployed_pipeline(), stated_reason(event.get("why"))
    task, to_run = str(event["task"]), str(event["to"]) if event.get("to") else None
    if "serve" in event or "route" in event:
        return _answered_by(pipeline, event, task, why)
    ordered_by = None
    if pipeline.tasks.state(task).rollback is None:
        if event.get("go_on") is True:
            return {"status": "NOTHING_ORDERED", "task": task}
        ordered_by = _verified(pipeline, event, "rollback", rollback_subject(task, to_run))
    result = roll_back(pipeline, task, to_run, why, ordered_by=ordered_by)
    logger.info("rollback", extra={"result": result})
    return result


def _answered_by(pipeline: Pipeline, event: Mapping[str, Any], task: str, why: str) -> dict[str, Any]:
    run_id = str(event["run_id"])
    if "serve" in event:
        mode = str(event["serve"])
        person = _verified(pipeline, event, "serve", serving_subject(task, run_id, mode))
        return serve_as(pipeline, task, mode, run_id, ServingWord(why, person))
    test = RoutingTest.of(event)
    subject = serving_subject(task, run_id, test.proven)
    person = _verified(pipeline, event, "route", subject) if test.limits else ""
    return route(pipeline, task, run_id, test, ServingWord(why, person))


def _verified(pipeline: Pipeline, event: Mapping[str, Any], verb: str, subject: str) -> str:
    """Give the ARN of who orders it."""
    person = CallerCheck(pipeline, proof_of(event), verb, subject)
    arn = person.caller["arn"]
    person.use()
    return arn
