"""Lambda handler of ReapIdleThroughput: its schedule, and people who ask through the command line."""

from collections.abc import Mapping
from typing import Any

from lambdas.domain.caller_proof import proof_of
from lambdas.domain.serving.idle_rules import REPORT
from lambdas.domain.text.plain_text import stated_reason
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.endpoint_metrics import Usage
from lambdas.gateways.registry.inventory import Inventory
from lambdas.operations.reap_idle_throughput.reporting import measure, tell
from lambdas.operations.reap_idle_throughput.stage import Reaper
from lambdas.workflow.callers import CallerCheck
from lambdas.workflow.stage import Pipeline, deployed_pipeline, iso, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Look for what idles.

    ``{}`` does what the settings say; ``{"reap": "report"}`` (or another value of that setting) asks for it once;
    ``{"confirm": task, "run_id": run, "why": text, "proof": …}`` confirms a champion.
    """
    pipeline = deployed_pipeline()
    settings = pipeline.environment.settings
    if "confirm" in event:
        return _confirm(pipeline, event)
    inventory = Inventory(
        clients.bedrock(), pipeline.environment.name, pipeline.prices, settings.student_model, pipeline.foreign
    )
    reaper = Reaper(pipeline, inventory, Usage(clients.cloudwatch()), clients.bedrock(), clients.bedrock_runtime)
    by_hand = "reap" in event
    reap = REPORT if pipeline.intake.closed_since() else str(event.get("reap", settings.reap))
    result = reaper.reap(reap, look_only=reap == REPORT and (by_hand or pipeline.intake.closed_since() is not None))
    pipeline.meter.emit_all(measure(result))
    if not by_hand:  # whoever asked by hand reads the answer
        tell(pipeline, result)
    logger.info("looked for what idles", extra={"findings": len(result["findings"])})
    return result


def _confirm(pipeline: Pipeline, event: Mapping[str, Any]) -> dict[str, Any]:
    task, run_id, why = str(event["confirm"]), str(event["run_id"]), stated_reason(event.get("why"))
    person = CallerCheck(pipeline, proof_of(event), "confirm", run_id)
    arn = person.caller["arn"]
    person.use()
    pipeline.tasks.confirm(task, run_id, iso(pipeline.now()), why, {"answered_by": arn})
    return {"task": task, "confirmed": run_id, "by": arn}
