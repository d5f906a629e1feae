"""What is said of prompting alone, as it is stored, apart from what works it out: every Lambda imports this."""

from __future__ import annotations

from typing import TypedDict


class PromptingDocument(TypedDict, total=False):
    """The rival as written to ``evaluation.json`` and ``report.json``.

    ``enough`` says that nothing has to be distilled; ``within_margin`` and ``passes_gate`` why. ``difference`` are
    judge points of the rival above the student, ``bound`` the least that they may be (one-sided, 95 %).
    """

    model_id: str
    enough: bool
    within_margin: bool
    passes_gate: bool
    evidence: str
    difference: float | None
    bound: float
    usd_per_1k_requests: float
    student_usd_per_1k_requests: float
    sentence: str
