"""What can go wrong in one state, and how it is done to the real stage: at its clients, or at its Lambda."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from tests.faults.machine import TaskFailed

SERVICE, ANSWER_LOST, DIES, LAMBDA, LATE, RESULT, KILL, KILL_INSIDE = (
    "service error", "answer lost", "dies after", "Lambda error", "dies at its end", "malformed result",
    "killed before", "killed inside",
)  # fmt: skip

RUNTIME_EXIT, OUT_OF_MEMORY = "Runtime.ExitError", "Runtime.OutOfMemory"
LAMBDA_ERRORS = {
    "States.Timeout": "the Task's own time-out",
    "Sandbox.Timedout": "the Lambda's time-out, as newer runtimes report it",
    "Lambda.Unknown": "an error of which Lambda says nothing",
    RUNTIME_EXIT: "the process ended",
    OUT_OF_MEMORY: "the process was ended for its memory",
    "Lambda.TooManyRequestsException": "no capacity left for the account",
    "Lambda.ServiceException": "Lambda's own error",
    "Lambda.AWSLambdaException": "Lambda's own error",
    "Lambda.SdkClientException": "Lambda could not be reached",
    "States.TaskFailed": "any other failure",
    "States.Runtime": "an error that no Catch catches",
    "States.DataLimitExceeded": "a result that is too large, which no Catch catches",
}
"""Errors of a Task that invokes a Lambda (Step Functions guide, error names and Lambda service exceptions)."""

MALFORMED: dict[str, Any] = {"nothing": None, "a text": "ok", "an empty object": {}, "a list": []}


class LambdaDied(BaseException):
    """The process is gone: nothing catches this, and nothing that is still run has an effect."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong in one state of the first attempt.

    Attributes
    ----------
    scenario, state : str
        Where: the state as the machine names it, or the state inside a map.
    kind : str
        One of the kinds above.
    service, operation : str
        botocore's names, for faults at a client.
    error : str
        The error's name, or which malformed result.
    count : int or None
        How often it strikes; ``None`` as long as the attempt lasts.
    """

    scenario: str
    state: str
    kind: str
    service: str = ""
    operation: str = ""
    error: str = ""
    count: int | None = None

    def __str__(self) -> str:
        what = " ".join(part for part in (self.operation, self.error) if part)
        often = "" if self.kind in (KILL, KILL_INSIDE) else " once" if self.count == 1 else " always"
        return f"{self.scenario}/{self.state}: {self.kind} {what}{often}".replace("  ", " ")


@dataclass
class Striker:
    """Does a fault to what it concerns; does nothing while none is armed."""

    fault: Fault | None = None
    hits: int = 0
    state: str = ""
    dead: bool = False
    inside: Any = None
    called: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def listen(self, events: Any) -> None:
        """Listen to every client of a session."""
        events.register("before-call", self.before_call)
        events.register("after-call", self.after_call)

    # At the client

    def before_call(self, model: Any, event_name: str, **_: Any) -> None:
        if self.dead:
            raise LambdaDied
        service, operation = event_name.split(".")[1:]
        self.called.setdefault(self.state, set()).add((service, operation))
        if self._strikes(KILL_INSIDE, service, operation):
            self.inside()
        if self._strikes(SERVICE, service, operation):
            raise refusal(model, str(self.fault and self.fault.error), operation)

    def after_call(self, http_response: Any, event_name: str, **_: Any) -> None:
        service, operation = event_name.split(".")[1:]
        if http_response.status_code >= 300:
            return
        if self._strikes(ANSWER_LOST, service, operation):
            raise ReadTimeoutError(endpoint_url="https://aws")
        if self._strikes(DIES, service, operation):
            self.dead = True
            raise LambdaDied

    # At the Lambda

    def before_lambda(self) -> None:
        if self._strikes(LAMBDA):
            error = str(self.fault and self.fault.error)
            raise TaskFailed(error, LAMBDA_ERRORS[error])

    def after_lambda(self, result: Any) -> Any:
        if self._strikes(LATE):
            raise TaskFailed(RUNTIME_EXIT, LAMBDA_ERRORS[RUNTIME_EXIT])
        if self._strikes(RESULT):
            return MALFORMED[str(self.fault and self.fault.error)]
        return result

    def _strikes(self, kind: str, service: str = "", operation: str = "") -> bool:
        fault = self.fault
        if fault is None or (fault.kind, fault.state, fault.service, fault.operation) != (
            kind, self.state, service, operation,
        ):  # fmt: skip
            return False
        with self._lock:
            if fault.count is not None and self.hits >= fault.count:
                return False
            self.hits += 1
            return True


def refusal(model: Any, error: str, operation: str) -> ClientError:
    """Make the error as botocore would have parsed it, after its own retries."""
    shapes = {shape.name: shape for shape in model.error_shapes}
    known = shapes[error].metadata.get("error", {}) if error in shapes else {}
    code = known.get("code", error)
    status = known.get("httpStatusCode", 500 if shapes.get(error) and shapes[error].metadata.get("fault") else 400)
    response: Any = {
        "Error": {"Code": code, "Message": f"{code} by order of a test"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
    }
    return ClientError(response, operation)
