"""What the student's training came to: records taken, tries, and the loss curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lambdas.domain.report.figures import (
    NOT_MEASURED,
    count,
    duration,
    moment,
    number,
    percent,
    pick,
    plain,
    rows_of,
)
from lambdas.domain.report.scales import LinearScale, Tick, linear_ticks
from lambdas.domain.report.sections import Fact, PageTable
from lambdas.domain.report.texts import short

LOSS_WIDTH, LOSS_HEIGHT = 1000, 160
UNKNOWN = "unknown: the job's output has no counts"

_FEWEST_POINTS = 2
_MOST_PHASES = 6


@dataclass(frozen=True, slots=True)
class LossChart:
    """The training loss by step; ``points`` is the polyline in units of the plot."""

    takeaway: str
    points: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def outcome_facts(report: dict[str, Any]) -> list[Fact]:
    """Say what Bedrock took of the training file, how the loss fell, and whether the pair was refused."""
    facts = []
    refusal = pick(report, "training", "pair_refused")
    if refusal:
        facts.append(Fact("Distillation refused by Bedrock", short(refusal, 300)))
    learnt = pick(report, "training", "learnt")
    if not isinstance(learnt, dict):
        return facts
    first, last = (number(learnt.get(key)) for key in ("first_loss", "last_loss"))
    facts += [
        Fact("Records sent to Bedrock", count(learnt.get("sent"))),
        Fact("Of these trained on", _taken(learnt)),
        Fact("Training loss, first to last", f"{_loss(first)} to {_loss(last)}" if last is not None else NOT_MEASURED),
    ]
    return [*facts, Fact("Steps", _steps(learnt))]


def failed_tries(report: dict[str, Any]) -> PageTable:
    """List the jobs that failed or stalled, over all attempts, as (job, when, why, phases)."""
    tries = rows_of(pick(report, "training", "failed_tries"))
    return PageTable.of(
        [
            (
                short(item.get("job_name"), 80),
                moment(item.get("at")),
                short(item.get("reason"), 400),
                _phases(item.get("phases")),
            )
            for item in tries
        ],
        12,
    )


def loss_chart(report: dict[str, Any]) -> LossChart | None:
    """Draw the loss curve, or ``None`` where fewer than two points are known."""
    points = [
        (step, loss)
        for point in rows_of(pick(report, "training", "learnt", "curve"))
        if (step := number(point.get("step"))) is not None and (loss := number(point.get("loss"))) is not None
    ]
    if len(points) < _FEWEST_POINTS or points[0][0] >= points[-1][0]:
        return None
    across = LinearScale(points[0][0], points[-1][0])
    up, levels = linear_ticks(max(loss for _, loss in points), plain)
    line = " ".join(f"{across.at(step) * LOSS_WIDTH / 100:.1f},{_height(up.at(loss)):.1f}" for step, loss in points)
    ends = (Tick(0.0, f"step {plain(points[0][0])}"), Tick(100.0, f"step {plain(points[-1][0])}"))
    takeaway = f"The training loss went from {_loss(points[0][1])} to {_loss(points[-1][1])}."
    return LossChart(takeaway, line, ends, tuple(Tick(_height(tick.at), tick.label) for tick in levels))


def _phases(phases: object) -> str:
    """Say of each phase how it ended and how long it took, or since when it was in progress."""
    texts = []
    for phase in rows_of(phases)[:_MOST_PHASES]:
        text = f"{short(phase.get('name'), 60)} {short(phase.get('status'), 40)}"
        if phase.get("ended_at"):
            text += f" after {duration(phase.get('started_at'), phase.get('ended_at'))}"
        elif phase.get("started_at"):
            text += f" since {moment(short(phase.get('started_at'), 40))}"
        texts.append(text)
    return "; ".join(texts) or NOT_MEASURED


def _taken(learnt: dict[str, Any]) -> str:
    counts = learnt.get("counts")
    if not isinstance(counts, dict):
        return UNKNOWN
    text = count(counts.get("accepted"))
    processed, sent = number(counts.get("processed")), number(learnt.get("sent"))
    if processed is not None and sent is not None and processed > sent:
        text += f" of {count(counts['processed'])} that the job counts"
    if counts.get("partially_accepted"):
        text += f", {count(counts['partially_accepted'])} more in part"
    return f"{text} ({percent(learnt.get('lost_share'))} lost)"


def _steps(learnt: dict[str, Any]) -> str:
    text, without = count(learnt.get("steps")), learnt.get("steps_without_loss")
    if not without:
        return text
    return f"{text}, and {count(without)} without a loss: it was no number there, as when a training diverges"


def _height(share: float) -> float:
    return LOSS_HEIGHT * (1 - share / 100)


def _loss(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.4g}"
