"""What an environment has after some busy days: every outcome, a rollback, runs that wait, train, and queue.

It is played by the Lambdas of whichever commit is checked out, in the world of :mod:`tests.faults`, whose clock stands
still; with ids that depend on nothing but the order in which things are made, two plays write the same.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from ministack.services import s3

from local.bedrock_simulator import world as simulator_world
from local.bedrock_simulator.protocol.service import Request
from tests.end_to_end.account import lenient
from tests.faults.machine import Execution, TaskFailed
from tests.faults.scenarios import _from_logs, finish, upload
from tests.faults.world import World, deployed
from tests.stacks.templates import Deployment

_NAMES = uuid.UUID(int=0)
WAITING, TRAINING, IN_QUEUE = "waiting", "training", "in-queue"


class PersonIsAsked(BaseException):
    """The request for approval waits for its answer: no error of the Task."""


class Ids:
    """Ids of S3 versions and of simulated Bedrock resources that are the same in every play.

    Attributes
    ----------
    made : int
        Number of Bedrock resources that were made.
    version : str or None
        Version of the next object that is put, where somebody wants it to have a certain one.
    """

    def __init__(self) -> None:
        self.made = 0
        self.version: str | None = None
        self._versions: Counter[tuple[str, str]] = Counter()
        self._record: Any = s3._record_object_version
        self._next = ""

    def uuid4(self) -> uuid.UUID:
        """Give the next resource's id."""
        self.made += 1
        return uuid.uuid5(_NAMES, f"resource {self.made}")

    def record_version(self, bucket: str, key: str, *more: Any) -> Any:
        """Put an object under a version that its key and its number make."""
        self._versions[bucket, key] += 1
        number = self._versions[bucket, key]
        self._next = self.version or str(uuid.uuid5(_NAMES, f"{bucket}/{key}/{number}"))
        try:
            return self._record(bucket, key, *more)
        finally:
            self._next = ""

    def new_uuid(self) -> str:
        """Give an object's version, or any id for what nobody keeps."""
        return self._next or str(uuid.uuid4())


@contextmanager
def repeatable(deployment: Deployment) -> Iterator[tuple[World, Ids]]:
    """Deploy into this process, with ids that are the same in every play."""
    ids = Ids()
    with (
        mock.patch.object(simulator_world, "uuid", ids),
        mock.patch.object(s3, "_record_object_version", ids.record_version),
        mock.patch.object(s3, "new_uuid", ids.new_uuid),
        deployed(deployment) as world,
    ):
        yield world, ids


def busy_days(world: World) -> None:
    """Play everything."""
    first = upload(world, "video", "of the first day")
    finish(world, first)
    finish(world, upload(world, "video", "of the second day"))
    _roll_back(world, "video")
    world.tasks.confirm("video", first, world.clock.now().isoformat(), "the team needs it")
    finish(world, _from_logs(world))
    finish(world, upload(world, "strict", "of the day", gate=_gate(min_judge_score=5.0)))
    with _nobody_answers(world):
        finish(world, upload(world, "late", "of the day"))
    order(world, kind="fail_job", phase="training", message="The records could not be read.")
    finish(world, upload(world, "broken", "of the day"))
    world.aws.simulator.handle(Request("DELETE", "/_simulator/faults", "", {}, b""))
    order(world, kind="wrong_judge", how="drift")
    finish(world, upload(world, "undecided", "of the day"))
    world.aws.simulator.handle(Request("DELETE", "/_simulator/faults", "", {}, b""))
    finish(world, world.upload("small/few.jsonl", b'{"prompt": "find the goal"}\n' * 3))
    _wait_for_a_person(world, upload(world, WAITING, "of the day"))
    _go_on(world, upload(world, TRAINING, "of the day"), until="IsDistillationCompleted")
    upload(world, IN_QUEUE, "of the day")


def _gate(**changes: object) -> dict[str, object]:
    gate: Any = lenient()["gate"]
    return {**gate, **changes}


def order(world: World, **fault: object) -> None:
    """Order a fault of the simulator."""
    request = Request("POST", "/_simulator/faults", "", {}, json.dumps(fault).encode())
    answer = world.aws.simulator.handle(request)
    assert answer.status == 200, answer.body


def _roll_back(world: World, task: str) -> None:
    for _ in range(50):
        said = world.call("roll_back_champion", {"task": task, "why": "callers complain"})
        if said["status"] != "IN_PROGRESS":
            return
        world.pass_time(30)
    raise AssertionError(said)


@contextmanager
def _nobody_answers(world: World) -> Iterator[None]:
    def wait(_state: str, _token: str, timeout_s: int) -> Any:
        world.pass_time(timeout_s)
        raise TaskFailed("States.Timeout", "nobody answered")

    with mock.patch.object(world, "answer_to", wait):
        yield


def _wait_for_a_person(world: World, run_id: str) -> None:
    def wait(*_: object) -> None:
        raise PersonIsAsked

    execution = world.execution(run_id)
    with mock.patch.object(world, "answer_to", wait):
        try:
            while execution.state is not None:
                execution.step()
        except PersonIsAsked:
            return
    raise AssertionError("nobody was asked")


def _go_on(world: World, run_id: str, *, until: str) -> Execution:
    execution = world.execution(run_id)
    while execution.state != until:
        assert execution.state is not None, execution.path
        execution.step()
    return execution
