"""Every pair of verbs and schedules that touch one task: one is preempted by the other at each of its registry writes.

Nothing here is written by hand but what the verbs are and where a task may stand. The writes of a verb are counted in a
copy of the process; then, in a copy for each write, the verb is held before that write, the other verb runs wholly, and
the first goes on. Both directions follow from taking each ordered pair. Then events and the schedule do their work, and
what is left is judged: nothing bills on, one champion serves, and the records are true.
"""

from __future__ import annotations

import gc
import json
import os
import tempfile
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import click
from click.testing import CliRunner

import lambdas.domain.errors
from cli.deployment import Deployment as Place
from cli.main import cli
from cli.session import Session
from lambdas.domain.gate.cascade import TRUNCATED
from lambdas.domain.gate.routing import JudgedRule, RoutingRule
from lambdas.domain.outcomes import PROMOTED, REJECTED
from lambdas.domain.serving.serving_policy import BY_FALLBACK
from lambdas.gateways.registry.intake import Intake
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING
from lambdas.workflow.serving import routing
from local.bedrock_simulator.protocol.service import Request
from tests.faults.machine import Execution, Json, TaskFailed
from tests.faults.matrix import Team, Tell, in_a_copy
from tests.faults.scenarios import finish, upload
from tests.faults.verdicts import Verdict
from tests.faults.world import MACHINE, SCHEDULE_S, World, deployed
from tests.in_process import Answer
from tests.stacks.templates import Deployment

TASK = "video"
WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
REFUSALS = {name for name, made in vars(lambdas.domain.errors).items() if isinstance(made, type)}
"""What a verb may say: our own errors, which name what to do. Anything else is a fault."""

SETTLES_IN = 40
"""Cycles of the schedule: longer than callers are given to notice a changed pointer."""

REAPED_EVERY = 12
"""Cycles between two looks of the janitor, which goes on with a move that it began."""

IDLE_S = 80 * 3600.0
"""Longer than 'idle_hours': the janitor then moves a champion that nobody calls."""

Verb = Callable[["Scene"], None]
Choose = Callable[[list["Race"]], Iterable["Race"]]


@dataclass(frozen=True)
class Race:
    """A verb that is preempted by another one before one of its writes."""

    position: str
    first: str
    second: str
    write: int

    def __str__(self) -> str:
        return f"{self.position}: {self.first} is preempted by {self.second} before its write {self.write}"


@dataclass
class Preemption:
    """Counts the writes of one verb to the registry, and lets another in before one of them."""

    at: int = 0
    other: Callable[[], None] = lambda: None
    counting: bool = False
    writes: int = 0

    def before_call(self, params: Json, event_name: str, **_: Any) -> None:
        """Look at a request of the account's clients."""
        if not self.counting or event_name.rpartition(".")[2] not in WRITES or b'"registry"' not in _body(params):
            return
        self.writes += 1
        if self.writes == self.at:
            self.counting = False
            self.other()
            self.counting = True


def _body(params: Json) -> bytes:
    body = params.get("body", b"")
    return body if isinstance(body, bytes) else str(body).encode()


@dataclass
class Scene:
    """A task with a champion and a former one, and the run that is at the centre of a position."""

    world: World
    place: Place
    run_id: str = ""
    former_run: str = ""
    waiting: set[str] | None = None
    broken: list[str] = field(default_factory=list)
    preemption: Preemption = field(default_factory=Preemption)

    def waits_no_more(self, token: str) -> bool:
        """Tell whether an answer comes too late; where requests are not looked at, none does."""
        return self.waiting is not None and token not in self.waiting

    def attempt(self, verb: str) -> None:
        """Do a verb; what it refuses is an answer, and anything else that it says is a fault."""
        try:
            VERBS[verb](self)
        except TaskFailed as failure:
            if failure.error not in REFUSALS:
                self.broken.append(f"{verb} failed: {str(failure)[:300]}")

    def command(self, *words: str) -> None:
        """Give a command of the command line, as its person would."""
        said = CliRunner().invoke(cli, list(words), obj=Session(lambda: self.place, False))
        if said.exception and not isinstance(said.exception, SystemExit | click.exceptions.Exit):
            self.broken.append(f"{words[0]} failed: {said.exception!r}")

    def to_the_end(self, execution: Execution) -> None:
        """Let an execution go on until it ends or is stopped."""
        while execution.state is not None and execution.status == "RUNNING":
            execution.step()
        if execution.status == "ABORTED":
            execution.state = None


def _answer(scene: Scene, word: str) -> None:
    world = scene.world
    run = world.run(scene.run_id)
    champion = world.expected_champion(run)
    given = {"run_id": scene.run_id, "answer": word, "why": word, "report_sha256": run.report_sha256,
             "expected_champion": champion, "explicitly": True}  # fmt: skip
    world.call("answer_approval", given)


def _machine(scene: Scene) -> None:
    """Let the machine go on with the run: its promotion, or what follows an expired request."""
    scene.to_the_end(scene.world.execution(scene.run_id, scene.world.run(scene.run_id).attempt))


def _expire(scene: Scene) -> None:
    """Let the request's time pass: Step Functions takes no answer any more."""
    scene.waiting = set()


def _roll_back(scene: Scene) -> None:
    for _ in range(SETTLES_IN):
        given = scene.world.call("roll_back_champion", {"task": TASK, "why": "a race"})
        if given.get("status") != "IN_PROGRESS":
            return
        scene.world.pass_time(30)


def _seen(scene: Scene) -> str:
    """Name the run that a person sees serving."""
    champion = scene.world.tasks.state(TASK).champion
    return champion.run_id if champion else scene.former_run


def _serve(scene: Scene) -> None:
    given = {"serve": BY_FALLBACK, "task": TASK, "run_id": _seen(scene), "why": "a race"}
    scene.world.call("roll_back_champion", given)


def _route(scene: Scene) -> None:
    """Adopt routing; a world's few records would prove nothing, so that its test is taken as passed."""
    rule = RoutingRule(on=(TRUNCATED,))

    def first(candidates: list[JudgedRule], _max_share: float) -> JudgedRule | None:
        return next((one for one in candidates if one.rule == rule), None)

    with mock.patch.multiple(routing, proposed=first, adoption_lines=lambda *_: []):
        given = {"route": 1.0, "task": TASK, "run_id": _seen(scene), "adopt": True, "why": "a race"}
        scene.world.call("roll_back_champion", given)


VERBS: dict[str, Verb] = {
    "approve": lambda scene: _answer(scene, "approved"),
    "reject": lambda scene: _answer(scene, "rejected"),
    "expiry": _expire,
    "machine": _machine,
    "rollback": _roll_back,
    "serve": _serve,
    "route": _route,
    "retry": lambda scene: scene.world.call("start_run", {"retry": scene.run_id}),
    "stop": lambda scene: scene.world.call("reconcile_runs", {"stop": scene.run_id, "why": "a race"}),
    "forget": lambda scene: scene.command("forget", scene.run_id, "--yes"),
    "forget former": lambda scene: scene.command("forget", scene.former_run, "--yes"),
    "reap": lambda scene: scene.world.call("reap_idle_throughput", {"reap": "delete_idle"}),
    "teardown": lambda scene: scene.command("teardown", "--yes"),
    "reconcile": lambda scene: scene.world.call("reconcile_runs", {}),
}
"""What touches a task. A promotion is the machine that goes on from an approval."""

ALWAYS = ("rollback", "reap", "teardown", "reconcile", "forget former", "serve")
POSITIONS: dict[str, tuple[str, ...]] = {
    "serving": ("retry", "forget", "route", *ALWAYS),
    "asked": ("approve", "reject", "expiry", "stop", "forget", *ALWAYS),
    "promoting": ("machine", "stop", "forget", "route", *ALWAYS),
    "killed": ("stop", "retry", "forget", *ALWAYS),
    "stopped": ("retry", "forget", "stop", *ALWAYS),
    "stopped early": ("retry", "forget", "reap", "teardown", "reconcile"),
    "expired": ("machine", "approve", "stop", *ALWAYS),
}
"""Where the run at the centre stands, and what may happen to its task there."""


@dataclass
class Waits:
    """Surroundings in which something happens while the request for approval waits.

    What happens is tried in copies of this process, and the execution goes on there: its state is entered once more,
    without its Lambda, for the request has been made.
    """

    scene: Scene
    meanwhile: Callable[[], None]
    asked: str = ""

    def invoke(self, state: str, function: str, payload: Json) -> Any:
        """Invoke a Lambda as the world does."""
        if self.asked and state == "RequestApproval":
            return {}
        return self.scene.world.invoke(state, function, payload)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.scene.world.pass_time(seconds)

    def answer_to(self, state: str, token: str, timeout_s: int) -> Any:
        """Give the word that came meanwhile, or let the request expire."""
        world, scene = self.scene.world, self.scene
        if self.asked:
            token = self.asked
        else:
            world._words.pop(token, None)  # an earlier run's request had a token of the same name
            self.asked, scene.waiting = token, {token}
            self.meanwhile()
        self.asked = ""
        if token in world._words:
            scene.waiting = None
            return world._words[token]
        scene.waiting = set()
        world.pass_time(timeout_s)
        raise TaskFailed("States.Timeout", f"nobody answered {state}")


def races_summary(verdicts: list[Verdict]) -> str:
    """Give the last line about races."""
    return f"{len(verdicts)} races: {sum(bool(verdict.problem) for verdict in verdicts)} wrong"


def races(
    deployment: Deployment,
    choose: Choose = list,
    positions: Iterable[str] = tuple(POSITIONS),
    *,
    tell: Tell = lambda _verdict: None,
) -> list[Verdict]:
    """Try them.

    Parameters
    ----------
    deployment : Deployment
    choose : callable
        Takes all races of a position and gives those that are tried.
    positions : iterable of str
        Those of :data:`POSITIONS` that are tried.
    tell : callable
        Is told every verdict as it comes.
    """
    wanted = set(positions)
    with deployed(deployment) as world, tempfile.TemporaryDirectory() as folder:
        scene = _scene(world, deployment)
        suite = _Suite(scene, choose, Path(folder), wanted, tell)
        with _teardown_in_the_worlds_time(world):
            return list(suite.verdicts())


@dataclass
class _Suite:
    scene: Scene
    choose: Choose
    folder: Path
    wanted: set[str]
    tell: Tell

    def verdicts(self) -> Iterator[Verdict]:
        scene, world = self.scene, self.scene.world
        scene.former_run = finish(world, upload(world, TASK, "of the first day")).given["run_id"]
        scene.run_id = finish(world, upload(world, TASK, "of the second day")).given["run_id"]
        gc.freeze()  # a collection in a copy would copy the whole account only to look at it
        if "serving" in self.wanted:
            yield from in_a_copy(lambda: self._aged("serving"))
        if {"asked", "promoting"} & self.wanted:
            yield from in_a_copy(self._from_the_request)
        if "killed" in self.wanted:
            yield from in_a_copy(self._killed)
        if "stopped" in self.wanted:
            yield from in_a_copy(lambda: self._stopped("stopped", before="RequestApproval"))
        if "stopped early" in self.wanted:
            yield from in_a_copy(lambda: self._stopped("stopped early", before="CheckRun"))
        if "expired" in self.wanted:
            yield from in_a_copy(self._expired)

    def _aged(self, position: str) -> list[Verdict]:
        self.scene.world.pass_time(IDLE_S)
        return self._position(position)

    def _begun(self) -> Execution:
        world = self.scene.world
        self.scene.run_id = upload(world, TASK, "of the third day")
        return world.execution(self.scene.run_id)

    def _until(self, execution: Execution, state: str) -> None:
        while execution.state != state:
            assert execution.state is not None, f"the run ended before {state}"
            execution.step()

    def _from_the_request(self) -> list[Verdict]:
        found: list[Verdict] = []
        execution = self._begun()

        def meanwhile() -> None:
            if "asked" in self.wanted:
                found.extend(self._position("asked"))
            self.scene.attempt("approve")

        self._until(execution, "RequestApproval")
        execution.around = Waits(self.scene, meanwhile)
        self._until(execution, "PromoteStudent")
        return found + (self._position("promoting") if "promoting" in self.wanted else [])

    def _killed(self) -> list[Verdict]:
        """Stop the execution in its promotion; nothing has been looked after yet."""
        execution = self._begun()
        self._until(execution, "PromoteStudent")
        execution.step()
        execution.stop()
        return self._position("killed")

    def _stopped(self, position: str, *, before: str) -> list[Verdict]:
        execution = self._begun()
        self._until(execution, before)
        execution.stop()
        self.scene.world.close(execution)
        return self._position(position)

    def _expired(self) -> list[Verdict]:
        execution = self._begun()
        self._until(execution, "RequestApproval")
        execution.around = Waits(self.scene, lambda: None)
        execution.step()
        return self._position("expired")

    def _position(self, position: str) -> list[Verdict]:
        """Strike each race of a position in a copy of this process."""
        verbs = POSITIONS[position]
        writes = {verb: in_a_copy(lambda verb=verb: self._writes(verb)) for verb in verbs}  # type: ignore[misc]
        every = [
            Race(position, first, second, write)
            for first in verbs
            for second in verbs
            if first != second
            for write in range(1, writes[first] + 1)
        ]
        team = Team(self.folder / f"{position}-{os.getpid()}", self.tell)
        for race in self.choose(every):
            team.begin(race, lambda race=race: self._raced(race))  # type: ignore[misc]
        return team.finish()

    def _writes(self, verb: str) -> int:
        preemption = self.scene.preemption
        preemption.counting, preemption.writes = True, 0
        self.scene.attempt(verb)
        return preemption.writes

    def _raced(self, race: Race) -> Verdict:
        scene = self.scene
        scene.preemption.at, scene.preemption.writes = race.write, 0
        scene.preemption.other = lambda: scene.attempt(race.second)
        scene.preemption.counting = True
        scene.attempt(race.first)
        scene.preemption.counting = False
        _settle(scene)
        wrong = [*scene.broken, *_wrong(scene)]
        return Verdict(str(race), struck=scene.preemption.writes >= race.write, problem="; ".join(wrong))


def _scene(world: World, deployment: Deployment) -> Scene:
    outputs = {
        "data": {"RegistryTable": "registry", "RunsBucket": "distillation-runs", "UploadsBucket": "uploads"},
        "pipeline": {
            "StateMachineArn": MACHINE,
            "ReconcileFunction": "reconcile_runs",
            "ReapFunction": "reap_idle_throughput",
        },
    }
    name = world._by_folder("reconcile_runs").variables["ENVIRONMENT"]
    place = Place(name, "us-east-1", world.aws.client, local=True, _outputs=outputs)
    place.__dict__["settings"] = deployment.settings
    scene = Scene(world, place)
    world.aws.session.events.register("before-call.dynamodb", scene.preemption.before_call)
    machine = world._step_functions

    def step_functions(operation: str, request: Request) -> Answer:
        token = json.loads(request.body).get("taskToken")
        if operation == "SendTaskSuccess" and scene.waits_no_more(token):
            return 400, {}, b'{"__type": "TaskTimedOut", "message": "the task has timed out"}'
        return machine(operation, request)

    world.aws.serve("sfn", step_functions)
    world.aws.serve("cloudformation", _no_other_stack)
    return scene


def _no_other_stack(operation: str, _request: Request) -> Answer:
    """Answer whoever asks for the stack of discovery, which the environment does not have."""
    assert operation == "DescribeStacks", operation
    said = "<Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id discovery does not exist</Message>"
    return 400, {}, f"<ErrorResponse><Error>{said}</Error></ErrorResponse>".encode()


def _teardown_in_the_worlds_time(world: World) -> Any:
    clock = types.SimpleNamespace(
        sleep=lambda _seconds: world.pass_time(30.0), monotonic=lambda: world.clock.now().timestamp()
    )
    return mock.patch.multiple("cli.teardown", time=clock, utc_now=world.clock.now)


def _settle(scene: Scene) -> None:
    """Let executions, events and the schedule do their work until nothing is left to do."""
    world = scene.world
    for cycle in range(SETTLES_IN):
        for execution in list(world.executions.values()):
            scene.to_the_end(execution)
        world.pass_time(SCHEDULE_S)
        try:
            world.call("reconcile_runs", {})
            if cycle % REAPED_EVERY == REAPED_EVERY - 1:
                world.call("reap_idle_throughput", {})
            unsettled = ""
        except TaskFailed as failure:
            unsettled = f"the schedule fails: {str(failure)[:300]}"
        running = [one for one in world.executions.values() if one.status == "RUNNING"]
        if not (unsettled or running or world.registry.slots() or world.leaked() or world.misled()):
            return
    if unsettled:
        scene.broken.append(unsettled)


def _wrong(scene: Scene) -> Iterator[str]:
    """Say what is not as it must be when all is done."""
    world = scene.world
    if leaked := world.leaked():
        yield f"bills on: {', '.join(leaked)}"
    if misled := world.misled():
        yield f"serves a student that nobody promoted: {', '.join(misled)}"
    yield from _wrong_champion(scene)
    yield from _wrong_policy(scene)
    yield from _wrong_records(scene)


def _wrong_champion(scene: Scene) -> Iterator[str]:
    world, state = scene.world, scene.world.tasks.state(TASK)
    torn_down = Intake(world._table).closed_since() is not None
    champion = state.champion
    if champion is None:
        if not torn_down:
            yield "no champion serves, and nobody tore it down"
        elif models := world.control("resources")["models"]:
            yield f"torn down, and these models stay: {', '.join(model['name'] for model in models)}"
        return
    if torn_down:
        yield f"torn down, and run {champion.run_id} is still the champion"
    run = world.registry.find(champion.run_id)
    if run is None or run.outcome != PROMOTED:
        yield f"the champion's run {champion.run_id} is {run.outcome if run else 'forgotten'}"
    if champion.endpoint_arn not in {thing["arn"] for thing in world.living()}:
        yield "the champion's endpoint does not exist"
    name = f"/distillation/local/{TASK}/champion"
    pointer = json.loads(world.aws.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
    if (pointer["run_id"], pointer["endpoint_arn"]) != (champion.run_id, champion.endpoint_arn):
        yield f"callers are led to run {pointer['run_id']}, and run {champion.run_id} is the champion"


def _wrong_policy(scene: Scene) -> Iterator[str]:
    """Hold what callers are told of who answers against the registry; nothing is told of who does not serve."""
    world, state = scene.world, scene.world.tasks.state(TASK)
    ssm, name = world.aws.client("ssm"), f"/distillation/local/{TASK}/policy"
    found = ssm.get_parameters(Names=[name])["Parameters"]
    policy = json.loads(found[0]["Value"]) if found else None
    champion, choice = state.champion, state.choice
    prompts = world.aws.client("s3").list_objects_v2(Bucket="distillation-runs", Prefix=f"policies/{TASK}/")
    kept = {one["Key"] for one in prompts.get("Contents", [])}
    for run_id in {key.split("/")[2] for key in kept}:
        if world.registry.find(run_id) is None:
            yield f"the fallback's prompt of run {run_id} stays, which is forgotten"
    if champion is None:
        if policy is not None or choice is not None:
            yield "nobody serves, and a policy or a person's choice stays"
        return
    if policy is None or policy["for_run"] != champion.run_id:
        yield f"the policy is of run {policy and policy['for_run']}, and run {champion.run_id} is the champion"
        return
    chosen = choice.mode if choice and choice.for_run == champion.run_id else "student"
    if policy["mode"] != chosen:
        yield f"callers are answered by the {policy['mode']}, and the registry says {chosen}"
    if choice and world.registry.find(choice.for_run) is None:
        yield f"what a person chose for run {choice.for_run} stays, which is forgotten"
    prompt = policy["fallback"] and policy["fallback"]["prompt"]
    if prompt and prompt["key"] not in kept:
        yield "the fallback's prompt is gone"


def _wrong_records(scene: Scene) -> Iterator[str]:
    world = scene.world
    promoted = {line["run_id"] for line in world.tasks.history(TASK) if line["action"] == "promoted"}
    closed = Intake(world._table).closed_since() is not None
    for state in (RUNNING,) if closed else (QUEUED, RUNNING):  # what comes to a closed intake waits (decision 0141)
        for run in world.registry.in_state(state):
            yield f"run {run.run_id} is {run.state}"
    for run in world.registry.in_state(ENDED):
        if not run.outcome or not run.reason:
            yield f"run {run.run_id} ended without outcome or reason"
        if run.outcome == PROMOTED and run.run_id not in promoted:
            yield f"run {run.run_id} is PROMOTED, and the task's history does not know it"
        answer = (run.facts.get("approval") or {}).get("answer")
        if answer == "rejected" and run.outcome == PROMOTED:
            yield f"run {run.run_id} is PROMOTED and was rejected"
        if answer == "approved" and run.outcome == REJECTED:
            yield f"run {run.run_id} is REJECTED and was approved"
