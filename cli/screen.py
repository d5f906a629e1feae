"""What a person or a program reads: tables and lines for the one, JSON for the other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from lambdas.domain.outcomes import EXPIRED, FAILED, PROMOTED, REJECTED, STOPPED
from lambdas.domain.report.answered import answered_facts
from lambdas.domain.report.comparison import comparison_columns, comparison_rows
from lambdas.domain.report.figures import moment, number, usd
from lambdas.domain.report.headline import read_headline
from lambdas.domain.text.plain_text import escaped_controls, without_controls
from lambdas.gateways.registry.runs import Run

_PLAIN_WIDTH = 200
_WIDTH_FOR_MODELS = 140
SIMULATED = "Every figure is simulated."

_STYLES = {
    PROMOTED: "bold green",
    REJECTED: "bold yellow",
    EXPIRED: "bold yellow",
    FAILED: "bold red",
    STOPPED: "bold",
}


class CleanConsole(Console):
    """A console on which texts of other people are only seen: they move no cursor, set no title and make no line."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401 - rich's own options, handed on
        """Make what is shown of a string, wherever it stands: in a line, a cell or a title."""
        return super().render_str(without_controls(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Clean once more what comes styled; only rich's own segments may command the terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(without_controls(segment.text, keep="\n"), segment.style)


def console() -> Console:
    """Make the console of this call; where nobody watches, lines are long instead of folded."""
    screen = CleanConsole(highlight=False, markup=False, emoji=False)
    if not screen.is_terminal:
        screen.width = _PLAIN_WIDTH
    return screen


def print_json(document: object) -> None:
    """Write one JSON document on one line."""
    print(escaped_controls(json.dumps(document, ensure_ascii=False, sort_keys=True)), flush=True)


def run_document(run: Run) -> dict[str, Any]:
    """Give what ``--json`` tells of a run."""
    names = ("run_id", "task", "state", "attempt", "outcome", "reason", "created_at", "started_at", "ended_at")
    more = ("progress", "endpoint_arn", "report_key")
    return {name: getattr(run, name) for name in (*names, *more)}


def runs_table(runs: list[Run]) -> Table:
    """List runs as they are given."""
    table = Table("Run", "Task", "Attempt", "State", "Doing, or why", "Created", header_style="bold")
    for run in runs:
        state = run.outcome or run.state
        what = run.reason or str(run.progress.get("stage", ""))
        table.add_row(
            run.run_id,
            run.task,
            str(run.attempt),
            Text(state, style=_STYLES.get(state, "")),
            what,
            moment(run.created_at),
        )
    return table


def comparison_table(report: dict[str, Any], *, simulated: bool, width: int) -> Table | None:
    """Set the contestants of a report side by side; ``None`` when the run did not get to the evaluation.

    Where ``width`` (in characters) is too little for every column, the models' long names are left to the page.
    """
    rows = comparison_rows(report)
    if not rows:
        return None
    title = "Contestants on the holdout (simulated figures)" if simulated else "Contestants on the holdout"
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    columns = [column for column in comparison_columns(rows) if width >= _WIDTH_FOR_MODELS or column.title != "Model"]
    for column in columns:
        table.add_column(column.title, justify=column.align, overflow="fold")
    for row in rows:
        table.add_row(*(column.text(row) for column in columns))
    return table


def print_report(screen: Console, report: dict[str, Any], *, simulated: bool) -> None:
    """Write verdict, gate lines that failed, comparison and cost of a report."""
    headline = read_headline(report)
    screen.print(Text(f"{headline.symbol} {headline.outcome}", style=_STYLES.get(headline.outcome, "bold")))
    for line in (headline.sentence, *headline.reasons):
        screen.print(line)
    table = comparison_table(report, simulated=simulated, width=screen.width)
    if table is not None:
        screen.print(table)
    total = number(report.get("total_usd"))
    if total is not None:
        screen.print(f"Cost of the run: {usd(total)}{' (simulated)' if simulated else ''}")
    for fact in answered_facts(report):
        screen.print(f"{fact.label}: {fact.value}", soft_wrap=True, markup=False)
    if headline.next_step is not None:
        screen.print(f"Next: {headline.next_step.text} {headline.next_step.command or ''}".rstrip())
    if simulated:
        screen.print(SIMULATED)
