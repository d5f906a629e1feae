"""Bring registry, executions and resources into agreement. Every step is idempotent; two of these may run at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.costs.ledger import total_usd
from lambdas.domain.errors import ItemDamaged, PipelineError, RunNotFound, StopRefused
from lambdas.domain.identity import execution_name
from lambdas.domain.metrics import RUNS_ENDED, budget_used
from lambdas.domain.outcomes import FAILED, STOPPED
from lambdas.domain.serving.notification import unknown_run_message
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.messages import send_message
from lambdas.gateways.aws.service_errors import AWS_ERRORS, refusal
from lambdas.gateways.registry.resources import IN_USE, KEPT, Resource
from lambdas.gateways.registry.runs import ENDED, RUNNING, Run
from lambdas.operations.reconcile_runs.missed_uploads import find_missed
from lambdas.operations.reconcile_runs.reminders import remind
from lambdas.operations.reconcile_runs.settled_costs import settle_costs
from lambdas.workflow.stage import Pipeline, Result, iso, logger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.gateways.registry.champions import TaskState
    from lambdas.workflow.run_starter import Starter

ABORTED = "ABORTED"

WHY = {
    ABORTED: "somebody stopped the execution",
    "TIMED_OUT": "the execution ran longer than the state machine allows",
    "FAILED": "the execution failed where no Catch could help; see its history",
    "SUCCEEDED": "the execution ended without an outcome",
}


class ReconcileIncomplete(Exception):
    """Something could not be looked after, while everything else was: the queue of undelivered events tells people."""


@contextmanager
def _apart(what: str, failed: list[str]) -> Iterator[None]:
    """Let no failure of one thing keep the others from being looked after."""
    try:
        yield
    except Exception as problem:  # noqa: BLE001 - it is raised for all of them together at the end
        logger.exception("one thing could not be looked after", extra={"what": what})
        failed.append(f"{what} ({type(problem).__name__}: {str(problem)[:200]})")


class Reconciler:
    """Closes, releases and starts.

    Parameters
    ----------
    pipeline : Pipeline
    step_functions : Step Functions client
    functions : Lambda client
        Invokes ReleaseResources and PublishReport, so that their roles, not this one's, can delete and write.
    starter : Starter
    """

    def __init__(
        self, pipeline: Pipeline, step_functions: SFNClient, functions: LambdaClient, starter: Starter
    ) -> None:
        self._pipeline, self._starter = pipeline, starter
        self._step_functions, self._functions = step_functions, functions

    def execution_ended(self, detail: Mapping[str, Any]) -> Result:
        """Close the run of an execution and start the next in the queue."""
        given = json.loads(detail["input"])
        run = self._readable(str(given["run_id"]))
        closed = bool(run and run.attempt == int(given["attempt"]) and self._close(run, str(detail["status"])))
        return {"closed": closed, "started": self._starter.start_queued(self._now())}

    def _readable(self, run_id: str) -> Run | None:
        try:
            return self._pipeline.registry.find(run_id)
        except ItemDamaged:
            logger.exception("the run of an ended execution cannot be read")
            return None  # the schedule frees its slot

    def look_after_all(self) -> Result:
        """Close ended runs, start missing executions, release leftovers, start the queue.

        Each thing is looked after apart from the others: one that is broken stops nothing.

        Raises
        ------
        ReconcileIncomplete
            After everything else was done, naming what could not be looked after.
        """
        done = Result(closed=[], released=[], reminded=[], started=[], freed=[], missed=[])
        failed: list[str] = []
        for run_id in sorted(self._pipeline.registry.slots()):
            with _apart(f"run {run_id}", failed):
                self._look_after(run_id, done)
        for run_id in self._with_leftovers(failed):
            with _apart(f"the leftovers of run {run_id}", failed):
                run = self._pipeline.registry.run(run_id)
                self._release(run, run.outcome or FAILED)
                settle(self._pipeline, run)  # jobs that have ended since are in the ledger now
                done["released"].append(run_id)
        for task in list(self._pipeline.tasks.open_rollbacks()):
            with _apart(f"the rollback of task {task}", failed):
                self._invoke(self._pipeline.environment.rollback_function, {"task": task, "go_on": True})
        with _apart("uploads whose event never came", failed):
            start = self._pipeline.environment.start_function
            done["missed"] = find_missed(self._pipeline, lambda event: self._invoke(start, event))
        with _apart("the month", failed):
            self._settle_ended()
        with _apart("the queue", failed):
            done["started"] = self._starter.start_queued(self._now())
        with _apart("the list of runs", failed):
            settle_costs(self._pipeline, lambda run_id: _apart(f"the costs of run {run_id}", failed))
        if failed:
            raise ReconcileIncomplete(f"could not be looked after: {'; '.join(failed)}. All else was")
        return done

    def _settle_ended(self) -> None:
        """Settle what ended runs have reserved of the month, where the process that ended them did not come to it."""
        for month, run_id in list(self._pipeline.monthly.unsettled(self._pipeline.now())):
            run = self._readable(run_id)
            if run is None:
                self._pipeline.monthly.leave(month, run_id)
            elif run.state == ENDED:
                settle(self._pipeline, run)

    def _look_after(self, run_id: str, done: Result) -> None:
        try:
            run = self._pipeline.registry.run(run_id)
        except (RunNotFound, ItemDamaged) as problem:
            self._free_unknown(run_id, problem)
            done["freed"].append(run_id)
            return
        status = self._execution_status(run)
        if status is None and run.state == RUNNING:
            self._starter.start(run, self._now())
        elif status != RUNNING and self._close(run, status or FAILED):
            done["closed"].append(run_id)
        elif status == RUNNING:
            measure_budget(self._pipeline, run)
            if self._remind(run):
                done["reminded"].append(run_id)

    def _free_unknown(self, run_id: str, problem: PipelineError) -> None:
        """Free the slot of a run that nobody can read, and tell people once: the slot is gone the next time."""
        logger.error("the slot of an unreadable run is freed", extra={"run_id": run_id, "problem": str(problem)})
        environment = self._pipeline.environment
        self._pipeline.registry.free_slot(run_id)
        subject, text = unknown_run_message(environment=environment.name, run_id=run_id, problem=str(problem))
        send_message(clients.sns(), environment.topic_arn, subject, text)

    def stop(self, run_id: str, why: str) -> Result:
        """Stop a run for a person: its execution ends, and this function closes it as any that ended.

        Returns
        -------
        dict
            ``run_id`` and ``state``: RUNNING until its execution's end has been looked after, ENDED where it had none.

        Raises
        ------
        RunNotFound, StopRefused
            It has ended; nothing was changed.
        """
        run = self._pipeline.registry.run(run_id)
        if run.state == ENDED or not self._pipeline.registry.record_stop(run, {"why": why, "at": self._now()}):
            ended = self._pipeline.registry.run(run_id)
            raise StopRefused(f"run '{run_id}' has ended already: it is {ended.outcome}")
        name = execution_name(run_id, run.attempt)
        try:
            self._step_functions.stop_execution(
                executionArn=self._execution(run), error="Stopped", cause=why or "stopped by a person"
            )
        except ClientError as problem:
            if refusal(problem) != "ExecutionDoesNotExist":
                raise
            # It waits in the queue, or is about to begin: an ended run's execution does nothing.
            logger.info("there is no execution to stop", extra={"execution": name})
            self._close(self._pipeline.registry.run(run_id), ABORTED)
        return {"run_id": run_id, "state": self._pipeline.registry.run(run_id).state}

    def _close(self, run: Run, status: str) -> bool:
        """Give a run that ended without a report its release, its report and its end; then free its slot."""
        if run.state != ENDED:
            outcome = STOPPED if status == ABORTED else FAILED
            self._release(run, outcome)
            error = {"Error": f"Execution.{status}", "Cause": WHY.get(status, status)}
            payload = {"run_id": run.run_id, "attempt": run.attempt, "outcome": outcome, "error": error}
            self._invoke(self._pipeline.environment.report_function, payload)
            # Where the report could not be written: only an ended run is released again by the schedule, and retried.
            reason = f"{error['Cause']}; its report could not be written"
            if self._pipeline.registry.end(run.run_id, run.attempt, outcome, reason, self._now(), None):
                self._pipeline.meter.emit(RUNS_ENDED, 1, outcome)
        self._pipeline.registry.free_slot(run.run_id)
        settle(self._pipeline, run)
        return True

    def _remind(self, run: Run) -> bool:
        try:
            return remind(self._pipeline, clients.sns, run)
        except AWS_ERRORS:
            logger.exception("a reminder could not be sent")  # runs still have to be looked after
            return False

    def _release(self, run: Run, outcome: str) -> None:
        payload = {"run_id": run.run_id, "attempt": run.attempt, "outcome": outcome}
        self._invoke(self._pipeline.environment.release_function, payload)

    def _with_leftovers(self, failed: list[str]) -> list[str]:
        """Find ended runs with resources that should be gone, or whose keeping time has passed."""
        found: dict[str, None] = {}
        tasks: dict[str, TaskState] = {}
        for resource in self._pipeline.resources.open():
            if resource.run_id in found:
                continue
            with _apart(f"{resource.kind} {resource.name}", failed):
                if resource.task not in tasks:
                    tasks[resource.task] = self._pipeline.tasks.state(resource.task)
                if self._is_left_over(resource, tasks[resource.task]):
                    found[resource.run_id] = None
        return list(found)

    def _is_left_over(self, resource: Resource, task: TaskState) -> bool:
        waiting = resource.state == KEPT and str(resource.keep_until) > self._now()
        serving = resource.state == IN_USE and task.uses(resource.arn, self._pipeline.now())
        if serving or waiting or task.rollback:
            return False
        run = self._pipeline.registry.find(resource.run_id)
        return run is not None and run.state == ENDED

    def _execution_status(self, run: Run) -> str | None:
        try:
            return self._step_functions.describe_execution(executionArn=self._execution(run))["status"]
        except ClientError as problem:
            if refusal(problem) == "ExecutionDoesNotExist":
                return None
            raise

    def _execution(self, run: Run) -> str:
        machine = self._pipeline.environment.state_machine_arn
        return f"{machine.replace(':stateMachine:', ':execution:')}:{execution_name(run.run_id, run.attempt)}"

    def _invoke(self, function: str, payload: Result) -> None:
        """Invoke and wait; a function's own error is logged and left to the next schedule."""
        response = self._functions.invoke(FunctionName=function, Payload=json.dumps(payload).encode())
        if "FunctionError" in response:
            logger.error(
                "a function failed", extra={"function": function, "answer": response["Payload"].read().decode()}
            )

    def _now(self) -> str:
        return iso(self._pipeline.now())


def measure_budget(pipeline: Pipeline, run: Run) -> None:
    """Emit the share of the budget that a run has spent; before CheckRun has read the budget, nothing was."""
    budget_usd = run.facts.get("budget_usd")
    if budget_usd:
        pipeline.meter.emit_all([budget_used(total_usd(pipeline.registry.ledger(run.run_id)), float(budget_usd))])


def settle(pipeline: Pipeline, run: Run) -> None:
    """Release what a run reserved of the month and has not spent."""
    spent = total_usd(pipeline.registry.ledger(run.run_id))
    pipeline.monthly.settle(run.run_id, run.attempt, spent, pipeline.now())
