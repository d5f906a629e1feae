"""The deployed pipeline inside this process: every Lambda of the templates, the state machine, events and schedule."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import time
import types
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from unittest import mock

import botocore.auth
import fastjsonschema
from botocore.useragent import UserAgentString

import lambdas.workflow.stage
from lambdas.domain.caller_proof import Binding
from lambdas.domain.identity import Upload
from lambdas.gateways.answering import call_scheduler, shared_limit
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.runs import ENDED, Registry, Run
from lambdas.gateways.registry.tasks import TaskBook
from local.bedrock_simulator.clock import ManualClock
from local.bedrock_simulator.protocol.service import Request
from local.embedded_aws.deploy import ENVIRONMENTS
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.faults.aws import Aws
from tests.faults.hurry import FastQueues, FastTime, compiled_once, without_pause
from tests.faults.machine import Execution, Json, TaskFailed
from tests.faults.strikes import LambdaDied, Striker
from tests.identities import ROOT, FakeSts, proof, proven_act
from tests.in_process import NOWHERE, Answer
from tests.stacks.templates import Deployment, text_of
from tests.unit.gateways.registry.embedded_table import create_registry, keys

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:distillation"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:notifications"
BUCKETS = {"UPLOADS_BUCKET": "uploads", "RUNS_BUCKET": "distillation-runs"}
NAMES = {
    **BUCKETS,
    "REGISTRY_TABLE": "registry",
    "APPROVALS_TABLE": "approvals",
    "STATE_MACHINE_ARN": MACHINE,
    "TOPIC_ARN": TOPIC,
    "CUSTOMIZATION_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/customization",
    "BATCH_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/batch",
    "MODEL_KEY_ARN": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef",
    "ACCOUNT": ACCOUNT,
}
"""What CloudFormation would put into the Lambdas' variables."""

PSEUDO = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws"}
_REFERENCE = re.compile(r"<([^<>]+)>")

LAMBDA_MS = 900_000
SCHEDULE_S = 300.0
CYCLES = 60
"""Five hours of the schedule: longer than any deadline of an endpoint, and than a replaced one is kept."""

UNDER_WAY = ("Creating", "InService", "Updating", "Active", "InProgress", "Stopping", "Submitted", "Validating",
             "Scheduled", "Failed")  # fmt: skip


@dataclass(frozen=True)
class Function:
    """One Lambda of the templates: its module and its variables."""

    module: str
    variables: Mapping[str, str]
    memory: int = 512

    @property
    def folder(self) -> str:
        return self.module.split(".")[2]


class World:
    """The pipeline, deployed.

    Parameters
    ----------
    deployment : Deployment
        Templates of one environment.

    Attributes
    ----------
    log : io.StringIO
        What the Lambdas wrote.
    sent, returned : list
        What every state sent to its Lambda, and what came back.
    running : str
        Folder of the Lambda under way.
    functions : dict of str to Function
        The Lambdas by what refers to them.
    profiles : dict
        Logical id of each application inference profile by its ARN.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.clock = ManualClock()
        self.definition = deployment.definition()
        self.aws = Aws(self.clock)
        self.striker = Striker()
        self.striker.listen(self.aws.session.events)
        self.log = io.StringIO()
        self.sent: list[tuple[str, Json]] = []
        self.returned: list[tuple[str, Any]] = []
        self.executions: dict[str, Execution] = {}
        self.running = ""
        self.functions = dict(functions_of(deployment, {**PSEUDO, **self._make_profiles(deployment)}))
        for function in self.functions.values():  # now: whatever is imported later is imported in every copy
            importlib.import_module(function.module)
        self._words: dict[str, Any] = {}
        self.sts = FakeSts()
        self.aws.serve("lambda", self._lambda)
        self.aws.serve("sts", self._identity)
        self.aws.serve("sfn", self._step_functions)
        self._furnish()

    # What people and events do

    def put(self, bucket: str, key: str, body: bytes) -> str:
        """Put an object; its version."""
        return str(self.aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body).get("VersionId", "null"))

    def upload(self, key: str, body: bytes) -> str:
        """Upload what starts a run, and deliver its event; the run."""
        version = self.put("uploads", key, body)
        detail = {"bucket": {"name": "uploads"}, "object": {"key": key, "version-id": version}}
        self.call("start_run", {"detail": detail})
        return Upload("uploads", key, version).run_id

    def call(self, folder: str, payload: Json) -> Any:
        """Invoke a Lambda beside the machine, as the command line does; raises :class:`TaskFailed`."""
        return self._run(self._by_folder(folder), self._proven(folder, payload))

    def _proven(self, folder: str, payload: Json) -> Json:
        """Add the proof of who calls, where the verb is a person's and the payload has none."""
        act = proven_act(folder, payload)
        if act is None or "proof" in payload:
            return payload
        function = self._by_folder(folder).variables
        binding = Binding(environment=function["ENVIRONMENT"], registry=function["REGISTRY_TABLE"], **act)
        return {**payload, "proof": proof(ROOT, binding, self.clock.now(), endpoint=NOWHERE)}

    def execution(self, run_id: str, attempt: int = 1) -> Execution:
        return self.executions[f"{MACHINE.replace(':stateMachine:', ':execution:')}:{run_id}-{attempt}"]

    def close(self, execution: Execution) -> None:
        """Let the event of its end, and then the schedule, do their work until nothing is left to do."""
        name = execution.arn.rsplit(":", 1)[1]
        detail = {"executionArn": execution.arn, "name": name, "status": execution.status}
        self.call("reconcile_runs", {"detail": {**detail, "input": json.dumps(execution.given)}})
        run_id = str(execution.given["run_id"])
        for _ in range(CYCLES):
            self.pass_time(SCHEDULE_S)
            self.call("reconcile_runs", {})
            run = self.registry.run(run_id)
            if run.state == ENDED and run_id not in self.registry.slots() and not self.leaked() and not self.misled():
                return

    def look_after_until(self, moment: datetime) -> None:
        """Let the schedule do its work until some time."""
        while self.clock.now() < moment:
            self.pass_time(min(SCHEDULE_S, (moment - self.clock.now()).total_seconds()))
            self.call("reconcile_runs", {})

    def signing_time(self, remove_tzinfo: bool = True) -> datetime:
        """Give the time at which requests are signed."""
        now = self.clock.now()
        return now.replace(tzinfo=None) if remove_tzinfo else now

    # What tests look at

    @property
    def registry(self) -> Registry:
        return Registry(self._table)

    @property
    def tasks(self) -> TaskBook:
        return TaskBook(self._table)

    def run(self, run_id: str) -> Run:
        return self.registry.run(run_id)

    def living(self) -> list[Json]:
        """List what bills by the hour or is being trained or answered."""
        found = self.control("resources")
        kinds = ("jobs", "batch_jobs", "deployments", "throughputs")
        return [thing for kind in kinds for thing in found.get(kind, []) if thing["status"] in UNDER_WAY[:-1]]

    def leaked(self) -> list[str]:
        """Name what lives and no champion uses."""
        states = [self.tasks.state(task) for task in self.tasks.all_tasks()]
        champions = {state.champion.endpoint_arn for state in states if state.champion}
        return sorted(str(thing["arn"]) for thing in self.living() if thing["arn"] not in champions)

    def misled(self) -> list[str]:
        """Name the champions' endpoints that serve another model than the champion's."""
        found = self.control("resources")
        serves = {thing["arn"]: thing["model"] for kind in ("deployments", "throughputs") for thing in found[kind]}
        champions = [state.champion for state in map(self.tasks.state, self.tasks.all_tasks()) if state.champion]
        return [one.endpoint_arn for one in champions if serves.get(one.endpoint_arn) != one.model_arn]

    def paid(self) -> Counter[str]:
        """Count what was billed, by what it is; of training jobs those that came to their end."""
        bought: Counter[str] = Counter()
        world = self.aws.simulator.world
        for entry in world.billing:
            kind = entry.resource.split(":")[5].split("/")[0] if entry.resource.startswith("arn:") else ""
            what = (
                entry.model
                if kind in ("", "foundation-model", "inference-profile", "application-inference-profile")
                else kind
            )
            if entry.kind == "batch":  # an answer is the same answer, whichever way it was bought
                bought[f"converse {entry.model}"] += entry.requests
            elif entry.resource not in world.jobs:
                bought[f"{entry.kind} {what}"] += entry.requests
        for job in world.jobs.values():
            bought["training"] += job.status == "Completed"
        return bought

    def control(self, path: str) -> Json:
        """Ask the simulator's control API."""
        response = self.aws.simulator.handle(Request("GET", f"/_simulator/{path}", "", {}, b""))
        found: Json = json.loads(response.body)
        return found

    # What an execution acts on

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def invoke(self, state: str, function: str, payload: Json) -> Any:
        self.sent.append((state, payload))
        self.striker.state = state
        try:
            self.striker.before_lambda()
            result = self.striker.after_lambda(self._run(self.functions[function], payload, state))
        finally:
            self.striker.state = ""
        self.returned.append((state, result))
        return result

    def answer_to(self, state: str, token: str, timeout_s: int) -> Any:
        """Let the person who was asked say yes."""
        run_id = next(str(given["run_id"]) for name, given in reversed(self.sent) if name == state)
        run = self.run(run_id)
        word = {"run_id": run_id, "answer": "approved", "why": "it is good", "report_sha256": run.report_sha256,
                "expected_champion": self.expected_champion(run), "explicitly": True}  # fmt: skip
        try:
            self.call("answer_approval", word)
        except TaskFailed:  # nobody was asked: the state's own time passes
            self.pass_time(timeout_s)
        if token not in self._words:
            raise TaskFailed("States.Timeout", "nobody answered")
        return self._words[token]

    def expected_champion(self, run: Run) -> str | None:
        champion = self.tasks.state(run.task).champion
        return champion.run_id if champion else None

    # The Lambda service

    def _run(self, function: Function, payload: Json, state: str = "") -> Any:
        """Run a handler as a cold Lambda does; its exception becomes the error that Step Functions sees."""
        striker, before, caller = self.striker, self.striker.state, self.running
        striker.state, self.running = state, function.folder
        lambdas.workflow.stage.deployed_pipeline.cache_clear()
        handler = importlib.import_module(function.module).handler
        context = types.SimpleNamespace(get_remaining_time_in_millis=lambda: LAMBDA_MS)
        try:
            with mock.patch.dict(os.environ, function.variables), redirect_stdout(self.log):
                result = handler(json.loads(json.dumps(payload)), context)
            return json.loads(json.dumps(result))
        except LambdaDied:
            raise TaskFailed("Runtime.ExitError", "the process ended") from None
        except Exception as problem:
            cause = {"errorMessage": str(problem), "errorType": type(problem).__name__}
            raise TaskFailed(type(problem).__name__, json.dumps(cause)) from problem
        finally:
            striker.dead = False
            striker.state, self.running = before, caller
            lambdas.workflow.stage.deployed_pipeline.cache_clear()

    def _lambda(self, operation: str, request: Request) -> Answer:
        if operation == "ListFunctions":
            return 200, {}, json.dumps({"Functions": list(self._listed_functions())}).encode()
        assert operation == "Invoke", operation
        folder = request.path.split("/")[3]
        try:
            result, headers = self._run(self._by_folder(folder), json.loads(request.body)), {}
        except TaskFailed as failure:
            result, headers = json.loads(failure.cause), {"x-amz-function-error": "Unhandled"}
        return 200, headers, json.dumps(result).encode()

    def _listed_functions(self) -> Iterator[Json]:
        """List the Lambdas by the names that their stack gives them."""
        for one in {one.folder: one for one in self.functions.values()}.values():
            name = f"distillation-{one.variables['ENVIRONMENT']}-pipeline-{one.folder.title().replace('_', '')}-0"
            variables = {"Variables": dict(one.variables)}
            yield {"FunctionName": name, "MemorySize": one.memory, "Environment": variables}

    def _identity(self, _operation: str, request: Request) -> Answer:
        url = f"{NOWHERE}{request.path}?{request.query}"
        status, body = self.sts.answer(request.method, url, dict(request.headers), self.clock.now())
        return status, {}, body

    def _step_functions(self, operation: str, request: Request) -> Answer:
        given = json.loads(request.body)
        if operation == "SendTaskSuccess":
            self._words[given["taskToken"]] = json.loads(given["output"])
            return 200, {}, b"{}"
        if operation == "StartExecution":
            arn = f"{given['stateMachineArn'].replace(':stateMachine:', ':execution:')}:{given['name']}"
            if arn not in self.executions:
                self.executions[arn] = Execution(arn, self.definition, json.loads(given["input"]), self)
            return 200, {}, json.dumps({"executionArn": arn, "startDate": self.clock.now().timestamp()}).encode()
        if operation == "ListExecutions":
            at_work = [one for one in self.executions.values() if one.status == given["statusFilter"]]
            started = self.clock.now().timestamp()
            found = [{"executionArn": one.arn, "stateMachineArn": given["stateMachineArn"], "startDate": started,
                      "name": one.arn.rpartition(":")[2], "status": one.status} for one in at_work]  # fmt: skip
            return 200, {}, json.dumps({"executions": found}).encode()
        known = self.executions.get(given["executionArn"])
        if known is None:
            return 400, {}, b'{"__type": "ExecutionDoesNotExist", "message": "no such execution"}'
        if operation == "StopExecution":
            known.stop()
            return 200, {}, json.dumps({"stopDate": self.clock.now().timestamp()}).encode()
        assert operation == "DescribeExecution", operation
        return 200, {}, json.dumps({"executionArn": known.arn, "status": known.status}).encode()

    def _by_folder(self, folder: str) -> Function:
        return next(function for function in self.functions.values() if function.folder == folder)

    def _make_profiles(self, deployment: Deployment) -> dict[str, str]:
        """Make the application inference profiles; what refers to them, and their ids."""
        made: dict[str, str] = {}
        self.profiles: dict[str, str] = {}
        for name, properties in deployment.of_type("AWS::Bedrock::ApplicationInferenceProfile").items():
            source = _REFERENCE.sub(lambda found: PSEUDO[found[1]], text_of(properties["ModelSource"]["CopyFrom"]))
            arn = self.aws.client("bedrock").create_inference_profile(
                inferenceProfileName=properties["InferenceProfileName"], modelSource={"copyFrom": source}
            )["inferenceProfileArn"]
            made[f"{name}.InferenceProfileId"] = arn.rpartition("/")[2]
            self.profiles[arn] = name
        return made

    def _furnish(self) -> None:
        s3, dynamodb = self.aws.client("s3"), self.aws.client("dynamodb")
        for bucket in BUCKETS.values():
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self._table = create_registry(dynamodb, NAMES["REGISTRY_TABLE"])
        made_at = self.clock.now()

        def tell_time(parsed: Json, **_: object) -> None:  # the emulator's clock is another one
            if "Table" in parsed:
                parsed["Table"]["CreationDateTime"] = made_at

        self.aws.session.events.register("after-call.dynamodb.DescribeTable", tell_time)
        dynamodb.create_table(
            TableName=NAMES["APPROVALS_TABLE"],
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "run_id", "AttributeType": "S"}],
            KeySchema=keys("run_id", "")[:1],
        )
        self.aws.client("sns").create_topic(Name="notifications")


def functions_of(
    deployment: Deployment, known: Mapping[str, str], stack: str | None = None
) -> Iterator[tuple[str, Function]]:
    """Find a stack's Lambdas by what refers to them: their versions in the definition, their names in variables."""
    stack = stack or deployment.working_stack
    functions = deployment.of_type("AWS::Lambda::Function", stack)
    modules = {name: str(made["Handler"]).removesuffix(".handler") for name, made in functions.items()}
    known = {**known, **{name: module.split(".")[2] for name, module in modules.items()}}
    made = {}
    for name, properties in functions.items():
        given = properties["Environment"]["Variables"]
        variables = {key: _value(key, value, known) for key, value in given.items() if key != "PIPELINE_SETTINGS"}
        variables["PIPELINE_SETTINGS"] = _any_gate(deployment.settings.to_json())  # long ones lie in a layer
        made[name] = Function(modules[name], variables, int(properties["MemorySize"]))
        yield f"<{name}>", made[name]
    for version, properties in deployment.of_type("AWS::Lambda::Version", stack).items():
        yield f"<{version}>", made[properties["FunctionName"]["Ref"]]


def _any_gate(settings: str) -> str:
    """Let tasks ask for any gate, as on the embedded AWS: a few prompts are enough to be promoted then."""
    (open_environment,) = json.loads(ENVIRONMENTS.read_text()).values()
    return json.dumps({**json.loads(settings), "lowest_gate": open_environment["lowest_gate"]})


def _value(key: str, value: object, known: Mapping[str, str]) -> str:
    """Give a variable's text; a reference that nobody knows is an error, never a text in brackets."""
    if key in NAMES:
        return NAMES[key]
    return _REFERENCE.sub(lambda found: known[found[1]], text_of(value))


@contextmanager
def deployed(deployment: Deployment) -> Iterator[World]:
    """Deploy into this process; the pipeline's clients, clock and pauses are the world's until the end."""
    world = World(deployment)
    handler = lambdas.workflow.stage.logger.registered_handler
    timed = partial(lambdas.workflow.stage.Pipeline, now=world.clock.now)
    makers = [value for value in vars(clients).values() if hasattr(value, "cache_clear")]
    with (
        mock.patch.object(clients, "session", return_value=world.aws.session),
        mock.patch.object(lambdas.workflow.stage, "Pipeline", timed),
        mock.patch.object(handler, "stream", world.log),
        mock.patch.object(call_scheduler, "time", FastTime),
        mock.patch.object(call_scheduler, "queue", FastQueues),
        mock.patch.object(shared_limit, "time", FastTime),
        mock.patch.object(time, "sleep", without_pause),
        mock.patch.object(fastjsonschema, "compile", compiled_once),
        mock.patch.object(botocore.auth, "get_current_datetime", world.signing_time),
        mock.patch.object(UserAgentString, "to_string", return_value="faults"),  # a tenth of every call
    ):
        for maker in makers:
            maker.cache_clear()
        yield world
    for maker in makers:
        maker.cache_clear()
