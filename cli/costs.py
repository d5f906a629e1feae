"""What each task has cost: the ledgers of its runs, added up by stage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import click
from rich.table import Table

from cli.run_ids import all_runs
from cli.screen import SIMULATED
from cli.session import Session, pass_session
from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.domain.report.figures import usd

Costs = dict[str, dict[str, float]]


@click.command()
@click.option("--task", help="Only this task's.")
@pass_session
def costs(session: Session, task: str | None) -> None:
    """Add up what each task's runs have cost, by stage.

    It is what the ledgers say, the most where it is not known better. Hours of endpoints that serve are on the bill
    only, under the tag task.
    """
    registry = session.deployment.registry
    runs = [run for run in all_runs(registry) if task in (None, run.task)]
    found = by_task((run.task, registry.ledger(run.run_id)) for run in runs)
    if session.as_json:
        session.show({"usd": found, "runs": len(runs)})
        return
    session.screen.print(costs_table(found) if found else "No run has cost anything yet.")
    if session.deployment.local:
        session.screen.print(SIMULATED)


def by_task(ledgers: Iterable[tuple[str, Iterable[LedgerEntry]]]) -> Costs:
    """Add up US dollars by task and stage, the dearest task first.

    Parameters
    ----------
    ledgers : iterable of (str, iterable of LedgerEntry)
        Task and ledger of each run.
    """
    sums: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for task, ledger in ledgers:
        for entry in ledger:
            sums[task][entry.stage] += entry.usd
    spent = {task: {stage: usd for stage, usd in sorted(stages.items()) if usd} for task, stages in sums.items()}
    return dict(sorted(spent.items(), key=lambda item: (-sum(item[1].values()), item[0])))


def costs_table(costs: Mapping[str, Mapping[str, float]]) -> Table:
    """Set stages beside tasks, with both sums."""
    stages = sorted({stage for one in costs.values() for stage in one})
    table = Table("Task", header_style="bold", show_footer=True)
    table.columns[0].footer = "all"
    for stage in stages:
        total = sum(one.get(stage, 0.0) for one in costs.values())
        table.add_column(stage, justify="right", footer=usd(total))
    table.add_column("all", justify="right", footer=usd(sum(sum(one.values()) for one in costs.values())))
    for task, one in costs.items():
        table.add_row(task, *(usd(one[stage]) if stage in one else "" for stage in stages), usd(sum(one.values())))
    return table
