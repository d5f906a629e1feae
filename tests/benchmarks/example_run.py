"""What a run of the example takes beside Bedrock: seconds and state transitions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from lambdas.domain.outcomes import PROMOTED
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.task.settings import Settings
from local.embedded_aws.deploy import deployed
from tests.benchmarks.own_cost import OwnCost, carried_on, read_history
from tests.end_to_end.account import Account

if TYPE_CHECKING:
    from pathlib import Path

REPETITIONS = 3
# Each promoted student keeps a model unit, and the demo's account has two.
_QUOTAS = {"L-BE77399C": REPETITIONS}
_BEDROCK_STEPS = ("batch", "job", "deployment", "throughput")


@dataclass(frozen=True)
class ExampleRun:
    """Figures of the example's runs, medians.

    Attributes
    ----------
    seconds : float
        From the upload to the end of the run.
    bedrock_seconds : float
        Of these, what the simulated batch, job, deployment and throughput took: four settings of the simulator.
    transitions : int
        States entered, as :mod:`tests.benchmarks.transitions` counts them.
    in_maps : int
        Those in the executions of the shards alone.
    own : OwnCost
        What a larger run would cost beside Bedrock, carried on from the first of these.
    """

    seconds: float
    bedrock_seconds: float
    transitions: int
    in_maps: int
    own: OwnCost

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
        own=runs[0].own,
    )


def _run(account: Account, task: str) -> ExampleRun:
    started = time.monotonic()
    run = account.ended(account.example(task).run_id, seconds=300)
    seconds = time.monotonic() - started
    if run.outcome != PROMOTED:
        message = f"the example's run {run.run_id} ended {run.outcome}: {run.reason}"
        raise RuntimeError(message)
    history = read_history(account, run.run_id, task)
    own = carried_on(history, Settings.from_mapping({}), PriceBook.shipped())
    return ExampleRun(seconds, 0.0, history.own + history.in_maps, history.in_maps, own)
