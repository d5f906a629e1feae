"""Questions that got no usable answer in one attempt of a run, so that neither a retry nor a later stage asks again.

They lie beside the answers: ``answers/<task>/failed/<run>-<attempt>/<pool>/<first>-<last partition>_<hash>.jsonl``.
Another attempt asks again, since a person may have mended what the service refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from lambdas.domain.stored import read_as

if TYPE_CHECKING:
    from lambdas.gateways.aws.storage import Bucket


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A question without a usable answer.

    Attributes
    ----------
    key : str
        :meth:`Question.key` of the question.
    record_id : str
        The record that it is about.
    reason : str
        What the service said, or what was wrong with the answer.
    """

    key: str
    record_id: str
    reason: str


class FailureStore:
    """The failures of one attempt.

    Parameters
    ----------
    bucket : Bucket
        The runs bucket.
    task : str
        Task slug.
    owner : str
        ``<run>-<attempt>``.
    """

    def __init__(self, bucket: Bucket, task: str, owner: str) -> None:
        self._bucket, self._root = bucket, f"answers/{task}/failed/{owner}"

    def load(self, pool: str) -> dict[str, str]:
        """Read why questions of a pool failed: reasons by content key. Failures are few, so all shards are read."""
        found = {}
        for key in self._bucket.keys(f"{self._root}/{pool}/"):
            for line in self._bucket.read(key).splitlines():
                failure = read_as(Failure, json.loads(line))
                found[failure.key] = failure.reason
        return found

    def save(self, pool: str, shard: str, failures: Iterable[Failure]) -> None:
        """Write failures as one object named by its content."""
        lines = sorted(json.dumps(asdict(failure), sort_keys=True) for failure in failures)
        content = "".join(f"{line}\n" for line in lines).encode()
        name = hashlib.sha256(content).hexdigest()[:16]
        self._bucket.write(f"{self._root}/{pool}/{shard}_{name}.jsonl", content)
