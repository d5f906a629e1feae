"""An AWS account inside this process: the clients' own requests, answered without a socket.

Every boto3 client of the pipeline is made by one session; here its requests end at botocore's ``before-send`` event.
Bedrock and Service Quotas are answered by the simulator, S3, DynamoDB, SNS, SSM and CloudWatch by the emulator's own
code, Step Functions and Lambda by the world that runs them. Nothing waits, no port is open, and the whole account is
memory of this process: a fork of it is a copy of the account.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from botocore.awsrequest import AWSResponse
from ministack import app as emulator
from ministack.services import cloudwatch, dynamodb, s3, sns, ssm

from local.bedrock_simulator.clock import ManualClock
from local.bedrock_simulator.objects import S3ObjectStore
from local.bedrock_simulator.protocol.service import Request
from local.bedrock_simulator.settings import Settings
from local.bedrock_simulator.simulator import Simulator
from local.bedrock_simulator.subjects import load_rules
from tests.in_process import NOWHERE, Answer, emulated, received, response, session_without_network

RULES = "local.bedrock_simulator.rules.video_search_intent"
EMULATED: dict[str, Any] = {"s3": s3, "dynamodb": dynamodb, "sns": sns, "ssm": ssm, "cloudwatch": cloudwatch}
SIMULATED = ("bedrock", "bedrock-runtime", "service-quotas")

ACCOUNT_SETTINGS: dict[str, Any] = {
    "quotas": {"L-BE77399C": 2},
    "throughput_usd_per_unit_hour": 2.0,
    "durations": {"job": 100, "deployment": 20, "throughput": 20, "update": 20, "stop": 30, "batch": 300},
}

Service = Callable[[str, Request], Answer]


class Inline(Executor):
    """Work done where it is ordered: a fork copies memory and no threads."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except Exception as problem:  # noqa: BLE001 - whoever asks for the result gets it
            done.set_exception(problem)
        return done


class OwnObjects(S3ObjectStore):
    """The account's S3 as the simulated Bedrock reads and writes it."""

    def __init__(self, client: Any) -> None:
        self._client = client


@dataclass
class MemorySink:
    """CloudWatch has no part in a run but BakeStudent's, which a run without traffic needs none for."""

    data: list[Any] = field(default_factory=list)

    def put(self, data: list[Any]) -> None:
        self.data += data


class Aws:
    """The account.

    Parameters
    ----------
    clock : ManualClock
        The time of the account: jobs move on only when it is moved.

    Attributes
    ----------
    session
        Makes clients of this account.
    bodies : list of (service, text) or None
        What requests said, kept where somebody asks for it by putting a list here.
    beyond : dict of str to str
        Service to the address of a server, for requests that are to leave this process by HTTP.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.bodies: list[tuple[str, str]] | None = None
        self.beyond: dict[str, str] = {}
        self._services: dict[str, Service] = {}
        self._one_at_a_time = threading.RLock()
        self.session = session_without_network()
        answer: Any = self._send  # the stubs know handlers without an answer only
        self.session.events.register("before-send", answer)
        for module in EMULATED.values():
            module.reset()  # its state is the process's: the account before this one
        self.simulator = Simulator(
            OwnObjects(self.client("s3")), load_rules(RULES), clock, settings=Settings().changed(ACCOUNT_SETTINGS)
        )
        self.simulator.progress._pool = self.simulator.batches._pool = Inline()  # type: ignore[assignment]

    def client(self, service: str) -> Any:
        """Make a client of the account."""
        return self.session.client(service)  # type: ignore[call-overload]

    def serve(self, service: str, answer: Service) -> None:
        """Let somebody else answer for a service."""
        self._services[service] = answer

    def _send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        service, operation = event_name.split(".")[1:]
        if service in self.beyond:
            request.url = request.url.replace(NOWHERE, self.beyond[service], 1)
            return None
        return response(request, self._answer(service, operation, received(request)))

    def _answer(self, service: str, operation: str, request: Request) -> Answer:
        if self.bodies is not None:
            self.bodies.append((service, unquote_plus(request.body.decode(errors="replace"))))
        if service in SIMULATED:
            said = self.simulator.handle(request)
            return said.status, dict(said.headers), said.body
        if service in self._services:
            return self._services[service](operation, request)
        with self._one_at_a_time:
            return _emulated(EMULATED[service], request)


def _emulated(module: Any, request: Request) -> Answer:
    """Let the emulator answer what may be sent in chunks, as S3's bodies are."""
    headers = dict(request.headers)
    body = emulator._decode_aws_chunked_body(request.body, headers)
    return emulated(module, dataclasses.replace(request, headers=headers, body=body))
