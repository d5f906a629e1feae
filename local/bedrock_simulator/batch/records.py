"""The records of a batch inference job: its input is read and checked, and each comes to an answer or an error.

Rules of the Bedrock user guide (batch-inference-data) and of the service model (``ModelInvocationJobStatus``): files
end in ``.jsonl``; each line is a JSON object with ``modelInput`` and, if the caller likes, ``recordId``; whether
``modelInput`` fits the model is no business of the job's validation, only of its record. Nothing says that record ids
must differ, so two records may have the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from local.bedrock_simulator.brains.base import Chance
from local.bedrock_simulator.protocol.service import Params

# The service gives a record without an id one of eleven letters and digits, as the guide's examples have.
_ID_LETTERS, _ID_LENGTH = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 11


class InputProblem(ValueError):
    """What makes a job fail in its validation; the message is the job's."""


@dataclass(frozen=True)
class InputFile:
    """One input file: its name below the input's prefix, and its bytes."""

    name: str
    body: bytes


@dataclass(frozen=True)
class Record:
    """One line of an input file."""

    file: str
    record_id: str
    model_input: Params


@dataclass(frozen=True)
class Answered:
    """One record with what came of it; exactly one of ``output`` and ``error`` is there.

    ``input_tokens`` and ``output_tokens`` are what it costs: nothing for an error.
    """

    record: Record
    output: Params | None
    error: Params | None
    input_tokens: int = 0
    output_tokens: int = 0

    def line(self) -> bytes:
        """Return its line of the output file."""
        document: Params = {"recordId": self.record.record_id, "modelInput": self.record.model_input}
        document |= {"modelOutput": self.output} if self.error is None else {"error": self.error}
        return json.dumps(document, ensure_ascii=False).encode() + b"\n"


@dataclass(frozen=True)
class Limits:
    """The quotas for batch inference of one model: records, and bytes."""

    min_records: float
    max_file_records: float
    max_job_records: float
    max_file_bytes: float
    max_job_bytes: float


def read(files: Sequence[InputFile], limits: Limits) -> list[Record]:
    """Read and check the whole input of a job.

    Raises
    ------
    InputProblem
        Where the job must fail in its validation.
    """
    if not files:
        raise InputProblem("The input location holds no file that ends in .jsonl.")
    if sum(len(file.body) for file in files) > limits.max_job_bytes:
        raise InputProblem(f"The input files together are larger than the quota of {limits.max_job_bytes:.0f} bytes.")
    records: list[Record] = []
    for file in files:
        if len(file.body) > limits.max_file_bytes:
            raise InputProblem(f"The file {file.name} is larger than the quota of {limits.max_file_bytes:.0f} bytes.")
        found = list(_records(file))
        if len(found) > limits.max_file_records:
            raise InputProblem(
                f"The file {file.name} has {len(found)} records; the quota is {limits.max_file_records:.0f} a file."
            )
        records += found
    if len(records) < limits.min_records:
        raise InputProblem(f"The job has {len(records)} records; it must have at least {limits.min_records:.0f}.")
    if len(records) > limits.max_job_records:
        raise InputProblem(f"The job has {len(records)} records; the quota is {limits.max_job_records:.0f} a job.")
    return records


def failed(record: Record, code: int, message: str) -> Answered:
    """Return a record that was not answered."""
    return Answered(record, None, {"errorCode": code, "errorMessage": message})


def _records(file: InputFile) -> Iterator[Record]:
    for number, line in enumerate(file.body.splitlines(), 1):
        if line.strip():
            yield _record(file.name, number, line)


def _record(file: str, number: int, line: bytes) -> Record:
    where = f"line {number} of {file}"
    try:
        document: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputProblem(f"The record at {where} is not JSON ({error}).") from None
    if not isinstance(document, dict) or not isinstance(document.get("modelInput"), dict):
        raise InputProblem(f"The record at {where} must be a JSON object with the object modelInput.")
    record_id = document.get("recordId", _new_id(file, number))
    if not isinstance(record_id, str):
        raise InputProblem(f"The recordId at {where} must be a string.")
    return Record(file, record_id, document["modelInput"])


def _new_id(file: str, number: int) -> str:
    chance = Chance("record id", file, str(number))
    return "".join(_ID_LETTERS[chance.below(len(_ID_LETTERS))] for _ in range(_ID_LENGTH))
