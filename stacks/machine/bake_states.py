"""The loops around BakeStudent: one while a new champion is watched, one while the former one is put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacks.machine.asl import State, States, completed, given_up, wait

if TYPE_CHECKING:
    from lambdas.domain.task.settings import Settings


def bake_states(settings: Settings, bake: State) -> States:
    """Put the Task into its loops; both lead to ReleaseResources.

    Parameters
    ----------
    settings : Settings
        Length and interval of the watch.
    bake : State
        The Task, which counts ``bake_polls`` and goes on to IsStudentBaked.
    """
    polls = settings.bake_polls
    over = f'{{% $states.input.status = "BAKING" and $bake_polls >= {polls} %}}'
    return {
        "WaitForTraffic": wait(settings.bake_poll_seconds, then="BakeStudent"),
        "BakeStudent": bake,
        "IsStudentBaked": {
            "Type": "Choice",
            "Choices": [
                completed(then="ReleaseResources"),
                {"Condition": over, "Next": "ReleaseResources"},
                # A rollback that lasts longer than any endpoint may is left to the schedule of reconcile_runs.
                given_up("bake_polls", polls + settings.rollback_polls, then="ReleaseResources"),
                {"Condition": '{% $states.input.status = "BAKING" %}', "Next": "WaitForTraffic"},
            ],
            "Default": "WaitForRollback",
        },
        "WaitForRollback": wait(settings.rollback_poll_seconds, then="BakeStudent"),
    }
