"""What a person or a program reads: tables and lines for the one, JSON for the other."""

from __future__ import annotations

import json
from typing import Any

from rich.text import Text

from cli.clean_console import CleanConsole
from cli.fitting_table import TableColumn, cut, print_table
from lambdas.domain.explicit_reasons import explicit_reasons, sentences
from lambdas.domain.outcomes import EXPIRED, FAILED, PROMOTED, REJECTED, STOPPED
from lambdas.domain.report.answered import answered_facts
from lambdas.domain.report.comparison import comparison_columns, comparison_rows
from lambdas.domain.report.decision_card import card_lines, decision_card
from lambdas.domain.report.figures import moment, number, usd
from lambdas.domain.report.headline import read_headline
from lambdas.domain.report.judging import evidence_told
from lambdas.domain.report.training import drop_samples
from lambdas.domain.text.plain_text import escaped_controls, one_line
from lambdas.gateways.registry.runs import Run

SIMULATED = "Every figure is simulated."

_COMPARISON_RANKS = {"Contestant": 0, "Judge score": 0, "Model": 9, "Against the teacher": 8, "Against the baseline": 7}
"""Which columns are left out first on a narrow terminal: long names, then what follows from other columns."""

_SAMPLE_CELLS = 300
"""Cells of a sample's text on a terminal: some lines; the page and the file have more."""

_STYLES = {
    PROMOTED: "bold green",
    REJECTED: "bold yellow",
    EXPIRED: "bold yellow",
    FAILED: "bold red",
    STOPPED: "bold",
}


def print_json(document: object) -> None:
    """Write one JSON document on one line."""
    print(escaped_controls(json.dumps(document, ensure_ascii=False, sort_keys=True)), flush=True)


def run_document(run: Run) -> dict[str, Any]:
    """Give what ``--json`` tells of a run."""
    names = ("run_id", "task", "state", "attempt", "outcome", "reason", "created_at", "started_at", "ended_at")
    more = ("progress", "endpoint_arn", "report_key")
    return {name: getattr(run, name) for name in (*names, *more)}


_RUNS = (
    TableColumn("Run"),
    TableColumn("Task", rank=4),
    TableColumn("Attempt", rank=3, right=True),
    TableColumn("State"),
    TableColumn("Created", rank=2),
    TableColumn("Doing, or why", rank=1, least=16),
)


def print_runs(screen: CleanConsole, runs: list[Run]) -> None:
    """List runs as they are given; of a long reason the beginning, the rest is in the run's report."""
    print_table(screen, _RUNS, [_run_cells(run) for run in runs])


def _run_cells(run: Run) -> tuple[str | Text, ...]:
    state = run.outcome or run.state
    what = run.reason or str(run.progress.get("stage", ""))
    shown = Text(state, style=_STYLES.get(state, ""))
    return run.run_id, run.task, str(run.attempt), shown, moment(run.created_at), what


def print_comparison(screen: CleanConsole, report: dict[str, Any], *, simulated: bool) -> None:
    """Set the contestants of a report side by side; nothing when the run did not get to the evaluation."""
    rows = comparison_rows(report)
    if not rows:
        return
    columns = comparison_columns(rows)
    print_table(
        screen,
        [TableColumn(one.title, _COMPARISON_RANKS.get(one.title, 1), one.align == "right") for one in columns],
        [[column.text(row) for column in columns] for row in rows],
        title="Contestants on the holdout (simulated figures)" if simulated else "Contestants on the holdout",
    )


def print_drop_samples(screen: CleanConsole, report: dict[str, Any]) -> None:
    """Show some of the teacher's dropped answers, where they ended the run."""
    for group in drop_samples(report).rows:
        screen.say(f"Dropped: {group.reason} ({group.records})", style="bold")
        for sample in group.samples:
            for name, text in (("asked", sample.question), ("answered", sample.answer)):
                said = cut(one_line(text.text if text else ""), _SAMPLE_CELLS) or "nothing"
                screen.say(f"  {name}: {said}", hang=4)


def print_report(screen: CleanConsole, report: dict[str, Any], *, simulated: bool) -> None:
    """Write verdict, gate lines that failed, comparison and cost of a report."""
    headline = read_headline(report)
    screen.print(Text(f"{headline.symbol} {headline.outcome}", style=_STYLES.get(headline.outcome, "bold")))
    for line in (headline.sentence, *headline.reasons):
        screen.say(line)
    print_drop_samples(screen, report)
    card = decision_card(report)
    if card is not None:
        screen.say("")
        for line in card_lines(card):
            screen.say(line, hang=4 if line.startswith("  ") else 0)
        screen.say("")
    print_comparison(screen, report, simulated=simulated)
    for label, text in evidence_told(report):
        screen.say(f"{label}: {text}")
    for said in sentences(explicit_reasons(report)) if card is None else ():
        screen.say(f"Only with an explicit word: {said}.")
    total = number(report.get("total_usd"))
    if total is not None:
        screen.say(f"Cost of the run: {usd(total)}{' (simulated)' if simulated else ''}")
    for fact in answered_facts(report):
        screen.say(f"{fact.label}: {fact.value}")
    if headline.next_step is not None and not (card and card.commands):
        screen.say(f"Next: {headline.next_step.text} {headline.next_step.command or ''}".rstrip())
    if simulated:
        screen.say(SIMULATED)
