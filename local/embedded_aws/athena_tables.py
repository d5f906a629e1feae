"""Tables of the Glue catalog as DuckDB reads them: declared columns, partition projection, and the objects in range."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import duckdb
from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATH = "$path"
_DUCKDB_TYPES = {"string": "VARCHAR", "int": "INTEGER"}
_DELIMITER = "\x01\x02\x03"
"""No line has these three: a line is one field, as where the delimiter of a table of one column is Ctrl-A."""
_MAX_LINE_BYTES = 33554432
_NOW = re.compile(r"NOW(?:([+-]\d+)(HOUR|DAY|WEEK|MONTH|YEAR)S?)?\Z")
_UNIT_HOURS = {"HOUR": 1, "DAY": 24, "WEEK": 168, "MONTH": 730, "YEAR": 8766}
_JAVA_DATES = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the objects under its location.

    Parameters
    ----------
    name : str
        Name in the catalog.
    columns, keys : dict
        Names and Glue types of columns and of partition keys.
    parquet : bool
        Parquet; else lines of text in one column.
    parameters : mapping
        The table's parameters: the projection.
    objects : mapping
        Addresses and stored sizes in bytes.
    """

    name: str
    columns: dict[str, str]
    keys: dict[str, str]
    parquet: bool
    parameters: Mapping[str, str]
    objects: Mapping[str, int]

    @classmethod
    def from_glue(cls, found: Mapping[str, Any], objects: Mapping[str, int]) -> Self:
        """Read an entry of the catalog.

        Raises
        ------
        ValueError
            Where the table's format is one that is not read here.
        """
        storage = found["StorageDescriptor"]
        library = str((storage.get("SerdeInfo") or {}).get("SerializationLibrary") or "")
        columns = {column["Name"]: column["Type"] for column in storage["Columns"]}
        parquet = "Parquet" in library
        if not parquet and not ("LazySimpleSerDe" in library and list(columns.values()) == ["string"]):
            raise ValueError(f"NOT_SUPPORTED: the embedded Athena reads Parquet and tables of one text, not {library}")
        keys = {key["Name"]: key["Type"] for key in found.get("PartitionKeys") or []}
        return cls(str(found["Name"]), columns, keys, parquet, found.get("Parameters") or {}, objects)

    def read(self, conditions: Sequence[exp.Expr]) -> dict[str, tuple[str, ...]]:
        """Give the objects whose partition is projected and meets the conditions, with their values of the keys."""
        if not self.keys:
            return dict.fromkeys(self.objects, ())
        if self.parameters.get("projection.enabled", "").lower() != "true":
            return {}  # Partitions would have to be registered, and discovery registers none.
        self._check_injected(conditions)
        found = {address: values for address in self.objects if (values := self._projected(address)) is not None}
        met = self._met(found, conditions)
        return {address: values for address, values in found.items() if values in met}

    def relation(self, files: Mapping[str, tuple[str, tuple[str, ...]]]) -> str:
        """Write the SELECT that reads local copies.

        Parameters
        ----------
        files : mapping
            By address: the local file, and the values of the partition keys.
        """
        if not files:
            every = {**self.columns, **self.keys, PATH: "string"}
            return (
                "SELECT "
                + ", ".join(f"CAST(NULL AS {_type(t)}) AS {_name(n)}" for n, t in every.items())
                + " WHERE false"
            )
        listed = "[" + ", ".join(_text(path) for path, _ in files.values()) + "]"
        if self.parquet:
            source = f"read_parquet({listed}, union_by_name = true, filename = true, hive_partitioning = false)"
        else:
            source = (
                f"read_csv({listed}, auto_detect = false, header = false, delim = '{_DELIMITER}', quote = '', "
                f"escape = '', nullstr = '\\N', columns = {{{_text(next(iter(self.columns)))}: 'VARCHAR'}}, "
                f"filename = true, strict_mode = false, hive_partitioning = false, max_line_size = {_MAX_LINE_BYTES})"
            )
        columns = ", ".join(
            f"CAST({_name(name)} AS {_type(kind)}) AS {_name(name)}" for name, kind in self.columns.items()
        )
        keys = "".join(f", CAST(k.{_name(name)} AS {_type(kind)}) AS {_name(name)}" for name, kind in self.keys.items())
        rows = ", ".join(
            "(" + ", ".join(map(_text, (path, address, *values))) + ")" for address, (path, values) in files.items()
        )
        names = ", ".join(["file", "address", *map(_name, self.keys)])
        return (
            f"SELECT {columns}{keys}, k.address AS {_name(PATH)} FROM {source} AS f "
            f"JOIN (VALUES {rows}) AS k({names}) ON k.file = f.filename"
        )

    def _check_injected(self, conditions: Sequence[exp.Expr]) -> None:
        """Refuse a query that leaves an injected key open (Athena user guide, partition projection)."""
        equal = {
            condition.left.name
            for condition in conditions
            if isinstance(condition, exp.EQ) and isinstance(condition.right, exp.Literal)
        }
        for key in self.keys:
            if self.parameters.get(f"projection.{key}.type") == "injected" and key not in equal:
                raise ValueError(
                    f"CONSTRAINT_VIOLATION: For the injected projected partition column {key}, the WHERE clause must "
                    "contain only static equality conditions"
                )

    def _projected(self, address: str) -> tuple[str, ...] | None:
        """Give the values of the keys that the location template has for an object; ``None`` outside the projection."""
        template = self.parameters.get("storage.location.template", "").rstrip("/") + "/"
        pattern = re.escape(template)
        for key in self.keys:
            form = self.parameters.get(f"projection.{key}.format", "")
            part = re.sub("[A-Za-z]", r"[0-9]", re.escape(form)) if form else "[^/]+"
            pattern = pattern.replace(re.escape("${" + key + "}"), f"(?P<{key}>{part})")
        match = re.match(pattern, address)
        if match is None or not all(self._in_range(key, match[key]) for key in self.keys):
            return None
        return tuple(match[key] for key in self.keys)

    def _in_range(self, key: str, value: str) -> bool:
        kind = self.parameters.get(f"projection.{key}.type")
        if kind == "enum":
            return value in [item.strip() for item in self.parameters[f"projection.{key}.values"].split(",")]
        if kind == "injected":
            return True
        first, last = (side.strip() for side in self.parameters[f"projection.{key}.range"].split(","))
        if kind == "integer":
            return value.isdigit() and int(first) <= int(value) <= int(last)
        if kind == "date":
            form = self.parameters[f"projection.{key}.format"]
            return _moment(first, form) <= value <= _moment(last, form)
        raise ValueError(f"INVALID_TABLE_PROPERTY: projection.{key}.type of {self.name} is {kind}")

    def _met(self, found: Mapping[str, tuple[str, ...]], conditions: Sequence[exp.Expr]) -> frozenset[tuple[str, ...]]:
        """Give the distinct partitions that meet the conditions, which name keys alone."""
        partitions = frozenset(found.values())
        if not conditions or not partitions:
            return partitions
        columns = ", ".join(f"CAST({_name(key)} AS {_type(kind)}) AS {_name(key)}" for key, kind in self.keys.items())
        raw = ", ".join("(" + ", ".join(_text(value) for value in values) + ")" for values in partitions)
        names = ", ".join(map(_name, self.keys))
        originals = ", ".join(f"{_name(key)} AS {_name('raw ' + key)}" for key in self.keys)
        where = " AND ".join(f"({condition.sql('duckdb')})" for condition in conditions)
        kept = ", ".join(_name("raw " + key) for key in self.keys)
        query = (
            f"SELECT {kept} FROM (SELECT {columns}, {originals} FROM (VALUES {raw}) AS v({names})) AS p WHERE {where}"
        )
        with duckdb.connect(":memory:") as scratch:
            return frozenset(tuple(map(str, row)) for row in scratch.execute(query).fetchall())


def conditions_on(table: exp.Table, keys: Mapping[str, str]) -> list[exp.Expr]:
    """Give the conditions of a table's own SELECT that name its partition keys alone, without the table's alias."""
    select = table.find_ancestor(exp.Select)
    where = select.args.get("where") if select is not None else None
    if where is None:
        return []
    found = []
    for condition in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
        columns = list(condition.find_all(exp.Column))
        own = all(column.name in keys and column.table in ("", table.alias_or_name) for column in columns)
        if columns and own and not condition.find(exp.Subquery, exp.Select):
            found.append(
                condition.transform(lambda node: exp.column(node.name) if isinstance(node, exp.Column) else node)
            )
    return found


def _moment(bound: str, form: str) -> str:
    """Write a bound of a date projection in its format; ``NOW`` may have an offset."""
    match = _NOW.match(bound)
    if match is None:
        return bound
    hours = int(match[1]) * _UNIT_HOURS[match[2]] if match[1] else 0
    written = form
    for java, python in _JAVA_DATES.items():
        written = written.replace(java, python)
    return (datetime.now(UTC) + timedelta(hours=hours)).strftime(written)


def _type(glue: str) -> str:
    kind = glue.strip().lower()
    if kind.startswith("array<"):
        return f"{_type(kind[len('array<') : -1])}[]"
    return _DUCKDB_TYPES.get(kind, kind.upper())


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
