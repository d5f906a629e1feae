"""Medians of interleaved repetitions: what slows the machine for a while slows both sides of a ratio."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def interleaved(measurements: Mapping[str, Callable[[], float]], repetitions: int) -> dict[str, float]:
    """Take measurements in turn, several times over.

    Parameters
    ----------
    measurements : mapping
        Name to what is measured; each call gives one value.
    repetitions : int
        Rounds that count. One round before them does not: it fills the caches of the disk and of Python.

    Returns
    -------
    dict
        Name to the median of its values.
    """
    for measure in measurements.values():
        measure()
    values: dict[str, list[float]] = {name: [] for name in measurements}
    for _ in range(repetitions):
        for name, measure in measurements.items():
            values[name].append(measure())
    return {name: median(found) for name, found in values.items()}
