"""Students whose true distance from the reference model is known, and what the judge sees of them.

A population is a distribution of the true difference of one record, in judge points. Measurements are made of draws
from it; the gate that judges them is the product's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from lambdas.domain.evaluation.judge import HIGHEST, LOWEST
from lambdas.domain.evaluation.labels import PeoplesLabels
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.evaluation.pairs import judged_pair

MARGIN = 0.2
"""Judge points that a student may be worse: ``gate.max_quality_drop`` of the simulated task."""

JUDGE_NOISE = 0.05
"""Share of the judge's scores that are a point off, to either side."""

MODELS = {
    "student": "amazon.nova-micro-v1:0",
    "undistilled_student": "amazon.nova-micro-v1:0",
    "teacher": "us.amazon.nova-premier-v1:0",
    "baseline": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
}
_TOKENS = {"student": 42, "undistilled_student": 42, "teacher": 222, "baseline": 222}
_LATENCY = {"student": 800.0, "undistilled_student": 800.0, "teacher": 3_000.0, "baseline": 1_741.0}

_BASE = {-4: 5, -3: 5, -2: 5, -1: 5, 0: 4, 1: 4, 2: 3, 3: 2, 4: 1}
"""The reference's score beside which a difference is possible."""


@dataclass(frozen=True, slots=True)
class Population:
    """A distribution of true differences.

    Attributes
    ----------
    name : str
    shares : mapping of int to float
        Points that the student is better by, to their share; they add up to 1.
    """

    name: str
    shares: Mapping[int, float]

    @property
    def mean(self) -> float:
        """The truth as the judge sees it on average, in judge points.

        At 5 and at 1 the judge errs to one side only, so that a student one point below a 5 looks a little better.
        """
        return sum(_seen_difference(value) * share for value, share in self.shares.items())


def at_the_margin() -> list[Population]:
    """Give students that are worse by exactly the margin, each in another way."""
    found = [
        Population("steady", {-1: MARGIN, 0: 1 - MARGIN}),
        Population("wide", {-2: 0.08, -1: 0.20, 0: 0.56, 1: 0.12, 2: 0.04}),
        Population("often a little worse, at times much better", {-1: 0.32, 0: 0.65, 4: 0.03}),
    ]
    for share in (0.3, 0.6):
        terrible = share * MARGIN / 4
        worse = MARGIN - 4 * terrible
        found.append(Population(f"terrible in {terrible:.1%}", {-4: terrible, -1: worse, 0: 1 - terrible - worse}))
    found.append(Population("much worse or a little better", {-4: 0.065, 0: 0.875, 1: 0.06}))
    return [_moved(population) for population in found]


def people_see(measurements: Mapping[str, Sequence[Measurement]], labels: int, random: Random) -> PeoplesLabels:
    """Let one person score a random sample of the records, who errs as often as the judge and likes nobody."""
    ids = [item.record_id for item in measurements["student"]]
    sample = {item.record_id: json.loads(item.question) for item in random.sample(measurements["student"], labels)}
    return PeoplesLabels(
        differences={
            one: float(_seen(_BASE[truth] + truth, random) - _seen(_BASE[truth], random))
            for one, truth in sample.items()
        },
        drawn_from=frozenset(ids),
        people=1,
        by=("arn",),
        calls=1,
        outdated=0,
        scored_twice=0,
        agreeing=None,
        apart=None,
    )


def equal(spread: float) -> Population:
    """Give a student as good as the reference, with a standard deviation of one difference, at most one point."""
    share = spread**2 / 2
    return Population(f"equal, spread {spread:g}", {-1: share, 0: 1 - 2 * share, 1: share})


@dataclass(frozen=True, kw_only=True, slots=True)
class Holdout:
    """How the records of a simulated holdout are.

    Attributes
    ----------
    records : int
    cluster : int
        Records that share one true difference.
    invalid : float
        Share of the student's answers that break the schema.
    slices : tuple of float
        Shares of the records in each value of the slice field ``kind``; they add up to 1, or there is none.
    judge_bias : float
        Points by which the judge likes the student better than it is.
    """

    records: int
    cluster: int = 1
    invalid: float = 0.0
    slices: tuple[float, ...] = ()
    judge_bias: float = 0.0


def draw(population: Population, holdout: Holdout, random: Random) -> dict[str, list[Measurement]]:
    """Make the measurements of one evaluation, with scores against references and with pairs."""
    drawn = _differences(population, holdout, random)
    found: dict[str, list[Measurement]] = {role: [] for role in MODELS}
    for number, difference in enumerate(drawn):
        base = _BASE[difference]
        truth = {"baseline": base, "student": base + difference, "teacher": 5, "undistilled_student": 2}
        seen = {role: _seen(score, random) for role, score in truth.items()}
        liked = random.random() < abs(holdout.judge_bias)
        if liked:
            seen["student"] = min(5, seen["student"] + 1)
        kind = _slice(holdout.slices, random)
        for role in MODELS:
            found[role].append(
                measurement(
                    role,
                    number,
                    score=seen[role],
                    question=str(difference),
                    group=f"g{number // holdout.cluster}" if holdout.cluster > 1 else "",
                    problem="not JSON" if role == "student" and random.random() < holdout.invalid else None,
                    slices={"kind": kind} if kind else {},
                    pair=_pair(min(5, truth["student"] + liked), base, random) if role == "student" else None,
                    latency_ms=_LATENCY[role] * random.uniform(0.8, 1.2),
                )
            )
    return found


def measurement(role: str, number: int, **changes: Any) -> Measurement:
    """Make one measurement."""
    fields: dict[str, Any] = {
        "record_id": f"r{number:05}",
        "role": role,
        "model": MODELS[role],
        "question": "q",
        "reference": "{}",
        "answer": "{}",
        "problem": None,
        "latency_ms": _LATENCY[role],
        "client_ms": _LATENCY[role],
        "input_tokens": _TOKENS[role],
        "output_tokens": 68,
        "score": 5,
        "explanation": "",
    }
    return Measurement(**{**fields, **changes})


def _differences(population: Population, holdout: Holdout, random: Random) -> list[int]:
    values, shares = list(population.shares), list(population.shares.values())
    clusters = -(-holdout.records // holdout.cluster)
    drawn = random.choices(values, shares, k=clusters)
    return [value for value in drawn for _ in range(holdout.cluster)][: holdout.records]


def _seen(score: int, random: Random) -> int:
    if random.random() >= JUDGE_NOISE:
        return score
    return min(5, max(1, score + random.choice((-1, 1))))


def _pair(ours: int, theirs: int, random: Random) -> dict[str, Any]:
    forward = _seen(ours, random), _seen(theirs, random)
    backward = _seen(theirs, random), _seen(ours, random)
    return judged_pair("baseline", forward, backward).to_document()


def _slice(shares: Sequence[float], random: Random) -> str:
    return random.choices([f"k{number}" for number in range(len(shares))], shares)[0] if shares else ""


def _seen_difference(value: int) -> float:
    base = _BASE[value]
    return _seen_on_average(base + value) - _seen_on_average(base)


def _seen_on_average(score: int) -> float:
    return score + JUDGE_NOISE / 2 * ((score == LOWEST) - (score == HIGHEST))


def _moved(population: Population) -> Population:
    """Move answers between equal and one point worse until the student as the judge sees it is at the margin."""
    off = (population.mean + MARGIN) / -_seen_difference(-1)
    shares = dict(population.shares)
    shares[-1], shares[0] = shares.get(-1, 0.0) + off, shares[0] - off
    if min(shares.values()) < 0:
        raise ValueError(f"{population.name} cannot be moved to the margin")
    return Population(population.name, shares)
