"""People's scores of a run's answers: the answers that they are asked about, and what they have said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lambdas.domain.evaluation.labels import AnswerPair, KeptLabels, PeoplesLabels, label_order, peoples_labels
from lambdas.domain.evaluation.measurements import STUDENT, Measurement

if TYPE_CHECKING:
    from lambdas.domain.run_files import RunFiles
    from lambdas.gateways.aws.storage import Bucket
    from lambdas.workflow.stage import Stage


def labels_of_run(stage: Stage, grouped: Mapping[str, Sequence[Measurement]]) -> PeoplesLabels | None:
    """Add up what people said of the answers of this attempt; ``None`` where nobody said anything.

    Parameters
    ----------
    stage : Stage
    grouped : mapping of str to sequence of Measurement
        By role; student and reference must be there.
    """
    kept = kept_labels(stage.pipeline.runs, stage.run.files)
    if not kept:
        return None
    reference = stage.task.gate.reference
    order = label_order(stage.run.run_id, grouped[STUDENT], grouped[reference])
    return peoples_labels(kept, order, stage.pipeline.environment.settings.trusted_sessions, reference)


def kept_labels(runs: Bucket, files: RunFiles) -> list[KeptLabels]:
    """Read every label of a run."""
    return [KeptLabels.from_document(runs.read_json(key)) for key in runs.keys(files.labels(""))]


def measured_answers(
    runs: Bucket, files: RunFiles, attempt: int, reference: str
) -> tuple[list[Measurement], list[Measurement]]:
    """Read the answers of student and reference model, without those of the others.

    Parameters
    ----------
    runs : Bucket
    files : RunFiles
    attempt : int
    reference : str
        Role with which the rule of quality compares.
    """
    found: dict[str, dict[str, Measurement]] = {STUDENT: {}, reference: {}}
    for key in runs.keys(files.evaluation(attempt, "")):
        for line in runs.read(key).splitlines() if key.endswith(".jsonl") else ():
            item = Measurement.from_json(line)
            if item.role in found:
                found[item.role][item.record_id] = item
    return list(found[STUDENT].values()), list(found[reference].values())


def order_of_run(runs: Bucket, files: RunFiles, attempt: int, reference: str) -> dict[str, AnswerPair]:
    """Put the records about which people are asked in their order (:func:`~.labels.label_order`)."""
    return label_order(files.run_id, *measured_answers(runs, files, attempt, reference))
