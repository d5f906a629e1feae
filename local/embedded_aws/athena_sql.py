"""Athena's SQL on DuckDB: the dialect by sqlglot, and what it leaves different by macros."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

MACROS = (
    "CREATE OR REPLACE MACRO from_base(s, b) AS CAST('0x' || s AS BIGINT)",
    """CREATE OR REPLACE MACRO athena_scalar(j, p) AS
       CASE WHEN json_type(j, p) IN ('ARRAY', 'OBJECT') THEN NULL ELSE json_extract_string(j, p) END""",
    """CREATE OR REPLACE MACRO athena_joined(a, s) AS
       CASE WHEN a IS NOT NULL THEN coalesce(array_to_string(a, s), '') END""",
    "CREATE OR REPLACE MACRO athena_parsed(j) AS CASE WHEN json_valid(j) THEN CAST(j AS JSON) END",
)
"""Functions that DuckDB lacks, or that differ: ``json_extract_scalar`` gives NULL for objects and lists,
``array_join`` an empty text for a list of NULLs."""

SETTINGS = ("SET TimeZone = 'UTC'", "SET preserve_insertion_order = false")


def parsed(statement: str) -> exp.Expr:
    """Read a statement of Athena engine version 3.

    Raises
    ------
    ValueError
        Where it is not one.
    """
    try:
        return sqlglot.parse_one(statement, read="athena")
    except sqlglot.errors.SqlglotError as problem:
        raise ValueError(f"mismatched input: {problem}") from None


def to_duckdb(statement: exp.Expr) -> str:
    """Write a parsed statement for DuckDB."""
    return statement.transform(_replaced).sql("duckdb")


def _replaced(node: exp.Expr) -> exp.Expr:
    found = node
    match node:
        case exp.JSONExtractScalar():
            found = _call("athena_scalar", node.this, _path(node.expression))
        case exp.JSONExtract():
            found = _call("json_extract", node.this, _path(node.expression))
        case exp.Try(this=exp.ParseJSON()):
            found = _call("athena_parsed", node.this.this)
        case exp.Hex(this=exp.SHA2Digest(this=exp.Encode())):
            found = exp.Upper(this=_call("sha256", node.this.this.this))
        case exp.ArrayToString():
            found = _call("athena_joined", node.this, node.expression)
        case exp.Length(this=exp.Encode()):
            found = _call("strlen", node.this.this)
        case exp.Reduce(args={"finish": exp.Lambda(this=given, expressions=[taken])}) if given == taken:
            # DuckDB has no last step, and this one gives what it takes.
            found = exp.Reduce(this=node.this, initial=node.args["initial"], merge=node.args["merge"])
    return found


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=list(arguments))


def _path(path: exp.Expr) -> exp.Expr:
    return path if isinstance(path, exp.Literal) else exp.Literal.string(path.sql("duckdb").strip("'"))
