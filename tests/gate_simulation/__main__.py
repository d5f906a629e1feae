"""Print the table of wrong promotions: ``python -m tests.gate_simulation``; the seed is drawn at each run."""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from random import Random
from secrets import randbits

from tests.gate_simulation.verdicts import (
    Cell,
    Rate,
    cells,
    false_promotions,
    fidelity_false_claims,
    power_at_planned_size,
)

ALLOWED = 0.065
"""Rate of wrong promotions that no cell may be shown to exceed."""


def main() -> int:
    """Simulate every cell; 1 where a cell is shown to be wrong more often than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000, help="verdicts a cell")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    arguments = parser.parse_args()
    seed = randbits(32)
    print(f"seed {seed}, {arguments.trials} verdicts a cell; a student at the margin, nominal 5 %", flush=True)
    print("| population | records | cluster | evidence | promoted | upper 99 % limit |\n|---|---|---|---|---|---|")
    everyone, worst = cells(), Rate(0, 1)
    failed = False
    with ProcessPoolExecutor(arguments.workers) as executor:
        simulate = partial(_simulated, seed, arguments.trials)
        for cell, rate in zip(everyone, executor.map(simulate, enumerate(everyone)), strict=True):
            print(
                f"| {cell.population.name} | {cell.records} | {cell.cluster} | {cell.evidence} "
                f"| {rate.share:.3f} | {rate.limit:.3f} |",
                flush=True,
            )
            worst = max(worst, rate, key=lambda one: one.share)
            failed |= _lowest(rate) > ALLOWED
    print(f"worst cell: {worst.share:.3f}, upper 99 % limit {worst.limit:.3f}")
    power, planned = power_at_planned_size(arguments.trials, Random(seed))
    print(f"power of the whole gate with the {planned} records that are planned: {power.share:.3f}")
    claims = fidelity_false_claims(arguments.trials, Random(seed))
    print(f"a copy of a worse teacher passes the rule against the baseline in {claims.share:.3f}, {claims.limit:.3f}")
    return int(failed)


def _lowest(rate: Rate) -> float:
    """Give the lower 99 % limit."""
    return 1 - Rate(rate.trials - rate.happened, rate.trials).limit


def _simulated(seed: int, trials: int, numbered: tuple[int, Cell]) -> Rate:
    number, cell = numbered
    return false_promotions(cell, trials, Random(f"{seed} {number}"))


if __name__ == "__main__":
    raise SystemExit(main())
