"""What the teacher's answers became: ``teacher_data.json``, with one reader and one writer.

CollectTeacherData writes it. What a run did not need is not in it. What the report shows of it: docs/report.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from lambdas.domain.stored import check_schema_version

TEACHER_DATA_FILE = "teacher_data.json"


class InvocationLogs(TypedDict):
    """The objects that a job trains on under the mode ``logged``, and the metadata by which it filters them."""

    prefix: str
    objects: int
    entries: int
    metadata: dict[str, str]


class TeacherData(TypedDict, total=False):
    """``teacher_data.json``.

    ``training_volume`` has the fields of :class:`~lambdas.domain.costs.training_cost.TrainingVolume`, ``batch`` those
    of ``teacher_batch.json``; ``training_sha256`` is of ``training.jsonl`` and names the job.
    """

    teacher: str
    mode: str
    training_records: int
    labelled_records: int
    references: int
    dropped: int
    drop_reasons: Mapping[str, int]
    drop_samples: Sequence[Mapping[str, str]]
    drop_rate: float
    training_sha256: str
    training_volume: Mapping[str, float]
    logged_answers: int
    batch: Mapping[str, Any] | None
    invocation_logs: InvocationLogs


def read_teacher_data(document: Mapping[str, Any]) -> TeacherData:
    """Read ``teacher_data.json`` as this version or another wrote it.

    Raises
    ------
    DocumentTooNew
        When a later version wrote it in another way.
    """
    check_schema_version(document, TEACHER_DATA_FILE)
    return cast("TeacherData", document)
