"""The steps that walks are made of: through a run or a part of it, with what its Lambdas create within reach."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.bedrock_simulator.protocol.service import Request
from tests.faults.machine import Execution
from tests.faults.scenarios import upload
from tests.faults.world import World

TASK = "walked"
TRIES = 60


@dataclass
class Creates:
    """Listens to Bedrock's create calls of the Lambdas.

    Attributes
    ----------
    last : dict
        The last request of each operation.
    forgotten : bool
        Whether each thing exists already when it is to be created, with our tags, and under another token: then the
        service has forgotten our first request, and its answer was lost.
    """

    world: World
    last: dict[str, dict[str, Any]] = field(default_factory=dict)
    forgotten: bool = False

    def __post_init__(self) -> None:
        self.world.aws.session.events.register("provide-client-params.bedrock", self._made)

    def again(self, operation: str, **changes: object) -> None:
        """Make something as a Lambda made it, by hand."""
        caller, self.world.running = self.world.running, ""
        state, self.world.striker.state = self.world.striker.state, ""
        try:
            self.world.aws.client("bedrock")._make_api_call(operation, {**self.last[operation], **changes})
        finally:
            self.world.running, self.world.striker.state = caller, state

    def _made(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if not self.world.running or not model.name.startswith("Create"):
            return
        new, self.last[model.name] = self.last.get(model.name) != params, dict(params)
        if self.forgotten and new:
            self.again(model.name, clientRequestToken=f"forgotten-{params['clientRequestToken']}")


@dataclass
class Scene:
    """A world, and what its Lambdas create."""

    world: World
    creates: Creates = field(init=False)

    def __post_init__(self) -> None:
        self.creates = Creates(self.world)


Walk = Callable[[Scene], None]


def settings(world: World, **changes: object) -> None:
    """Change what the simulated Bedrock knows."""
    _control(world, "PUT", "settings", changes)


def order(world: World, **fault: object) -> None:
    """Order a fault of the simulated Bedrock."""
    _control(world, "POST", "faults", fault)


def _control(world: World, method: str, path: str, body: Mapping[str, object]) -> None:
    answer = world.aws.simulator.handle(Request(method, f"/_simulator/{path}", "", {}, json.dumps(body).encode()))
    assert answer.status == 200, answer.body


def until(execution: Execution, state: str) -> Execution:
    """Go on until a state is next."""
    while execution.state != state:
        assert execution.state is not None, f"the run ended before {state}: {execution.path[-9:]}"
        execution.step()
    return execution


def begin(world: World, day: int = 1, **changes: object) -> Execution:
    """Upload, and begin the run."""
    return world.execution(upload(world, TASK, f"of day {day}", **changes))


def to_the_end(world: World, execution: Execution) -> None:
    """Go on to the end of an execution, and let events and schedule close its run."""
    while execution.state is not None:
        execution.step()
    world.close(execution)


def through(world: World, day: int = 1, **changes: object) -> str:
    """Upload, and go through the run to its end; its id."""
    execution = begin(world, day, **changes)
    to_the_end(world, execution)
    return str(execution.given["run_id"])


def promoted(world: World, day: int = 1, **changes: object) -> str:
    """Go through a run that is promoted."""
    run_id = through(world, day, **changes)
    assert world.run(run_id).outcome == "PROMOTED", world.run(run_id).reason
    return run_id


def stop(world: World, execution: Execution) -> None:
    """Stop an execution, and let events and schedule close its run."""
    execution.stop()
    world.close(execution)


def roll_back(world: World, **order: object) -> None:
    """Roll the task back, as the command line does."""
    for _ in range(TRIES):
        given = world.call("roll_back_champion", {"task": TASK, "why": "it was better", **order})
        if given["status"] != "IN_PROGRESS":
            assert given["status"] == "COMPLETED", given
            return
        world.pass_time(60)
    raise AssertionError("the rollback does not end")
