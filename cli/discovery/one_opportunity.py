"""One found task on a terminal: its figures, its levers with what each takes, what blocks the others, examples."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

from cli.fitting_table import TableColumn, print_table
from cli.screen import SIMULATED
from lambdas.domain.discovery.lever import WRITTEN_AS
from lambdas.domain.discovery.levers import NOTHING
from lambdas.domain.report.figures import usd
from lambdas.domain.text.plain_text import one_line

if TYPE_CHECKING:
    from cli.session import Session
    from lambdas.domain.discovery.found_task import FoundTask
    from lambdas.domain.discovery.lever import RankedLever
    from lambdas.domain.discovery.opportunities import Opportunity

WHO_SEES = (
    "Examples are read from the log under your own right and kept nowhere: whoever may read the log's bucket sees the "
    "prompts of every team in it. What discovery keeps are figures, role names and salted digests."
)

_LEVERS = (
    TableColumn("Lever"),
    TableColumn("Alone", rank=2, right=True),
    TableColumn("Adds, low", rank=1, right=True),
    TableColumn("Adds, high", right=True),
    TableColumn("Measure first", rank=3, right=True),
    TableColumn("Blocked by", rank=4),
)


_LEAST_SHARE = 0.005
"""Share that shows as one per cent."""

_NAMED_BY = {
    "metadata": "named by request metadata",
    "rule": "found by what its prompts share",
    "none": "calls that no rule takes",
}


def money(dollars_a_year: Decimal | None) -> str:
    """Write dollars; a price that nobody knows is said."""
    return "no price" if dollars_a_year is None else usd(float(dollars_a_year))


def measured_first(lever: RankedLever) -> str:
    """Say what must be measured before a lever is taken, and what that costs; empty where nothing must."""
    cost = "" if lever.measure_usd is None else f" ({money(lever.measure_usd)})"
    return f"Measure first{cost}: {lever.measure}" if lever.measure else ""


def print_opportunity(session: Session, each: Opportunity, examples: list[str]) -> None:
    """Print a found task, the levers that are left first."""
    screen, task = session.screen, each.task
    named = _NAMED_BY.get(task.named_by, task.named_by)
    screen.say(f"{one_line(task.task)}: {named}, {task.first_day} to {task.last_day}", style="bold")
    for line in _figures(each):
        screen.say(line, hang=4)
    screen.say("")
    print_table(screen, _LEVERS, [_cells(lever) for lever in each.levers], title="US dollars a year")
    for lever in each.levers:
        if lever.saves or lever.name == NOTHING:
            screen.say("")
            screen.say(lever.title, style="bold")
            for line in _about(lever, f"{session.command} opportunity {shlex.quote(task.task)}"):
                screen.say(f"  {line}", hang=4)
    blocked = [(lever.title, block.text) for lever in each.levers for block in lever.blocks if block.stops]
    if blocked:
        screen.say("")
        screen.say("Blocked", style="bold")
        for title, text in blocked:
            screen.say(f"  {title}: {text}", hang=4)
    screen.say("")
    for at, example in enumerate(examples, 1):
        screen.say(f"Example {at}, masked: {example}", hang=4)
    if examples:
        screen.say(WHO_SEES)
    if session.deployment.local:
        screen.say(SIMULATED)


def _figures(each: Opportunity) -> Iterator[str]:
    task = each.task
    yield (
        f"{money(each.usd)} a year; {task.calls:,} calls ({task.calls_a_day_p50:,.0f} a day, p95 "
        f"{task.calls_a_day_p95:,.0f}), {task.failed_calls:,} failed; {task.input_tokens_p50:,.0f} tokens in, "
        f"{task.output_tokens_p50:,.0f} out (medians)"
    )
    yield f"Models: {', '.join(f'{one_line(use.model)} ({use.calls:,})' for use in task.models)}"
    yield f"Asked by: {', '.join(f'{one_line(who)} ({calls:,})' for who, calls in task.principals)}"
    shares = _shares(task)
    yield ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share >= _LEAST_SHARE) or "plain text"
    for use in each.unpriced:
        yield f"No price: {use.calls:,} calls of {one_line(use.model)}: {use.why}"


def _shares(task: FoundTask) -> dict[str, float]:
    return {
        "JSON answers": task.json_share,
        "tools offered": task.tools_share,
        "images": task.image_share,
        "streamed": task.stream_share,
        "several turns": task.multi_turn_share,
        "cut off": task.truncated_share,
        "repeated": task.duplicate_share,
        **{f"script {name}": share for name, share in task.scripts.items()},
    }


def _cells(lever: RankedLever) -> tuple[str, ...]:
    return (
        lever.title,
        money(lever.high_usd),
        money(lever.added_low_usd),
        money(lever.added_high_usd),
        "-" if lever.measure_usd is None else money(lever.measure_usd),
        ", ".join(block.kind for block in lever.blocks if block.stops),
    )


def _about(lever: RankedLever, command: str) -> Iterator[str]:
    """Say what a lever takes; of one that adds nothing what it would save in place of those above."""
    if lever.name == NOTHING:
        yield f"Why: {'; '.join(block.text for block in lever.blocks)}"
        yield f"Do: {lever.do}"
        return
    figures = "".join(f"; {name} {value}" for name, value in lever.figures.items())
    yield f"{lever.effort[:1].upper()}{lever.effort[1:]}{figures}"
    for block in lever.blocks:
        if not block.stops:
            yield f"Settle first: {block.text}"
    if not lever.added_high_usd:
        yield f"Adds nothing to those above; in their place it saves up to {money(lever.high_usd)} a year"
    elif not lever.high_usd:
        yield "Saves nothing alone: it counts on those above"
    if lever.measure:
        yield measured_first(lever)
    yield f"Do: {lever.do}"
    if lever.name in WRITTEN_AS:
        yield f"Write it: {command} --lever {lever.name} --write {WRITTEN_AS[lever.name]}"
