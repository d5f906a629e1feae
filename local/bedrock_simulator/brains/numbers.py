"""Helpers for answers whose meaning lies in numbers: disturbing them and restoring their sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_DECIMALS = 2


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def disturbed(data: Mapping[str, Any], noise: Callable[[float], float]) -> dict[str, Any]:
    """Return ``data`` with each top-level number passed through ``noise``, not below 0, with their sum kept."""
    names = [name for name, value in data.items() if is_number(value)]
    total = sum(data[name] for name in names)
    moved = {name: max(0.0, noise(float(data[name]))) for name in names}
    rounded = fitted(list(moved.values()), total, _DECIMALS) if names else []
    return dict(data) | dict(zip(names, rounded, strict=True))


def fitted(values: list[float], total: float, decimals: int) -> list[float]:
    """Scale ``values`` to ``total`` and round them; the largest takes what rounding left over."""
    now = sum(values)
    scaled = [value * total / now for value in values] if now > 0 else [total / len(values)] * len(values)
    rounded = [round(value, decimals) for value in scaled]
    largest = max(range(len(rounded)), key=lambda i: rounded[i])
    rounded[largest] = round(rounded[largest] + total - sum(rounded), decimals)
    return rounded
