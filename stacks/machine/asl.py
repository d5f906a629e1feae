"""Parts of which the states are made: Amazon States Language with JSONata."""

from __future__ import annotations

from typing import Any

from lambdas.domain.errors import DailyQuotaUsed, OutOfTime, permanent_error_names
from lambdas.domain.outcomes import FAILED, REJECTED
from lambdas.domain.task.settings import QUOTA_TRY_SECONDS

State = dict[str, Any]
States = dict[str, State]

SHARD_HOURS = 24
"""What log, teacher and holdout shards may take beside every deadline of the settings: the machine's own margin."""

LAMBDAS_AN_HOUR = 4
"""How often a Lambda's longest time, 15 minutes, goes into an hour."""

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
THROTTLED_ERROR = "Lambda.TooManyRequestsException"
"""What Step Functions calls it where the account runs no more Lambdas at once (a new account: 10)."""

THROTTLED: State = {
    "ErrorEquals": [THROTTLED_ERROR],
    "IntervalSeconds": 5,
    "BackoffRate": 2,
    "MaxAttempts": 60,
    "MaxDelaySeconds": 60,
    "JitterStrategy": "FULL",
}
"""Nothing is wrong and nothing was begun: half an hour is waited, twice the time of the longest Lambda."""

THROTTLED_SHARD: State = {**THROTTLED, "MaxAttempts": 480}
"""A shard waits for hours: the others may be many, and each may take a Lambda's longest time."""

THROTTLED_POLL: State = {**THROTTLED, "MaxAttempts": RETRY["MaxAttempts"]}
"""A poll waits no longer than after any error, since that begins anew at every poll: the next one comes anyway."""

GO_ON: State = {
    "ErrorEquals": [OutOfTime.__name__],
    "IntervalSeconds": 1,
    "BackoffRate": 1,
    "MaxAttempts": SHARD_HOURS * LAMBDAS_AN_HOUR - 1,
}
"""A shard that a small quota makes slow is not a failure: its next Lambda goes on where the last one stopped."""
CATCH_ALL: State = {
    "ErrorEquals": ["States.ALL"],
    # Not a variable "error": that is a function of JSONata.
    "Assign": {"outcome": FAILED, "failure": "{% $states.errorOutput %}"},
    "Next": "ReleaseResources",
}
OUTAGE_SECONDS = 3600
"""How long services may fail at the polls of paid work before the run does."""

NOT_UNDERSTOOD = (
    "the state before this Choice returned what the machine does not know; the log of its Lambda has the result"
)
WAITS_FOR = "$states.input.waits_for"
"""What a stage says that it cannot go on without, for example a quota: the deadline's message repeats it."""

IS_COMPLETED = '{% $states.input.status = "COMPLETED" %}'


def quota_wait(tries: int) -> State:
    """Wait for a quota of the day: where one is used up nothing else helps, and nothing that bills by the hour is held.

    Not with PromoteStudent, which may have created a throughput: that one fails, releases and reports.
    """
    return {
        "ErrorEquals": [DailyQuotaUsed.__name__],
        "IntervalSeconds": QUOTA_TRY_SECONDS,
        "BackoffRate": 1,
        "MaxAttempts": tries,
    }


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
    waits_for = f'$exists({WAITS_FOR}) ? ". It waited for this: " & {WAITS_FOR} : ""'
    said = f'{{% "{cause}" & ({waits_for}) %}}'
    return {
        "Condition": f"{{% ${polls} >= {limit} %}}",
        "Assign": {"outcome": FAILED, "failure": {"Error": "DeadlineExceeded", "Cause": said}},
        "Next": "ReleaseResources",
    }


def poll_loop(
    stage: str,
    task: State,
    *,
    check: str,
    ways_out: list[State],
    pause: str,
    seconds: int | str,
    otherwise: State | None = None,
) -> States:
    """Call a stage until it is done: Task, Choice, Wait, and again.

    What is in progress is paid for: so a broken answer ends nothing, and the stage is asked again until the deadline.

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
    otherwise : State, optional
        What the Choice does where no rule holds, if not to pause.
    """
    return {
        stage: task,
        check: {"Type": "Choice", "Choices": ways_out, **(otherwise or {"Default": pause})},
        pause: wait(seconds, then=stage),
    }


def poll_later(polls: str, *, status: str, then: str) -> State:
    """Catch a poll whose Lambda was throttled to the end: it counts as one that found the work going on."""
    going_on = {"Assign": counted(polls), "Output": {"status": status}}
    return {"ErrorEquals": [THROTTLED_ERROR], **going_on, "Next": then}


def ask_again(loop: str, *, then: str) -> list[State]:
    """Catch what fails at a poll of paid work: a permanent error ends the run, any other is left to the next poll.

    Parameters
    ----------
    loop : str
        Prefix of the loop's counters. A failed poll is one of its polls, so that no error adds to the history or to
        the deadline.
    then : str
        The Choice of :func:`out_of_reach`.
    """
    trouble = {**counted(f"{loop}_polls"), **counted(f"{loop}_troubles"), "trouble": "{% $states.errorOutput %}"}
    return [
        {**CATCH_ALL, "ErrorEquals": permanent_error_names()},
        {"ErrorEquals": ["States.ALL"], "Assign": trouble, "Next": then},
    ]


def out_of_reach(loop: str, *, limit: int, seconds: int | str, pause: str) -> State:
    """Fail with the error of the last poll where too many failed one after the other, else pause before the next.

    Too many are those of an outage, and no fewer than a Retry would give. ``seconds`` between polls may be a variable.
    """
    fewest, troubles = RETRY["MaxAttempts"], f"${loop}_troubles"
    lasting = f"{troubles} > {fewest} and ({troubles} - 1) * {seconds} >= {OUTAGE_SECONDS}"
    over = f"{lasting} or ${loop}_polls >= {limit}"
    failed = {"outcome": FAILED, "failure": "{% $trouble %}"}
    ways_out = [{"Condition": f"{{% {over} %}}", "Assign": failed, "Next": "ReleaseResources"}]
    return {"Type": "Choice", "Choices": ways_out, "Default": pause}


def in_progress(then: str) -> State:
    """Go round once more only where the stage says that it goes on."""
    return {"Condition": '{% $states.input.status = "IN_PROGRESS" %}', "Next": then}


def completed(then: str) -> State:
    """Leave a loop when the stage says that it is done."""
    return {"Condition": IS_COMPLETED, "Next": then}


def given_up(polls: str, limit: int, then: str) -> State:
    """Leave a loop after so many polls, without an error."""
    return {"Condition": f"{{% ${polls} >= {limit} %}}", "Next": then}


def only_if(condition: str, *, then: str, rejected_if: str) -> State:
    """Go on only at an explicit yes, and end the run as REJECTED only at an explicit no."""
    return {
        "Type": "Choice",
        "Choices": [
            {"Condition": condition, "Next": then},
            {"Condition": rejected_if, "Assign": {"outcome": REJECTED}, "Next": "ReleaseResources"},
        ],
        **unknown(then="ReleaseResources"),
    }


def unknown(then: str) -> State:
    """Let a Choice fail the run at what it does not know: a broken answer is not a verdict. The first error is kept."""
    malformed = f'{{"Error": "MalformedResult", "Cause": "{NOT_UNDERSTOOD}"}}'
    failure = f"{{% $exists($failure.Error) ? $failure : {malformed} %}}"
    return {"Default": then, "Assign": {"outcome": FAILED, "failure": failure}}


def wait(seconds: int | str, *, then: str) -> State:
    """Pause between two polls, for a time or for what an expression says."""
    return {"Type": "Wait", "Seconds": seconds, "Next": then}
