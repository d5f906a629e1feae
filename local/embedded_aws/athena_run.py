"""One query of the embedded Athena: which objects it reads, what it gives, and what it writes."""

from __future__ import annotations

import gzip
import re
import tempfile
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlglot import exp

from local.embedded_aws.athena_sql import MACROS, SETTINGS, parsed, to_duckdb
from local.embedded_aws.athena_tables import Table, conditions_on

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UNLOAD = re.compile(
    r"\s*UNLOAD\s*\((?P<query>.*)\)\s*TO\s*'(?P<to>s3://[^']+)'\s*WITH\s*\((?P<with>[^()]*)\)\s*\Z",
    re.DOTALL | re.IGNORECASE,
)
_OPTION = re.compile(r"\s*(\w+)\s*=\s*'([^']*)'\s*(?:,|\Z)")
_COMPRESSIONS = ("ZSTD", "SNAPPY", "GZIP")
_THREADS = 2


class BytesScannedLimit(Exception):
    """The query would scan more than its workgroup allows."""

    def __init__(self, allowed: int) -> None:
        super().__init__("Query cancelled! : Bytes scanned limit was exceeded")
        self.bytes = allowed


@dataclass(frozen=True, slots=True)
class Written:
    """An object to be written."""

    address: str
    content: bytes


@dataclass(slots=True)
class Found:
    """What a query gave."""

    columns: list[str]
    duckdb_types: list[str]
    rows: list[list[Any]]
    files: list[Written] = field(default_factory=list)

    def types(self, names: Mapping[str, str]) -> list[str]:
        """Give the columns' types by Athena's names."""
        return [
            "array" if kind.endswith("[]") else names.get(kind.split("(")[0], "varchar") for kind in self.duckdb_types
        ]

    def csv(self) -> bytes:
        """Write the result as Athena does: each value in quotation marks, nothing at all for NULL."""
        lines = [",".join(_quoted(name) for name in self.columns)]
        lines += [",".join(_quoted(value) for value in row) for row in self.rows]
        return ("\n".join(lines) + "\n").encode()


class Query:
    """A SELECT or an UNLOAD over tables of the catalog.

    Parameters
    ----------
    text : str
        The statement.
    table : callable
        Gives a table by name and, where the statement names one, database; ``None`` where there is none.
    content : callable
        Gives an object's bytes by its address.

    Raises
    ------
    ValueError
        Where the statement is neither, names an unknown table, or its destination is not empty.
    """

    def __init__(self, text: str, table: Callable[[str, str], Table | None], content: Callable[[str], bytes]) -> None:
        unload = _UNLOAD.match(text)
        self._content = content
        self._statement = parsed(unload["query"] if unload else text)
        if not isinstance(self._statement, exp.Query):
            raise ValueError(  # noqa: TRY004 - the statement is wrong, not the type of an argument
                "NOT_SUPPORTED: the embedded Athena runs SELECT and UNLOAD; CTAS would lose its properties"
            )
        self._destination = unload["to"] if unload else None
        self._options = {name.lower(): value for name, value in _OPTION.findall(unload["with"])} if unload else {}
        if unload and (self._options.get("format"), self._options.get("compression")) not in [
            ("PARQUET", compression) for compression in _COMPRESSIONS
        ]:
            raise ValueError(
                f"NOT_SUPPORTED: UNLOAD writes Parquet with {', '.join(_COMPRESSIONS)}, not {self._options}"
            )
        self._reads: list[tuple[exp.Table, Table, dict[str, tuple[str, ...]]]] = []
        named = {cte.alias for cte in self._statement.find_all(exp.CTE)}
        for reference in list(self._statement.find_all(exp.Table)):
            if not reference.db and reference.name in named:
                continue
            found = table(reference.name, reference.db)
            if found is None:
                raise ValueError(f"TABLE_NOT_FOUND: Table '{reference.db}.{reference.name}' does not exist")
            self._reads.append((reference, found, found.read(conditions_on(reference, found.keys))))

    @property
    def scanned_bytes(self) -> int:
        """Stored sizes of the objects that are read, once for each time that the statement names their table."""
        return sum(table.objects[address] for _, table, objects in self._reads for address in objects)

    def check_limit(self, allowed: int | None) -> None:
        """Refuse to scan more bytes than allowed.

        Raises
        ------
        BytesScannedLimit
        """
        if allowed is not None and self.scanned_bytes > allowed:
            raise BytesScannedLimit(allowed)

    def run(self) -> Found:
        """Run it. An UNLOAD gives its files, to be written by the caller, and no rows."""
        with tempfile.TemporaryDirectory(prefix="athena-") as folder:
            try:
                return self._run(Path(folder), repair=False)
            except duckdb.Error as problem:
                if "utf" not in str(problem).lower() and "unicode" not in str(problem).lower():
                    raise
                # DuckDB stops at bytes that are not UTF-8, where Athena reads on.
                return self._run(Path(folder), repair=True)

    def _run(self, folder: Path, *, repair: bool) -> Found:
        connection = duckdb.connect(":memory:")
        try:
            for statement in (*SETTINGS, f"SET threads = {_THREADS}", f"SET temp_directory = '{folder}'", *MACROS):
                connection.execute(statement)
            local = self._copied(folder, repair=repair)
            for number, (reference, table, objects) in enumerate(self._reads):
                files = {address: (local[address], values) for address, values in objects.items()}
                connection.execute(f"CREATE OR REPLACE VIEW read_{number} AS {table.relation(files)}")
                alias = reference.alias_or_name
                reference.set("db", None)
                reference.set("this", exp.to_identifier(f"read_{number}"))
                reference.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
            query = to_duckdb(self._statement)
            return (
                self._select(connection, query)
                if self._destination is None
                else self._unload(connection, query, folder)
            )
        finally:
            connection.close()

    def _copied(self, folder: Path, *, repair: bool) -> dict[str, str]:
        """Copy the objects to local files; their ends tell DuckDB how they are compressed."""
        local: dict[str, str] = {}
        for _, table, objects in self._reads:
            for address in objects:
                if address in local:
                    continue
                content = self._content(address)
                zipped = content[:2] == b"\x1f\x8b"
                if repair and not table.parquet:
                    plain = gzip.decompress(content) if zipped else content
                    content, zipped = plain.decode("utf-8", "replace").encode(), False
                path = folder / f"{len(local)}{'.gz' if zipped else ''}"
                path.write_bytes(content)
                local[address] = str(path)
        return local

    def _select(self, connection: duckdb.DuckDBPyConnection, query: str) -> Found:
        result = connection.execute(query)
        described = result.description or []
        return Found(
            [c[0] for c in described], [str(c[1]).upper() for c in described], [list(r) for r in result.fetchall()]
        )

    def _unload(self, connection: duckdb.DuckDBPyConnection, query: str, folder: Path) -> Found:
        out = folder / "unloaded.parquet"
        compression = self._options["compression"]
        written = connection.execute(
            f"COPY ({query}) TO '{out}' (FORMAT parquet, COMPRESSION {compression})"
        ).fetchone()
        files = []
        if written and written[0]:
            name = f"{str(self._destination).rstrip('/')}/{uuid.uuid4()}"
            files.append(Written(name, out.read_bytes()))
        return Found(["rows"], ["BIGINT"], [], files)

    @property
    def destination(self) -> str | None:
        """Prefix of an UNLOAD, which must be empty."""
        return self._destination


def _quoted(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, list):
        value = "[" + ", ".join("null" if item is None else str(item) for item in value) + "]"
    if isinstance(value, Decimal):
        value = format(value, "f")
    return '"' + str(value).replace('"', '""') + '"'
