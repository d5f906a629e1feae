"""Simulated verdicts by the real gate, and with what certainty their rate is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from lambdas.domain.evaluation.contestant_summary import summarise
from lambdas.domain.evaluation.level_bounds import share_bounds
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.evaluation.planned_holdout import planned_holdout
from lambdas.domain.gate.quality_rules import JudgeRecord
from lambdas.domain.gate.rule_result import PROMOTE, RuleResult, decide, to_accept
from lambdas.domain.gate.rules import judge_gate
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.serving.break_even import work_out
from lambdas.domain.task.task_definition import TaskDefinition
from tests.gate_simulation.populations import MARGIN, MODELS, Holdout, Population, at_the_margin, draw, equal

SIZES = (99, 150, 300, 1_000)
CLUSTERS = (1, 4)
EVIDENCE = ("trusted", "pairwise")
"""Evidence that compares; fidelity compares nothing, and is counted apart."""

LIMIT_ERROR = 0.01
"""Error of the upper limit of a rate."""

TASK: dict[str, Any] = {
    "output_schema": {"type": "object"},
    "gate": {"max_quality_drop": MARGIN, "min_judge_score": 3.0},
    "serving": {"mode": "on_demand"},
}

_BOOK = PriceBook.shipped()


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table."""

    population: Population
    records: int
    cluster: int
    evidence: str


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened, with the upper 99 % limit of its true rate."""

    happened: int
    trials: int

    @property
    def share(self) -> float:
        """As measured."""
        return self.happened / self.trials

    @property
    def limit(self) -> float:
        """Exact upper limit."""
        return share_bounds(self.happened, self.trials, LIMIT_ERROR).high


def verdict(measurements: dict[str, list[Measurement]], task: TaskDefinition, evidence: str) -> list[RuleResult]:
    """Let the gate decide about simulated measurements."""
    summaries = {
        role: summarise(found, MODELS[role], _BOOK, task.output_schema) for role, found in measurements.items()
    }
    even = work_out(summaries, task, _BOOK, MODELS["student"])
    trusted = {item.record_id for item in measurements["student"]} if evidence == "trusted" else set()
    return judge_gate(measurements, summaries, task, even, JudgeRecord(), (), trusted)


def is_promoted(lines: list[RuleResult]) -> bool:
    """Tell whether the gate alone promotes: nobody is asked to accept anything."""
    return decide(lines) == PROMOTE and not to_accept(lines)


def cells() -> list[Cell]:
    """List the cells of the whole table."""
    return [
        Cell(population, records, cluster, evidence)
        for population in at_the_margin()
        for records in SIZES
        for cluster in CLUSTERS
        for evidence in EVIDENCE
    ]


def worst_cells() -> list[Cell]:
    """List the cells in which wrong promotions have come closest to their limit."""
    named = {population.name: population for population in at_the_margin()}
    return [
        Cell(named["often a little worse, at times much better"], 300, 1, "trusted"),
        Cell(named["wide"], 150, 4, "pairwise"),
        Cell(named["much worse or a little better"], 300, 4, "trusted"),
    ]


def false_promotions(cell: Cell, trials: int, random: Random) -> Rate:
    """Count how often a student at the margin is promoted."""
    task = TaskDefinition.from_document(TASK)
    holdout = Holdout(records=cell.records, cluster=cell.cluster)
    return _rate(lambda: is_promoted(verdict(draw(cell.population, holdout, random), task, cell.evidence)), trials)


POWER_SLICES = (0.4, 0.25, 0.2, 0.1, 0.05)
POWER_SPREAD = 0.8


def power_at_planned_size(trials: int, random: Random, evidence: str = "trusted") -> tuple[Rate, int]:
    """Count how often a good student passes the whole gate with the records that are planned for it.

    The population: as good as the reference with a spread of 0.8 points, 99.5 % valid answers beside a floor of 99 %,
    five slices of 40, 25, 20, 10 and 5 % with a floor that it is above.
    """
    document = {**TASK, "gate": {**TASK["gate"], "slices": {"kind": 3.5}}}
    task = TaskDefinition.from_document(document)
    shares = {f"k{number}": share for number, share in enumerate(POWER_SLICES)}
    planned = planned_holdout(task, POWER_SPREAD, shares).records
    holdout = Holdout(records=planned, invalid=0.005, slices=POWER_SLICES)
    # The judge's noise is part of the spread that is planned with.
    population = equal((POWER_SPREAD**2 - 0.1) ** 0.5)
    rate = _rate(lambda: is_promoted(verdict(draw(population, holdout, random), task, evidence)), trials)
    return rate, planned


TEACHER_RIGHT, COPIED, BASELINE_RIGHT = 0.80, 0.95, 0.92
"""A student that copies a teacher which is right less often than the baseline."""


def fidelity_false_claims(trials: int, random: Random, records: int = 300) -> Rate:
    """Count how often a copy of a worse teacher passes the rule against the baseline without trusted answers.

    By scores against the teacher's answers it passes nearly always; the truth is 0.64 points or more against it.
    """
    task = TaskDefinition.from_document(TASK)

    def passes() -> bool:
        lines = verdict(_copies(records, random), task, "pairwise")
        return next(line for line in lines if line.rule == "max_quality_drop").passed

    return _rate(passes, trials)


def _copies(records: int, random: Random) -> dict[str, list[Measurement]]:
    """Score likeness to the teacher, and pairs by what is right, as a judge would that sees no reference."""
    measurements = draw(equal(0.0), Holdout(records=records), random)
    for number in range(records):
        teacher, baseline = random.random() < TEACHER_RIGHT, random.random() < BASELINE_RIGHT
        copied = random.random() < COPIED
        right = teacher if copied else not teacher
        truth = draw(Population("", {(4 if right else 0) - (4 if baseline else 0): 1.0}), Holdout(records=1), random)
        for role, alike in (("student", copied), ("baseline", teacher == baseline)):
            scored = truth[role][0]
            measurements[role][number] = _again(scored, number, 5 if alike else 1)
    return measurements


def _again(item: Measurement, number: int, score: int) -> Measurement:
    return type(item)(**{**_fields(item), "record_id": f"r{number:05}", "score": score})


def _fields(item: Measurement) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def _rate(happens: Callable[[], bool], trials: int) -> Rate:
    return Rate(sum(happens() for _ in range(trials)), trials)
