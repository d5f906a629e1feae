"""What the Lambdas of discovery are invoked with, on logs of a day; DuckDB runs the queries that Athena would."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lambdas.domain.discovery import discovery_files
from lambdas.domain.task.settings import Settings
from tests.discovery import duck
from tests.discovery.account import GENERATION, Account
from tests.discovery.account_logs import ACCOUNT, FAMILIES, FIRST_DAY, Options
from tests.faults.world import PSEUDO, functions_of
from tests.stacks.templates import Deployment, synthesize

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.faults.world import World

Json = dict[str, Any]

ENVIRONMENT = "dev"
SETTINGS: Json = {"discovery": {"days": 1, "sample_calls": 1_000}, "log_sources": [{"bucket": "logs"}]}
_LOGS = Options(calls=1_000, tasks=8, days=1, offloaded=0.02)


def synthesized(folder: Path) -> list[Path]:
    """Synthesize an environment with discovery; the templates with Lambdas, discovery's at the end."""
    synthesize({ENVIRONMENT: SETTINGS}, folder)
    return [folder / f"distillation-{ENVIRONMENT}-{stack}.template.json" for stack in ("pipeline", "discovery")]


def discover(world: World, template: Path) -> None:
    """Let each Lambda of the discovery stack do its part of one day."""
    stack = Deployment(Settings.from_mapping(SETTINGS), {"discovery": json.loads(template.read_text())})
    own = {"ACCOUNT": ACCOUNT, "DISCOVERY_DATABASE": duck.DATABASE}
    for name, function in functions_of(stack, PSEUDO, "discovery"):
        world.functions[name] = replace(function, variables={**function.variables, **own})
    with TemporaryDirectory() as folder:
        account = Account(Path(folder), _LOGS, 1, FAMILIES)
        world.aws.client("s3").create_bucket(Bucket=_LOGS.bucket)
        for file in sorted(Path(folder).rglob("*.gz")):
            world.put(_LOGS.bucket, file.relative_to(folder).as_posix(), file.read_bytes())
        _invoke_each(world, account)


def _invoke_each(world: World, account: Account) -> None:
    day, generation = f"{FIRST_DAY}", GENERATION
    plan = world.call("plan_discovery", {"request": {"from": day, "to": day}, "generation": generation})
    [due] = plan["days"]
    prepared = world.call("prepare_day", due)
    account.extract(FIRST_DAY)
    _keep_result(world, "bodies", duck.rows(account.duck, prepared["offloaded_query"]))
    read = world.call("read_offloaded_bodies", {**due, "query": "bodies"})
    assert read["read"], "no body lay beside the log"
    _keep_result(world, "sample", duck.rows(account.duck, plan["sample_query"]))
    world.call("group_calls", {"query": "sample", "generation": generation})
    rules = world.aws.client("s3").get_object(Bucket="distillation-runs", Key=discovery_files.rules(generation))
    account.keep_rules(rules["Body"].read().decode().splitlines())
    _keep_result(world, "figures", duck.rows(account.duck, plan["figures_query"]))
    ranked = world.call("rank_opportunities", {"query": "figures", "generation": generation})
    assert ranked["tasks"], "no task was found"


def _keep_result(world: World, query: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write what a query returned as Athena does: text, and nothing where there is no value."""
    kept = [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(kept[0]), quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(kept)
    world.put("distillation-runs", discovery_files.result(query), text.getvalue().encode())
