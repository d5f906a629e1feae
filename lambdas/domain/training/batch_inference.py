"""Batch inference: how much a job may hold, its input lines, and what its output says, joined by record id."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from lambdas.domain.model_ids import foundation_model_id
from lambdas.domain.questions.answers import Answer, Question

SHORTEST_DEADLINE_HOURS = 1.0
"""Below it no batch is begun: Bedrock promises a batch within a day, and most take minutes to hours."""

PASSING_CODES = (408, 409, 424, 429)
"""HTTP codes of error records that may go away, beside those from 500 on (Bedrock runtime, error responses)."""

_QUOTAS = {
    "min_records": "minimum number of records per batch inference job",
    "max_records": "records per input file per batch inference job",
    "max_job_records": "records per batch inference job",
    "max_file_gb": "batch inference input file size",
    "max_job_gb": "batch inference job size",
    "jobs_at_once": "sum of in-progress and submitted batch inference jobs using a base model",
}
"""Beginnings of the quotas' names (Service Quotas, Amazon Bedrock), each followed by "for" and the model's name."""

_GIGABYTE = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchLimits:
    """What a job of one model may hold; the defaults are those of the Bedrock user guide, quotas for batch inference.

    A job of ours has one input file, so that the smaller of a file's and a job's limit binds.

    Attributes
    ----------
    min_records, max_records : int
        Records of a job.
    max_bytes : int
        Bytes of its input file.
    jobs_at_once : int
        Jobs of one model that are submitted or in progress.
    """

    min_records: int = 100
    max_records: int = 50_000
    max_bytes: int = _GIGABYTE
    jobs_at_once: int = 20

    @classmethod
    def from_quotas(cls, quotas: Mapping[str, float], model: str) -> Self:
        """Read the limits of a model from the account's quotas; what they do not name keeps its default.

        Parameters
        ----------
        quotas : mapping of str to float
            Names of quotas to their values.
        model : str
            Model or inference profile id.
        """
        found: dict[str, float] = {}
        for name, value in quotas.items():
            matched = _limit_of(name, model)
            found |= {field_name: value for field_name, begin in _QUOTAS.items() if begin == matched}
        default = cls()
        records = min(found.get("max_records", default.max_records), found.get("max_job_records", default.max_records))
        gigabytes = min(found.get("max_file_gb", 1.0), found.get("max_job_gb", 1.0))
        return cls(
            min_records=int(found.get("min_records", default.min_records)),
            max_records=int(records),
            max_bytes=int(gigabytes * _GIGABYTE),
            jobs_at_once=int(found.get("jobs_at_once", default.jobs_at_once)),
        )


def names_of_limits(quotas: Mapping[str, float], model: str) -> list[str]:
    """List the names of quotas from which :meth:`BatchLimits.from_quotas` reads the limits of a model."""
    return sorted(name for name in quotas if _limit_of(name, model) is not None)


def _limit_of(name: str, model: str) -> str | None:
    """Give the beginning of a quota's name that says what it limits, where it is one of the model's."""
    what, _, whose = name.lower().rpartition(" for ")
    if not what or not re.sub(r" v\d+$", "", _words(whose)).endswith(_model_words(model)):
        return None
    return max((begin for begin in _QUOTAS.values() if what.startswith(begin)), key=len, default=None)


def _words(name: str) -> str:
    return " ".join(re.split(r"[^a-z0-9]+", name.lower())).strip()


def _model_words(model: str) -> str:
    """Turn ``us.amazon.nova-pro-v1:0`` into ``nova pro``, as quotas name it."""
    name = foundation_model_id(model).split(".", 1)[-1]
    return _words(re.sub(r"(-\d{8})?(-v\d+(:\d+)?)?$", "", name))


class InputLine(NamedTuple):
    """One record of a job's input: its id is the answer's content key."""

    key: str
    line: bytes


def input_line(question: Question, model: str) -> InputLine:
    """Write a question as a record of batch inference in Converse format (user guide, format batch inference data).

    Raises
    ------
    ValueError
        When the question needs a tool, which records in this format refuse.
    """
    if question.tool is not None:
        raise ValueError("records of batch inference in Converse format take no tool")
    key = question.key(model)
    document = {"recordId": key, "modelInput": question.to_api()}
    return InputLine(key, json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n")


_DENIAL = re.compile(
    r"access ?denied|not authorized|permission|could not (?:validate|assume)|explicit deny", re.IGNORECASE
)
"""How Bedrock says at the end of a job that a role lacks a right (user guide, batch-iam-sr; the rest is IAM's)."""


def is_denial(failure: str) -> bool:
    """Tell whether a job's failure message says that somebody may not do something."""
    return _DENIAL.search(failure) is not None


def denial_message(said: str) -> str:
    """Tell what was denied and how to go on: on demand everything costs twice as much, so a person decides.

    Parameters
    ----------
    said : str
        The service's words.
    """
    return (
        f"the teacher's batch inference was denied: {said}. Nothing was asked on demand instead, which costs twice as "
        "much. A batch through a profile needs the model in every Region of the profile: where a Region is named, look "
        "for a policy of your organization that denies it, or name a teacher without a profile. Where GetObject or "
        "PutObject is named, look at the key's policy too. Then retry. To pay the on-demand price, set "
        f"'teacher_data.deadline_hours' below {SHORTEST_DEADLINE_HOURS:g} in task.json and upload again"
    )


def why_on_demand(missing: int, limits: BatchLimits, *, deadline_hours: float, tool: bool, priced: bool) -> str | None:
    """Say why batch inference is not even tried, or ``None``.

    Parameters
    ----------
    missing : int
        Answers that no run has paid for.
    limits : BatchLimits
    deadline_hours : float
        ``teacher_data.deadline_hours`` of the task.
    tool : bool
        Whether the questions force a tool.
    priced : bool
        Whether the price book knows the teacher's batch prices.
    """
    if missing == 0:
        return "every answer had been paid for before"
    if missing < limits.min_records:
        return f"{missing} answers are missing, and a batch takes at least {limits.min_records}"
    if tool:
        return "the teacher must call a tool, and records of batch inference in Converse format refuse tools"
    if deadline_hours < SHORTEST_DEADLINE_HOURS:
        return f"'teacher_data.deadline_hours' is {deadline_hours:g}, too short for a batch"
    return None if priced else "the price book has no batch prices for the teacher"


def split(lines: Sequence[InputLine], limits: BatchLimits) -> list[list[InputLine]]:
    """Cut the lines of a set into the input files of jobs, as few and as even as the limits allow.

    Lines are ordered by key first: the same set makes the same files, however its upload was ordered. A file with fewer
    records than a job takes is left out; its questions are asked on demand.
    """
    ordered = sorted(lines)
    total = sum(len(item.line) for item in ordered)
    jobs = max(1, -(-len(ordered) // limits.max_records), -(-total // limits.max_bytes))
    while True:
        size = -(-len(ordered) // jobs) or 1
        files = [ordered[first : first + size] for first in range(0, len(ordered), size)]
        largest = max((sum(len(item.line) for item in file) for file in files), default=0)
        if largest <= limits.max_bytes or size == 1:
            return [file for file in files if len(file) >= limits.min_records]
        jobs += 1


@dataclass(slots=True)
class BatchOutput:
    """What a job's output files say.

    Attributes
    ----------
    answers : dict of str to Answer
        By content key; of two records with the same id the first with an answer counts.
    counts : Counter
        ``answers``, ``duplicates``, ``passing errors``, ``refused``, ``cut lines``, ``without answer``,
        ``unknown ids`` (of an earlier upload).
    input_tokens, output_tokens : int
        As the records' ``usage`` says, duplicates and unknown ids included: they were paid.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0

    def read(self, lines: Iterable[bytes], questions: Mapping[str, Question], model: str) -> None:
        """Read one output file; nothing in it can raise.

        Parameters
        ----------
        lines : iterable of bytes
        questions : mapping of str to Question
            By content key.
        model : str
            The teacher as answers are kept.
        """
        for line in lines:
            if not line.strip():
                continue
            try:
                document = json.loads(line)
                key = str(document["recordId"])
            except (ValueError, KeyError, TypeError, RecursionError):
                self.counts["cut lines"] += 1
                continue
            self._take(key, document, questions.get(key), model)

    def read_manifest(self, text: bytes) -> None:
        """Take the token counts of ``manifest.json.out`` where it has more than the lines that could be read."""
        try:
            document = json.loads(text)
            read, written = int(document["inputTokenCount"]), int(document["outputTokenCount"])
        except (ValueError, KeyError, TypeError):
            return
        self.input_tokens, self.output_tokens = max(self.input_tokens, read), max(self.output_tokens, written)

    def _take(self, key: str, document: dict[str, Any], question: Question | None, model: str) -> None:
        if "error" in document:
            self.counts["passing errors" if _is_passing(document["error"]) else "refused"] += 1
            return
        response: Any = document.get("modelOutput")
        try:
            usage = response["usage"]
            self.input_tokens += int(usage["inputTokens"])
            self.output_tokens += int(usage["outputTokens"])
            if question is None:
                self.counts["unknown ids"] += 1
                return
            answer = replace(Answer.from_api(question, model, response, 0.0), latency_ms=0.0, batch=True)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            self.counts["without answer"] += 1
            return
        if key in self.answers:
            self.counts["duplicates"] += 1
            return
        self.answers[key] = answer
        self.counts["answers"] += 1


def _is_passing(error: object) -> bool:
    try:
        code = int(error["errorCode"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return True
    return code in PASSING_CODES or code >= 500  # noqa: PLR2004 - HTTP's own boundary
