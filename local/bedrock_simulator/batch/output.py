"""What a batch inference job leaves in S3: one file for each input file, without order, and a manifest.

Format of the Bedrock user guide (batch-inference-results).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from local.bedrock_simulator.batch.job import BatchJob, Counts
from local.bedrock_simulator.batch.records import Answered, failed
from local.bedrock_simulator.brains.base import Chance
from local.bedrock_simulator.records import Tokens

MANIFEST = "manifest.json.out"


@dataclass(frozen=True)
class Processed:
    """What a job has processed.

    Attributes
    ----------
    counts : Counts
        Records; a lost one is among the total only.
    written : list[Answered]
        The lines of the output, a doubled record twice.
    """

    counts: Counts
    written: list[Answered] = field(default_factory=list)

    @property
    def tokens(self) -> Tokens:
        """What is billed: errors cost nothing, and a record that the output has twice was processed twice."""
        return Tokens(
            sum(entry.input_tokens for entry in self.written),
            sum(entry.output_tokens for entry in self.written),
            sum(entry.error is None for entry in self.written),
        )


def process(job: BatchJob, answered: Sequence[Answered], share: float) -> Processed:
    """Return what a job has processed when it did a share of its work, as its ordered faults will have it."""
    lost = _drawn(job, "lose_records", len(answered))
    broken = _drawn(job, "error_records", len(answered))
    done = [
        _broken(job, entry) if place in broken else entry
        for place, entry in enumerate(answered[: round(len(answered) * share)])
        if place not in lost
    ]
    twice = _drawn(job, "duplicate_records", len(done))
    doubled = [entry for place, entry in enumerate(done) if place in twice and entry.error is None]
    errors = sum(entry.error is not None for entry in done)
    return Processed(Counts(len(answered), len(done), len(done) - errors, errors), done + doubled)


def objects_of(job: BatchJob, processed: Processed) -> list[tuple[str, bytes]]:
    """Return keys below the job's folder with their bodies; a job that processed nothing leaves nothing."""
    if not processed.written:
        return []
    names = dict.fromkeys(entry.record.file for entry in processed.written)
    files = [(f"{name}.out", _file(job, name, processed.written)) for name in names]
    return [*files, (MANIFEST, _manifest(processed))]


def _file(job: BatchJob, name: str, written: Sequence[Answered]) -> bytes:
    """Join the lines of one file in an order that follows from the job's name alone."""
    lines = [entry.line() for entry in written if entry.record.file == name]
    order = Chance("batch output", job.params["jobName"], name).order(len(lines))
    body = b"".join(lines[place] for place in order)
    keep = job.option("cut_output", "fraction")
    return body if keep is None else body[: int(len(body) * keep)]


def _manifest(processed: Processed) -> bytes:
    tokens = processed.tokens
    document = processed.counts.to_api() | {"inputTokenCount": tokens.input, "outputTokenCount": tokens.output}
    return json.dumps(document).encode()


def _drawn(job: BatchJob, kind: str, count: int) -> set[int]:
    """Draw the places that an ordered fault strikes: its share of the records, at least one."""
    fraction = job.option(kind, "fraction")
    if fraction is None or not count:
        return set()
    return set(Chance(kind, str(job.option(kind, "seed"))).order(count)[: max(1, round(count * fraction))])


def _broken(job: BatchJob, entry: Answered) -> Answered:
    return failed(entry.record, job.option("error_records", "code"), job.option("error_records", "message"))
