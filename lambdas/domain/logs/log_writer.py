"""Invocation-log objects of a run's own: the training pairs that production gave and nothing else.

Forms: Bedrock user guide, model invocation logging, and option 2 of preparing data for distillation. Rules: AWS's own
dataset validator (amazon-bedrock-samples, model distillation, dataset validation, invocation logs).
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lambdas.domain.questions.prompts import student_question

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.logs.logged_answers import ReusedAnswer
    from lambdas.domain.task.task_definition import TaskDefinition

ENTRIES_AN_OBJECT = 1_000
"""15,000 pairs, the most of a job, lie in 15 objects."""

NOT_LOGGED = "the logs have no answer of the teacher to this very prompt"
SEVERAL_TURNS = "it has several turns, which a training on invocation logs does not take"


@dataclass(frozen=True, kw_only=True, slots=True)
class LogPlace:
    """Where entries are said to come from.

    Attributes
    ----------
    account, region : str
        The account's id and the Region.
    teacher : str
        As the job names its teacher: Bedrock takes only answers whose model matches it exactly.
    metadata : mapping of str to str
        Pairs of the request metadata that every call had.
    """

    account: str
    region: str
    teacher: str
    metadata: Mapping[str, str]


def why_not_logged(record: Record, problem: str | None = None) -> str:
    """Say why a training record has no logged answer to train on; ``problem`` is that of the one there is."""
    return SEVERAL_TURNS if len(record.turns) > 1 else problem or NOT_LOGGED


def log_entry(record: Record, task: TaskDefinition, logged: ReusedAnswer, place: LogPlace) -> dict[str, Any]:
    """Write one logged call as a Converse entry, with the *short* system prompt if the task has one.

    Who called is left out: nothing of a training needs it.
    """
    question, answer = student_question(record, task), logged.answer
    usage = {"inputTokens": answer.input_tokens, "outputTokens": answer.output_tokens}
    response = {
        "output": {"message": {"role": "assistant", "content": [{"text": answer.text}]}},
        "stopReason": answer.stop_reason,
        "metrics": {"latencyMs": answer.latency_ms},
        "usage": {**usage, "totalTokens": sum(usage.values())},
    }
    entry = {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": logged.timestamp,
        "accountId": place.account,
        "region": place.region,
        "requestId": logged.request_id,
        "operation": "Converse",
        "modelId": place.teacher,
        "input": {
            "inputContentType": "application/json",
            "inputBodyJson": question.to_api(),
            "inputTokenCount": answer.input_tokens,
        },
        "output": {
            "outputContentType": "application/json",
            "outputBodyJson": response,
            "outputTokenCount": answer.output_tokens,
        },
    }
    return {**entry, "requestMetadata": dict(place.metadata)} if place.metadata else entry


def log_objects(entries: Sequence[Mapping[str, Any]], place: LogPlace) -> Iterator[tuple[str, bytes]]:
    """Write entries as objects where Bedrock would deliver them; the same entries make the same objects.

    Yields
    ------
    tuple of str and bytes
        Key below the log's prefix, and gzip of one entry a line.
    """
    root = f"AWSLogs/{place.account}/BedrockModelInvocationLogs/{place.region}"
    for first in range(0, len(entries), ENTRIES_AN_OBJECT):
        members = entries[first : first + ENTRIES_AN_OBJECT]
        text = "".join(f"{json.dumps(entry, ensure_ascii=False, sort_keys=True)}\n" for entry in members).encode()
        moment = datetime.fromisoformat(members[0]["timestamp"])
        name = f"{moment:%Y%m%dT%H%M%S}_{hashlib.sha256(text).hexdigest()[:16]}.json.gz"
        yield f"{root}/{moment:%Y/%m/%d/%H}/{name}", gzip.compress(text, mtime=0)


def invocation_logs_config(uri: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Write ``trainingDataConfig`` of a job that trains on logged answers (shape: botocore service model).

    Parameters
    ----------
    uri : str
        Prefix of the objects.
    metadata : mapping of str to str
        Every entry has these pairs; one is a filter of its own, several are joined by ``andAll``.
    """
    config: dict[str, Any] = {"usePromptResponse": True, "invocationLogSource": {"s3Uri": uri}}
    pairs = [{"equals": {name: value}} for name, value in sorted(metadata.items())]
    if pairs:
        config["requestMetadataFilters"] = pairs[0] if len(pairs) == 1 else {"andAll": pairs}
    return {"invocationLogsConfig": config}
