"""A reply as the events of ConverseStream: the same text and tokens, piece by piece."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from local.bedrock_simulator.protocol.event_stream import Event
from local.bedrock_simulator.runtime.conversation import Reply

_PIECE = re.compile(r"\s*\S+\s*$|\s*\S+")
_WORDS_A_PIECE = 4


def events_of(reply: Reply, latency_ms: int) -> list[Event]:
    """Return the events in their order: start, each block in pieces, stop, usage."""
    found: list[Event] = [("messageStart", {"role": "assistant"})]
    for index, block in enumerate(reply.content):
        found += _block(index, block)
    found.append(("messageStop", {"stopReason": reply.stop_reason}))
    usage = reply.to_api(None)["usage"]
    return [*found, ("metadata", {"usage": usage, "metrics": {"latencyMs": latency_ms}})]


def cut_off(events: list[Event], share: float, error: str, message: str) -> list[Event]:
    """Return the events up to a share of the text, and then an error."""
    pieces = [place for place, (name, _) in enumerate(events) if name == "contentBlockDelta"]
    kept = pieces[: int(len(pieces) * share)]
    end = kept[-1] + 1 if kept else 1
    return [*events[:end], (f"{error[0].lower()}{error[1:]}", {"message": message})]


def _block(index: int, block: dict[str, Any]) -> Iterator[Event]:
    place = {"contentBlockIndex": index}
    if "toolUse" in block:
        use = block["toolUse"]
        start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
        yield "contentBlockStart", {"start": start, **place}
        for piece in _pieces(json.dumps(use["input"], ensure_ascii=False)):
            yield "contentBlockDelta", {"delta": {"toolUse": {"input": piece}}, **place}
    else:
        for piece in _pieces(block["text"]):
            yield "contentBlockDelta", {"delta": {"text": piece}, **place}
    yield "contentBlockStop", place


def _pieces(text: str) -> Iterator[str]:
    words = _PIECE.findall(text) or [text]
    for start in range(0, len(words), _WORDS_A_PIECE):
        yield "".join(words[start : start + _WORDS_A_PIECE])
