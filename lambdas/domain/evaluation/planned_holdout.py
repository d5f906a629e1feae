"""How many holdout records the whole gate needs, so that a student that is good passes it without a person's word."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from lambdas.domain.evaluation.confidence_bounds import ALPHA
from lambdas.domain.evaluation.level_bounds import at_most_successes
from lambdas.domain.evaluation.sample_sizes import ASSUMED_SPREAD, holdout_records_needed, largest_drop_seen

if TYPE_CHECKING:
    from lambdas.domain.task.task_definition import TaskDefinition

POWER = 0.8
"""Share of the good students that the gate lets pass."""

MOST_PLANNED = 600
"""Records beyond which no more are planned, since each is asked of every contestant; a small drop may need more."""

SMALLEST_SLICE = 0.05
"""Share of the records in the smallest slice that is planned for, where a task gives slices a floor. What a file has is
not asked: else a record that was trained on could be held out as the file grows and its shares change."""

FEWEST_HELD_OUT = 100
"""Groups that are held out at least: on so many the teacher is timed, and fewer show no rare value and no tail."""

STEP = 5
FEWEST_IN_A_SLICE = 10

_NORMAL = statistics.NormalDist()


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedHoldout:
    """What is planned, and for whom.

    Attributes
    ----------
    records : int
        Independent holdout records.
    power : float
        Share of good students that the whole gate lets pass with them, 0 to 1. A good student is as good as its
        reference, keeps the schema in all but half of the answers that may break it, and is above its floors.
    spread : float
        Standard deviation of one paired difference that is planned with, in judge points.
    measured_spread : bool
        Whether the task's last run measured it.
    capped : bool
        Whether :data:`MOST_PLANNED` keeps it from what the power asks for.
    """

    records: int
    power: float
    spread: float
    measured_spread: bool
    capped: bool

    def to_document(self) -> dict[str, Any]:
        """Give the plan as written to ``dataset.json`` and ``plan.json``."""
        return asdict(self)

    def sentence(self) -> str:
        """Say it in one sentence, without a full stop."""
        source = "the task's last run measured" if self.measured_spread else "is assumed"
        capped = f"; more than {max(MOST_PLANNED, self.records)} are not planned" if self.capped else ""
        return (
            f"{self.records} holdout records let {self.power:.0%} of the good students through the whole gate, with a "
            f"spread of {self.spread:.2f} judge points, which {source}{capped}"
        )


def planned_holdout(
    task: TaskDefinition, spread: float | None = None, slice_shares: Mapping[str, float] | None = None
) -> PlannedHoldout:
    """Plan the holdout from the power of all rules together.

    Parameters
    ----------
    task : TaskDefinition
    spread : float, optional
        As the task's last run measured it; else :data:`ASSUMED_SPREAD`.
    slice_shares : mapping of str to float, optional
        Share of the records in each slice that has a floor, where that is known.
    """
    used = ASSUMED_SPREAD if spread is None else max(spread, 0.1)
    # A lucky run measures little spread: fewer than a run without any measurement needs are never planned.
    unmeasured = holdout_records_needed(task.gate.max_quality_drop)
    most = max(MOST_PLANNED, unmeasured)
    records = min(max(holdout_records_needed(task.gate.max_quality_drop, used), unmeasured), most)
    while (power := gate_power(task, records, used, slice_shares)) < POWER and records < most:
        records = min(records + STEP, most)
    return PlannedHoldout(
        records=records,
        power=power,
        spread=used,
        measured_spread=spread is not None,
        capped=power < POWER,
    )


def planned_split(task: TaskDefinition, spread: float | None = None) -> PlannedHoldout:
    """Plan how many groups the split holds out: by the task and its last run alone, whatever the file has."""
    slices = dict.fromkeys(task.gate.slices, SMALLEST_SLICE)
    planned = planned_holdout(task, spread, slices)
    if planned.records >= FEWEST_HELD_OUT:
        return planned
    return replace(planned, records=FEWEST_HELD_OUT, power=gate_power(task, FEWEST_HELD_OUT, planned.spread, slices))


def gate_power(
    task: TaskDefinition, records: int, spread: float, slice_shares: Mapping[str, float] | None = None
) -> float:
    """Give the share of good students that all rules let pass, as if the rules were independent of each other."""
    power = _power_of_drop(task.gate.max_quality_drop, records, spread)
    if task.output_schema is not None and task.gate.min_schema_validity < 1:
        broken = (1 - task.gate.min_schema_validity) / 2
        power *= at_most_successes(math.floor((1 - task.gate.min_schema_validity) * records + 1e-9), records, broken)
    for share in (slice_shares or {}).values():
        power *= 1 - at_most_successes(FEWEST_IN_A_SLICE - 1, records, share)
    return power


def _power_of_drop(margin: float, records: int, spread: float) -> float:
    """Give how often an equal student is shown to be within the margin."""
    error = spread / math.sqrt(records)
    allowed = min(margin - _NORMAL.inv_cdf(1 - ALPHA) * error, largest_drop_seen(margin, records))
    return _NORMAL.cdf(allowed / error)
