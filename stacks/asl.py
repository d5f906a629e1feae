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


def wait(seconds: int | str, *, then: str) -> State:
    """Pause between two polls, for a time or for what an expression says."""
    return {"Type": "Wait", "Seconds": seconds, "Next": then}
