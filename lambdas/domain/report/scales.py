"""Axes of the charts: positions in percent of the width, with ticks at round figures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tick:
    """One labelled line of an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class LinearScale:
    """Map ``low`` to ``high`` evenly on 0 to 100."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Place a value; values beyond the axis are put on its edge."""
        share = (value - self.low) / (self.high - self.low)
        return round(min(max(share, 0.0), 1.0) * 100, 3)


@dataclass(frozen=True, slots=True)
class LogScale:
    """Map whole powers of ten, ``10**low`` to ``10**high``, on 0 to 100."""

    low: int
    high: int

    @classmethod
    def around(cls, values: list[float]) -> LogScale:
        """Choose the powers of ten around positive values; at least one decade."""
        low = math.floor(math.log10(min(values)))
        return cls(low, max(math.ceil(math.log10(max(values))), low + 1))

    def at(self, value: float) -> float:
        """Place a positive value; it may lie beyond 0 to 100."""
        return round((math.log10(value) - self.low) / (self.high - self.low) * 100, 3)

    def ticks(self, label: Callable[[object], str], most: int = 7) -> list[Tick]:
        """Label whole powers of ten, every second or third one where there are many."""
        step = math.ceil((self.high - self.low + 1) / most)
        return [Tick(self.at(10.0**power), label(10.0**power)) for power in range(self.low, self.high + 1, step)]


def linear_ticks(largest: float, label: Callable[[object], str], about: int = 4) -> tuple[LinearScale, list[Tick]]:
    """Make an axis from zero to at least ``largest`` with round steps.

    Parameters
    ----------
    largest : float
        Largest value to be shown.
    label : callable
        Writes the figure of a tick.
    about : int
        Steps wanted; there may be one more or less.
    """
    rough = max(largest, 1e-9) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    steps = max(1, math.ceil(largest / step - 1e-9))
    scale = LinearScale(0, steps * step)
    return scale, [Tick(scale.at(index * step), label(index * step)) for index in range(steps + 1)]
