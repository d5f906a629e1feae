"""Lambda handler of StartRun: S3 events from EventBridge, and retries that people ask for."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from lambdas.domain.identity import Upload
from lambdas.gateways.aws import clients
from lambdas.operations.start_run.retry import check_released
from lambdas.operations.start_run.submitter import find_submitter
from lambdas.workflow.run_starter import Starter, claim_upload
from lambdas.workflow.stage import deployed_pipeline, iso, logger


def handler(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's context has no type
    """Start the run of an upload (``Object Created`` event), or retry one (``{"retry": run_id}``)."""
    pipeline = deployed_pipeline()
    now = iso(pipeline.now())
    starter = Starter(
        pipeline.registry,
        pipeline.intake,
        clients.step_functions(),
        pipeline.environment.state_machine_arn,
        pipeline.environment.settings.max_running,
    )
    if "retry" in event:
        run_id = str(event["retry"])
        earlier = pipeline.registry.run(run_id)
        check_released(earlier, pipeline.resources.of_run(run_id), pipeline.tasks.state(earlier.task), pipeline.now())
        run = pipeline.registry.begin_retry(run_id, now)
    else:
        # S3 sends keys to EventBridge literally: they must not be URL-decoded (S3 user guide, EventBridge).
        detail = event["detail"]
        made = detail["object"]
        upload = Upload(detail["bucket"]["name"], made["key"], made.get("version-id", "null"))
        if not upload.starts_a_run():
            logger.info("the object starts no run", extra={"upload": upload.key})
            return {"run_id": None, "state": "IGNORED"}
        run = claim_upload(pipeline.registry, pipeline.uploads, upload, now, partial(find_submitter, pipeline))
    state = starter.start(run, now)
    return {"run_id": run.run_id, "attempt": run.attempt, "state": state}
