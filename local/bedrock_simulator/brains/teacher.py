"""The simulated teacher: it answers by the rules it is given, and is the only brain that knows them exactly."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from local.bedrock_simulator.brains.base import Answer, Prompt

Rules = Callable[[str], Mapping[str, Any]]


def load_rules(module: str) -> Rules:
    """Load the rules of a task: a module with a function ``answer(query)`` that returns a mapping.

    Raises
    ------
    ValueError
        Where the module has no such function.
    """
    answer = getattr(importlib.import_module(module), "answer", None)
    if not callable(answer):
        raise ValueError(f"the rules module {module} needs a function answer(query: str) -> dict")  # noqa: TRY004
    rules: Rules = answer
    return rules


class Teacher:
    """Answers with compact JSON of what the rules say about the user's text.

    Parameters
    ----------
    rules : Rules
        What the task's questions are answered with.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    def answer(self, prompt: Prompt) -> Answer:
        """Answer one prompt."""
        return Answer.of(dict(self._rules(prompt.question)))
