"""What the present code stores has the shapes that the code of 70254ec gave it."""

from __future__ import annotations

from tests.stacks.templates import Deployment
from tests.stored.shapes import shapes
from tests.stored.snapshot import listening, stored, taken
from tests.stored.stories import busy_days, repeatable

_RUN = "distillation-runs runs/TASK/RUN/attempts/N/"
_KNOWN = "the simulated environment knows what a unit serves since; where nobody knows it is written as before"

CHANGED = {
    "registry TASK/history": "its lines are items of their own since; TaskBook.history reads both",
    f"{_RUN}evaluation/evaluation.json/needs_explicit_approval": "its "
    "reasons have names besides their sentences since; explicit_reasons reads both",
    "approvals APPROVAL/explicit": "as needs_explicit_approval",
    f"{_RUN}evaluation/evaluation.json/break_even/unit_requests_per_month: nothing": _KNOWN,
    f"{_RUN}report/report.json/break_even/unit_requests_per_month: nothing": _KNOWN,
    f"{_RUN}report/report.json/break_even/throughputs[]/units_at_": _KNOWN,
}
"""Beginning of the shapes of 70254ec that are written no more, and why nobody who reads either kind is misled."""


def test_the_same_days_are_stored_in_the_same_shapes(deployment: Deployment) -> None:
    # Given
    before = shapes(stored())
    # When the same days are played by the present code
    with repeatable(deployment) as (world, ids), listening(world, ids) as asked:
        busy_days(world)
        now = shapes(taken(world, ids, asked))
    # Then nothing is missing or has another name, type or word; what has come since may stand beside it
    print("\n".join(sorted(now - before)))
    gone = before - now
    assert sorted(shape for shape in gone if not shape.startswith(tuple(CHANGED))) == []
    assert [begin for begin in CHANGED if not any(shape.startswith(begin) for shape in gone)] == [], "it is still so"
