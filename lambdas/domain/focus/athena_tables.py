"""Tables of Athena over the months that ExportCosts writes, as statements for a person to run.

Statements and properties: Amazon Athena user guide, "CREATE TABLE", "Partition projection" and "Open CSV SerDe".
"""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.domain.focus.columns import COLUMNS
from lambdas.domain.focus.savings import COLUMNS as SAVINGS_COLUMNS

CHARGES, SAVINGS = "charges", "savings"
FIRST_MONTH = "2026-01"
"""The projection begins here: nothing was exported before."""


def partition(table: str, month: str, environment: str) -> str:
    """Name the folder of a month's rows; a table has a folder of its own, since Athena reads all that lies in one.

    Parameters
    ----------
    table : {"charges", "savings"}
    month : str
        ``YYYY-MM``.
    environment : str
    """
    return f"focus/{table}/billing_period={month}/environment={environment}"


def table_statements(bucket: str, environment: str) -> list[str]:
    """Give the statements that make both tables.

    Every column is text, as the serializer for CSV gives it, to be cast where it is added up. The partition is called
    ``env``, because savings have a column ``Environment``.

    Parameters
    ----------
    bucket : str
        The bucket with the files of runs.
    environment : str
    """
    return [
        _statement(table, columns, bucket, environment)
        for table, columns in ((CHARGES, COLUMNS), (SAVINGS, SAVINGS_COLUMNS))
    ]


def _statement(table: str, columns: Sequence[str], bucket: str, environment: str) -> str:
    properties = {
        "skip.header.line.count": "1",
        "projection.enabled": "true",
        "projection.billing_period.type": "date",
        "projection.billing_period.format": "yyyy-MM",
        "projection.billing_period.range": f"{FIRST_MONTH},NOW",
        "projection.billing_period.interval": "1",
        "projection.billing_period.interval.unit": "MONTHS",
        "projection.env.type": "enum",
        "projection.env.values": environment,
        "storage.location.template": f"s3://{bucket}/{partition(table, '${billing_period}', '${env}')}/",
    }
    described = ",\n".join(f"  `{column.lower()}` string" for column in columns)
    told = ",\n".join(f"  '{name}' = '{value}'" for name, value in properties.items())
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS focus_{table} (\n{described}\n)\n"
        "PARTITIONED BY (`billing_period` string, `env` string)\n"
        "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'\n"
        f"LOCATION 's3://{bucket}/focus/{table}/'\nTBLPROPERTIES (\n{told}\n)"
    )
