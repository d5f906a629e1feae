"""How records are cut into shards, and what a map over them may lose: nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lambdas.domain.dataset.records import PARTITIONS, Record

RECORDS_A_SHARD = {"teacher": 250, "holdout": 90}
"""Most records that one Lambda answers while there are partitions for it; at the largest sizes, 391 for the teacher,
157 of the holdout. With two-second calls, four at once, these take four minutes, and seven for 785 verdicts, of the
fifteen that a Lambda may run; one that is slower goes on where it stopped. While the first answers of a shard are on
their way its judge has nothing to do, so shards of the holdout are not smaller."""

LEAST_RECORDS_A_SHARD = 25
"""About as few as the last shards may have: smaller ones would be all beginning and end."""

TOLERATED_FAILURE_PERCENT = 0
"""Share of shards that may fail before their map fails, in percent; ``ToleratedFailurePercentage`` of every map.

A missing shard leaves records without an answer or without a verdict, and a mean over the rest would hide them. A shard
that fails is tried again by its own Task first.
"""

MAP_FAILED = "States.ExceedToleratedFailureThreshold"
"""Error of a map of which more children failed than it tolerates (Step Functions developer guide, error names)."""


def explain_tolerance() -> str:
    """Say what becomes of a map with a failed shard, as a sentence of the report."""
    return f"{TOLERATED_FAILURE_PERCENT}% of the shards may fail: one that does ends the run"


def shards(records: list[Record], kind: str, at_once: int) -> dict[str, list[Record]]:
    """Group records by ranges of partitions, so that a shard's records are the same in a grown file.

    Parameters
    ----------
    records : list of Record
    kind : {"teacher", "holdout"}
        Decides how many records a shard may have.
    at_once : int
        Shards that are answered at once; those that begin last are the smallest.

    Returns
    -------
    dict of str to list of Record
        ``"<first>-<last partition>"`` (two digits each) to records, in the order in which they are to be answered;
        empty shards are left out.
    """
    grouped: dict[str, list[Record]] = {}
    first = 0
    for width in shard_widths(len(records), RECORDS_A_SHARD[kind], at_once):
        last = first + width - 1
        members = [record for record in records if first <= record.partition <= last]
        if members:
            grouped[f"{first:02d}-{last:02d}"] = members
        first = last + 1
    return grouped


def shard_widths(records: int, most: int, at_once: int) -> Iterator[int]:
    """Give the number of partitions of each shard, by guided self-scheduling (C. Polychronopoulos and D. Kuck, 1987).

    A shard takes one part of what is left, of as many parts as there are Lambdas. Lambdas that found unlike shares of
    the quota then end together: whoever is slow takes few of the small last shards. With equal shards, the last one to
    begin leaves most of the quota idle.

    Parameters
    ----------
    records : int
        Of all shards.
    most : int
        Records of one shard; more only where a partition has more.
    at_once : int
        Shards that are answered at once.

    Yields
    ------
    int
        In the order of the partitions; the sum is ``PARTITIONS``.
    """
    if records <= most:
        yield PARTITIONS
        return
    widest = max(1, most * PARTITIONS // records)
    narrowest = min(widest, -(-LEAST_RECORDS_A_SHARD * PARTITIONS // records))
    left = PARTITIONS
    while left:
        width = min(widest, max(narrowest, -(-left // at_once)))
        if 2 * (left - width) < narrowest:
            width = left
        yield width
        left -= width
