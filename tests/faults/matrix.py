"""Every fault of every scenario: the run without a fault is walked once, and each fault strikes a copy of the process.

The account is memory of this process, so a fork before a state is a copy of the account at that moment. What came
before the fault is thus computed once, and what comes after it runs beside the others, one process a processor.
"""

from __future__ import annotations

import gc
import os
import pickle
import sys
import tempfile
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.faults.cases import Operation, Stage, faults_of, kills, stages
from tests.faults.scenarios import SCENARIOS, Scenario, finish
from tests.faults.strikes import KILL, Fault
from tests.faults.verdicts import Bills, Verdict, judge
from tests.faults.world import World, deployed
from tests.stacks.templates import Deployment

Choose = Callable[[list[Fault]], Iterable[Fault]]
Found = TypeVar("Found")
Tell = Callable[[Verdict], None]


@dataclass
class Clean:
    """A scenario's run without a fault: its states, what each Task called, and what was bought."""

    path: list[str] = field(default_factory=list)
    called: dict[str, set[Operation]] = field(default_factory=dict)
    bought: Counter[str] = field(default_factory=Counter)


@dataclass
class Matrix:
    """The faults of a deployment.

    Parameters
    ----------
    deployment : Deployment
    choose : callable
        Takes all faults of a scenario and gives those that are tried.
    tell : callable
        Is told every verdict as it comes.
    """

    deployment: Deployment
    choose: Choose = list
    tell: Tell = lambda _verdict: None
    clean: dict[str, Clean] = field(default_factory=dict)

    def run(self) -> list[Verdict]:
        """Strike; give the verdicts, those that share a retry completed."""
        verdicts: list[Verdict] = []
        with tempfile.TemporaryDirectory() as folder:
            for scenario in SCENARIOS:
                verdicts += self._scenario(scenario, Path(folder))
        return list(with_shared_retries(verdicts))

    def _scenario(self, scenario: Scenario, folder: Path) -> list[Verdict]:
        """Walk a scenario twice: in a copy to learn what it calls, then to strike before its states."""
        with deployed(self.deployment) as world:
            run_id = scenario.begin(world)
            gc.freeze()
            before = world.paid()
            clean = self.clean[scenario.name] = learn(world, run_id, before)
            by_state = self._faults(scenario, clean)
            bills = Bills(before, clean.bought)
            team = Team(folder / scenario.name, self.tell)
            execution = world.execution(run_id)
            while execution.state is not None and by_state:
                for fault in by_state.pop(execution.state, ()):
                    team.begin(fault, partial(judge, world, run_id, fault, bills, team.folder))
                execution.step()
            return team.finish()

    def _faults(self, scenario: Scenario, clean: Clean) -> dict[str, list[Fault]]:
        """Give the faults by the state before which the process is copied."""
        known = [stage for stage in stages(self.deployment) if scenario.concerns(stage.name)]
        for stage in known:
            more = clean.called.get(stage.name, set()) - stage.allowed
            assert not more, f"the role of {stage.name} does not allow what it calls: {sorted(more)}"
        entered = {stage.name: stage.entered for stage in known}
        everything = [
            fault for stage in known for fault in faults_of(scenario.name, stage, clean.called.get(stage.name, ()))
        ]
        everything += [fault for fault in kills(scenario.name, clean.path) if scenario.concerns(fault.state)]
        found: dict[str, list[Fault]] = defaultdict(list)
        for fault in self.choose(everything):
            found[fault.state if fault.kind == KILL else entered[fault.state]].append(fault)
        return found


def learn(world: World, run_id: str, before: Counter[str]) -> Clean:
    """Walk the run in a copy of this process."""

    def walk() -> Clean:
        world.striker.called.clear()
        execution = finish(world, run_id)
        run = world.run(run_id)
        if run.outcome != "PROMOTED":
            raise AssertionError(f"without a fault the run ends {run.outcome}: {run.reason}")
        return Clean(list(execution.path), world.striker.called, world.paid() - before)

    return in_a_copy(walk)


class Team:
    """Processes at work, as many as there are processors."""

    def __init__(self, folder: Path, tell: Tell, members: int | None = None) -> None:
        self.folder = folder
        folder.mkdir()
        self._tell, self._members = tell, members or os.cpu_count() or 1
        self._working: dict[int, tuple[Path, object]] = {}
        self._verdicts: list[Verdict] = []

    def begin(self, fault: object, work: Callable[[], Verdict]) -> None:
        """Do the work on a fault in a copy of this process, as soon as one may begin."""
        while len(self._working) >= self._members:
            self._gather()
        path = self.folder / f"{len(self._verdicts) + len(self._working)}.json"
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            gc.disable()  # this copy lives for seconds
            _leave(lambda: path.write_text(work().to_json()))
        self._working[child] = (path, fault)

    def finish(self) -> list[Verdict]:
        """Wait for all."""
        while self._working:
            self._gather()
        return self._verdicts

    def _gather(self) -> None:
        child, status = os.wait()
        path, fault = self._working.pop(child)
        lost = Verdict(str(fault), problem=f"the copy of this process ended with {status} and no verdict")
        verdict = Verdict.from_json(path.read_text()) if path.exists() else lost
        self._verdicts.append(verdict)
        self._tell(verdict)


def with_shared_retries(verdicts: list[Verdict]) -> Iterator[Verdict]:
    """Complete what left the same account behind as another: the retry of one is the retry of all."""
    retried = {verdict.same_as: verdict for verdict in verdicts if verdict.same_as and verdict.retried}
    for verdict in verdicts:
        if verdict.same_as and not verdict.retried:
            done = retried.get(verdict.same_as)
            if done is None:
                verdict.problem = "the retry that it shares has no verdict"
                yield verdict
                continue
            verdict.finished, verdict.problem = done.finished, done.problem
            verdict.misled = verdict.misled + done.misled
            verdict.leaked, verdict.paid_twice = verdict.leaked + done.leaked, verdict.paid_twice | done.paid_twice
            verdict.promoted = max(verdict.promoted, done.promoted)
        yield verdict


def in_a_copy(work: Callable[[], Found]) -> Found:
    """Do something in a copy of this process that changes nothing here."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _leave(lambda: _send(writing, pickle.dumps(work())))
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    if not content:
        raise AssertionError("the copy of this process gave nothing")
    found: Found = pickle.loads(content)  # noqa: S301 - this process wrote it
    return found


def _send(descriptor: int, content: bytes) -> None:
    with os.fdopen(descriptor, "wb") as pipe:
        pipe.write(content)


def _leave(work: Callable[[], object]) -> None:
    """Work, and end this copy without what the original would do at its end."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - it must end here, whatever it is
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


__all__ = ["Clean", "Matrix", "Stage"]
