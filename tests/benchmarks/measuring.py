"""Medians of interleaved repetitions: what slows the machine for a while slows both sides of a ratio."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def interleaved(
    measurements: Mapping[str, Callable[[], float]],
    repetitions: int,
    of_values: Callable[[list[float]], float] = median,
) -> dict[str, float]:
    """Take measurements in turn, several times over.

    Parameters
    ----------
    measurements : mapping
        Name to what is measured; each call gives one value.
    repetitions : int
        Rounds that count. One round before them does not: it fills the caches of the disk and of Python.
    of_values : callable
        What is made of the values; the least, where other work on the machine can only add to them.

    Returns
    -------
    dict
        Name to the median of its values, or what ``of_values`` makes of them.
    """
    for measure in measurements.values():
        measure()
    values: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(repetitions):
        for name, measure in measurements.items():
            values[name].append(measure())
    return {name: of_values(found) for name, found in values.items()}
