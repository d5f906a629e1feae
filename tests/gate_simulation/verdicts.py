"""Simulated verdicts by the real gate, and with what certainty their rate is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from tests.gate_simulation.populations import (
    MARGIN,
    MODELS,
    Holdout,
    Population,
    at_the_margin,
    draw,
    equal,
    people_see,
)

SIZES = (99, 150, 300, 1_000)
CLUSTERS = (1, 4)
EVIDENCE = ("trusted", "pairwise", "labelled")
"""Evidence that compares; fidelity compares nothing, and is counted apart."""

LABELLED_SHARE, LABELLED_BIAS = 1 / 3, 0.15
"""Share of the records that a person has scored, and of the answers in which the judge likes the student a point too
much, where people correct it."""

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


def verdict(
    measurements: dict[str, list[Measurement]],
    task: TaskDefinition,
    evidence: str,
    judge: JudgeRecord | None = None,
    look: int = 1,
) -> list[RuleResult]:
    """Let the gate decide about simulated measurements."""
    summaries = {
        role: summarise(found, MODELS[role], _BOOK, task.output_schema) for role, found in measurements.items()
    }
    even = work_out(summaries, task, _BOOK, MODELS["student"])
    trusted = {item.record_id for item in measurements["student"]} if evidence == "trusted" else set()
    return judge_gate(measurements, summaries, task, even, judge or JudgeRecord(), (), trusted, look).lines


def is_promoted(lines: list[RuleResult]) -> bool:
    """Tell whether the gate alone promotes: nobody is asked to accept anything."""
    return decide(lines) == PROMOTE and not to_accept(lines)


def cells(evidence: Sequence[str] = EVIDENCE) -> list[Cell]:
    """List the cells of the whole table, or of some of its columns."""
    return [
        Cell(population, records, cluster, each)
        for population in at_the_margin()
        for records in SIZES
        for cluster in CLUSTERS
        for each in evidence
    ]


def worst_cells() -> list[Cell]:
    """List the cells in which wrong promotions have come closest to their limit."""
    named = {population.name: population for population in at_the_margin()}
    return [
        Cell(named["often a little worse, at times much better"], 300, 1, "trusted"),
        Cell(named["often a little worse, at times much better"], 150, 1, "pairwise"),
        Cell(named["steady"], 1_000, 1, "pairwise"),
    ]


def false_promotions(cell: Cell, trials: int, random: Random) -> Rate:
    """Count how often a student at the margin is promoted."""
    task, labelled = TaskDefinition.from_document(TASK), cell.evidence == "labelled"
    holdout = Holdout(records=cell.records, cluster=cell.cluster, judge_bias=LABELLED_BIAS if labelled else 0.0)

    def promoted() -> bool:
        measurements = draw(cell.population, holdout, random)
        if not labelled:
            return is_promoted(verdict(measurements, task, cell.evidence))
        said = people_see(measurements, round(cell.records * LABELLED_SHARE), random)
        return is_promoted(verdict(measurements, task, "pairwise", JudgeRecord(labels=said)))

    return _rate(promoted, trials)


LABELLED_RECORDS, LABELS = 300, 100
"""The cell for which the power of labels is told."""


def labelled_passes(population: Population, trials: int, random: Random, labels: int = LABELS) -> Rate:
    """Count how often the rule against the reference passes by pairs, with people's labels or without any."""
    task = TaskDefinition.from_document(TASK)
    holdout = Holdout(records=LABELLED_RECORDS, judge_bias=LABELLED_BIAS)

    def passes() -> bool:
        measurements = draw(population, holdout, random)
        said = people_see(measurements, labels, random) if labels else None
        lines = verdict(measurements, task, "pairwise", JudgeRecord(labels=said))
        return next(line for line in lines if line.rule == "max_quality_drop").passed

    return _rate(passes, trials)


UPLOADS, ALIKE = 10, 0.5
"""Uploads of the same prompts, whose students differ from the first one's in half of the answers."""


def promotions_by_uploads(population: Population, trials: int, random: Random, *, counted: bool = True) -> Rate:
    """Count how often one of ten uploads promotes a student at the margin, all of them judged on the same records.

    Parameters
    ----------
    population : Population
    trials : int
        Uploaders.
    random : Random
    counted : bool
        Whether each upload is another look, as the product counts it.
    """
    task, holdout = TaskDefinition.from_document(TASK), Holdout(records=LABELLED_RECORDS)

    def one_of_ten() -> bool:
        first = draw(population, holdout, random)
        return any(
            is_promoted(
                verdict(_next_upload(first, population, holdout, random), task, "trusted", look=look if counted else 1)
            )
            for look in range(1, UPLOADS + 1)
        )

    return _rate(one_of_ten, trials)


def _next_upload(
    first: dict[str, list[Measurement]], population: Population, holdout: Holdout, random: Random
) -> dict[str, list[Measurement]]:
    another = draw(population, holdout, random)
    kept = [random.random() < ALIKE for _ in range(holdout.records)]
    return {
        role: [one if same else other for one, other, same in zip(first[role], another[role], kept, strict=True)]
        for role in first
    }


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
