"""The Glue database of discovery: raw lines of each log source, and the tables that discovery writes itself.

Raw lines have one string column, since their formats conflict; everything is found by partition projection, so that no
crawler and no partition has to be kept up to date (Athena user guide, "Partition projection").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Stack
from aws_cdk import aws_glue as glue
from constructs import Construct

from lambdas.domain.discovery.calls import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdas.domain.task.settings import Settings

TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
LINES = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
FIRST_DAY = "2023-09-01"
"""Bedrock has written invocation logs since it is generally available (September 2023)."""

_DAYS = {"type": "date", "format": "yyyy-MM-dd", "range": f"{FIRST_DAY},NOW", "interval": "1", "interval.unit": "DAYS"}
_HOURS = {
    "type": "date",
    "format": "yyyy/MM/dd/HH",
    "range": f"{FIRST_DAY.replace('-', '/')}/00,NOW",
    "interval": "1",
    "interval.unit": "HOURS",
}


class DiscoveryTables(Construct):
    """Database and tables.

    Parameters
    ----------
    scope, construct_id
        As everywhere in CDK.
    environment : str
        Environment name, a part of the database's.
    settings : Settings
        Names the log sources.
    runs_bucket : str
        Name of the bucket under whose prefix ``discovery/`` discovery writes.

    Attributes
    ----------
    database : str
        Name of the database: its tables are named by queries.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: str, settings: Settings, runs_bucket: str
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        self._account, self._root = stack.account, f"s3://{runs_bucket}/discovery"
        self.database = f"distillation_{environment.replace('-', '_')}_discovery"
        self._made = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=self._account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=self.database, description="Distillation: tasks in the model invocation logs"
            ),
        )
        for number, source in enumerate(settings.allowed_logs()):
            location = f"s3://{source.bucket}/{source.root(self._account, settings.region)}"
            # The last part of the root is the Region, which is a partition.
            above = location.removesuffix(f"{settings.region}/")
            self._lines(
                f"lines_{number}",
                location,
                {"region": {"type": "enum", "values": settings.region}, "hour": _HOURS},
                template=f"{above}${{region}}/${{hour}}",
            )
        sources = {"type": "integer", "range": "0,9"}
        self._table("calls", list(COLUMNS.items()), {"source": sources, "day": _DAYS}, PARQUET)
        self._lines("bodies", f"{self._root}/bodies/", {"source": sources, "day": _DAYS})
        self._lines("rules", f"{self._root}/rules/", {"generation": {"type": "injected"}})
        self._lines("salt", f"{self._root}/salt/", {}, column="salt")

    def _lines(
        self,
        name: str,
        location: str,
        partitions: Mapping[str, Mapping[str, str]],
        *,
        template: str = "",
        column: str = "line",
    ) -> None:
        """Make a table whose only column is the whole line: no character separates fields."""
        self._table(name, [(column, "string")], partitions, LINES, location=location, template=template)

    def _table(
        self,
        name: str,
        columns: Sequence[tuple[str, str]],
        partitions: Mapping[str, Mapping[str, str]],
        serde: str,
        *,
        location: str = "",
        template: str = "",
    ) -> None:
        place = location or f"{self._root}/{name}/"
        made = glue.CfnTable(
            self,
            name,
            catalog_id=self._account,
            database_name=self.database,
            table_input=glue.CfnTable.TableInputProperty(
                name=name,
                table_type="EXTERNAL_TABLE",
                parameters=_projection(partitions, template or _template(place, partitions)),
                partition_keys=[
                    glue.CfnTable.ColumnProperty(name=key, type="int" if rule["type"] == "integer" else "string")
                    for key, rule in partitions.items()
                ],
                storage_descriptor=_storage(place, columns, serde),
            ),
        )
        made.add_resource_dependency(self._made)


def _template(location: str, partitions: Mapping[str, Mapping[str, str]]) -> str:
    """Say where a partition lies: as Hive names folders, but for the generation, which is one folder."""
    if list(partitions) == ["generation"]:
        return f"{location}${{generation}}/"
    return location + "".join(f"{key}=${{{key}}}/" for key in partitions)


def _projection(partitions: Mapping[str, Mapping[str, str]], template: str) -> dict[str, str]:
    if not partitions:
        return {"EXTERNAL": "TRUE"}
    rules = {f"projection.{key}.{name}": value for key, rule in partitions.items() for name, value in rule.items()}
    return {"EXTERNAL": "TRUE", "projection.enabled": "true", "storage.location.template": template, **rules}


def _storage(location: str, columns: Sequence[tuple[str, str]], serde: str) -> glue.CfnTable.StorageDescriptorProperty:
    parquet = serde == PARQUET
    return glue.CfnTable.StorageDescriptorProperty(
        location=location,
        columns=[glue.CfnTable.ColumnProperty(name=name, type=kind) for name, kind in columns],
        input_format=f"{PARQUET}.MapredParquetInputFormat" if parquet else TEXT_INPUT,
        output_format=f"{PARQUET}.MapredParquetOutputFormat" if parquet else TEXT_OUTPUT,
        serde_info=glue.CfnTable.SerdeInfoProperty(
            serialization_library=f"{PARQUET}.serde.ParquetHiveSerDe" if parquet else serde,
            parameters={"serialization.format": "1"} if parquet else {"field.delim": "\x01"},
        ),
    )
