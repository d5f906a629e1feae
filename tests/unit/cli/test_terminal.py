"""The command line on a real pseudo-terminal: nothing that a person needs is cut, no word is broken."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from functools import cache

import pytest
from rich.cells import cell_len

from cli.estimation import NOT_IN_IT
from tests.unit.cli.on_a_terminal import ROOT, RUN_ID, STAGES
from tests.unit.cli.test_champions_now import THROUGHPUT

WIDTHS = (80, 120)
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


@cache
def scenes(width: int, folder: str, module: str = "tests.unit.cli.on_a_terminal") -> dict[str, list[str]]:
    """Run every scene in a process whose terminal has so many columns, and give the lines that it wrote."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", module, folder],
        cwd=ROOT,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment | {"TERM": "xterm-256color"},
    ) as process:
        os.close(follower)
        written = b"".join(iter(lambda: _read(leader), b""))
    os.close(leader)
    assert process.returncode == 0, written.decode()
    text = _ESCAPES.sub("", written.decode()).replace("\r\n", "\n")
    found = re.split(r"^== (.+) ==\n", text, flags=re.MULTILINE)[1:]
    return {name: shown.split("\n") for name, shown in zip(found[::2], found[1::2], strict=True)}


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65_536)
    except OSError:  # Linux tells so that the other end is closed
        return b""


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def shown(width: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return scenes(width, str(tmp_path_factory.getbasetemp() / "report"))


def settled(lines: list[str]) -> list[str]:
    """Leave out what a live line has painted over itself."""
    return [line.rsplit("\r", 1)[-1] for line in lines]


def test_no_line_is_longer_than_the_terminal_unless_it_is_one_word_or_one_command(
    shown: dict[str, list[str]], width: int
) -> None:
    for name, lines in shown.items():
        for line in settled(lines):
            whole = len(line.split()) == 1 or line.lstrip().startswith(("python -m", "'python -m"))
            assert cell_len(line) <= width or whole, (name, line)


def test_what_is_pasted_is_never_broken_or_shortened(shown: dict[str, list[str]]) -> None:
    whole = {
        "runs": [RUN_ID, "greetings-aaaa11112222", "REJECTED"],
        "report": ["PROMOTED"],
        "costs": [*STAGES, "$1,234", "$0.00012", "$6,172"],
        "champions": ["greetings-1", "20.50"],
        "watch": [f"python -m cli report {RUN_ID}", "a" * 64],
        "estimate": ["EvaluateStudent", "holdout answers, undistilled student", "Total", "$10.66"],
        "unknown run": [f"{RUN_ID}0", f"{RUN_ID}1", f"{RUN_ID}2"],
    }
    for name, words in whole.items():
        lines = settled(shown[name])
        for word in words:
            assert any(word in line for line in lines), (name, word, lines)


def test_words_stay_whole_where_a_line_goes_on(shown: dict[str, list[str]]) -> None:
    said = " ".join(" ".join(settled(shown["watch"])).split())
    assert (
        "waits for a person's approval (until 2026-12-01T00:00:00Z; answer with 'approve' or 'reject', report.json has "
        f"SHA-256 {'a' * 64}, needs --hourly-price); no task.json: the defaults apply"
    ) in said
    said = " ".join(" ".join(settled(shown["estimate"])).split())
    assert f"{NOT_IN_IT} Note: No account was asked (--offline):" in said


def test_a_reason_is_one_line_at_the_end_of_a_run(shown: dict[str, list[str]], width: int) -> None:
    [end] = [line for line in settled(shown["watch"]) if "ENDED" in line]
    assert re.match(r"\d\d:\d\d:\d\d  ENDED +REJECTED: the student is 0.41 judge points", end)
    assert end.endswith("…")
    assert cell_len(end) == width


def test_a_reason_is_one_line_in_the_list(shown: dict[str, list[str]], width: int) -> None:
    rows = [line for line in shown["runs"] if RUN_ID in line]
    assert len(rows) == 1
    assert sum(bool(line.strip()) for line in shown["runs"]) <= 6
    if width == 120:
        assert "the student is" in rows[0]
        assert rows[0].rstrip().endswith("…")


def test_columns_are_left_out_and_the_reader_is_told(shown: dict[str, list[str]], width: int) -> None:
    said = " ".join(" ".join(shown["champions"]).split())
    assert (THROUGHPUT in said) is False
    assert f"Left out at {width} columns:" in said
    assert "Endpoint. A wider terminal or --json shows them." in said


def test_the_first_line_of_progress_has_a_time(shown: dict[str, list[str]]) -> None:
    first = settled(shown["watch"])[0]
    assert re.match(r"✓ \d\d:\d\d:\d\d  STARTING", first), first
