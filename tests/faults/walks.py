"""What Lambdas beside the machine do: bring a champion back, and give up what nobody asks."""

from __future__ import annotations

from tests.faults.scenarios import finish, upload
from tests.faults.world import World

DAY_S = 86_400.0


def roll_back(world: World) -> None:
    """A second student serves, and the first is brought back."""
    for day in ("of the first day", "of the second day"):
        finish(world, upload(world, "rolled", day))
    for _ in range(50):
        if world.call("roll_back_champion", {"task": "rolled", "why": "it was better"})["status"] != "IN_PROGRESS":
            return
        world.pass_time(60)
    raise AssertionError("the rollback does not end")


def leave_idle(world: World) -> None:
    """Nobody asks a champion: its throughput is given up for a deployment."""
    finish(world, upload(world, "idle", "of the day"))
    world.pass_time(120 * DAY_S)
    for _ in range(10):
        world.call("reap_idle_throughput", {"reap": "delete_idle"})
        world.pass_time(600)
    world.call("reap_idle_throughput", {})
