"""Small values that several tests of the domain need."""

from __future__ import annotations

import json
from typing import Any

from lambdas.domain.evaluation import ContestantSummary
from lambdas.domain.models import ModelChoice
from lambdas.domain.prices import PriceBook
from lambdas.domain.records import Record, parse_line

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
PREMIER = "us.amazon.nova-premier-v1:0"
MICRO = "amazon.nova-micro-v1:0"
BOOK = PriceBook.shipped()


def records(count: int) -> list[Record]:
    return [parse_line(json.dumps({"prompt": f"cats number {number}"}).encode()) for number in range(count)]


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


def summary(role: str, model: str, score: float, latency_ms: float, tokens: tuple[float, float]) -> ContestantSummary:
    return ContestantSummary(
        role=role,
        model=model,
        records=200,
        mean_score=score,
        ci95=(score - 0.1, score + 0.1),
        distribution={},
        schema_validity=1.0,
        latency_mean_ms=latency_ms,
        latency_p50_ms=latency_ms,
        latency_p95_ms=latency_ms,
        input_tokens_mean=tokens[0],
        output_tokens_mean=tokens[1],
        usd_per_1k_requests=1000 * BOOK.call_usd(model, *tokens),
    )


def published() -> dict[str, ContestantSummary]:
    """Give the published case: 4.0 = 4.0, 833 ms against 1,741 ms, about 42, 222 and 68 tokens."""
    return {
        "student": summary("student", MICRO, 4.0, 833, (42, 68)),
        "teacher": summary("teacher", PREMIER, 4.1, 3_000, (222, 68)),
        "baseline": summary("baseline", HAIKU, 4.0, 1_741, (222, 68)),
    }
