"""What each task has cost: the ledgers of its runs, added up by stage."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from cli.clean_console import CleanConsole
from cli.errors import UNKNOWN_RUN, CliError
from cli.file_to_write import FileToWrite
from cli.fitting_table import TableColumn, print_table
from cli.focus_export import show_tables, write_focus
from cli.months import month_option, this_month
from cli.run_ids import each_run
from cli.screen import SIMULATED
from cli.session import Session, pass_session
from lambdas.domain.costs.ledger import usd_by_stage
from lambdas.domain.report.figures import usd

if TYPE_CHECKING:
    from lambdas.gateways.registry.runs import Registry

Costs = dict[str, dict[str, float]]
RunCosts = tuple[str, Mapping[str, Decimal]]
"""A task's slug, and US dollars by stage."""


@click.command()
@click.option("--task", help="Only this task's.")
@click.option("--focus", is_flag=True, help="Write a month as rows of FOCUS (CSV) instead; needs --out.")
@month_option
@click.option("--out", type=FileToWrite(), help="With --focus: the file to write.")
@click.option("--tables", is_flag=True, help="With --focus: print tables of Athena over the daily export instead.")
@pass_session
def costs(
    session: Session, *, task: str | None, focus: bool, month: str | None, out: Path | None, tables: bool
) -> None:
    """Add up what each task's runs have cost, by stage.

    It is what the ledgers say, the most where it is not known better. With --focus, a month's charges are written in
    the form of the FinOps Open Cost and Usage Specification, one row for each ledger line and kind of token.
    """
    if focus and tables:
        show_tables(session)
        return
    if focus:
        if out is None:
            raise click.UsageError("--focus needs --out FILE, or --tables.")
        _check_task(task, tasks_of_runs(session.deployment.registry) if task is not None else ())
        write_focus(session, month or this_month(), out, task)
        return
    if month or out or tables:
        raise click.UsageError("--month, --out and --tables belong to --focus.")
    known = list(costs_of_runs(session.deployment.registry))
    runs = [one for one in known if task in (None, one[0])]
    _check_task(task, (one[0] for one in known))
    found = by_task(runs)
    if session.as_json:
        session.show({"usd": found, "runs": len(runs)})
        return
    if found:
        print_costs(session.screen, found)
    elif runs:
        session.screen.say(f"The {len(runs)} runs{f' of {task}' if task else ''} have cost nothing yet.")
    else:
        session.screen.say(f"There is no run yet. '{session.command} submit TASK_DIR' starts one.")
    if session.deployment.local:
        session.screen.say(SIMULATED)


def _check_task(task: str | None, tasks: Iterable[str]) -> None:
    """Refuse a task of which there is no run, where there are runs of others."""
    known = sorted(set(tasks))
    if task is not None and known and task not in known:
        raise CliError(f"No run is of a task '{task}'. There are runs of: {', '.join(known)}.", UNKNOWN_RUN)


def tasks_of_runs(registry: Registry) -> Iterator[str]:
    """Name the task of each run."""
    runs = registry.listed.all() if registry.listed.is_complete() else each_run(registry)
    yield from (run.task for run in runs)


def costs_of_runs(registry: Registry) -> Iterator[RunCosts]:
    """Read what each run has cost: from the list of runs, and from the ledger of a run that may still pay.

    Until the schedule has entered the runs of versions before 0.2.0 into the list, every ledger is read.
    """
    if registry.listed.is_complete():
        for one in registry.listed.all():
            yield one.task, one.usd_by_stage if one.settled else usd_by_stage(registry.ledger(one.run_id))
        return
    for run in {run.run_id: run for run in each_run(registry)}.values():
        yield run.task, usd_by_stage(registry.ledger(run.run_id))


def by_task(runs: Iterable[RunCosts]) -> Costs:
    """Add up US dollars by task and stage, the dearest task first.

    Parameters
    ----------
    runs : iterable of RunCosts
        Task of each run, and its dollars by stage.
    """
    sums: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for task, stages in runs:
        for stage, dollars in stages.items():
            sums[task][stage] += dollars
    spent = {
        task: {stage: float(dollars) for stage, dollars in sorted(stages.items()) if dollars}
        for task, stages in sums.items()
    }
    return dict(sorted(spent.items(), key=lambda item: (-sum(item[1].values()), item[0])))


_COLUMNS = (TableColumn("Stage"), TableColumn("Cost", right=True))


def print_costs(screen: CleanConsole, costs: Costs) -> None:
    """Write the stages of each task one below the other: as narrow with twelve stages as with one."""
    for task, stages in costs.items():
        total = (Text("all stages", style="bold"), Text(usd(sum(stages.values())), style="bold"))
        print_table(screen, _COLUMNS, [(stage, usd(spent)) for stage, spent in stages.items()], title=task, total=total)
        screen.say("")
    if len(costs) > 1:
        screen.say(f"All tasks: {usd(sum(sum(stages.values()) for stages in costs.values()))}", style="bold")
