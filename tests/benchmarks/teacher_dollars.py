"""What the teacher's answers of a set cost: batch inference and reuse, against asking each prompt on demand.

The stages are the real ones, against the simulator; dollars are those of the simulator's own billing record. They are
simulated, but the tokens are those of the requests and the prices the public ones.
"""

from __future__ import annotations

import io
import json
import random
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdas.domain.model_ids import foundation_model_id
from lambdas.gateways.registry.table import Table
from lambdas.states.launch_distillation.job_request import job_request
from local.bedrock_simulator.clock import ManualClock
from local.bedrock_simulator.control import SimulatorControl
from local.bedrock_simulator.objects import MemoryObjectStore
from local.bedrock_simulator.rules import video_search_intent
from local.bedrock_simulator.server import SimulatorServer
from local.bedrock_simulator.settings import Durations
from local.bedrock_simulator.simulator import Simulator
from local.embedded_aws.lifecycle import EmbeddedAws
from tests.end_to_end.account import EXAMPLE, example_lines
from tests.simulator.conftest import DictPolicies
from tests.simulator.teacher_stages import MODELS, Outcome, TeacherStages
from tests.unit.gateways.registry.embedded_table import create_registry

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPTS = 10_000
NEW_SHARE = 0.05
"""New prompts of the second upload, beside all of the first, as a share of those."""

ON_DEMAND_HOURS = 0.5
"""A deadline that is too short for a batch."""


@dataclass(frozen=True)
class TeacherDollars:
    """Bills of one set of prompts, and of the same set grown by new ones and reordered.

    Attributes
    ----------
    first, second : float
        What two runs of a task were billed, one after the other, in USD.
    plain : float
        What the first set costs where every prompt is asked on demand, in USD.
    bedrocks_own : float
        What Bedrock's own calls to the teacher are billed when a student is distilled from the first set, in USD.
    """

    first: float
    second: float
    plain: float
    bedrocks_own: float

    @property
    def first_share(self) -> float:
        """Bill of the first upload, as a share of asking on demand."""
        return self.first / self.plain

    @property
    def second_share(self) -> float:
        """Bill of the second upload, as a share of asking the first, which is the smaller one, on demand."""
        return self.second / self.plain

    @property
    def bedrocks_own_share(self) -> float:
        """Bill of Bedrock's own calls, as a share of asking the first set on demand."""
        return self.bedrocks_own / self.plain


def measure_teacher_dollars(workdir: Path, prompts: int = PROMPTS) -> TeacherDollars:
    """Buy the answers of two uploads by batch with reuse, and those of the first on demand.

    Of more than 5,000 prompts the pipeline itself keeps 1,000 for the holdout and asks about no more of that fifth.

    Parameters
    ----------
    workdir : Path
        Empty folder for the embedded AWS.
    prompts : int
        Prompts of the first upload.

    Raises
    ------
    RuntimeError
        If a prompt was left without an answer: the bill of half a set says nothing.
    """
    everything = _distinct_prompts(prompts + round(prompts * NEW_SHARE))
    first = everything[:prompts]
    random.Random(2024).shuffle(everything)  # noqa: S311 - the same order each time, nothing secret
    task = json.loads((EXAMPLE / "task.json").read_text())
    on_demand = {**task, "teacher_data": {"deadline_hours": ON_DEMAND_HOURS}}
    # The stages' metrics are lines of output, too, and this command's output is its figures.
    with EmbeddedAws.start(workdir) as aws, redirect_stdout(io.StringIO()):
        dynamodb = aws.client("dynamodb")
        (first_usd, second_usd), _ = _bills(create_registry(dynamodb, "batch"), [first, everything], task)
        [plain_usd], own_usd = _bills(create_registry(dynamodb, "plain"), [first], on_demand)
    return TeacherDollars(first_usd, second_usd, plain_usd, own_usd)


def _bills(table: Table, uploads: Sequence[Sequence[str]], task: dict[str, Any]) -> tuple[list[float], float]:
    """Give what each of several uploads of one task added to the bill, and what distilling the last one then adds."""
    clock, objects = ManualClock(), MemoryObjectStore()
    server = SimulatorServer(Simulator(objects, video_search_intent.answer, clock, DictPolicies())).start()
    try:
        stages, control = TeacherStages(server.url, objects, clock, table), SimulatorControl(server.url)
        bills: list[float] = []
        for number, prompts in enumerate(uploads, start=1):
            outcome = stages.buy(prompts, task, version=str(number))
            if outcome.dropped or len(outcome.places) != len(outcome.records):
                message = f"of {len(outcome.records)} records {len(outcome.dropped)} were dropped"
                raise RuntimeError(message)
            bills.append(sum(charge.usd or 0.0 for charge in control.billing()) - sum(bills))
        return bills, _own_calls(stages, outcome, control)
    finally:
        server.close()


def _own_calls(stages: TeacherStages, outcome: Outcome, control: SimulatorControl) -> float:
    """Distil a student from what was collected; give what the service bills for its calls to the teacher."""
    before = len(control.billing())
    launch = stages.stage("LaunchDistillation", outcome.run)
    job = stages.pipeline.bedrock.create_job(job_request(launch, MODELS, "bedrocks-own-calls"))
    stages.clock.advance(Durations().job)
    found = stages.pipeline.bedrock.find_job("bedrocks-own-calls")
    if found is None or found.status != "Completed":
        message = f"{job} is {found.status if found else 'not there'}"
        raise RuntimeError(message)
    teacher = foundation_model_id(MODELS.teacher)
    return sum(charge.usd or 0.0 for charge in control.billing()[before:] if charge.model == teacher)


def _distinct_prompts(count: int) -> list[str]:
    """Join two queries of the example, so that there are enough of them; the same each time."""
    queries = [str(json.loads(line)["prompt"]) for line in example_lines()]
    choose = random.Random(2024)  # noqa: S311 - the same prompts each time, nothing secret
    made: dict[str, None] = {}
    while len(made) < count:
        made[", then ".join(choose.sample(queries, 2))] = None
    return list(made)
