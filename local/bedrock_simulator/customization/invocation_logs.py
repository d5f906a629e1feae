"""Invocation logs as training data: the entries that pass the filters, as the records that they stand for.

Sources: the user guide's option 2 of preparing data for distillation and its page on request metadata; the dataset
validator of amazon-bedrock-samples, which takes ``.gz`` objects, single turns and one text a message.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from local.bedrock_simulator.customization.training_data import SCHEMA_VERSION

ENDING = ".gz"
_REQUIRED = ("schemaType", "schemaVersion", "timestamp", "accountId", "requestId", "operation", "modelId")
# A damaged entry is counted as a record that is not taken.
_BROKEN = b"{}"


def training_file(bodies: Iterable[bytes], config: dict[str, Any], teacher: str) -> bytes:
    """Write the entries of log objects as a training file.

    Parameters
    ----------
    bodies : iterable of bytes
        The objects, each gzip of one entry a line.
    config : dict
        ``invocationLogsConfig`` of the request. Without ``usePromptResponse`` the answers are left out.
    teacher : str
        As the request names it. Answers are taken where the entry names exactly this model.
    """
    filters, with_answers = config.get("requestMetadataFilters"), bool(config.get("usePromptResponse"))
    lines = []
    for raw in _entries(bodies):
        try:
            entry = json.loads(raw)
            given = entry.get("requestMetadata") or {}
            if (filters and not _passes(given, filters)) or (with_answers and entry["modelId"] != teacher):
                continue
            lines.append(_record(entry, with_answer=with_answers))
        except (ValueError, AttributeError, KeyError, TypeError, IndexError):
            lines.append(_BROKEN)
    return b"\n".join(lines)


def _entries(bodies: Iterable[bytes]) -> Iterator[bytes]:
    for body in bodies:
        try:
            text = gzip.decompress(body)
        except (EOFError, OSError, zlib.error):
            yield _BROKEN
            continue
        yield from filter(None, text.split(b"\n"))


def _passes(metadata: dict[str, str], filters: dict[str, Any]) -> bool:
    """Hold an entry's metadata against a filter (union of the service model)."""
    if "andAll" in filters:
        return all(_passes(metadata, one) for one in filters["andAll"])
    if "orAll" in filters:
        return any(_passes(metadata, one) for one in filters["orAll"])
    ((kind, pair),) = filters.items()
    ((name, value),) = pair.items()
    return (metadata.get(name) == value) is (kind == "equals")


def _record(entry: dict[str, Any], *, with_answer: bool) -> bytes:
    if entry["schemaType"] != "ModelInvocationLog" or any(name not in entry for name in _REQUIRED):
        return _BROKEN
    request, response = entry["input"]["inputBodyJson"], entry["output"]["outputBodyJson"]
    messages = request["messages"]
    if len([message for message in messages if message["role"] == "user"]) != 1:
        return _BROKEN
    if with_answer:
        messages = [*messages, response["output"]["message"]]
    record = {"schemaVersion": SCHEMA_VERSION, "messages": messages}
    if request.get("system"):
        record["system"] = request["system"]
    return json.dumps(record).encode()
