"""Lines break between words; what is pasted stays whole; tables leave out columns and cut nothing but reasons."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cli.clean_console import CleanConsole
from cli.fitting_table import TableColumn, cut, print_table
from cli.wrapping import wrapped

WORDS = st.lists(st.text(alphabet="abc-é漢/:", min_size=1, max_size=30), min_size=1, max_size=20)


@given(WORDS, st.integers(min_value=5, max_value=60), st.integers(min_value=0, max_value=4))
def test_no_word_is_broken_lost_or_moved(words: list[str], width: int, hang: int) -> None:
    lines = wrapped(" ".join(words), width, hang)
    assert [word for line in lines for word in line.split()] == words
    for line in lines:
        assert cell_len(line) <= width or len(line.split()) == 1


def test_a_command_is_one_piece() -> None:
    text = "Stopped. Watch it: python -m cli --local watch some-run-1. End it: 'python -m cli stop some-run-1'"
    assert wrapped(text, 38) == [
        "Stopped. Watch it:",
        "python -m cli --local watch some-run-1.",
        "End it:",
        "'python -m cli stop some-run-1'",
    ]


def shown(width: int, rows: list[list[str]], *, terminal: bool = True) -> list[str]:
    screen = CleanConsole(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None)
    columns = [
        TableColumn("Run"),
        TableColumn("Cost", right=True),
        TableColumn("More", rank=1),
        TableColumn("Why", 2, least=8),
    ]
    print_table(screen, columns, rows)
    return str(screen.file.getvalue()).splitlines()  # type: ignore[attr-defined]


@given(st.text(alphabet="abc", min_size=1, max_size=40), st.text(alphabet="x ", max_size=90), st.integers(24, 150))
def test_a_table_fits_and_what_stays_is_whole(run: str, why: str, width: int) -> None:
    lines = shown(width, [[run, "$1,234.56", "more of it", why]])
    assert any(run in line for line in lines)
    assert any("$1,234.56" in line for line in lines)
    assert all(cell_len(line.rstrip()) <= width or line.strip() == run for line in lines)


def test_columns_go_by_rank_and_a_narrow_terminal_gets_rows() -> None:
    row = ["run-1234567890", "$1.00", "more of it", "because of this and that"]
    assert "because of this and that" in shown(100, [row])[2]
    assert shown(46, [row])[2].rstrip().endswith("…")
    assert [line.rstrip() for line in shown(34, [row])][2:] == [
        "run-1234567890  $1.00  more of it",
        "Left out at 34 columns: Why. A",
        "wider terminal or --json shows",
        "them.",
    ]
    assert shown(20, [row])[:2] == ["run-1234567890", "  Cost: $1.00"]


def test_where_nobody_watches_no_column_is_left_out() -> None:
    row = ["r" * 150, "$1.00", "m" * 150, "because " * 50]
    [line] = [line for line in shown(80, [row], terminal=False) if "$1.00" in line]
    assert "r" * 150 in line
    assert "m" * 150 in line


@given(st.text(alphabet="ab漢"), st.integers(min_value=1, max_value=20))
def test_what_is_cut_has_as_many_cells_as_there_are(text: str, cells: int) -> None:
    assert cell_len(cut(text, cells)) <= cells
    assert cut(text, cell_len(text)) == text
