"""What the prompts of a task have in common, word for word, and the request in which a cache keeps it.

Discovery knows how long that is, not what it says. A cache keeps text that is the same to the last character, so
nothing is masked here.
"""

from __future__ import annotations

import copy
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lambdas.domain.discovery.logged_request import LeverNotWritten
from lambdas.domain.discovery.request_levers import SHARE_OF_PREFIX

CACHE_POINT = {"cachePoint": {"type": "default"}}

SHARED_BY = 0.9
"""Share of the calls that must have a line for it to be kept in front: see ``FoundTask.shared_characters``."""

_BLOCK, _TURN = "\x1d", "\x1e"
"""Borders between blocks, and between system text and first turn, in a text that prompts are compared by."""

_LITTLE = 0.05
"""Share of the beginning below which what reaches into the turn of the user is left out: the system text ends it."""

_PIECES = re.compile(r".*?(?:\n+|[.!?。！？]+[ \t]+|\Z)", re.DOTALL)  # noqa: RUF001 - ends of sentences in Chinese
"""A line or a sentence with what ends it; one after the other they are the whole text."""

_LABEL = 40
"""Characters below which a shared line beside one that changes is its label or its tag, and goes with it."""

Request = dict[str, Any]
"""Parameters of Converse."""


@dataclass(frozen=True, slots=True)
class CachedRequest:
    """A changed request, which of the requests it was, and the characters before its cache point."""

    request: Request
    number: int
    characters: int


def cached_after_beginning(requests: Sequence[Request]) -> CachedRequest:
    """Set a cache point where the beginning ends that most requests share, in the first of them that has it.

    Raises
    ------
    LeverNotWritten
        They share no beginning.
    """
    plain = [without_cache_points(one) for one in requests]
    texts = [_TURN.join(_BLOCK.join(blocks) for blocks in _texts(one)) for one in plain]
    beginning = _trimmed(common_beginning(texts))
    system, _, user = beginning.partition(_TURN)
    if not (system or user):
        raise LeverNotWritten(f"no beginning is the same in {SHARE_OF_PREFIX:.0%} of {len(requests):,} calls")
    number = next(at for at, text in enumerate(texts) if text.startswith(beginning))
    places = _places(plain[number])
    if user:
        _mark(places[1], user)
    else:
        _mark(places[0], system)
    return CachedRequest(plain[number], number, len(f"{system}{user}".replace(_BLOCK, "")))


def cached_after_moving(requests: Sequence[Request]) -> CachedRequest:
    """Put what the requests share before what changes from call to call, and a cache point between.

    Raises
    ------
    LeverNotWritten
        They share nothing, or nothing changes.
    """
    plain = [without_cache_points(one) for one in requests]
    shared = _shared_pieces(plain)
    parted = [[_parted(blocks, shared) for blocks in _texts(one)] for one in plain]
    kept_of = [sum(len(kept) for kept, _ in each) for each in parted]
    number = kept_of.index(max(kept_of))
    kept, moved = zip(*parted[number], strict=True)
    if not any(kept):
        raise LeverNotWritten(f"no line is the same in {SHARED_BY:.0%} of {len(requests):,} calls")
    system, user = kept
    behind = "\n".join(filter(None, moved))
    if not behind:
        raise LeverNotWritten("nothing changes from call to call: an answer given again would save more")
    chosen = plain[number]
    places = _places(chosen)
    _replace(places[0], [*_text(system), *([] if user else [CACHE_POINT])])
    _replace(places[1], [*_text(user), *([CACHE_POINT] if user else []), *_text(behind)])
    if not places[0]:
        chosen.pop("system", None)
    return CachedRequest(chosen, number, len(system) + len(user))


def common_beginning(texts: Sequence[str], share: float = SHARE_OF_PREFIX) -> str:
    """Give the longest beginning that at least this share of the texts has."""
    needed, ordered = math.ceil(share * len(texts)), sorted(texts)
    best = ""
    for first in range(len(ordered) - needed + 1):
        found = _common(ordered[first], ordered[first + needed - 1])
        best = max(best, found, key=len)
    return best


def without_cache_points(request: Request) -> Request:
    """Copy a request, but for the cache points of its system text and messages: there may be four at most."""
    done = copy.deepcopy(request)
    for holder, name in (
        (done, "system"),
        *((one, "content") for one in done.get("messages", ()) if isinstance(one, dict)),
    ):
        if isinstance(holder.get(name), list):
            holder[name] = [block for block in holder[name] if not (isinstance(block, dict) and "cachePoint" in block)]
    return done


def _common(one: str, other: str) -> str:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return one[:low]


def _trimmed(beginning: str) -> str:
    """Cut a beginning back to the end of a line, else of a word; a few words of the user's turn do not count."""
    system, border, user = beginning.partition(_TURN)
    if border and len(user) < _LITTLE * len(beginning):
        return system
    end = max(beginning.rfind(mark) for mark in ("\n", _BLOCK, _TURN))
    if end < (1 - _LITTLE) * len(beginning):
        end = max(end, beginning.rfind(" "))
    return beginning[: end + 1].rstrip(_BLOCK + _TURN)


def _places(request: Request) -> tuple[list[Any], list[Any]]:
    """Give the blocks of the system text and of the first turn, to be changed where they are."""
    messages = request.get("messages")
    first = messages[0] if isinstance(messages, list) and messages and isinstance(messages[0], dict) else {}
    found = [request.get("system"), first.get("content")]
    system, user = (one if isinstance(one, list) else [] for one in found)
    return system, user


def _texts(request: Request) -> tuple[list[str], list[str]]:
    """Give the texts of both, up to the first block that is not text: what follows it is not compared."""
    system, user = _places(request)
    texts = [[block["text"] for block in _leading(blocks)] for blocks in (system, user)]
    return texts[0], texts[1] if len(texts[0]) == len(system) else []


def _leading(blocks: Iterable[Any]) -> list[dict[str, Any]]:
    found = []
    for block in blocks:
        if not (isinstance(block, dict) and isinstance(block.get("text"), str)):
            break
        found.append(block)
    return found


def _mark(blocks: list[Any], beginning: str) -> None:
    """Put a cache point behind a beginning of blocks, within a block where it ends there."""
    left = len(beginning)
    for at, block in enumerate(blocks):
        size = len(block["text"])
        if left >= size:
            left -= size + len(_BLOCK)
            if left < 0:
                blocks.insert(at + 1, CACHE_POINT)
                return
            continue
        parts = [{"text": block["text"][:left]}, CACHE_POINT, {"text": block["text"][left:]}] if left else [CACHE_POINT]
        blocks[at : at + 1 if left else at] = parts
        return
    blocks.append(CACHE_POINT)


def _pieces(text: str) -> list[str]:
    return [found for found in _PIECES.findall(text) if found]


def _pieces_of(request: Request) -> list[str]:
    return [piece for blocks in _texts(request) for text in blocks for piece in _pieces(text)]


def _shared_pieces(requests: Sequence[Request]) -> frozenset[str]:
    calls: Counter[str] = Counter()
    for one in requests:
        calls.update({piece.strip() for piece in _pieces_of(one)} - {""})
    return frozenset(piece for piece, count in calls.items() if count >= SHARED_BY * len(requests))


def _parted(blocks: Sequence[str], shared: frozenset[str]) -> tuple[str, str]:
    """Part texts into what is shared, and what changes with its labels; each in its order."""
    pieces = [piece for text in blocks for piece in _pieces(text)]
    changes = [piece.strip() not in shared for piece in pieces]
    moves = [
        change or (len(piece) < _LABEL and any(changes[max(0, at - 1) : at + 2]))
        for at, (piece, change) in enumerate(zip(pieces, changes, strict=True))
    ]
    told = list(zip(pieces, moves, strict=True))
    kept, moved = ("".join(piece for piece, move in told if move is wanted).strip() for wanted in (False, True))
    return kept, moved


def _text(text: str) -> list[dict[str, Any]]:
    return [{"text": text}] if text else []


def _replace(blocks: list[Any], texts: list[dict[str, Any]]) -> None:
    """Put other blocks in place of the leading texts."""
    blocks[: len(_leading(blocks))] = texts
