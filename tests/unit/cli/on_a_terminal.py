"""What people see of each verb, on the terminal that this process runs on: ``python -m tests.unit.cli.on_a_terminal``.

Each scene begins with a line ``== name ==``. The answers of AWS are queued; nothing leaves the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from cli import watching
from cli.main import cli
from cli.session import Session
from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.gateways.registry.items import to_values
from tests.unit.cli.conftest import FakeAws, ended, make_run, sha256
from tests.unit.cli.test_champions_now import THROUGHPUT, bedrock_has, pointer_leads_to, registry_has_a_champion
from tests.unit.domain.report.page_reader import SAMPLES

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "ticket-triage"
RUN_ID = "customer-support-ticket-triage-of-the-northern-region-5bf242cf0110"
REASON = "the student is 0.41 judge points below the baseline, and at most 0.2 are allowed; " * 25
KEY = f"runs/greetings/{RUN_ID}/attempts/1/report/report"
STAGES = ("CalibrateJudge", "EvaluateStudent", "GenerateTeacherData", "LaunchDistillation", "RunTeacherBatch")


def main() -> None:
    """Show every scene."""
    watching._EVERY_SECONDS = 0.05
    for name, (prepare, words) in SCENES.items():
        aws = FakeAws()
        prepare(aws)
        show_scene(name, words, Session(aws.deployment, as_json=False))


def show_scene(name: str, words: Sequence[str], session: Session) -> None:
    """Show what one verb prints under a line with the scene's name, its refusal included."""
    print(f"== {name} ==", flush=True)
    try:
        cli(list(words), obj=session, standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
    except (SystemExit, click.exceptions.Exit):
        pass
    sys.stdout.flush()


def _runs(aws: FakeAws) -> None:
    aws.stub("dynamodb").add_response("query", {"Items": []})
    aws.stub("dynamodb").add_response("query", {"Items": [to_values(_since(make_run()))]})
    rejected = ended("REJECTED", run_id=RUN_ID, task=RUN_ID[:-13], reason=REASON)
    aws.stub("dynamodb").add_response("query", {"Items": [to_values(_since(rejected))]})


def _since(run: dict[str, Any]) -> dict[str, Any]:
    return {**run, "since": run.get("ended_at", run["created_at"])}


def _report(aws: FakeAws) -> None:
    text = (SAMPLES / "measured.json").read_bytes()
    run = ended("PROMOTED", run_id=RUN_ID, report_key=f"{KEY}.html", report_sha256=sha256(text))
    aws.run_in_registry(run)
    aws.object_in_runs(f"{KEY}.json", text)
    aws.object_in_runs(f"{KEY}.html", b"<html>")


def _costs(aws: FakeAws) -> None:
    aws.run_in_registry(None)  # the list of runs is not complete yet
    aws.runs_in_registry(ended("PROMOTED", run_id=RUN_ID, task=RUN_ID[:-13]), ended("FAILED", task="greetings"))
    for dollars in (1234.5, 0.000123):
        entries = [LedgerEntry(id=stage, stage=stage, model="m", kind="actual", usd=dollars) for stage in STAGES]
        items = [to_values({"pk": "RUN#r", "sk": f"LEDGER#{e.stage}#{e.id}", **e.to_document()}) for e in entries]
        aws.stub("dynamodb").add_response("query", {"Items": items})


def _champions(aws: FakeAws) -> None:
    registry_has_a_champion(aws)
    bedrock_has(aws)
    pointer_leads_to(aws, json.dumps({"endpoint_arn": THROUGHPUT}))


def _watch(aws: FakeAws) -> None:
    for _ in range(2):  # to be found, and to be looked at
        aws.run_in_registry(make_run(run_id=RUN_ID))
    waiting = {
        "stage": "RequestApproval",
        "since": "2026-11-24T08:00:05.000Z",
        "expires": "2026-12-01T00:00:00Z",
        "report_sha256": "a" * 64,
        "price_wanted": True,
    }
    aws.run_in_registry(make_run(run_id=RUN_ID, progress=waiting))
    # Two looks have gone by: between them a person's patience is not tried.
    aws.run_in_registry(ended("REJECTED", run_id=RUN_ID, reason=REASON))


def _unknown(aws: FakeAws) -> None:
    for _ in range(2):  # no such run, and no complete list of runs
        aws.run_in_registry(None)
    aws.runs_in_registry(*(make_run(run_id=f"{RUN_ID}{number}") for number in range(3)))


def _nothing(_aws: FakeAws) -> None:
    pass


SCENES: dict[str, tuple[Callable[[FakeAws], None], tuple[str, ...]]] = {
    "runs": (_runs, ("runs",)),
    "report": (_report, ("report", RUN_ID, "--out", sys.argv[1] if len(sys.argv) > 1 else ".local")),
    "costs": (_costs, ("costs",)),
    "champions": (_champions, ("champions",)),
    "watch": (_watch, ("watch", RUN_ID)),
    "estimate": (_nothing, ("estimate", str(EXAMPLE), "--offline")),
    "unknown run": (_unknown, ("report", RUN_ID[:30])),
}

if __name__ == "__main__":
    main()
