"""What other people wrote is seen on a terminal and commands nothing there."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result
from rich.table import Table
from rich.text import Text

from cli.clean_console import CleanConsole
from cli.screen import print_report, print_runs
from cli.watching import watch_run
from lambdas.domain.report.texts import clean
from lambdas.domain.serving.notification import outcome_message, subject_line
from lambdas.gateways.aws.messages import send_message
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.stage import logger
from tests.unit.cli.conftest import FakeAws, ended, make_run

EVIL = (
    "\x1b]0;owned\x1b\\\x1b[2K\x1b[1A\x1b[32mPROMOTED\x1b[0m \x1b]8;;http://127.0.0.1/evil\x1b\\click\x1b]8;;\x1b\\ "
    "\x9b31mC1 \x7f \u202egnp.exe \u2066 \u200f \ud800 \u2028 \r\nfake line\tend"
)
COMMANDS = ("\x1b]", "\x1b[2K", "\x1b[1A", "\x1b[32m", "\x9b", "\x7f", "\u202e", "\u2066", "\u200f", "\ud800", "\u2028")


def terminal() -> tuple[CleanConsole, io.StringIO]:
    written = io.StringIO()
    screen = CleanConsole(
        file=written, force_terminal=True, width=400, highlight=False, markup=False, emoji=False, color_system=None
    )
    return screen, written


def assert_harmless(text: str) -> None:
    assert "PROMOTED" in text  # it is seen, as text
    assert [one for one in COMMANDS if one in text] == []
    assert "\r" not in text
    assert "\nfake line" not in text


def made_run(**fields: Any) -> Run:
    return Run.from_item({**ended("REJECTED"), "reason": EVIL, **fields})


def printed(show: Callable[[CleanConsole], object]) -> str:
    screen, written = terminal()
    show(screen)
    return written.getvalue()


@pytest.mark.parametrize(
    "show",
    [
        lambda screen: screen.print(EVIL),
        lambda screen: screen.print(EVIL, soft_wrap=True),
        lambda screen: print_runs(screen, [made_run()]),
        lambda screen: print_runs(screen, [made_run(task=EVIL)]),
        lambda screen: screen.print(Table(EVIL, title=EVIL)),
        lambda screen: print_report(
            screen,
            {"outcome": "FAILED", "run_id": EVIL, "gate": [], "error": {"name": "X", "message": EVIL}},
            simulated=True,
        ),
    ],
)
def test_no_text_of_others_commands_the_terminal(show: Callable[[CleanConsole], object]) -> None:
    assert_harmless(printed(show))


def test_a_styled_text_commands_nothing_either() -> None:
    shown = printed(lambda screen: screen.print(Text(f"{EVIL}", style="bold")))
    assert [one for one in COMMANDS if one in shown] == []


def test_a_watched_run_is_shown_on_a_line_of_its_own(aws: FakeAws) -> None:
    # Given
    waiting = make_run(progress={"stage": "CheckRun", "phase": EVIL, "waits_for": EVIL})
    for seen in (waiting, {**ended("REJECTED"), "reason": EVIL}):
        aws.run_in_registry(seen)
    screen, written = terminal()
    aws.local = True
    # When
    watch_run(aws.deployment(), "greetings-aaaa11112222", screen, as_json=False)
    # Then: rich's own cursor commands are there, and none of the run's
    shown = written.getvalue()
    assert "\x1b]0;" not in shown
    assert "\x1b]8;" not in shown
    assert "\x9b" not in shown
    assert "\u202e" not in shown
    assert "\nfake line" not in shown


def test_json_says_the_same_without_a_raw_control(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.runs_in_registry({**ended("REJECTED"), "reason": EVIL.replace("\ud800", "")})
    # When
    result = call("--json", "runs")
    # Then
    assert [one for one in COMMANDS if one in result.stdout] == []
    assert json.loads(result.stdout)[0]["reason"] == EVIL.replace("\ud800", "")


def test_an_error_message_commands_nothing(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    aws.run_is_unknown()
    # When
    result = call("watch", "\x1b[32mPROMOTED\x9b")
    # Then
    assert result.exit_code != 0
    assert "PROMOTED" in result.output
    assert "\x1b" not in result.output
    assert "\x9b" not in result.output


class Topic:
    def __init__(self) -> None:
        self.sent: dict[str, str] = {}

    def publish(self, **message: str) -> None:
        self.sent = message


def test_a_message_has_only_its_own_lines() -> None:
    # Given
    topic, facts = Topic(), {"environment": "dev", "run_id": "r", "task": "t", "outcome": "REJECTED"}
    subject, text = outcome_message(**facts, reason=EVIL, report_uri="s3://b/k", simulated=False, may_be_retried=False)
    # When
    send_message(topic, "arn", subject + EVIL, text)  # type: ignore[arg-type]
    # Then
    assert_harmless(topic.sent["Message"])
    assert len(topic.sent["Message"].splitlines()) == 3
    assert topic.sent["Subject"].isprintable()
    assert len(topic.sent["Subject"]) < 100


def test_a_subject_is_one_line_of_ascii() -> None:
    assert subject_line("a\nb\x1b[31m\u202eä") == "a b [31m ?"


def test_a_line_of_the_log_is_one_line_without_controls() -> None:
    # Given
    formatter = logger.registered_formatter
    record = logging.LogRecord("n", logging.INFO, "f", 1, EVIL, None, None)
    # When
    line = formatter.format(record)
    # Then
    assert [one for one in COMMANDS if one in line] == []
    assert "\n" not in line
    assert json.loads(line)["message"] == EVIL


def test_a_page_shows_a_replacement() -> None:
    assert [one for one in COMMANDS if one in clean(EVIL)] == []
    assert "\ufffd" in clean("a\u202eb")
