"""Read what callers meet since the promotion; where it is bad, bring the former champion back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from lambdas.domain.errors import RollbackRefused, StudentRolledBack
from lambdas.domain.serving.notification import serving_message
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.endpoint_metrics import Traffic, read_traffic
from lambdas.gateways.aws.messages import send_message
from lambdas.gateways.aws.service_errors import AWS_ERRORS
from lambdas.workflow.serving.endpoints import evaluated_p95_ms
from lambdas.workflow.serving.rollback import ROLLBACK_FAILED, roll_back
from lambdas.workflow.stage import Result, Stage, logger

if TYPE_CHECKING:
    from lambdas.gateways.registry.champions import Champion

BAKING, ROLLING_BACK, COMPLETED = "BAKING", "ROLLING_BACK", "COMPLETED"


def execute(stage: Stage) -> Result:
    """Look once.

    Returns
    -------
    dict
        ``status`` BAKING while all is well or nothing is known yet, ROLLING_BACK, or COMPLETED where there is nothing
        left to watch: somebody else moved the endpoint, or no former champion could take over.

    Raises
    ------
    StudentRolledBack
        The former champion serves again.
    """
    state = stage.pipeline.tasks.state(stage.run.task)
    champion, bake = state.champion, stage.run.facts.get("bake") or {}
    if state.rollback is not None and state.rollback.owner == stage.owner:
        return _roll_back(stage, str(bake["verdict"]))
    if champion is None or champion.run_id != stage.run.run_id:
        if bake.get("rolling_back"):  # the schedule took the last step
            raise StudentRolledBack(_reason(str(bake["verdict"]), champion.run_id if champion else "none"))
        return {"status": COMPLETED}
    if not bake:
        _tell(stage, champion)
    traffic = read_traffic(
        clients.cloudwatch(),
        champion.endpoint_arn,
        datetime.fromisoformat(champion.promoted_at),
        stage.pipeline.now(),
    )
    problem = _problem(stage, traffic)
    verdict = problem or _all_is_well(traffic, stage.pipeline.environment.settings.bake_min_requests)
    _note(stage, traffic, verdict, rolling_back=bool(problem and state.previous))
    if problem is None:
        return {"status": BAKING}
    if state.previous is None:
        return {"status": COMPLETED}
    return _roll_back(stage, verdict)


def _problem(stage: Stage, traffic: Traffic) -> str | None:
    """Say what is bad, or nothing. Throttles are not a reason: the former student would meet them on the same units."""
    settings = stage.pipeline.environment.settings
    if traffic.requests < settings.bake_min_requests:
        return None
    share = traffic.server_errors / traffic.requests
    if share > settings.bake_max_error_share:
        allowed = settings.bake_max_error_share
        return f"{share:.1%} of {traffic.requests} requests ended in a server error, allowed are {allowed:.1%}"
    p95 = evaluated_p95_ms(stage)
    if p95 is None or traffic.latency_ms is None or traffic.latency_ms <= settings.bake_max_slowdown * p95:
        return None
    return (
        f"the mean latency is {traffic.latency_ms:,.0f} ms over {traffic.requests} requests, allowed are "
        f"{settings.bake_max_slowdown:g} times the {p95:,.0f} ms that were the student's p95 in the evaluation"
    )


def _all_is_well(traffic: Traffic, needed: int) -> str:
    throttled = f"; {traffic.throttles} were throttled: ask for more model units" if traffic.throttles else ""
    if traffic.requests < needed:
        return f"{traffic.requests} requests so far, too few to judge the student by (needed are {needed}){throttled}"
    return f"{traffic.requests} requests, {traffic.server_errors} server errors{throttled}"


def _note(stage: Stage, traffic: Traffic, verdict: str, *, rolling_back: bool) -> None:
    stage.pipeline.registry.record_facts(
        stage.run.run_id,
        bake={
            "served": traffic.served,
            "server_errors": traffic.server_errors,
            "client_errors": traffic.client_errors,
            "throttles": traffic.throttles,
            "latency_ms": traffic.latency_ms,
            "verdict": verdict,
            "at": stage.now(),
            "rolling_back": rolling_back,
        },
    )
    stage.progress(status=verdict)


def _roll_back(stage: Stage, verdict: str) -> Result:
    try:
        given = roll_back(stage.pipeline, stage.run.task, None, verdict, stage.owner)
    except RollbackRefused as refused:
        logger.warning("a bad champion could not be rolled back", extra={"why": str(refused)})
        return {"status": COMPLETED}
    if given["status"] == "COMPLETED":
        raise StudentRolledBack(_reason(verdict, given["to_run"]))
    return {"status": COMPLETED if given["status"] == ROLLBACK_FAILED else ROLLING_BACK}


def _reason(verdict: str, serving: str) -> str:
    return f"rolled back: {verdict}. The student of run {serving} serves again"


def _tell(stage: Stage, champion: Champion) -> None:
    """Say at once that the student serves: the report comes after the watch."""
    environment = stage.pipeline.environment
    subject, text = serving_message(
        environment=environment.name,
        run_id=stage.run.run_id,
        task=stage.run.task,
        endpoint_arn=champion.endpoint_arn,
        minutes=environment.settings.bake_minutes,
    )
    try:
        send_message(clients.sns(), environment.topic_arn, subject, text)
    except AWS_ERRORS:
        logger.exception("the message about the new champion could not be sent")
