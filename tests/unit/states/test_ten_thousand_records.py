"""A holdout of 10,000 records, the most that a run takes: a shard of it is measured, and all shards are decided."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.dataset.records import Record, to_json_lines
from lambdas.domain.dataset.shards import shards
from lambdas.domain.evaluation.measurements import BASELINE, REQUIRED, STUDENT, Measurement
from lambdas.domain.evaluation.pairs import Pair
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.runs import Run
from lambdas.states.evaluate_student.stage import execute as evaluate
from lambdas.states.score_evaluation.stage import execute as score
from tests.unit.domain.samples import records
from tests.unit.states.test_evaluate_student import Models, known_scores, ready
from tests.unit.support.workshop import Workshop

RECORDS, AT_ONCE = 10_000, 4
MOST_BYTES_OF_A_CHILD = 200
"""So that what the children return stays within the 256 KB of a state, at any number of shards."""


@pytest.fixture(scope="module")
def grouped() -> dict[str, list[Record]]:
    return shards(sorted(records(RECORDS), key=lambda record: record.id), "holdout", AT_ONCE)


def prepared(workshop: Workshop, grouped: dict[str, list[Record]]) -> Run:
    run = ready(workshop, calibration=False)
    ids = [record.id for members in grouped.values() for record in members]
    references = "".join(json.dumps({"record_id": key, "reference": "the answer"}) + "\n" for key in ids)
    workshop.bucket.write(run.files.teacher_data("references.jsonl"), references.encode())
    for shard, members in grouped.items():
        workshop.bucket.write(run.files.shard("holdout", shard), to_json_lines(members))
    return run


def measurements(workshop: Workshop, run: Run, shard: str) -> list[Measurement]:
    lines = workshop.bucket.read(run.files.evaluation(1, f"{shard}.jsonl")).splitlines()
    return [Measurement.from_json(line) for line in lines]


def worse(item: Measurement) -> Measurement:
    """Let the judge find the student a point worse, alone and beside the baseline."""
    if item.role != STUDENT:
        return item
    pair = Pair(against=BASELINE, difference=-1.0, outcome="other")
    return replace(item, score=3, pair=pair.to_document())


def test_ten_thousand_holdout_records_are_measured_by_shards_and_decided_at_once(
    workshop: Workshop, grouped: dict[str, list[Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given one shard of many, measured by its Task
    models = Models(known_scores)
    monkeypatch.setattr(clients, "bedrock_runtime", lambda: models)
    run = prepared(workshop, grouped)
    first, *others = grouped
    result = evaluate(workshop.stage("EvaluateStudent", run, shard=first))
    assert len(json.dumps(result)) <= MOST_BYTES_OF_A_CHILD
    own = measurements(workshop, run, first)
    assert len(own) == len(REQUIRED) * len(grouped[first])

    # And the others as theirs would leave them, every tenth of the student's answers a point worse
    pattern = {item.role: item for item in own}
    for shard in others:
        lines = [
            replace(worse(pattern[role]) if number % 10 == 0 else pattern[role], record_id=record.id)
            for number, record in enumerate(grouped[shard])
            for role in REQUIRED
        ]
        content = "".join(f"{line.to_json()}\n" for line in lines).encode()
        workshop.bucket.write(run.files.evaluation(1, f"{shard}.jsonl"), content)

    # When
    decision = score(workshop.stage("ScoreEvaluation", run))

    # Then every record of every contestant counts, and a drop of a tenth of a point is seen for what it is
    report: dict[str, Any] = workshop.bucket.read_json(run.files.report(1, "report.json"))
    assert {one["role"]: one["records"] for one in report["contestants"]} == dict.fromkeys(REQUIRED, RECORDS)
    assert report["evaluation"]["shards"] == len(grouped) > 1
    [drop] = [line for line in report["gate"] if line["rule"] == "max_quality_drop"]
    assert drop["measured"] == pytest.approx(0.1, abs=0.01)
    assert drop["measured"] < drop["bound"] < drop["measured"] + 0.01
    assert decision["decision"] == report["decision"]
