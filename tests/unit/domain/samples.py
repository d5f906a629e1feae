"""Small values that several tests of the domain need."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from lambdas.domain.dataset.records import Record, parse_line
from lambdas.domain.evaluation.contestant_summary import ContestantSummary, summarise
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.task.model_choice import ModelChoice

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
PREMIER = "us.amazon.nova-premier-v1:0"
MICRO = "amazon.nova-micro-v1:0"
BOOK = PriceBook.shipped()


def records(count: int, about: str = "cats number") -> list[Record]:
    return [parse_line(json.dumps({"prompt": f"{about} {number}"}).encode()) for number in range(count)]


def models(**changes: Any) -> ModelChoice:
    chosen: dict[str, Any] = {
        "teacher": PREMIER,
        "student": MICRO,
        "student_customization": f"{MICRO}:128k",
        "baseline": HAIKU,
        "judge": "us.anthropic.claude-sonnet-4-6",
        "training": "distillation",
    }
    return ModelChoice(**{**chosen, **changes})


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A contestant as measured: its model, mean score, latency in milliseconds and tokens of a request."""

    model: str
    score: float
    latency_ms: float
    tokens: tuple[int, int]
    broken: int = 0
    records: int = 400


def measured(role: str, contestant: Scored) -> list[Measurement]:
    """Make measurements that have exactly these means; scores vary from record to record, role by role."""
    size = contestant.records
    return [
        Measurement(
            record_id=f"r{number:05}",
            role=role,
            model=contestant.model,
            question="q",
            reference="a",
            answer="a",
            problem="not JSON" if number < contestant.broken else None,
            repaired_problem=None,
            latency_ms=contestant.latency_ms * (0.9 if number % 2 else 1.1),
            client_ms=contestant.latency_ms * (0.9 if number % 2 else 1.1) + 20,
            input_tokens=contestant.tokens[0],
            output_tokens=contestant.tokens[1],
            score=score,
            explanation="e",
            slices={"intent": "audio" if number % 4 else "visual"},
        )
        for number, score in enumerate(scores_with(contestant.score, size, role))
    ]


def scores_with(mean: float, size: int, seed: str) -> list[int]:
    """Give whole scores with this mean, to the nearest record, and a spread of about half a point, in any order."""
    total = round(mean * size)
    scores = [total // size + (number < total % size) for number in range(size)]
    for number in range(0, size // 4 * 2, 2):
        if scores[number] < 5 and scores[number + 1] > 1:
            scores[number], scores[number + 1] = scores[number] + 1, scores[number + 1] - 1
    Random(seed).shuffle(scores)  # noqa: S311 - a sample, not a secret
    return scores


PUBLISHED = {
    "student": Scored(model=MICRO, score=4.0, latency_ms=833, tokens=(42, 68)),
    "undistilled_student": Scored(model=MICRO, score=2.5, latency_ms=833, tokens=(42, 68)),
    "teacher": Scored(model=PREMIER, score=4.1, latency_ms=3_000, tokens=(222, 68)),
    "baseline": Scored(model=HAIKU, score=4.0, latency_ms=1_741, tokens=(222, 68)),
}
"""The published case: 4.0 = 4.0, 833 ms against 1,741 ms, about 42, 222 and 68 tokens."""


def grouped(**changes: dict[str, Any]) -> dict[str, list[Measurement]]:
    """Measure the published contestants, with some of them changed: ``student={"score": 3.7}``."""
    return {role: measured(role, replace(found, **changes.get(role, {}))) for role, found in PUBLISHED.items()}


def summaries(measurements: dict[str, list[Measurement]]) -> dict[str, ContestantSummary]:
    return {role: summarise(found, PUBLISHED[role].model, BOOK) for role, found in measurements.items()}


def published() -> dict[str, ContestantSummary]:
    """Give what the published case adds up to."""
    return summaries(grouped())
