"""Lambda handler of ReconcileRuns: executions that ended, a schedule for what was missed, people who stop runs."""

from collections.abc import Mapping
from typing import Any

from lambdas.domain.text.plain_text import stated_reason
from lambdas.gateways.aws import clients
from lambdas.operations.reconcile_runs.forgetting import begin_forgetting
from lambdas.operations.reconcile_runs.stage import Reconciler
from lambdas.workflow.run_starter import Starter
from lambdas.workflow.stage import deployed_pipeline, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Close the run of an ended execution (``Execution Status Change``), or look after all runs (any other event).

    ``{"stop": run_id, "why": text}`` stops a run for a person; ``{"forget": run_id, …}`` closes one for deletion.
    """
    pipeline = deployed_pipeline()
    if "forget" in event:
        return begin_forgetting(pipeline, event)
    environment = pipeline.environment
    step_functions = clients.step_functions()
    starter = Starter(
        pipeline.registry,
        pipeline.intake,
        step_functions,
        environment.state_machine_arn,
        environment.settings.max_running,
    )
    reconciler = Reconciler(pipeline, step_functions, clients.lambdas(), starter)
    if "stop" in event:
        stopped = reconciler.stop(str(event["stop"]), stated_reason(event.get("why")))
        logger.info("stopped", extra={"result": stopped})
        return stopped
    detail = event.get("detail") or {}
    result = reconciler.execution_ended(detail) if "executionArn" in detail else reconciler.look_after_all()
    logger.info("reconciled", extra={"result": result})
    return result
