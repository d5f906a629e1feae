"""Step Functions executions: how they start and how they end."""

from __future__ import annotations

import contextvars
import json
import threading
from typing import Any

from ministack.services import stepfunctions


def repeated_start_of_a_running_execution_succeeds() -> None:
    """Answer a repeated StartExecution as AWS does: with the execution that is already running.

    Under AWS a second call with the same name and the same input answers 200 while the first one runs; the emulator
    answers ExecutionAlreadyExists at once. Other input, or an execution that has ended, is refused by both.
    """
    stock = stepfunctions._start_execution

    def start_execution(data: dict[str, Any]) -> Any:
        machine = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
        if machine is not None and data.get("name"):
            arn = f"{machine.replace(':stateMachine:', ':execution:')}:{data['name']}"
            running = stepfunctions._executions.get(arn)
            if running and running["status"] == "RUNNING" and running["input"] == data.get("input", "{}"):
                return stepfunctions.json_response({"executionArn": arn, "startDate": running["startDate"]})
        return stock(data)

    stepfunctions._start_execution = start_execution


def machine_timeout_ends_the_execution() -> None:
    """Enforce the machine's ``TimeoutSeconds``, which the emulator ignores."""
    stock = stepfunctions._run_execution

    def expire(execution: dict[str, Any]) -> None:
        if execution["status"] != "RUNNING":
            return
        execution.update(status="TIMED_OUT", error="States.Timeout", cause=None, stopDate=stepfunctions.now_iso())
        stepfunctions._add_event(
            execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
        )
        stepfunctions._emit_execution_status_event(execution)

    def run_execution(arn: str) -> None:
        execution = stepfunctions._executions[arn]
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) or {"definition": "{}"}
        limit = json.loads(machine["definition"]).get("TimeoutSeconds")
        if limit is None:
            stock(arn)
            return
        timer = threading.Timer(limit, contextvars.copy_context().run, (expire, execution))
        timer.daemon = True
        timer.start()
        try:
            stock(arn)
        finally:
            timer.cancel()

    stepfunctions._run_execution = run_execution


class _ExecutionEnded(Exception):
    """Unwinds the thread of an execution that was stopped or timed out; matches no Retry and no Catch."""


def ended_executions_stay_ended() -> None:
    """Let a stopped or timed-out execution do nothing more.

    The emulator finishes the current task first. If that fails, it retries it, and then reports the stopped execution
    as FAILED, with a second status event; and the children of a Distributed Map run on to the last item.
    """
    stock_arguments, stock_fail = stepfunctions._apply_jsonata_arguments, stepfunctions._fail_execution

    def apply_jsonata_arguments(state: dict[str, Any], raw_input: Any, ctx: dict[str, Any] | None = None) -> Any:
        # Evaluated before every attempt of every task, in children of a map too, where the Id is the parent's.
        execution = stepfunctions._executions.get((ctx or {}).get("Execution", {}).get("Id"))
        if execution is not None and execution["status"] != "RUNNING":
            raise _ExecutionEnded(execution["executionArn"])
        return stock_arguments(state, raw_input, ctx)

    def fail_execution(execution: dict[str, Any], error: str, cause: str | None) -> None:
        if execution["status"] == "RUNNING":
            stock_fail(execution, error, cause)

    stepfunctions._apply_jsonata_arguments = apply_jsonata_arguments
    stepfunctions._fail_execution = fail_execution


def assigned_variables_see_the_old_values() -> None:
    """Evaluate all entries of an ``Assign`` before any of them takes effect.

    Under AWS ``{"a": "{% $a + 1 %}", "previous": "{% $a %}"}`` keeps the old value in ``previous``; the emulator
    evaluates one entry after the other, each with the new values of those before it.
    """
    stock = stepfunctions._apply_state_assign

    def apply_state_assign(state: dict[str, Any], raw_input: Any, ctx: dict[str, Any] | None, **values: Any) -> None:
        if ctx is None or stepfunctions._state_query_language(state, ctx) != "JSONata":
            return
        assigned: dict[str, Any] = {}
        for name, template in (state.get("Assign") or {}).items():
            scratch = {**ctx, "variables": dict(ctx.get("variables", {}))}
            stock({**state, "Assign": {name: template}}, raw_input, scratch, **values)
            assigned[name] = scratch["variables"][name]
        ctx.setdefault("variables", {}).update(assigned)

    stepfunctions._apply_state_assign = apply_state_assign
