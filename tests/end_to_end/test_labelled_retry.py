"""A run that lacks evidence gets it from people: their labels count at the retry, which pays for no answer again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import cli
from lambdas.domain.gate.rule_result import INSUFFICIENT_EVIDENCE
from lambdas.gateways.aws.storage import Bucket
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.answer_labels import order_of_run
from tests.end_to_end.account import Account, example_lines, lenient

pytestmark = pytest.mark.end_to_end

PROMPTS, MARGIN = 400, 0.22
"""A holdout of about a hundred, and a margin that shows with two hundred pairs."""

LABELS = 60


def scored_on_a_page(account: Account, run: Run, file: Path) -> None:
    """Export what a person says on the page who finds the student a point better in each of the first records."""
    bucket = Bucket(account.aws.client("s3"), account.outputs["RunsBucket"])
    order = list(order_of_run(bucket, run.files, run.attempt, "baseline").values())
    scores = [
        {
            "record_id": pair.record_id,
            "answers": pair.answers,
            "first": 4 if pair.student_first else 3,
            "second": 3 if pair.student_first else 4,
        }
        for pair in order[:LABELS]
    ]
    file.write_text(json.dumps({"version": 1, "run_id": run.run_id, "scores": scores}))


def spent(account: Account, run: Run) -> Counter[str]:
    """Add up the run's ledger by stage."""
    found: Counter[str] = Counter()
    for entry in account.registry.ledger(run.run_id):
        found[entry.stage] += entry.usd  # type: ignore[assignment]
    return found


def test_labels_of_a_run_without_enough_evidence_decide_its_retry(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a margin that pairs of so few records cannot show
    task: dict[str, Any] = lenient()
    task["gate"] = {**task["gate"], "max_quality_drop": MARGIN}
    bill = account.bill()
    run = account.ended(account.upload("labelled-later", example_lines()[:PROMPTS], **task).run_id)
    report = account.report(run)
    assert (run.outcome, report["decision"]) == ("REJECTED", INSUFFICIENT_EVIDENCE), report["gate"]
    assert report["evidence"]["comparison"] == "pairwise"
    before, charged = spent(account, run), len(account.simulator.billing())

    # When a person scores some of its answers
    monkeypatch.chdir(tmp_path)
    scored_on_a_page(account, run, tmp_path / "scores.json")
    said = ["label", run.run_id, "--records", str(LABELS), "--import", "scores.json"]
    sent = CliRunner().invoke(cli, ["--local-dir", str(account.aws.workdir), *said])
    assert sent.exit_code == 0, sent.output
    assert "They count at the next try, which pays for no answer again" in sent.output
    assert sent.output.count(f"retry {run.run_id}") == 1

    # And somebody tries it again
    account.invoke("StartRunFunction", {"retry": run.run_id})
    asked = account.approval_wanted(run.run_id, attempt=2)

    # Then the verdict rests on people, is another look, and waits for a person
    report = account.report(asked)
    evidence = report["evidence"]
    assert (evidence["comparison"], evidence["labels"]["records"], evidence["labels"]["people"]) == (
        "labelled",
        LABELS,
        1,
    )
    [drop] = [line for line in report["gate"] if line["rule"] == "max_quality_drop"]
    assert (drop["evidence"], drop["passed"]) == ("labelled", True)
    assert report["decision"] == "PROMOTE"

    # And what was asked is the one question to each model that every attempt asks
    after = spent(account, asked)
    assert {stage: usd for stage, usd in after.items() if usd != before[stage]}.keys() == {"CheckRun"}
    charges = account.simulator.billing()[charged:]
    assert sum(charge.usd or 0.0 for charge in charges) == pytest.approx(
        after["CheckRun"] - before["CheckRun"], abs=1e-9
    )
    assert after["CheckRun"] - before["CheckRun"] < 0.02

    # When it is approved
    assert account.answer(asked)["answer"] == "approved"

    # Then
    ended = account.ended(run.run_id, attempt=2)
    assert ended.outcome == "PROMOTED", ended.reason
    bill.is_the_ledger_of(ended)
