"""What people see of each verb of discovery, as :mod:`tests.unit.cli.on_a_terminal` shows the others."""

from __future__ import annotations

import json
import sys
import types
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

from ministack.services import dynamodb as emulated_dynamodb

from cli.deployment import Deployment
from cli.session import Session
from lambdas.domain.discovery.found_task import FoundTask
from lambdas.domain.discovery.opportunities import LATEST, Opportunities, rank
from tests.in_process import emulated_client
from tests.unit.cli.on_a_terminal import show_scene
from tests.unit.cli.test_discovery import LAST, SETTINGS, SYSTEM, Logging, There, bill, logged_calls
from tests.unit.domain.discovery.found_tasks import HAIKU, MICRO, PRO, found, traffic
from tests.unit.gateways.registry.embedded_table import create_registry

LONG = "customer-support-reply-suggestions-of-the-northern-region"
SAVED = types.SimpleNamespace(savings=[types.SimpleNamespace(task="search-intent", saved=Decimal("1834.2"))])
UNPRICED = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3d4e5f6"


def tasks(first: str) -> list[FoundTask]:
    """Give found tasks of every kind; the first has this id."""
    days: dict[str, Any] = {"first_day": "2026-10-31", "last_day": f"{LAST}"}
    bursts: dict[str, Any] = {"batchable_share": 0.86, "peak_calls_a_minute": 2_100, "busiest_hours_share": 0.71}
    owners = (("assistant-gateway-production-role", 2_400_000), ("night-jobs", 600_000))
    many = found(
        traffic(PRO, 3_000_000, 3_100, 240),
        task=first,
        principals=owners,
        json_share=0.97,
        prefix_characters=8_192,
        shared_characters=8_400,
        gap_seconds_p50=0.9,
        scripts={"latin": 0.9, "cyrillic": 0.1},
        **bursts,
        **days,
    )
    tools: dict[str, Any] = {"stream_share": 0.93, "tools_share": 0.88, "tool_use_share": 0.4, "multi_turn_share": 0.7}
    return [
        many,
        found(
            traffic(HAIKU, 900_000, 4_200, 380), traffic(PRO, 40_000), task=LONG, named_by="metadata", **tools, **days
        ),
        found(traffic(PRO, 500_000, 900, 700), task="t-77aa01fe32", duplicate_share=0.34, shared_characters=60, **days),
        found(traffic(MICRO, 80_000, 300, 40), task="t-0fe1c2d3b4", **days),
        found(traffic(UNPRICED, 60_000), task="search-intent", named_by="metadata", unread_calls=1_200, **days),
        found(traffic(PRO, 14_000, 5_000, 900), task="unassigned", named_by="none", damaged_lines=31, **days),
        *(found(traffic(PRO, 1_200 - 90 * n, 700, 80), task=f"t-5c0000000{n}", **days) for n in range(6)),
    ]


def opportunities_of(first: str) -> Opportunities:
    """Rank them."""
    return rank(tasks(first), SETTINGS.price_book(), SETTINGS, LAST, generation="d-1")


def there() -> There:
    """Make a deployment in which they were found; one of them has a champion."""
    table = create_registry(emulated_client("dynamodb", emulated_dynamodb), "scenes")
    known = dict.fromkeys(
        ("run_id", "model_arn", "base_model", "endpoint_arn", "endpoint_name", "mode", "promoted_at"), "-"
    )
    champion = {**known, "run_id": "search-intent-0a1b2c3d4e5f"}
    table.put({"pk": "TASK#search-intent", "sk": "TASK", "champion": champion})
    made = There(table, logged_calls(400, SYSTEM, "gateway"))
    made.runs.objects[LATEST] = json.dumps(opportunities_of(made.task).to_document()).encode()
    made.others = {"athena": made.athena, "bedrock": Logging()}
    return made


def main(folder: Path) -> None:
    """Show every scene."""
    made = there()
    export = str(bill(folder, ("USE1-NovaPro-input-tokens", "8"), ("USE1-NovaMicro-input-tokens", "2"),
                      ("USW2-NovaPro-input-tokens", "31")))  # fmt: skip
    day = ("--from", f"{LAST}", "--to", f"{LAST}")
    scenes: dict[str, tuple[str, ...]] = {
        "dry run": ("discover", "--dry-run", *day),
        "discover": ("discover", "--yes", *day),
        "opportunities": ("opportunities",),
        "opportunity": ("opportunity", made.task),
        "blocked": ("opportunity", LONG, "--no-examples"),
        "unassigned": ("opportunity", "unassigned"),
        "batch": ("opportunity", made.task, "--lever", "batch", "--write", str(folder / "requests.jsonl")),
        "coverage": ("coverage", *day, "--export", export),
        "distil": ("distil", made.task, "--out", str(folder)),
        "too long": ("discover", "--from", "2025-01-01"),
    }
    for name, words in scenes.items():
        with mock.patch("cli.discovery.found.read_month", return_value=SAVED):
            show_scene(name, words, Session(lambda: _local(made.deployment()), as_json=False))


def _local(deployment: Deployment) -> Deployment:
    """Say that figures are simulated, as on the embedded AWS."""
    made = Deployment(deployment.environment, deployment.region, deployment.client, True, deployment._outputs)
    made.__dict__.update({name: value for name, value in deployment.__dict__.items() if name not in made.__dict__})
    return made


if __name__ == "__main__":
    main(Path(sys.argv[1]))
