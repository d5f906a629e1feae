"""Walk through a definition with given results of its Tasks: the path, the variables, and the history it would write.

It evaluates the real JSONata of the definition with the port of the reference implementation. Retries are not walked;
they are asserted on the definition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jsonata import Jsonata  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
EXECUTION: Json = {"Execution": {"Input": {"run_id": "run", "attempt": 1}}, "Task": {"Token": "token"}}

# History events of one visit (Step Functions API reference, HistoryEvent): entered and exited, and for a Task
# scheduled, started and succeeded; for a map its run's start and end.
EVENTS = {"Pass": 2, "Choice": 2, "Wait": 2, "Succeed": 2, "Fail": 1, "Task": 5, "Map": 5}
EVENTS_OF_EXECUTION = 2


class TaskFailed(Exception):
    """What a Task's result function raises to fail the Task."""

    def __init__(self, error: str, cause: str | None = "because") -> None:
        super().__init__(error)
        self.output = {"Error": error} | ({"Cause": cause} if cause is not None else {})


@dataclass
class Walk:
    """Where an execution went."""

    path: list[str] = field(default_factory=list)
    payloads: list[tuple[str, Json]] = field(default_factory=list)
    variables: Json = field(default_factory=dict)
    events: int = EVENTS_OF_EXECUTION
    waited_seconds: int = 0
    status: str = "RUNNING"
    error: str = ""
    cause: str = ""

    def visits(self, state: str) -> int:
        return self.path.count(state)

    def last_payload(self, state: str) -> Json:
        return [payload for name, payload in self.payloads if name == state][-1]


class Walker:
    """Walks one definition.

    Parameters
    ----------
    definition : dict
        The state machine's.
    result_of : callable
        Gives the result of a Task or map from its state's name and what it was sent (``{}`` for a map); may raise
        :class:`TaskFailed`.
    more_input
        Fields of the execution's input beside run and attempt.
    """

    def __init__(self, definition: Json, result_of: Callable[[str, Json], Any], **more_input: Any) -> None:
        self._definition = definition
        self._result_of = result_of
        self._walk = Walk()
        self._states: Json = {}
        execution = {"Input": {**EXECUTION["Execution"]["Input"], **more_input}}
        self._context: Json = {**EXECUTION, "Execution": execution}

    def walk(self) -> Walk:
        name: str | None = self._definition["StartAt"]
        value: Any = self._context["Execution"]["Input"]
        while name is not None:
            state = self._definition["States"][name]
            self._walk.path.append(name)
            self._walk.events += EVENTS[state["Type"]]
            self._states = {"context": self._context, "input": value}
            name, value = self._step(name, state, value)
        return self._walk

    def _step(self, name: str, state: Json, value: Any) -> tuple[str | None, Any]:
        kind = state["Type"]
        if kind == "Choice":
            return self._choose(state), value
        if kind in ("Succeed", "Fail"):
            self._end(state)
            return None, value
        if kind in ("Task", "Map"):
            return self._call(name, state)
        if kind == "Wait":
            self._walk.waited_seconds += self._evaluated(state["Seconds"])
        self._assign(state)
        return state["Next"], value

    def _choose(self, state: Json) -> str:
        for rule in state["Choices"]:
            if self._evaluated(rule["Condition"]) is True:
                self._assign(rule)
                return str(rule["Next"])
        self._assign(state)
        return str(state["Default"])

    def _end(self, state: Json) -> None:
        self._walk.status = "SUCCEEDED" if state["Type"] == "Succeed" else "FAILED"
        if state["Type"] == "Fail":
            self._walk.error, self._walk.cause = self._evaluated(state["Error"]), self._evaluated(state["Cause"])

    def _call(self, name: str, state: Json) -> tuple[str, Any]:
        sent: Json = {}
        if state["Type"] == "Task":
            sent = self._evaluated(state["Arguments"]["Payload"])
            self._walk.payloads.append((name, sent))
        else:
            assert isinstance(self._evaluated(state["Items"]), list)
        try:
            self._states["result"] = self._result_of(name, sent)
        except TaskFailed as failure:
            self._states["errorOutput"] = failure.output
            [catcher, *_] = [
                catcher
                for catcher in state["Catch"]
                if {failure.output["Error"], "States.ALL"} & set(catcher["ErrorEquals"])
            ]
            self._assign(catcher)
            return str(catcher["Next"]), self._evaluated(catcher.get("Output", failure.output))
        output = self._evaluated(state["Output"])
        self._assign(state)
        return str(state["Next"]), output

    def _assign(self, holder: Json) -> None:
        new = {name: self._evaluated(value) for name, value in holder.get("Assign", {}).items()}
        self._walk.variables.update(new)

    def _evaluated(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._evaluated(item) for key, item in value.items()}
        if not (isinstance(value, str) and value.startswith("{%")):
            return value
        expression = Jsonata(value.removeprefix("{%").removesuffix("%}").strip())
        result = expression.evaluate(None, {"states": self._states, **self._walk.variables})
        # On AWS an undefined result is States.QueryEvaluationError.
        assert result is not None or "null" in value, f"{value} gives nothing"
        return result
