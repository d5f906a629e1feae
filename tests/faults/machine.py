"""The synthesized state machine, run one state after the other, so that somebody may look or strike between any two.

The states are those of the template, their JSONata is evaluated by the port of the reference implementation, and their
Tasks invoke the real handlers. Retries and Catches are walked; waiting moves the clock. An error that no Catch may
catch (Step Functions developer guide, error names: ``States.Runtime``, ``States.DataLimitExceeded``) fails the
execution as it stands.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

from jsonata import Jsonata  # type: ignore[import-untyped]

Json = dict[str, Any]
UNCATCHABLE = ("States.Runtime", "States.DataLimitExceeded")
SECONDS_A_TASK = 2.0
MOST_STATES = 3000
"""More than any deadline of the settings allows: a machine that goes on after that has no end."""


class TaskFailed(Exception):
    """A Task's error as Step Functions names it."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause

    def to_output(self) -> Json:
        return {"Error": self.error, "Cause": self.cause}


class Surroundings(Protocol):
    """What an execution acts on."""

    def invoke(self, state: str, function: str, payload: Json) -> Any:
        """Invoke a Lambda for a state; raises :class:`TaskFailed`."""

    def answer_to(self, state: str, token: str, timeout_s: int) -> Any:
        """Give what was sent for a task token; raises :class:`TaskFailed` where nobody answers in time."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""


@dataclass
class Execution:
    """One execution.

    Attributes
    ----------
    state : str or None
        The state that is entered next; ``None`` once it has ended.
    path : list of str
        States that were entered.
    """

    arn: str
    definition: Json
    given: Json
    around: Surroundings
    state: str | None = ""
    value: Any = None
    status: str = "RUNNING"
    path: list[str] = field(default_factory=list)
    variables: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state, self.value = self.definition["StartAt"], self.given

    def step(self) -> None:
        """Enter the next state and leave it."""
        assert self.state is not None, "the execution has ended"
        assert len(self.path) < MOST_STATES, f"the machine does not end: {self.path[-9:]}"
        name, state = self.state, self.definition["States"][self.state]
        self.path.append(name)
        frame = Frame(self.value, {"Execution": {"Input": self.given}, "Task": {"Token": f"{name}-{len(self.path)}"}})
        try:
            self.state, self.value = self._do(name, state, frame)
        except TaskFailed as failure:
            self.state, self.value = self._caught(state, failure, frame)

    def stop(self) -> None:
        """Do what StopExecution does: no Catch runs."""
        self.state, self.status = None, "ABORTED"

    def _do(self, name: str, state: Json, frame: Frame) -> tuple[str | None, Any]:
        match state["Type"]:
            case "Succeed" | "Fail":
                self.status = "SUCCEEDED" if state["Type"] == "Succeed" else "FAILED"
                return None, frame.input
            case "Choice":
                return self._choice(state, frame), frame.input
            case "Wait":
                self.around.pass_time(float(self._evaluated(state["Seconds"], frame)))
            case "Task":
                frame.result = self._task(name, state, frame)
            case "Map":
                frame.result = self._map(state, frame)
        output = self._evaluated(state["Output"], frame) if "Output" in state else frame.input
        self._assign(state, frame)
        return state["Next"], output

    def _choice(self, state: Json, frame: Frame) -> str:
        for rule in state["Choices"]:
            if self._evaluated(rule["Condition"], frame) is True:
                self._assign(rule, frame)
                return str(rule["Next"])
        self._assign(state, frame)
        return str(state["Default"])

    def _task(self, name: str, state: Json, frame: Frame) -> Any:
        """Invoke until it succeeds or no Retry is left."""
        tried: dict[int, int] = {}
        while True:
            try:
                return self._once(name, state, frame)
            except TaskFailed as failure:
                number, retrier = matching(state.get("Retry", []), failure.error)
                tried[number] = tried.get(number, -1) + 1
                if retrier is None or tried[number] >= retrier.get("MaxAttempts", 3):
                    raise
                pause = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** tried[number]
                self.around.pass_time(min(pause, retrier.get("MaxDelaySeconds", pause)))

    def _once(self, name: str, state: Json, frame: Frame) -> Any:
        arguments = self._evaluated(state["Arguments"], frame)
        self.around.pass_time(SECONDS_A_TASK)
        payload = self.around.invoke(name, arguments["FunctionName"], arguments["Payload"])
        if state["Resource"].endswith(".waitForTaskToken"):
            return self.around.answer_to(name, frame.context["Task"]["Token"], state["TimeoutSeconds"])
        return {"StatusCode": 200, "Payload": payload}

    def _map(self, state: Json, frame: Frame) -> list[Any]:
        """Run the children one after the other; they see nothing of the parent but what ItemSelector gives them."""
        results = []
        inner = state["ItemProcessor"]
        for index, item in enumerate(self._evaluated(state["Items"], frame)):
            frame.context["Map"] = {"Item": {"Index": index, "Value": item}}
            child = Execution(self.arn, inner, self._evaluated(state["ItemSelector"], frame), self.around)
            try:
                results.append(child.alone())
            except TaskFailed as failure:
                if failure.error in UNCATCHABLE:
                    raise
                raise TaskFailed("States.ExceedToleratedFailureThreshold", "a child of the map failed") from failure
        return results

    def alone(self) -> Any:
        """Run a map's child, of one Task that ends it."""
        name, state = self.definition["StartAt"], self.definition["States"][self.definition["StartAt"]]
        assert state["Type"] == "Task", "a child is one Task"
        assert state["End"], "a child is one Task"
        frame = Frame(self.given, {})
        frame.result = self._task(name, state, frame)
        return self._evaluated(state["Output"], frame)

    def _caught(self, state: Json, failure: TaskFailed, frame: Frame) -> tuple[str | None, Any]:
        frame.error_output = failure.to_output()
        _, catcher = matching(state.get("Catch", []), failure.error)
        if catcher is None:
            self.status = "FAILED"
            return None, frame.error_output
        try:
            self._assign(catcher, frame)
            # The error itself is no expression, though its cause may name one.
            output = self._evaluated(catcher["Output"], frame) if "Output" in catcher else frame.error_output
            return str(catcher["Next"]), output
        except TaskFailed:
            self.status = "FAILED"
            return None, frame.error_output

    def _assign(self, holder: Json, frame: Frame) -> None:
        self.variables |= {name: self._evaluated(value, frame) for name, value in holder.get("Assign", {}).items()}

    def _evaluated(self, value: Any, frame: Frame) -> Any:
        if isinstance(value, dict):
            return {key: self._evaluated(item, frame) for key, item in value.items()}
        if not (isinstance(value, str) and value.startswith("{%")):
            return value
        result = _expression(value).evaluate(None, {"states": frame.to_states(), **self.variables})
        if result is None and "null" not in value:
            raise TaskFailed("States.QueryEvaluationError", f"{value} gives nothing")
        return json.loads(json.dumps(result))


@dataclass
class Frame:
    """What ``$states`` is while one state is executed."""

    input: Any
    context: Json
    result: Any = None
    error_output: Json | None = None

    def to_states(self) -> Json:
        states = {"input": self.input, "context": self.context, "result": self.result}
        return states | ({"errorOutput": self.error_output} if self.error_output else {})


@cache
def _expression(text: str) -> Jsonata:
    return Jsonata(text.removeprefix("{%").removesuffix("%}").strip())


def matching(rules: list[Json], error: str) -> tuple[int, Json | None]:
    """Find the first Retry or Catch that matches an error."""
    for number, rule in enumerate(rules):
        names = rule["ErrorEquals"]
        if error in names or ("States.ALL" in names and error not in UNCATCHABLE):
            return number, rule
        if "States.TaskFailed" in names and error not in (*UNCATCHABLE, "States.Timeout"):
            return number, rule
    return -1, None
