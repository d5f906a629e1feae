"""The tables over the export: each column where the rows have it, and each table in a folder of its own."""

from __future__ import annotations

import re

import pytest

from lambdas.domain.focus.athena_tables import CHARGES, SAVINGS, partition, table_statements
from lambdas.domain.focus.columns import COLUMNS
from lambdas.domain.focus.savings import COLUMNS as SAVINGS_COLUMNS

STATEMENTS = dict(zip((CHARGES, SAVINGS), table_statements("runs-bucket", "dev"), strict=True))


@pytest.mark.parametrize(("table", "columns"), [(CHARGES, COLUMNS), (SAVINGS, SAVINGS_COLUMNS)])
def test_a_table_has_the_columns_of_the_rows_in_their_order(table: str, columns: tuple[str, ...]) -> None:
    described, rest = STATEMENTS[table].split("PARTITIONED BY")
    assert re.findall(r"`(\w+)` string", described) == [column.lower() for column in columns]
    # A partition must not be called like a column
    partitions = re.findall(r"`(\w+)` string", rest)
    assert partitions == ["billing_period", "env"]
    assert not {*partitions} & {column.lower() for column in columns}


@pytest.mark.parametrize("table", [CHARGES, SAVINGS])
def test_a_table_reads_what_the_export_writes_and_nothing_beside_it(table: str) -> None:
    template = re.search(r"'storage.location.template' = '([^']+)'", STATEMENTS[table])
    assert template is not None
    where = template[1].replace("${billing_period}", "2026-11").replace("${env}", "dev")
    assert where == f"s3://runs-bucket/{partition(table, '2026-11', 'dev')}/"
    assert partition(CHARGES, "2026-11", "dev") != partition(SAVINGS, "2026-11", "dev")
