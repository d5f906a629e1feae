"""The first event of every Lambda, recorded with what AWS answered, and handled again by a process that just began."""

from __future__ import annotations

import base64
import inspect
import json
import logging
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tests.benchmarks.discovery_events import discover
from tests.faults.__main__ import local_deployment
from tests.faults.scenarios import SCENARIOS, Scenario, finish
from tests.faults.world import Function, World, deployed
from tests.least_privilege.walks import PeopleScoreFirst

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local.bedrock_simulator.protocol.service import Request
    from tests.benchmarks.layer import LambdaLike

Json = dict[str, Any]

HOUR_S = 3600.0


@dataclass(frozen=True)
class FirstEvent:
    """One event that a Lambda handled.

    Attributes
    ----------
    module : str
        Module of the handler.
    payload : dict
        The event.
    variables : dict
        The Lambda's environment variables.
    now : str
        The time of the account, ISO 8601.
    answers : dict
        What was asked (:func:`asked`) to what AWS answered, in order: status, headers and body in base64.
    """

    module: str
    payload: Json
    variables: Mapping[str, str]
    now: str
    answers: Mapping[str, list[tuple[int, dict[str, str], str]]]


def asked(operation: str, path: str, body: bytes) -> list[str]:
    """Name a request, exactly and roughly: several threads ask, in any order, and some requests hold random tokens.

    The text of this function runs in the replaying process too, which sees nothing of ``tests``.
    """
    import hashlib  # noqa: PLC0415 - see above

    roughly = f"{operation} {path}"
    if operation == "s3.PutObject":  # the names of some objects are hashes of what was measured
        return [operation]
    if operation.startswith("s3."):  # a body that streams is read once, and objects are known by their keys
        return [roughly]
    return [f"{roughly} {hashlib.sha256(body).hexdigest()}", roughly]


class _Recorder:
    """Stands before a world's Lambdas and its account; keeps the first event that each Lambda handles to its end."""

    def __init__(self, world: World) -> None:
        self.events: dict[str, FirstEvent] = {}
        self._world, self._run, self._answer = world, world._run, world.aws._answer
        self._answers: dict[str, list[tuple[int, dict[str, str], str]]] = defaultdict(list)
        hooked: Any = world
        hooked._run = self._record
        hooked.aws._answer = self._record_answer

    def _record(self, function: Function, payload: Json, state: str = "") -> Any:
        outer, self._answers = self._answers, defaultdict(list)
        now = self._world.clock.now().isoformat()
        try:
            result = self._run(function, payload, state)
            event = FirstEvent(function.module, payload, function.variables, now, dict(self._answers))
            if self._answers:  # an event that asked for nothing tells nothing
                self.events.setdefault(function.folder, event)
            return result
        finally:
            self._answers = outer

    def _record_answer(self, service: str, operation: str, request: Request) -> tuple[int, dict[str, str], bytes]:
        answers = self._answers
        status, headers, body = self._answer(service, operation, request)
        answer = (status, headers, base64.b64encode(body).decode())
        for name in asked(f"{service}.{operation}", f"{request.path}?{request.query}", request.body):
            answers[name].append(answer)
        return status, headers, body


def record_first_events(discovery_template: Path) -> dict[str, FirstEvent]:
    """Run the scenarios of the faults, none of them struck, the operations of people, and a day of discovery.

    Parameters
    ----------
    discovery_template : Path
        The synthesized template of the discovery stack.

    Returns
    -------
    dict
        Folder of each Lambda to its first event.
    """
    events: dict[str, FirstEvent] = {}
    logging.disable(logging.INFO)  # the emulator's own lines
    try:
        for scenario in SCENARIOS:
            events = _first_events(scenario) | events
        return _of_discovery(discovery_template) | events
    finally:
        logging.disable(logging.NOTSET)


def _first_events(scenario: Scenario) -> dict[str, FirstEvent]:
    with deployed(local_deployment()) as world:
        recorder = _Recorder(world)
        run = world.run(scenario.begin(world))
        world.execution(run.run_id).around = PeopleScoreFirst(world)
        finish(world, run.run_id)
        world.pass_time(HOUR_S)
        world.call("reap_idle_throughput", {})
        world.call("export_costs", {})
        if scenario.name == "second":  # there is a champion before this one
            world.call("roll_back_champion", {"task": run.task, "why": "it is tried"})
    return recorder.events


def _of_discovery(template: Path) -> dict[str, FirstEvent]:
    with deployed(local_deployment()) as world:
        recorder = _Recorder(world)
        discover(world, template)
    return recorder.events


_REPLAY = """
import base64, gc, io, json, os, sys
from time import process_time
recorded = json.load(open(RECORDED))
os.environ.update(recorded["variables"], AWS_ENDPOINT_URL="http://127.0.0.1:9")  # as recorded; nothing leaves
answers, written = {}, sys.stdout
sys.stdout = io.StringIO()

def rewind():
    answers.update({name: list(reversed(given)) for name, given in recorded["answers"].items()})

started = process_time()
from importlib import import_module
handler = import_module(recorded["module"]).handler
from lambdas.gateways.aws import clients
events = clients.session().events
stopped = process_time()

from datetime import datetime
from functools import partial
from types import SimpleNamespace
from urllib.parse import urlsplit
from botocore.awsrequest import AWSResponse
from urllib3.response import HTTPResponse
import lambdas.workflow.stage as stage

def answer(request, event_name, **_):
    url = urlsplit(request.url)
    body = request.body if isinstance(request.body, bytes) else b""
    names = asked(event_name.removeprefix("before-send."), f"{url.path}?{url.query}", body)
    name = next(name for name in names if name in answers)
    status, headers, body = answers[name].pop() if len(answers[name]) > 1 else answers[name][0]
    raw = HTTPResponse(io.BytesIO(base64.b64decode(body)), headers, status, preload_content=False,
                       decode_content=False, request_method=request.method)
    return AWSResponse(request.url, status, raw.headers, raw)

events.register("before-send", answer)
now = datetime.fromisoformat(recorded["now"])
stage.Pipeline = partial(stage.Pipeline, now=lambda: now)
context = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)

def handled():
    rewind()
    began = process_time()
    handler(json.loads(json.dumps(recorded["payload"])), context)
    return process_time() - began

first = stopped - started + handled()
if not gc.isenabled():
    raise SystemExit("the garbage collector stayed switched off after the first event")
again = handled()
print(json.dumps([first, again]), file=written, flush=True)
"""


def write(events: Mapping[str, FirstEvent], folder: Path) -> dict[str, Path]:
    """Write each event into a file that a fresh process can read."""
    folder.mkdir(parents=True)
    files = {name: folder / f"{name}.json" for name in events}
    for name, file in files.items():
        file.write_text(json.dumps(asdict(events[name])))
    return files


def start_seconds(python: LambdaLike, recorded: Path) -> float:
    """Measure what a process's first event takes beyond the same event once more, the import of the handler included.

    What a Lambda does for an event is the same both times. What remains is the start: imports, those inside functions
    too, clients, whatever is made once. So nothing that is only made later escapes.

    Raises
    ------
    RuntimeError
        If the handler fails, or asks AWS for what was not recorded.
    """
    done = python.run(f"RECORDED = {str(recorded)!r}\n{inspect.getsource(asked)}\n{_REPLAY}")
    if done.returncode:
        message = f"the first event in {recorded.name} failed:\n{done.stderr[-3000:]}"
        raise RuntimeError(message)
    first, again = json.loads(done.stdout)
    return float(first - again)
