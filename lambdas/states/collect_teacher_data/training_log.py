"""Write the logged answers that are trained on as invocation-log objects of the run's own.

Bedrock chooses by request metadata alone: pointed at the log itself it would train on the holdout, on other hours and
on answers that were dropped here. So it is pointed at these objects (decision 0043).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.identity import digest
from lambdas.domain.logs.log_writer import LogPlace, log_entry, log_objects

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.logs.logged_answers import ReusedAnswer
    from lambdas.domain.training.teacher_data import Collected
    from lambdas.domain.training.teacher_data_document import InvocationLogs
    from lambdas.workflow.stage import Stage


def write_training_log(
    stage: Stage, teacher: str, train: list[Record], logged: dict[str, ReusedAnswer], collected: Collected
) -> InvocationLogs:
    """Write the objects under a prefix named by their content, so that no other attempt's lie beside them.

    Returns
    -------
    InvocationLogs
        ``prefix`` (a key), ``objects``, ``entries`` and ``metadata``, for LaunchDistillation and for people.
    """
    files, runs, environment = stage.run.files, stage.pipeline.runs, stage.pipeline.environment
    dropped = {item["record_id"] for item in collected.dropped}
    metadata = runs.read_json(files.logs("listing.json"))["metadata"]
    place = LogPlace(
        account=environment.account, region=environment.settings.region, teacher=teacher, metadata=metadata
    )
    entries = [log_entry(record, stage.task, logged[record.id], place) for record in train if record.id not in dropped]
    objects = list(log_objects(entries, place))
    prefix = files.teacher_data(f"invocation_logs/{digest(*(name for name, _ in objects), length=16)}/")
    for name, content in objects:
        runs.write(f"{prefix}{name}", content, "application/gzip")
    return {"prefix": prefix, "objects": len(objects), "entries": len(entries), "metadata": metadata}
