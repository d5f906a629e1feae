"""A call of the sample: what grouping knows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.domain.discovery.line_blocks import Features

Manner = tuple[str, ...]
"""Model, operation, form and length of the answer, and time of the day: what calls of one task have in common."""

_HOURS = 4


@dataclass(frozen=True, slots=True)
class SampledCall:
    """What grouping knows of a call; ``moment`` is in seconds, ``manner`` is empty where nothing is known of it."""

    principal: str
    tools: str
    moment: float
    named_task: str | None
    features: Features
    manner: Manner = ()


def sampled(row: Mapping[str, str]) -> SampledCall:
    """Read a row of the sample as Athena's CSV has it: an empty text is NULL, features are parted by spaces."""
    moment = _moment(row.get("called_at") or "")
    answered = (row.get("output_tokens") or "0").split(".")[0]
    return SampledCall(
        principal=row.get("principal") or "",
        tools=row.get("tools_digest") or "",
        moment=0.0 if moment is None else moment.timestamp(),
        named_task=row.get("named_task") or None,
        features=tuple(map(int, row["features"].split())),
        manner=(
            row.get("model") or "",
            row.get("operation") or "",
            row.get("json_answer") or "",
            str(int(answered).bit_length()),
            "" if moment is None else str(moment.astimezone(UTC).hour // _HOURS),
        ),
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
