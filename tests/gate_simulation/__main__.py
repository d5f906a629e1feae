"""Print the table of wrong promotions: ``python -m tests.gate_simulation``; the seed is drawn at each run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from random import Random
from secrets import randbits

from tests.gate_simulation.populations import at_the_margin, equal
from tests.gate_simulation.verdicts import (
    EVIDENCE,
    LABELLED_BIAS,
    LABELLED_RECORDS,
    LABELS,
    POWER_SPREAD,
    SIZES,
    UPLOADS,
    Cell,
    Rate,
    cells,
    false_promotions,
    fidelity_false_claims,
    labelled_passes,
    power_at_planned_size,
    promotions_by_uploads,
)

LEAST_POWER = 0.80
"""Share of the good students that labels must let pass."""

ALLOWED = 0.065
"""Rate of wrong promotions that no cell may be shown to exceed."""


def main() -> int:
    """Simulate every cell; 1 where a cell is shown to be wrong more often than is allowed."""
    parser = argparse.ArgumentParser(prog="python -m tests.gate_simulation", description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000, help="verdicts a cell")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--evidence", nargs="+", choices=EVIDENCE, default=EVIDENCE, help="columns of the table")
    parser.add_argument("--records", nargs="+", type=int, choices=SIZES, default=SIZES, help="rows of the table")
    parser.add_argument(
        "--population", default="", help="rows whose students' name has this in it; no other figure then"
    )
    arguments = parser.parse_args()
    seed = randbits(32)
    print(f"seed {seed}, {arguments.trials} verdicts a cell; a student at the margin, nominal 5 %", flush=True)
    chosen = [
        cell
        for cell in cells(arguments.evidence)
        if cell.records in arguments.records and arguments.population in cell.population.name
    ]
    failed = _print_cells(chosen, arguments.trials, arguments.workers, seed)
    if arguments.population:
        return int(failed)
    if "trusted" in arguments.evidence:
        _print_others(arguments.trials, Random(seed))
    if "labelled" in arguments.evidence:
        failed |= _print_power_of_labels(arguments.trials, Random(seed))
    return int(failed)


def _print_cells(everyone: Sequence[Cell], trials: int, workers: int, seed: int) -> bool:
    print("| population | records | cluster | evidence | promoted | upper 99 % limit |\n|---|---|---|---|---|---|")
    worst, failed = Rate(0, 1), False
    with ProcessPoolExecutor(workers) as executor:
        simulate = partial(_simulated, seed, trials)
        for cell, rate in zip(everyone, executor.map(simulate, enumerate(everyone)), strict=True):
            print(
                f"| {cell.population.name} | {cell.records} | {cell.cluster} | {cell.evidence} "
                f"| {rate.share:.3f} | {rate.limit:.3f} |",
                flush=True,
            )
            worst = max(worst, rate, key=lambda one: one.share)
            failed |= _lowest(rate) > ALLOWED
    print(f"worst cell: {worst.share:.3f}, upper 99 % limit {worst.limit:.3f}")
    return failed


def _print_others(trials: int, random: Random) -> None:
    """Print what is not asked of each population."""
    power, planned = power_at_planned_size(trials, random)
    print(f"power of the whole gate with the {planned} records that are planned: {power.share:.3f}")
    claims = fidelity_false_claims(trials, random)
    print(f"a copy of a worse teacher passes the rule against the baseline in {claims.share:.3f}, {claims.limit:.3f}")
    uploaders = max(trials // UPLOADS, 1)
    for counted in (True, False):
        rate = promotions_by_uploads(at_the_margin()[0], uploaders, random, counted=counted)
        how = "each another look" if counted else "each taken for the first"
        print(f"one of {UPLOADS} uploads, {how}: {rate.share:.3f} of {uploaders}, {rate.limit:.3f}", flush=True)


def _print_power_of_labels(trials: int, random: Random) -> bool:
    print(f"labels: {LABELS} of {LABELLED_RECORDS} records, a judge that likes the student by {LABELLED_BIAS} points")
    good, worse = equal(POWER_SPREAD), at_the_margin()[0]
    with_labels, without = (labelled_passes(good, trials, random, labels) for labels in (LABELS, 0))
    print(f"a student that is as good passes in {with_labels.share:.3f} with labels, {without.share:.3f} without")
    print(f"one at the margin passes without labels in {labelled_passes(worse, trials, random, 0).share:.3f}")
    return with_labels.limit < LEAST_POWER


def _lowest(rate: Rate) -> float:
    """Give the lower 99 % limit."""
    return 1 - Rate(rate.trials - rate.happened, rate.trials).limit


def _simulated(seed: int, trials: int, numbered: tuple[int, Cell]) -> Rate:
    number, cell = numbered
    return false_promotions(cell, trials, Random(f"{seed} {number}"))


if __name__ == "__main__":
    raise SystemExit(main())
