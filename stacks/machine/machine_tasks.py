"""How the machine calls its Lambdas: one at a time, or one for each shard of a distributed map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.dataset.shards import TOLERATED_FAILURE_PERCENT
from stacks.machine.asl import (
    CATCH_ALL,
    GO_ON,
    NO_RETRY,
    RETRY,
    RUN,
    THROTTLED,
    THROTTLED_POLL,
    THROTTLED_SHARD,
    State,
    States,
    ask_again,
    counted,
    poll_later,
    quota_wait,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.domain.task.settings import Settings
    from stacks.machine.stage_function import StageFunction

TASK_MARGIN_SECONDS = 30
"""How much longer a Task may take than its Lambda, so that the Lambda's own time-out is what is reported."""


class MachineTasks:
    """Tasks and maps over the Lambdas of the stages.

    Parameters
    ----------
    stages : mapping
        Lambda folder to the Lambda of that stage.
    partition : str
        AWS partition.
    settings : Settings
        How many children of a map run at once, and how long quotas of the day are waited for.
    """

    def __init__(self, stages: Mapping[str, StageFunction], *, partition: str, settings: Settings) -> None:
        self._stages, self._partition, self._settings = stages, partition, settings

    def task(
        self, folder: str, *, payload: State | None = None, wait_for_answer: bool = False, **fields: object
    ) -> State:
        """Invoke the published version of a Lambda and pass on what it returned."""
        stage = self._stages[folder]
        sent = payload or dict(RUN)
        resource, output = "lambda:invoke", "{% $states.result.Payload %}"
        if wait_for_answer:
            sent["task_token"] = "{% $states.context.Task.Token %}"  # noqa: S105 - an expression
            resource, output = "lambda:invoke.waitForTaskToken", "{% $states.result %}"
        return {
            "Type": "Task",
            "Resource": f"arn:{self._partition}:states:::{resource}",
            "Arguments": {"FunctionName": stage.published_version(), "Payload": sent},
            "TimeoutSeconds": int(stage.timeout.to_seconds()) + TASK_MARGIN_SECONDS,
            "Retry": [NO_RETRY, THROTTLED, RETRY],
            "Catch": [CATCH_ALL],
            "Output": output,
            **fields,
        }

    def asking_task(self, folder: str, *, assign: State | None = None, then: str) -> State:
        """Invoke a Lambda that asks models, again while a quota of the day is used up."""
        task = self.task(folder, Next=then)
        if assign:
            task["Assign"] = assign
        return self._waiting(task)

    def _waiting(self, task: State) -> State:
        task["Retry"] = [*task["Retry"][:-1], quota_wait(self._settings.quota_tries), task["Retry"][-1]]
        return task

    def polling_task(
        self, folder: str, polls: str, *, check: str, going_on: str = "IN_PROGRESS", payload: State | None = None
    ) -> State:
        """Invoke a Lambda that is asked again until what it began is there.

        Parameters
        ----------
        folder : str
            Lambda folder.
        polls : str
            Counter of the loop.
        check : str
            The Choice that reads what the Lambda returned.
        going_on : str
            The status with which that Choice asks again.
        payload : dict, optional
            As of :meth:`task`.
        """
        task = self.task(folder, payload=payload, Assign=counted(polls), Next=check)
        task["Retry"] = [NO_RETRY, THROTTLED_POLL, RETRY]
        task["Catch"] = [poll_later(polls, status=going_on, then=check), *task["Catch"]]
        return task

    def watching_task(
        self, folder: str, loop: str, *, check: str, in_trouble: str, assign: State | None = None
    ) -> State:
        """Invoke a Lambda that watches paid work of hours: where it fails it is asked again at the next polls.

        A Retry long enough for an outage would begin anew at every poll, and could fill the execution's history.
        """
        counters = {**counted(f"{loop}_polls"), f"{loop}_troubles": 0}
        task = self.task(folder, Assign={**counters, **(assign or {})}, Next=check)
        del task["Retry"]
        later = poll_later(f"{loop}_polls", status="IN_PROGRESS", then=check)
        task["Catch"] = [later, *ask_again(loop, then=in_trouble)]
        return task

    def each_shard(self, label: str, *, shards: str, states: States, then: str) -> State:
        """Hand every shard to an execution of its own; children see nothing but what ItemSelector gives them."""
        return {
            "Type": "Map",
            "Label": label,
            "Items": f"{{% ${shards} %}}",
            "ItemSelector": {**RUN, "shard": "{% $states.context.Map.Item.Value %}"},
            "MaxConcurrency": self._settings.shards_at_once,
            "ToleratedFailurePercentage": TOLERATED_FAILURE_PERCENT,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": next(iter(states)),
                "States": states,
            },
            "Catch": [CATCH_ALL],
            "Output": {},
            "Next": then,
        }

    def shard_task(self, folder: str, *, asks_models: bool = False) -> State:
        """Invoke a Lambda for one shard, again while it makes progress; its failure fails the map, which catches it."""
        task = self.task(folder, payload={name: f"{{% $states.input.{name} %}}" for name in (*RUN, "shard")}, End=True)
        task["Retry"] = [NO_RETRY, GO_ON, THROTTLED_SHARD, RETRY]
        del task["Catch"]
        return self._waiting(task) if asks_models else task
