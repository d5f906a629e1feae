"""What the present code stores has the shapes that the code of 70254ec gave it."""

from __future__ import annotations

from tests.stacks.templates import Deployment
from tests.stored.shapes import shapes
from tests.stored.snapshot import listening, stored, taken
from tests.stored.stories import busy_days, repeatable

CHANGED: dict[str, str] = {}
"""Shape of 70254ec that is written no more, and why nobody who reads the stored ones or the new ones is misled."""


def test_the_same_days_are_stored_in_the_same_shapes(deployment: Deployment) -> None:
    # Given
    before = shapes(stored())
    # When the same days are played by the present code
    with repeatable(deployment) as (world, ids), listening(world, ids) as asked:
        busy_days(world)
        now = shapes(taken(world, ids, asked))
    # Then nothing is missing or has another name, type or word; what has come since may stand beside it
    print("\n".join(sorted(now - before)))
    assert sorted(before - now - CHANGED.keys()) == []
    assert sorted(CHANGED.keys() - before) == [], "it never was"
