"""Read what a customization job leaves in its output folder: how many records it took, and its loss curve.

Bedrock drops invalid records without failing the job, so its counts are held against what was sent. The metrics'
columns are documented (user guide, analyze the results of a customization job: step_number, epoch_number,
training_loss, perplexity), the manifest's are known from a published log only. So both are read by what their headers
mean, and what cannot be read is unknown, never guessed.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

METRICS_FILE = "step_wise_training_metrics.csv"
MANIFEST_FILE = "manifest.report.csv"
MOST_POINTS = 200
"""Points of the loss curve that are kept: more than a chart can show."""

_LOSS = ("trainingloss", "trainloss", "loss")
_STEP = ("stepnumber", "step", "globalstep", "iteration")
_EPOCH = ("epochnumber", "epoch")
_FILE = "filename"
_COUNTS = {
    "processed": ("totalprocessedrecordcount", "totalprocessed", "totalrecordcount"),
    "accepted": ("acceptedrecordcount", "accepted"),
    "partially_accepted": ("partiallyacceptedrecordcount", "partiallyaccepted"),
    "rejected": ("rejectedrecordcount", "rejected"),
}


@dataclass(frozen=True, slots=True)
class LossPoint:
    """One step of the training; ``epoch`` is ``None`` where the file has none."""

    step: float
    epoch: float | None
    loss: float


@dataclass(frozen=True, slots=True)
class LossCurve:
    """The steps whose loss is known, in their order, and how many others there are."""

    points: list[LossPoint] = field(default_factory=list)
    without_loss: int = 0


@dataclass(frozen=True, slots=True)
class RecordCounts:
    """Records as the job counted them; a partially accepted one was used in part."""

    processed: int
    accepted: int
    partially_accepted: int
    rejected: int

    def used(self) -> int:
        """Count the records that were trained on, at least in part."""
        return self.accepted + self.partially_accepted

    def lost_share(self, sent: int) -> float:
        """Give the share of the records sent that was not trained on, from 0 to 1.

        Counts of more than was sent are not of our records alone. Then it is not known which were rejected: the share
        of all counts is taken where it is the larger, so that nothing lost is hidden behind what was added.
        """
        short = max(0, sent - self.used()) / sent if sent else 0.0
        rejected = self.rejected / self.processed if self.processed > sent else 0.0
        return max(short, rejected)

    def to_document(self) -> dict[str, int]:
        """Give the counts as JSON."""
        return asdict(self)


def read_counts(files: Iterable[bytes]) -> RecordCounts | None:
    """Add up the manifests of a job, each file that they name once.

    A file that several manifests report, as of several phases, counts as the one that took the fewest of its records.

    Parameters
    ----------
    files : iterable of bytes
        Each ``manifest.report.csv`` of the training data.

    Returns
    -------
    RecordCounts or None
        ``None`` where no row says how many records were accepted or rejected.
    """
    found: dict[str, RecordCounts] = {}
    for number, body in enumerate(files):
        for name, rows in _by_file(body).items():
            counts = RecordCounts(*(sum(getattr(row, field) for row in rows) for field in _COUNTS))
            key = name or f"unnamed, in manifest {number}"
            if key not in found or counts.used() < found[key].used():
                found[key] = counts
    if not found:
        return None
    return RecordCounts(*(sum(getattr(counts, field) for counts in found.values()) for field in _COUNTS))


def read_losses(body: bytes) -> LossCurve:
    """Read the loss curve; only a finite loss of 0 or more is one.

    The API's own ``trainingLoss`` may be -1 for "not known"; a negative loss in the file is held for the same.
    """
    points, without = [], 0
    for number, row in enumerate(filter(None, _rows(body)), start=1):
        loss = _number(row, _LOSS)
        if loss is None or loss < 0:
            without += 1
            continue
        step = _number(row, _STEP)
        points.append(LossPoint(number if step is None else step, _number(row, _EPOCH), loss))
    return LossCurve(sorted(points, key=lambda point: point.step), without)


def thinned(points: list[LossPoint], most: int = MOST_POINTS) -> list[LossPoint]:
    """Keep the first, the last and evenly spread points between them, at most ``most`` (two or more)."""
    if len(points) <= most:
        return points
    last = len(points) - 1
    return [points[round(index * last / (most - 1))] for index in range(most)]


def training_document(
    sent: int, counts: RecordCounts | None, losses: LossCurve, source: str, api_loss: object = None
) -> dict[str, Any]:
    """Describe a training for the report.

    Parameters
    ----------
    sent : int
        Records of our training file.
    counts : RecordCounts or None
        What the job says that it took.
    losses : LossCurve
    source : str
        The URI under which the job's files lie.
    api_loss : object
        ``trainingMetrics.trainingLoss`` of GetModelCustomizationJob, taken as the last loss where there is no curve.
    """
    known = [point.loss for point in losses.points]
    last = known[-1] if known else None
    if last is None and isinstance(api_loss, int | float) and math.isfinite(api_loss) and api_loss >= 0:
        last = float(api_loss)
    return {
        "sent": sent,
        "counts": counts.to_document() if counts else None,
        "lost_share": counts.lost_share(sent) if counts else None,
        "steps": len(known) or None,
        "steps_without_loss": losses.without_loss,
        "first_loss": known[0] if known else None,
        "last_loss": last,
        "curve": [asdict(point) for point in thinned(losses.points)],
        "output": source,
    }


def _by_file(body: bytes) -> dict[str, list[RecordCounts]]:
    found: dict[str, list[RecordCounts]] = {}
    for name, counts in _manifest_rows(body):
        found.setdefault(name, []).append(counts)
    return found


def _manifest_rows(body: bytes) -> Iterator[tuple[str, RecordCounts]]:
    """Give the counts of each row with the file's name, empty where there is none."""
    for row in _rows(body):
        found = {name: _number(row, headers) for name, headers in _COUNTS.items()}
        if any(value is not None and (value < 0 or value != int(value)) for value in found.values()):
            continue
        accepted, rejected, processed = found["accepted"], found["rejected"], found["processed"]
        partial = found["partially_accepted"] or 0
        if accepted is None and (processed is None or rejected is None):
            continue
        if accepted is None:
            accepted = max(0, (processed or 0) - (rejected or 0) - partial)
        if rejected is None:
            rejected = max(0, processed - accepted - partial) if processed is not None else 0
        total = processed if processed is not None else accepted + partial + rejected
        yield row.get(_FILE, ""), RecordCounts(int(total), int(accepted), int(partial), int(rejected))


def _rows(body: bytes) -> Iterator[dict[str, str]]:
    """Read a CSV file by its header; the header's case, spaces and underscores do not matter."""
    text = body.decode("utf-8-sig", errors="replace").replace("\0", "")
    reader = csv.reader(io.StringIO(text, newline=None))
    try:
        header = ["".join(filter(str.isalnum, name)).lower() for name in next(reader, [])]
        for row in reader:
            yield dict(zip(header, row, strict=False))
    except csv.Error:
        return  # what was read until here stands


def _number(row: dict[str, str], headers: tuple[str, ...]) -> float | None:
    text = next((row[name] for name in headers if name in row), "")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
