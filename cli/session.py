"""What the global options of the command line say, as every verb is given it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import click

from cli.clean_console import CleanConsole, console
from cli.deployment import Deployment
from cli.screen import print_json
from lambdas.domain.errors import ReasonTooLong
from lambdas.domain.text.plain_text import stated_reason


@dataclass(frozen=True)
class Session:
    """What the global options say. The deployment is looked for when a verb first needs it.

    ``command`` is how the next command begins, so that a hint can be pasted and reaches the same deployment.
    """

    connect: Callable[[], Deployment]
    as_json: bool
    command: str = "python -m cli"
    environment: str = "dev"
    local: bool = False

    @cached_property
    def deployment(self) -> Deployment:
        """The environment that the options name."""
        return self.connect()

    @cached_property
    def screen(self) -> CleanConsole:
        """Where people read."""
        return console()

    @cached_property
    def aside(self) -> CleanConsole:
        """Where people read what belongs to no result: programs read the other one."""
        return console(stderr=True)

    def show(self, document: object, *lines: str) -> None:
        """Give a result: as JSON, or as lines for a person."""
        if self.as_json:
            print_json(document)
            return
        for line in lines:
            self.screen.say(line, hang=4 if line.startswith("  ") else 0)


pass_session = click.make_pass_decorator(Session)
run_argument = click.argument("run", metavar="RUN")


def _reason(_context: click.Context, _option: click.Parameter, given: str) -> str:
    try:
        return stated_reason(given)
    except ReasonTooLong as problem:
        raise click.BadParameter(f"{problem}.") from None


why_option = click.option(
    "--why", default="", callback=_reason, help="The reason, at most 500 characters: kept in registry and report."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
