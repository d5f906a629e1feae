"""Records of one group are one piece of evidence: every bound of the gate draws whole groups."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from lambdas.domain.evaluation.contestant_summary import summarise
from lambdas.domain.evaluation.evidence import compared, evidence_document
from lambdas.domain.evaluation.measurements import CHAMPION, PROMPTED, Measurement
from lambdas.domain.gate.prompting import prompting
from lambdas.domain.gate.quality_rules import JudgeRecord, worse_than_champion
from lambdas.domain.gate.rule_result import RuleResult
from lambdas.domain.serving.break_even import work_out
from lambdas.domain.task.task_definition import TaskDefinition
from tests.gate_simulation.populations import Holdout, draw, equal, people_see
from tests.gate_simulation.verdicts import TASK, verdict
from tests.unit.domain.gate.gate_samples import line_of
from tests.unit.domain.samples import BOOK, MICRO

RECORDS, CLUSTER = 300, 4
GATE = {**TASK["gate"], "min_judge_score": 4.9, "slices": {"kind": 4.53}, "max_quality_drop": 0.2}
HELD = TaskDefinition.from_document({**TASK, "gate": GATE})


def alike(number: int, item: Measurement) -> Measurement:
    """Let the records of a group have one slice, one latency, and one problem."""
    group = number // CLUSTER
    changes: dict[str, Any] = {"slices": {"kind": f"k{group % 2}"}}
    if item.role == "student":
        changes |= {"latency_ms": 1_500.0 + 100 * (group % 7), "problem": None if group % 12 else "not JSON"}
    return replace(item, **changes)


def measurements(*, grouped: bool) -> dict[str, list[Measurement]]:
    """Measure groups of four records that are alike, and know of the groups or not."""
    random = Random("groups")  # noqa: S311 - a simulation
    drawn = draw(equal(0.9), Holdout(records=RECORDS, cluster=CLUSTER), random)
    found = {role: [alike(*numbered) for numbered in enumerate(items)] for role, items in drawn.items()}
    found[PROMPTED] = [replace(item, role=PROMPTED) for item in found["student"]]
    found[CHAMPION] = [replace(item, role=CHAMPION) for item in found["baseline"]]
    if grouped:
        return found
    return {role: [replace(item, group="") for item in items] for role, items in found.items()}


def decided(evidence: str, *, grouped: bool) -> list[RuleResult]:
    found = {role: items for role, items in measurements(grouped=grouped).items() if role not in (PROMPTED, CHAMPION)}
    labels = people_see(found, 120, Random("people")) if evidence == "labelled" else None  # noqa: S311 - a simulation
    return verdict(found, HELD, "pairwise" if labels else evidence, JudgeRecord(labels=labels))


@pytest.mark.parametrize(
    ("rule", "evidence"),
    [
        ("max_quality_drop", "trusted"),
        ("max_quality_drop", "pairwise"),
        ("max_quality_drop", "labelled"),
        ("min_judge_score", "trusted"),
        ("min_schema_validity", "trusted"),
        ("min_latency_reduction", "trusted"),
    ],
)
def test_a_bound_over_groups_is_wider_than_over_as_many_records(rule: str, evidence: str) -> None:
    # Given / When
    known, unknown = (line_of(decided(evidence, grouped=grouped), rule) for grouped in (True, False))

    # Then the same was measured, and less of it is shown
    assert known.measured == unknown.measured
    assert known.bound is not None
    assert unknown.bound is not None
    width = (known.bound - known.measured) / (unknown.bound - unknown.measured)  # type: ignore[operator]
    assert 1.3 < width < 4.5, (known, unknown)
    if rule == "max_quality_drop":
        assert "300 records in 75 groups" in known.explanation


@pytest.mark.parametrize(
    ("evidence", "grouped", "groups"), [("trusted", True, 75), ("pairwise", True, 75), ("trusted", False, 300)]
)
def test_the_report_says_records_and_groups(evidence: str, *, grouped: bool, groups: int) -> None:
    # Given
    found = measurements(grouped=grouped)
    trusted = {item.record_id for item in found["student"]} if evidence == "trusted" else set[str]()

    # When
    document = evidence_document(compared(found, HELD.gate, trusted), "fidelity", None, 1)

    # Then
    assert (document["comparison"], document["records"], document["groups"]) == (evidence, RECORDS, groups)


def test_a_slice_that_its_records_would_refuse_is_undecided_where_they_are_a_quarter_as_many_groups() -> None:
    # Given a slice at 4.39, of a floor that its 148 records show it to miss, and its 37 groups do not
    known, unknown = (line_of(decided("trusted", grouped=grouped), "slices.kind=k1") for grouped in (True, False))

    # When / Then
    assert known.measured == unknown.measured == pytest.approx(4.39, abs=0.01)
    assert (known.undecided, unknown.undecided) == (True, False)


def test_the_champion_and_the_rival_are_compared_by_groups_too() -> None:
    # Given
    told, bounds = [], []
    for grouped in (True, False):
        found = measurements(grouped=grouped)

        # When
        [reason] = worse_than_champion(found, replace(HELD.gate, max_quality_drop=0.01))
        told.append(float(reason["sentence"].rpartition(" ")[2]))
        rival = {role: items for role, items in found.items() if role != CHAMPION}
        rival[PROMPTED] = [replace(item, role=PROMPTED) for item in found["baseline"]]
        added_up = {role: summarise(items, items[0].model, BOOK) for role, items in rival.items()}
        even = work_out(added_up, HELD, BOOK, MICRO)
        document = prompting(rival, added_up, HELD, even, None, [], lambda *_: [])
        assert document is not None
        bounds.append(document["bound"])

    # Then what may hide is more
    assert told[0] > told[1] + 0.02
    assert bounds[0] < bounds[1] - 0.02
