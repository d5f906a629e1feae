"""Find uploads whose event never came: a rule was disabled, or the event was lost. They are started as by the event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from lambdas.domain.identity import Upload
from lambdas.workflow.stage import Pipeline, Result, logger

if TYPE_CHECKING:
    from lambdas.gateways.aws.storage import NewestVersion

EVENT_MAY_COME = timedelta(minutes=10)
"""EventBridge delivers an S3 event within seconds, and tries a failing target again."""

LOOKED_BACK = timedelta(days=1)
"""What lay there before that is nobody's expectation any more: an old bucket under a new registry starts nothing."""

PAGES_A_LOOK = 5
"""Pages of 1,000 object versions that one look reads; the next one goes on where it stopped."""

LOOKUPS_A_LOOK = 500
"""Recent uploads whose run one look asks the registry for."""


def find_missed(pipeline: Pipeline, start: Callable[[Result], None]) -> list[str]:
    """Start the runs of recent uploads that have none.

    Only the newest version of an object counts, and only keys that start a run. A run that has files was known before
    the registry lost it: it is logged and not paid for again.

    Parameters
    ----------
    pipeline : Pipeline
    start : callable
        Hands the event of an upload to StartRun.

    Returns
    -------
    list of str
        The runs that were started, or queued.
    """
    found: list[str] = []
    after, looked_up = pipeline.upload_cursor.after(), 0
    for _ in range(PAGES_A_LOOK):
        versions, following = pipeline.uploads.newest_versions(after)
        for version in versions:
            if not _is_due(pipeline, version):
                continue
            if looked_up == LOOKUPS_A_LOOK:
                pipeline.upload_cursor.go_on_after(after)
                return found
            looked_up += 1
            if run_id := _started(pipeline, version, start):
                found.append(run_id)
            after = version.key
        after = following
        if not after:
            break
    pipeline.upload_cursor.go_on_after(after)
    return found


def _is_due(pipeline: Pipeline, version: NewestVersion) -> bool:
    if not EVENT_MAY_COME <= pipeline.now() - version.written_at <= LOOKED_BACK:
        return False
    return _upload(pipeline, version).starts_a_run()


def _started(pipeline: Pipeline, version: NewestVersion, start: Callable[[Result], None]) -> str:
    upload = _upload(pipeline, version)
    if pipeline.registry.is_known(upload.run_id):
        return ""
    extra = {"upload": upload.key, "version": upload.version, "run_id": upload.run_id}
    if next(pipeline.runs.keys(f"runs/{upload.task}/{upload.run_id}/"), None) is not None:
        logger.warning("the registry has lost a run: 'rebuild-registry' brings it back", extra=extra)
        return ""
    logger.error("the event of an upload never came: is the rule PromptsUploaded enabled?", extra=extra)
    made = {"key": upload.key, "version-id": upload.version}
    start({"detail": {"bucket": {"name": upload.bucket}, "object": made}})
    return upload.run_id


def _upload(pipeline: Pipeline, version: NewestVersion) -> Upload:
    return Upload(pipeline.uploads.name, version.key, version.version)
