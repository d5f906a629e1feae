"""What the student learnt from, and what its training came to: records taken, tries, and the loss curve."""

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
from lambdas.domain.report.sections import Fact, PageTable, label
from lambdas.domain.report.texts import ShownText, sentence, short, shown

LOSS_WIDTH, LOSS_HEIGHT = 1000, 160
COUNTS_UNKNOWN = "unknown: the job's output has no counts"

_FEWEST_POINTS = 2
_MOST_PHASES = 6


@dataclass(frozen=True, slots=True)
class LossChart:
    """The training loss by step; ``points`` is the polyline in units of the plot."""

    takeaway: str
    points: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def training_facts(report: dict[str, Any]) -> list[Fact]:
    """Say what the student learnt from, and how."""
    training = pick(report, "training")
    if not isinstance(training, dict):
        return []
    facts = [
        Fact("Way of training", way_of_training(report)),
        *_why(pick(report, "models", "training_reason")),
        Fact("Training records", count(training.get("records"))),
        Fact("Teacher answers dropped", _dropped(training)),
        *_paid(training.get("batch")),
    ]
    reasons = training.get("drop_reasons")
    if isinstance(reasons, dict) and reasons:
        listed = [f"{short(reason, 60)}: {count(records)}" for reason, records in list(reasons.items())[:12]]
        facts.append(Fact("Reasons", "; ".join(listed) + (" …" if len(reasons) > len(listed) else "")))
    if training.get("adopted"):
        facts.append(
            Fact("Adopted", "the job or model of an earlier run with the same content: nothing was paid again")
        )
    return [*facts, Fact("Customization job", label(training.get("job_name"), 120), is_code=True)]


def _why(reason: object) -> list[Fact]:
    return [Fact("Why this way", sentence(short(reason, 300)))] if reason else []


def _dropped(training: dict[str, Any]) -> str:
    rate = training.get("drop_rate")
    share = f" ({percent(rate)} of the training prompts)" if isinstance(rate, int | float) else ""
    return count(training.get("dropped")) + share


def _paid(batch: object) -> list[Fact]:
    """Say how the teacher was asked, and what each batch inference job came to."""
    if not isinstance(batch, dict):
        return []
    counted = f"{count(batch.get('missing'))} of {count(batch.get('asked'))} answers were missing"
    reason = f": {short(batch['reason'], 120)}" if batch.get("reason") else ""
    jobs = [
        f"{label(job.get('status'), 40)} ({count(job.get('records'))} records)" for job in rows_of(batch.get("jobs"))
    ]
    facts = [Fact("Teacher asked by", f"{label(batch.get('way'), 40)}{reason}; {counted}")]
    return [*facts, Fact("Batch jobs", "; ".join(jobs[:12]))] if jobs else facts


@dataclass(frozen=True, slots=True)
class DropGroup:
    """Dropped answers of one reason: how many, and some of them as (question, answer)."""

    reason: str
    records: str
    samples: tuple[SampleTexts, ...]


@dataclass(frozen=True, slots=True)
class SampleTexts:
    """A question and what the teacher answered, as they are shown."""

    question: ShownText | None
    answer: ShownText | None


def drop_samples(report: dict[str, Any]) -> PageTable:
    """Group the samples of dropped answers by reason, where the teacher's answers were refused."""
    if pick(report, "error", "name") != "TeacherDataRefused":
        return PageTable()
    samples = rows_of(pick(report, "training", "drop_samples"))
    counts = pick(report, "training", "drop_reasons")
    groups = []
    for reason in dict.fromkeys(str(sample.get("reason", "")) for sample in samples):
        texts = tuple(
            SampleTexts(shown(sample.get("question"), 600, 2_000), shown(sample.get("answer") or "", 600, 2_000))
            for sample in samples
            if str(sample.get("reason", "")) == reason
        )
        groups.append(DropGroup(short(reason, 120), count(pick(counts, reason)), texts[:3]))
    return PageTable.of(groups, 5)


def training_phases(report: dict[str, Any]) -> PageTable:
    """List the phases of the customization job as (name, status, began, took)."""
    return PageTable.of(
        [
            (
                label(phase.get("name"), 60),
                label(phase.get("status"), 40),
                moment(phase.get("started_at")),
                duration(phase.get("started_at"), phase.get("ended_at")),
            )
            for phase in rows_of(pick(report, "training", "phases"))
        ],
        12,
    )


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


def dropped_answers(report: dict[str, Any]) -> PageTable:
    """Show examples of the teacher's answers that were dropped, as (reason, question, answer)."""
    samples = rows_of(pick(report, "training", "drop_samples"))
    return PageTable.of(
        [
            (
                short(item.get("reason"), 80),
                short(item.get("question") or NOT_MEASURED, 200),
                short(item.get("answer") or NOT_MEASURED, 300),
            )
            for item in samples
        ],
        30,
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
        return COUNTS_UNKNOWN
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


def way_of_training(report: dict[str, Any]) -> str:
    """Say what the student learnt from.

    Bedrock asks the teacher itself under distillation, unless it trains on logged answers; then, and when it
    fine-tunes, it trains on exactly the answers that it is given.
    """
    way = pick(report, "models", "training")
    logged = pick(report, "training", "mode") == "logged"
    if way == "fine_tuning":
        source = "of the invocation logs" if logged else "that this run collected"
        return f"fine-tuning on exactly the teacher's answers {source}"
    if way != "distillation":
        return short(way, 80) if way else NOT_MEASURED
    if logged:
        return "distillation on exactly the logged answers: Bedrock does not ask the teacher again"
    return f"distillation: {_asked_again(report)}"


def _asked_again(report: dict[str, Any]) -> str:
    labelled, records = (number(pick(report, "training", key)) for key in ("labelled", "records"))
    if labelled == 0 or pick(report, "training", "mode") == "prompts_only":
        return "Bedrock asks the teacher about every prompt; the training file has no answers"
    if labelled is not None and records is not None and labelled < records:
        few = f"the {count(labelled)} answers that the training file has"
        return f"Bedrock asks the teacher about every prompt and takes {few} as golden examples"
    return "Bedrock asks the teacher again and takes our answers as golden examples"
