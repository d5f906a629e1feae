"""The month that a verb about money is asked for."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click

_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


def _checked(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _MONTH.fullmatch(value):
        raise click.BadParameter(f"'{value}' is not a month. Write it as 2026-11.")
    return value


month_option = click.option("--month", metavar="YYYY-MM", callback=_checked, help="[default: this month, of UTC]")


def this_month() -> str:
    """Name the present month of UTC, ``YYYY-MM``."""
    return f"{datetime.now(UTC):%Y-%m}"
