"""One input of an application, in whatever form it came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.dataset.records import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Example:
    """What a model is asked, and the answer where there is one.

    Attributes
    ----------
    turns : tuple of (str, str)
        Role (user or assistant) and text; the last is the user's.
    answer : str or None
    system : str or None
    slices : mapping of str to str
    place : str
        Its line, row or test in the file that was read.
    """

    turns: tuple[tuple[str, str], ...]
    answer: str | None = None
    system: str | None = None
    slices: Mapping[str, str] = field(default_factory=dict)
    place: str = ""

    def to_line(self, *, with_system: bool, with_answer: bool) -> str:
        """Write it as a record of the pipeline: the short form where that says everything."""
        slices = {"slices": dict(self.slices)} if self.slices else {}
        system = self.system if with_system else None
        answer = self.answer if with_answer else None
        if system is None and answer is None and len(self.turns) == 1:
            return _written({"prompt": self.turns[0][1], **slices})
        said = [*self.turns, *([("assistant", answer)] if answer is not None else [])]
        messages = [{"role": role, "content": [{"text": text}]} for role, text in said]
        begun: dict[str, Any] = {"schemaVersion": SCHEMA_VERSION}
        if system is not None:
            begun["system"] = [{"text": system}]
        return _written({**begun, "messages": messages, **slices})


def _written(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False)
