"""Paid answers in S3, kept under content keys so that no run pays for the same answer again.

Answers lie in few objects, not one each: ``answers/<task>/<pool>/<first>-<last partition>_<hash>.jsonl``. A pool shares
model, tool and inference parameters; the range says which records an object can hold, so that a shard reads only what
concerns it, whatever shards an earlier run had.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lambdas.domain.dataset.records import PARTITIONS, partition_of
from lambdas.domain.questions.answers import Answer

if TYPE_CHECKING:
    from lambdas.gateways.aws.storage import Bucket

ANSWERS_AN_OBJECT = 250
"""About how many answers one object holds: few puts, and no shard reads much that is not its own."""


PROBE = "writable"
"""Key, under a task's answers, of the object that is written before answers are paid for."""


class AnswerStore:
    """The answers that a task's runs paid for.

    Parameters
    ----------
    bucket : Bucket
        The runs bucket.
    task : str
        Task slug.
    """

    def __init__(self, bucket: Bucket, task: str) -> None:
        self._bucket, self._root = bucket, f"answers/{task}"

    def load(
        self, pool: str, shard: str, unusable: Callable[[Answer], str | None] = lambda _answer: None
    ) -> dict[str, Answer]:
        """Read the answers of a pool that a shard may need.

        Parameters
        ----------
        pool : str
            :meth:`Question.pool` of the questions.
        shard : str
            ``"<first>-<last partition>"``.
        unusable : callable
            Says why an answer is as good as not there, or ``None``.

        Returns
        -------
        dict of str to Answer
            By content key.
        """
        first, last = _range(shard)
        found: dict[str, Answer] = {}
        prefix = f"{self._root}/{pool}/"
        for key in self._bucket.keys(prefix):
            low, high = _range(key.removeprefix(prefix).split("_", 1)[0])
            if low <= last and high >= first:
                for line in self._bucket.read(key).splitlines():
                    answer = Answer.from_json(line)
                    if unusable(answer) is None:
                        found[answer.key] = answer
        return found

    def prove_writable(self) -> None:
        """Write something of no meaning beside the pools: where that is refused, no answer could be kept."""
        self._bucket.write(f"{self._root}/{PROBE}", b"")

    def save_spread(self, pool: str, answers: Sequence[Answer]) -> None:
        """Write many answers of all partitions, cut by ranges so that a shard reads only what concerns it.

        The same answers make the same objects, in whatever order they come.
        """
        width = max(1, PARTITIONS * ANSWERS_AN_OBJECT // max(1, len(answers)))
        ranges: dict[int, list[Answer]] = {}
        for answer in answers:
            ranges.setdefault(partition_of(answer.record_id) // width, []).append(answer)
        for number, members in sorted(ranges.items()):
            first, last = number * width, min((number + 1) * width, PARTITIONS) - 1
            self.save(pool, f"{first:02d}-{last:02d}", sorted(members, key=lambda answer: answer.key))

    def save(self, pool: str, shard: str, answers: Sequence[Answer]) -> None:
        """Write answers as one object named by its content: writing it again changes nothing."""
        content = "".join(f"{answer.to_json()}\n" for answer in answers).encode()
        self._bucket.write(f"{self._root}/{pool}/{shard}_{content_hash(answers)}.jsonl", content)


def content_hash(answers: Sequence[Answer]) -> str:
    """Hash which answers a batch holds and what they cost, to 16 hexadecimal digits."""
    text = "\n".join(sorted(answer.to_json() for answer in answers))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _range(shard: str) -> tuple[int, int]:
    first, last = shard.split("-", 1)
    return int(first), int(last)
