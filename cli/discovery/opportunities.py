"""Show what the last discovery found: all tasks by saving, or one with its levers and masked examples."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.cells import cell_len

from cli.discovery.account_logs import FoundCall, calls_of, wanted_of
from cli.discovery.found import acted_in, dollars, latest, one, proven
from cli.discovery.lever_files import write_lever
from cli.discovery.one_opportunity import money, print_opportunity
from cli.errors import CHECK_FAILED, USAGE_ERROR, CliError
from cli.fitting_table import TableColumn, print_table
from cli.screen import SIMULATED
from cli.session import Session, pass_session
from lambdas.domain.discovery.calls import prompt_texts
from lambdas.domain.discovery.levers import KINDS
from lambdas.domain.discovery.masking import masked
from lambdas.domain.discovery.opportunities_page import opportunities_page
from lambdas.domain.text.plain_text import one_line

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from lambdas.domain.discovery.opportunities import Opportunities, Opportunity
    from lambdas.workflow.acted_on import ActedOn

EXAMPLES, EXAMPLE_CHARACTERS = 3, 400
NOT_YOURS = "not for you to read (docs/access.md, finance)"

SHORTEST_NAME = 24
"""Cells of a found task's name in the list: longer than its id, and the beginning of a name stands for it."""

_COLUMNS = (
    TableColumn("Task", least=SHORTEST_NAME),
    TableColumn("Best lever", rank=1),
    TableColumn("$ a year", right=True),
    TableColumn("Saves, low", rank=3, right=True),
    TableColumn("Saves, high", right=True),
    TableColumn("Calls a day", rank=4, right=True),
    TableColumn("Acted on", rank=2),
    TableColumn("Asked by", rank=5),
)

_IN_A_ROW = {
    "cache": "cache",
    "move_and_cache": "move, then cache",
    "batch": "batch or flex",
    "reuse": "reuse of answers",
    "cheaper_model": "cheaper model",
    "distillation": "distillation",
    "cascade": "cascade",
    "nothing": "nothing",
}
"""Levers in a row of the list; their whole titles would take the place of figures."""


@click.command()
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page (HTML).")
@pass_session
def opportunities(session: Session, page: Path | None) -> None:
    """List the tasks in the account's logs by yearly saving, each with the lever that fits.

    Savings never add up twice: each lever is worked out on what the better ones leave. Calls without a known price are
    in no figure, and are named.
    """
    deployment = session.deployment
    found = latest(deployment)
    acted = acted_in(deployment, found)
    saved = proven(deployment, acted)
    if page is not None:
        names = {name: each.said() for name, each in acted.items()}
        text = opportunities_page(
            found, environment=deployment.environment, acted=names, proven_usd=saved, coverage=None
        )
        page.write_text(text, encoding="utf-8")
    if session.as_json:
        session.show(_document(found, acted, saved))
        return
    print_opportunities(session, found, acted, saved)
    if page is not None:
        session.screen.say(f"Page: {page.resolve()}")
    if deployment.local:
        session.screen.say(SIMULATED)


def _document(found: Opportunities, acted: dict[str, ActedOn], saved: Decimal | None) -> dict[str, Any]:
    document = found.to_document()
    for each in document["opportunities"]:
        of_task = acted.get(each["task"]["task"])
        each["acted_on"] = None if of_task is None else {"run_id": of_task.run_id, "serves": of_task.serves}
    of_acted, _ = dollars(found, acted)
    return {
        **document,
        "acted_on_usd": f"{of_acted:.4f}",
        "proven_usd_this_month": None if saved is None else f"{saved:.4f}",
    }


def print_opportunities(
    session: Session, found: Opportunities, acted: dict[str, ActedOn], saved: Decimal | None
) -> None:
    """Print the table and what its figures do not say."""
    screen = session.screen
    rows = [_cells(each, acted) for each in found.found]
    print_table(screen, _COLUMNS, rows, title=f"{found.first_day} to {found.last_day}, US dollars a year")
    if screen.is_terminal and any(cell_len(row[0]) > SHORTEST_NAME for row in rows):
        screen.say("The beginning of a task's name stands for it.")
    screen.say(
        f"Found: {money(found.low_usd)} to {money(found.high_usd)} of {money(found.usd)} a year. Acted on: up to "
        f"{money(dollars(found, acted)[0])}. Proven this month: {NOT_YOURS if saved is None else money(saved)}."
    )
    for note in found.notes:
        screen.say(note)
    best = next((each for each in found.found if each.best.name != "nothing" and each.task.task not in acted), None)
    if best is not None:
        screen.say(f"Next: {session.command} opportunity {shlex.quote(best.task.task)}")


def _cells(each: Opportunity, acted: dict[str, ActedOn]) -> tuple[str, ...]:
    of_task = acted.get(each.task.task)
    return (
        one_line(each.task.task),
        _IN_A_ROW[each.best.name],
        money(each.usd),
        money(each.low_usd),
        money(each.high_usd),
        f"{each.task.calls_a_day_p50:,.0f}",
        "" if of_task is None else of_task.said(),
        ", ".join(one_line(name) for name, _ in each.task.principals[:2]),
    )


@click.command()
@click.argument("name", metavar="ID")
@click.option("--no-examples", is_flag=True, help="Do not read the log.")
@click.option(
    "--write", "path", type=click.Path(dir_okay=False, path_type=Path),
    help="Write what the lever ends in: the changed request (.json), a batch job's input (.jsonl), an answer's key.",
)  # fmt: skip
@click.option(
    "--lever", type=click.Choice([kind.name for kind in KINDS]), help="With --write: which lever.  [default: the best]"
)
@pass_session
def opportunity(session: Session, name: str, *, no_examples: bool, path: Path | None, lever: str | None) -> None:
    """Show one found task: its figures, every lever with what blocks it, and up to three masked examples.

    Examples are read from the log under your own right and stored nowhere. Whoever may read the log's bucket sees the
    prompts of every team in it. --write makes a file of whole prompts that only you may read.
    """
    deployment = session.deployment
    found = latest(deployment)
    each = one(found, name)
    if path is not None:
        write_lever(session, found, each, lever, path)
        return
    if lever is not None:
        raise CliError("--lever says what is written: add --write FILE.", USAGE_ERROR)
    examples: list[str] = []
    if not no_examples and each.task.named_by != "none":
        try:
            examples = list(_examples(deployment, found, each))
        except CliError as problem:
            session.aside.say(f"No examples: {problem.message}")
    if session.as_json:
        session.show({**each.to_document(), "examples": examples})
        return
    print_opportunity(session, each, examples)


def _examples(deployment: Deployment, found: Opportunities, each: Opportunity) -> Iterator[str]:
    wanted = wanted_of(deployment, found, each.task, EXAMPLES)
    calls = calls_of(deployment, replace(wanted, text_only=False)).calls
    texts = [text for call in calls if (text := _asked(call)).strip()][:EXAMPLES]
    if not texts:
        raise CliError(f"{len(calls):,} calls of '{each.task.task}' were read, and none asks in text.", CHECK_FAILED)
    for text in texts:
        yield one_line(masked(text))[:EXAMPLE_CHARACTERS]


def _asked(call: FoundCall) -> str:
    """Give what the user asked: the last turn, or the first of a call of which no run could be made."""
    if call.record:
        return str(call.record["messages"][-1]["content"][0]["text"])
    return prompt_texts(call.body)[1]
