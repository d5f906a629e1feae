"""Parts of which the states are made: Amazon States Language with JSONata."""

from __future__ import annotations

from typing import Any

from lambdas.domain.errors import permanent_error_names

State = dict[str, Any]
States = dict[str, State]

INPUT = "$states.context.Execution.Input"
RUN = {"run_id": f"{{% {INPUT}.run_id %}}", "attempt": f"{{% {INPUT}.attempt %}}"}

NO_RETRY: State = {"ErrorEquals": permanent_error_names(), "MaxAttempts": 0}
RETRY: State = {
    "ErrorEquals": ["States.ALL"],
    "IntervalSeconds": 2,
    "BackoffRate": 2,
    "MaxAttempts": 5,
    "MaxDelaySeconds": 60,
    "JitterStrategy": "FULL",
}
FAILED: State = {
    "ErrorEquals": ["States.ALL"],
    # Not a variable "error": that is a function of JSONata.
    "Assign": {"outcome": "FAILED", "failure": "{% $states.errorOutput %}"},
    "Next": "ReleaseResources",
}
IS_COMPLETED = '{% $states.input.status = "COMPLETED" %}'


def counted(polls: str) -> dict[str, str]:
    """Assign one more to a counter."""
    return {polls: f"{{% ${polls} + 1 %}}"}


def overdue(polls: str, limit: int, setting: str) -> State:
    """Choose the way out of a loop that has reached its deadline.

    Parameters
    ----------
    polls : str
        Counter of the loop.
    limit : int
        Polls that the deadline allows.
    setting : str
        The setting from which the limit comes: the person who reads the error can change it.
    """
    cause = f"not finished after {limit} polls: the deadline is '{setting}' of the environment's settings in cdk.json"
    return {
        "Condition": f"{{% ${polls} >= {limit} %}}",
        "Assign": {"outcome": "FAILED", "failure": {"Error": "DeadlineExceeded", "Cause": cause}},
        "Next": "ReleaseResources",
    }


def poll_loop(stage: str, task: State, *, check: str, ways_out: list[State], pause: str, seconds: int | str) -> States:
    """Call a stage until it is done: Task, Choice, Wait, and again.

    Parameters
    ----------
    stage : str
        Name of the Task's state.
    task : State
        The Task, which goes on to ``check``.
    check : str
        Name of the Choice.
    ways_out : list of State
        Rules that leave the loop.
    pause : str
        Name of the Wait.
    seconds : int or str
        Length of the pause, or an expression.
    """
    return {
        stage: task,
        check: {"Type": "Choice", "Choices": ways_out, "Default": pause},
        pause: wait(seconds, then=stage),
    }


def completed(then: str) -> State:
    """Leave a loop when the stage says that it is done."""
    return {"Condition": IS_COMPLETED, "Next": then}


def given_up(polls: str, limit: int, then: str) -> State:
    """Leave a loop after so many polls, without an error."""
    return {"Condition": f"{{% ${polls} >= {limit} %}}", "Next": then}


def only_if(condition: str, then: str) -> State:
    """Go on only at an explicit yes; everything else ends the run as REJECTED."""
    return {
        "Type": "Choice",
        "Choices": [{"Condition": condition, "Next": then}],
        "Default": "ReleaseResources",
        "Assign": {"outcome": "REJECTED"},
    }


def wait(seconds: int | str, *, then: str) -> State:
    """Pause between two polls, for a time or for what an expression says."""
    return {"Type": "Wait", "Seconds": seconds, "Next": then}
