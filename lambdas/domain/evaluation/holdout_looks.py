"""Whether two holdouts are looks at the same records, told by a few of their ids.

A holdout to which a line was added is not another one: who uploads again and again would have a first look each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SKETCH = 32
"""Ids that stand for a holdout: its smallest, which are hashes and so a sample that any two holdouts draw alike."""

SAME_SHARE = 0.5
"""Share of a holdout's records that an earlier one had, from which on both are looks at the same records."""


def sketch(ids: Iterable[str]) -> list[str]:
    """Give the ids that stand for a holdout, in their order."""
    return sorted(set(ids))[:SKETCH]


def share_seen(earlier: Sequence[str], present: Sequence[str]) -> float:
    """Estimate the share of the present holdout's records, 0 to 1, that an earlier one had.

    Parameters
    ----------
    earlier, present : sequence of str
        As :func:`sketch` gives them. Where one is cut, nothing is known of ids behind its last.
    """
    ends = [found[-1] for found in (earlier, present) if len(found) >= SKETCH]
    here, there = ({one for one in found if not ends or one <= min(ends)} for found in (present, earlier))
    return len(here & there) / len(here) if here else 0.0


def look_number(
    run_id: str, runs: Sequence[str], sketches: Sequence[Sequence[str]], present: Sequence[str], verdict: int = 1
) -> int:
    """Number a run's look at its holdout, from 1: one more than the earlier verdicts on most of its records.

    Parameters
    ----------
    run_id : str
    runs : sequence of str
        In the order of their verdicts, each as often as it had one; a verdict that is not among them is the last.
    sketches : sequence of sequence of str
        Of their holdouts.
    present : sequence of str
        Of this one.
    verdict : int
        Which of the run's own verdicts it is, from 1.
    """
    own = [place for place, one in enumerate(runs) if one == run_id]
    before = own[verdict - 1] if len(own) >= verdict else len(runs)
    return 1 + sum(share_seen(one, present) >= SAME_SHARE for one in sketches[:before])
