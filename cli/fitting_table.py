"""Tables that fit a terminal: whole columns are left out by rank, and only a reason is ever cut short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.clean_console import CleanConsole
from lambdas.domain.text.plain_text import one_line

Cell = str | Text

_PIPED_WIDTH = 200
"""Cells of a row where nobody watches: no column is left out there, and a reason may be long."""

_FOLDED = "  "


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column and what may become of it.

    Attributes
    ----------
    title : str
    rank : int
        0 stays; of the others the highest is left out first.
    right : bool
        Whether figures stand at the right.
    least : int
        The column holds texts that may be cut to one line of at least so many cells; 0: never cut.
    """

    title: str
    rank: int = 0
    right: bool = False
    least: int = 0


def print_table(
    screen: CleanConsole,
    columns: Sequence[TableColumn],
    rows: Sequence[Sequence[Cell]],
    *,
    title: str = "",
    total: Sequence[Cell] | None = None,
) -> None:
    """Print a table, or its rows one below the other where not even the columns that stay fit.

    Parameters
    ----------
    screen : CleanConsole
    columns : sequence of TableColumn
    rows : sequence of sequence of str or Text
        One cell a column.
    title : str
    total : sequence of str or Text, optional
        A last row, set apart.
    """
    given = [*rows, *([total] if total is not None else [])]
    shown, table = _fitting(screen, columns, given, apart=total is not None)
    if title:
        screen.say(title, style="bold")
    if table is None:
        _stacked(screen, columns, given)
        return
    if not screen.is_terminal:
        screen.width = max(screen.width, _natural(screen, table))
    screen.print(table, soft_wrap=True)
    missing = [column.title for column in columns if column not in shown]
    if missing:
        screen.say(f"Left out at {screen.width} columns: {', '.join(missing)}. A wider terminal or --json shows them.")


def _fitting(
    screen: CleanConsole, columns: Sequence[TableColumn], rows: Sequence[Sequence[Cell]], *, apart: bool
) -> tuple[list[TableColumn], Table | None]:
    """Give the columns that stay and their table; no table where they do not fit either."""
    shown = list(columns)
    while True:
        places = [list(columns).index(column) for column in shown]
        table = _cut_to(screen, shown, [[row[at] for at in places] for row in rows], apart=apart)
        if table is not None or not screen.is_terminal:
            return shown, table
        last = max(shown, key=lambda column: column.rank)
        if last.rank == 0:
            return shown, None
        shown.remove(last)


def _cut_to(screen: CleanConsole, columns: list[TableColumn], rows: list[list[Cell]], *, apart: bool) -> Table | None:
    """Cut what may be cut until the rest fits; ``None`` where that is not enough."""
    tight = _table(columns, rows, 0, apart=apart)
    room = (screen.width if screen.is_terminal else _PIPED_WIDTH) - _natural(screen, tight)
    if room < 0 and screen.is_terminal:
        return None
    elastic = sum(bool(column.least) for column in columns)
    return _table(columns, rows, max(room, 0) // elastic, apart=apart) if elastic else tight


def _natural(screen: Console, table: Table) -> int:
    wide = screen.options.update(width=100_000, max_width=100_000)
    return screen.measure(table, options=wide).maximum


def _table(columns: list[TableColumn], rows: list[list[Cell]], more: int, *, apart: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", no_wrap=True, overflow="crop")
    for at, row in enumerate(rows):
        if apart and at == len(rows) - 1:
            table.add_section()
        cells = zip(columns, row, strict=True)
        table.add_row(*(_cut(cell, column.least + more) if column.least else cell for column, cell in cells))
    return table


def _cut(cell: Cell, cells: int) -> Cell:
    """Cut a text to one line of at most so many cells."""
    text = one_line(cell.plain if isinstance(cell, Text) else cell)
    return cut(text, cells)


def cut(text: str, cells: int) -> str:
    """Give the beginning of a line, as many terminal cells as there are, with a sign that it goes on."""
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, cells - 1) + "…"


def _stacked(screen: CleanConsole, columns: Sequence[TableColumn], rows: Sequence[Sequence[Cell]]) -> None:
    for row in rows:
        for at, (column, cell) in enumerate(zip(columns, row, strict=True)):
            text = one_line(cell.plain if isinstance(cell, Text) else cell)
            if at == 0:
                screen.say(text, style="bold")
            elif text:
                screen.say(f"{_FOLDED}{column.title}: {text}", hang=2 * len(_FOLDED))
