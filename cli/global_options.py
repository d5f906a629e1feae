"""The options that every verb takes, before it or after it."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import click

from cli.deployment import DEFAULT_LOCAL_DIR, Deployment
from cli.session import Session

_AFTER = "after_the_verb_"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalOptions:
    """What the global options say; ``None`` or ``False`` where one is not given."""

    environment: str | None = None
    region: str | None = None
    local: bool = False
    local_dir: Path | None = None
    as_json: bool = False

    def and_also(self, later: Self) -> Self:
        """Add what is said after the verb.

        Raises
        ------
        click.UsageError
            When both places say something, and not the same.
        """
        said: dict[str, Any] = {}
        for one in fields(self):
            before, after = getattr(self, one.name), getattr(later, one.name)
            if before and after and before != after:
                option = f"--{one.name.replace('_', '-')}"
                raise click.UsageError(f"{option} is given twice, as {before} and as {after}.")
            said[one.name] = after or before
        return type(self)(**said)

    def session(self) -> Session:
        """Make what the verbs are given.

        Raises
        ------
        click.UsageError
            When two options exclude each other.
        """
        folder = self.local_dir or (DEFAULT_LOCAL_DIR if self.local else None)
        if folder is not None and self.region:
            raise click.UsageError("--region has no meaning with --local: the embedded AWS has one Region.")
        given = {"--environment": self.environment, "--region": self.region}
        words = [word for option, value in given.items() if value for word in (option, value)]
        if folder is None:
            name, region = self.environment or "dev", self.region
            return Session(lambda: Deployment.in_account(name, region), self.as_json, _command(*words), name)
        name = self.environment or "local"
        place = ["--local"] if folder == DEFAULT_LOCAL_DIR else ["--local-dir", str(folder)]
        return Session(
            lambda: Deployment.on_embedded_aws(name, folder), self.as_json, _command(*place, *words), name, local=True
        )


_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("environment", {"metavar": "NAME", "help": "Which deployment.  [default: dev; with --local: local]"}),
    ("region", {"metavar": "REGION", "help": "AWS Region.  [default: that of the profile, else us-east-1]"}),
    ("local", {"is_flag": True, "help": "The embedded AWS of this machine."}),
    (
        "local-dir",
        {
            "type": click.Path(file_okay=False, path_type=Path),
            "metavar": "DIR",
            "help": "Folder of the embedded AWS; implies --local.  [default: .local]",
        },
    ),
    ("json", {"is_flag": True, "help": "Results as JSON, one document a line."}),
)
_NAMES = {"local-dir": "local_dir", "json": "as_json"}


def global_options(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Give the group of all verbs its options, as parameters named like the fields of :class:`GlobalOptions`."""
    for word, about in reversed(_OPTIONS):
        verb = click.option(f"--{word}", _NAMES.get(word, word), **about)(verb)
    return verb


def taken_after_the_verb(command: click.Command) -> click.Command:
    """Let a verb, and the verbs of a group of them, take the global options too; what they say counts as if before."""
    if isinstance(command, click.Group):
        for verb in command.commands.values():
            taken_after_the_verb(verb)
    known = {option for parameter in command.params for option in parameter.opts}
    added = [(word, about) for word, about in _OPTIONS if f"--{word}" not in known]
    command.params.extend(
        click.Option([f"--{word}", f"{_AFTER}{_NAMES.get(word, word)}"], **about) for word, about in added
    )
    does = command.callback

    @functools.wraps(does or (lambda: None))
    def with_options(*arguments: Any, **parameters: Any) -> Any:  # noqa: ANN401 - whatever a verb takes and returns
        said = {name.removeprefix(_AFTER): parameters.pop(name) for name in list(parameters) if name.startswith(_AFTER)}
        _take(click.get_current_context(), GlobalOptions(**said))
        return does(*arguments, **parameters) if does else None

    command.callback = with_options
    return command


def remember(ctx: click.Context, said: GlobalOptions) -> None:
    """Make the session of a call by what stands before its verb, unless a session was given."""
    if ctx.obj is None:
        ctx.meta[__name__] = said
        ctx.obj = said.session()


def _take(ctx: click.Context, said: GlobalOptions) -> None:
    before: GlobalOptions | None = ctx.meta.get(__name__)
    if before is None or said == GlobalOptions():
        return
    whole = before.and_also(said)
    ctx.meta[__name__] = whole
    ctx.obj = whole.session()


def _command(*options: str) -> str:
    return shlex.join(["python", "-m", "cli", *options])
