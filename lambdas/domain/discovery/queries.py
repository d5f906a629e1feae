"""The SQL texts of discovery, for Athena engine version 3.

The texts are files beside this module. What varies is checked against a form, or written as a literal, before it gets
into one; none holds the salt, which each query joins from table ``salt``, so that the query history has none.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from datetime import date
from importlib import resources

from lambdas.domain.discovery.discovery_plan import GENERATION

_DATABASE = re.compile(r"[a-z0-9_]{1,255}\Z")
_REGION = re.compile(r"[a-z]{2}(-[a-z]{1,16}){1,3}-[0-9]{1,2}\Z")
_DESTINATION = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([A-Za-z0-9_.=-]+/)+\Z")
_MAX_KEY = 256
_PLACE = re.compile(r"<<([a-z_]+)>>")

CALLERS_LEAST = 64
"""Calls in the sample that a caller should have: twice as many as are looked through for templates."""

LINES_PREFIX = "lines_"
"""Tables of the log sources: ``lines_0``, ``lines_1``, in the order of the settings."""


def literal(text: str) -> str:
    """Write a text as a SQL literal; Trino knows no escapes in one, only the doubled quote."""
    return "'" + text.replace("'", "''") + "'"


def stage_one(database: str, source: int, region: str, day: date, destination: str, metadata_key: str | None) -> str:
    """Write the UNLOAD that makes the rows of one day of one log source.

    Parameters
    ----------
    database : str
        Glue database.
    source : int
        Place of the log source in the settings.
    region : str
        Region whose partitions are read.
    day : date
        UTC day of the log's partitions.
    destination : str
        Empty prefix, ``s3://bucket/…/``; Athena refuses one that has objects.
    metadata_key : str or None
        Key of the request metadata that names the task, at most 256 characters.

    Raises
    ------
    ValueError
        Where a value has another form: what was given, and the form.
    """
    named = "CAST(NULL AS varchar)"
    if metadata_key is not None:
        if not 0 < len(metadata_key) <= _MAX_KEY or not metadata_key.isprintable():
            raise ValueError(f"'metadata_key' must have 1 to {_MAX_KEY} printable characters, not {metadata_key!r}")
        value = (
            "json_extract_scalar(element_at("
            f"TRY_CAST(element_at(entry, 'requestMetadata') AS map(varchar, json)), {literal(metadata_key)}), '$')"
        )
        named = f"CASE WHEN trim({value}) <> '' THEN {value} END"
    return _filled(
        "stage_one.sql",
        database=_checked("database", database, _DATABASE),
        lines=f"{LINES_PREFIX}{_number('source', source)}",
        region=literal(_checked("region", region, _REGION)),
        first_hour=literal(day.strftime("%Y/%m/%d/00")),
        last_hour=literal(day.strftime("%Y/%m/%d/23")),
        destination=literal(_checked("destination", destination, _DESTINATION)),
        named_task=named,
    )


def sample(database: str, sources: Sequence[int], first: date, last: date, calls: int, generation: str) -> str:
    """Write the SELECT of a random sample of calls, the same for each repetition of one generation.

    A caller, which is a role with a list of tools, has about :data:`CALLERS_LEAST` calls in it if it made that many.

    Parameters
    ----------
    database, sources, first, last
        What to read: log sources, and UTC days, both included.
    calls : int
        Rows at most.
    generation : str
        Id of the discovery run; another one draws another sample.

    Raises
    ------
    ValueError
        Where a value has another form.
    """
    return _filled(
        "sample.sql",
        **_range(database, sources, first, last),
        calls=_number("calls", calls),
        least=str(CALLERS_LEAST),
        generation=literal(_checked("generation", generation, GENERATION)),
    )


def offloaded(database: str, source: int, day: date, limit: int) -> str:
    """Write the SELECT of the calls of a day whose request lies beside the log, a stable sample of at most ``limit``.

    Raises
    ------
    ValueError
        Where a value has another form.
    """
    return _filled(
        "offloaded.sql",
        database=_checked("database", database, _DATABASE),
        source=_number("source", source),
        day=literal(day.isoformat()),
        limit=_number("limit", limit),
    )


def figures(database: str, sources: Sequence[int], first: date, last: date, generation: str) -> str:
    """Write the SELECT that applies a generation's rules and gives a row a found task; ``figures.py`` reads them.

    Raises
    ------
    ValueError
        Where a value has another form.
    """
    return _filled(
        "figures.sql",
        **_range(database, sources, first, last),
        generation=literal(_checked("generation", generation, GENERATION)),
    )


def coverage(database: str, sources: Sequence[int], first: date, last: date) -> str:
    """Write the SELECT of what the log holds by day and model; ``coverage.py`` reads its rows.

    Raises
    ------
    ValueError
        Where a value has another form.
    """
    return _filled("coverage.sql", **_range(database, sources, first, last))


def _range(database: str, sources: Sequence[int], first: date, last: date) -> dict[str, str]:
    if not sources or last < first:
        raise ValueError(f"no range: sources {list(sources)}, days {first} to {last}")
    return {
        "database": _checked("database", database, _DATABASE),
        "sources": ", ".join(_number("source", source) for source in sources),
        "first": literal(first.isoformat()),
        "last": literal(last.isoformat()),
    }


def _checked(name: str, value: str, form: re.Pattern[str]) -> str:
    if not form.match(value):
        raise ValueError(f"'{name}' must have the form {form.pattern}, not {value!r}")
    return value


def _number(name: str, value: int) -> str:
    if operator.index(value) < 0:
        raise ValueError(f"'{name}' must be a whole number from 0, not {value!r}")
    return str(operator.index(value))


def _filled(file: str, **values: str) -> str:
    whole = resources.files("lambdas.domain.discovery").joinpath(file).read_text(encoding="utf-8")
    # Athena tells the kind of a statement by its first word.
    text = "\n".join(row for row in whole.splitlines() if not row.lstrip().startswith("--"))
    return _PLACE.sub(lambda place: values[place[1]], text)
