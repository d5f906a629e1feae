"""What a task may ask for at most: the settings of the environment bound it, and no upload can pass them.

The folder of a task belongs to whoever may write there, the settings to whoever deploys. Models need no ceiling of
their own: no document of an upload names one that is asked; the lists of the settings are those that may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lambdas.domain.errors import CeilingExceeded

if TYPE_CHECKING:
    from lambdas.domain.task.settings import Settings
    from lambdas.domain.task.task_definition import TaskDefinition

_ROUNDING = 1e-9


def check_ceilings(task: TaskDefinition, settings: Settings) -> None:
    """Refuse a task that asks for more than the environment allows, before anything is paid.

    Raises
    ------
    CeilingExceeded
        With both values of everything that is beyond.
    """
    found = list(beyond(asdict(task), settings))
    if found:
        raise CeilingExceeded(
            f"task.json asks for more than this environment allows: {'; '.join(found)}. What task.json does not say "
            "has its default. Nothing was paid. Change task.json, or ask who deploys to change the settings"
        )


def beyond(asked: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """Say what lies beyond the ceilings and floors of an environment, with both values.

    Parameters
    ----------
    asked : mapping
        ``gate``, ``approval``, ``budget_usd`` and ``serving`` as in ``task.json``, of a task or of the limits under
        which a champion was approved.
    settings : Settings
    """
    budget = float(asked["budget_usd"])
    if budget > settings.max_budget_usd + _ROUNDING:
        yield f"'budget_usd' is {budget:,.2f}, at most {settings.max_budget_usd:,.2f} ('max_budget_usd')"
    if asked["approval"] not in settings.approval_modes:
        allowed = " or ".join(settings.approval_modes)
        yield f"'approval' is {asked['approval']}, allowed is {allowed} ('approval_modes')"
    serving = asked["serving"]
    units = int(serving.get("model_units", 1))
    if serving.get("mode") == "provisioned_throughput" and units > settings.max_model_units:
        yield f"'serving.model_units' is {units}, at most {settings.max_model_units} ('max_model_units')"
    for name, bound in settings.lowest_gate.items():
        wanted = asked["gate"].get(name)
        if wanted is None:
            continue
        if name.startswith("min_") and wanted < bound - _ROUNDING:
            yield f"'gate.{name}' is {wanted:g}, at least {bound:g} ('lowest_gate.{name}')"
        if name.startswith("max_") and wanted > bound + _ROUNDING:
            yield f"'gate.{name}' is {wanted:g}, at most {bound:g} ('lowest_gate.{name}')"
