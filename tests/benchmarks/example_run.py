"""What a run of the example takes beside Bedrock: seconds and state transitions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from lambdas.gateways.registry import PROMOTED
from local.embedded_aws.deploy import deployed
from tests.end_to_end.account import Account

if TYPE_CHECKING:
    from pathlib import Path

REPETITIONS = 3
# Each promoted student keeps a model unit, and the demo's account has two.
_QUOTAS = {"L-BE77399C": REPETITIONS}
_BEDROCK_STEPS = ("job", "deployment", "throughput")


@dataclass(frozen=True)
class ExampleRun:
    """Figures of the example's runs, medians.

    Attributes
    ----------
    seconds : float
        From the upload to the end of the run.
    bedrock_seconds : float
        Of these, what the simulated job, deployment and throughput took: three settings of the simulator.
    transitions : int
        States entered in the execution, and in the executions of the shards' maps; retries are not among them.
    in_maps : int
        Those of the maps alone.
    """

    seconds: float
    bedrock_seconds: float
    transitions: int
    in_maps: int

    @property
    def overhead_seconds(self) -> float:
        """Seconds outside simulated Bedrock time: our Lambdas and Wait states, the emulator, answers to prompts."""
        return self.seconds - self.bedrock_seconds


def measure_example_run(workdir: Path) -> ExampleRun:
    """Run the example as the demo does, several times one after the other, each as a task of its own.

    Parameters
    ----------
    workdir : Path
        Empty folder for the embedded AWS.

    Raises
    ------
    RuntimeError
        If a run is not promoted: the figures of a run that stopped early say nothing.
    """
    with deployed(workdir, simulator_settings={"quotas": _QUOTAS}) as aws:
        account = Account(aws)
        durations = account.simulator.settings()["durations"]
        runs = [_run(account, f"benchmark-{number}") for number in range(REPETITIONS)]
    return ExampleRun(
        seconds=median(run.seconds for run in runs),
        bedrock_seconds=sum(durations[step] for step in _BEDROCK_STEPS),
        transitions=int(median(run.transitions for run in runs)),
        in_maps=int(median(run.in_maps for run in runs)),
    )


def _run(account: Account, task: str) -> ExampleRun:
    started = time.monotonic()
    run = account.ended(account.example(task).run_id, seconds=300)
    seconds = time.monotonic() - started
    if run.outcome != PROMOTED:
        message = f"the example's run {run.run_id} ended {run.outcome}: {run.reason}"
        raise RuntimeError(message)
    parent = account.execution_arn(run.run_id)
    children = [
        child
        for item in _pages(account, "list_map_runs", "mapRuns", executionArn=parent)
        for child in _children(account, item)
    ]
    in_maps = sum(_states_entered(account, child) for child in children)
    return ExampleRun(seconds, 0.0, _states_entered(account, parent) + in_maps, in_maps)


def _children(account: Account, map_run: dict[str, Any]) -> list[str]:
    found = _pages(account, "list_executions", "executions", mapRunArn=map_run["mapRunArn"])
    return [child["executionArn"] for child in found]


def _states_entered(account: Account, execution_arn: str) -> int:
    events = _pages(account, "get_execution_history", "events", executionArn=execution_arn)
    return sum(event["type"].endswith("StateEntered") for event in events)


def _pages(account: Account, operation: str, key: str, **arguments: str) -> list[dict[str, Any]]:
    pages = account.states.get_paginator(operation).paginate(**arguments)
    return [item for page in pages for item in page[key]]
