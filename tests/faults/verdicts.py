"""What came of a fault: whether the run ended, what it left, what was paid twice, and whether a retry finishes it."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from lambdas.domain.outcomes import PROMOTED
from lambdas.gateways.registry.runs import ENDED
from tests.faults.machine import TaskFailed
from tests.faults.scenarios import KNOWN_CASES, finish
from tests.faults.strikes import DIES, KILL, KILL_INSIDE, Fault
from tests.faults.world import World

UNSAVED = 50
"""Answers that may be lost with a process that is cut off: they are kept after each 50 (EvaluateStudent and others)."""

JUDGE = "converse anthropic.claude-sonnet-4-6"
MEASURED_AGAIN = 2 * KNOWN_CASES
"""The judge is measured anew in each attempt, before and after: an old verdict says nothing of the judge of today."""

FIRST_QUESTIONS = (
    "converse amazon.nova-pro-v1:0",
    "converse anthropic.claude-haiku-4-5-20251001-v1:0",
    "converse amazon.nova-micro-v1:0",
    JUDGE,
)
"""CheckRun asks each chosen model one question in every attempt: what answered yesterday may have been taken away."""

TESTED_AGAIN = "converse provisioned-model"
"""Smoke tests: each endpoint is asked before it is believed."""

BY_THE_HOUR = ("provisioned_throughput provisioned-model", "custom_model_storage custom-model")
"""What a failed promotion gave back and a retry made again: each was paid for while it existed, see ``leaked``."""

_RETRY_AFTER = re.compile(r"retry it after (\S+Z)")

_CHANGING = re.compile(r"[0-9a-f]{12,}|[0-9a-f-]{36}|\d{4}-\d\d-\d\dT[0-9:.]+Z|\d+\.\d+")


@dataclass
class Verdict:
    """What came of one fault.

    Attributes
    ----------
    struck : bool
        Whether the fault happened at all.
    ended : str
        Outcome and reason of the first attempt; empty where it has none.
    leaked : list of str
        What bills by the hour, or is trained or answered, and no champion uses.
    paid_twice : dict
        What was billed more often than in a run without a fault.
    promoted : int
        How often the run's student became champion.
    misled : list of str
        Champions' endpoints that serve another model than the champion's.
    finished : str
        Outcome after the retry; the same as before where nothing was left to finish.
    same_as : str
        Digest of the account after the first attempt: faults that leave the same share one retry.
    """

    fault: str
    struck: bool = False
    ended: str = ""
    leaked: list[str] = field(default_factory=list)
    paid_twice: dict[str, int] = field(default_factory=dict)
    promoted: int = 0
    finished: str = ""
    same_as: str = ""
    problem: str = ""
    misled: list[str] = field(default_factory=list)
    retried: bool = False

    @property
    def terminal(self) -> bool:
        """Whether the run ended with a reason, once promoted at most, and finished by the retry."""
        promoted_well = self.promoted <= 1 and not self.misled
        return bool(self.struck and self.ended and promoted_well and self.finished == PROMOTED and not self.problem)

    @property
    def good(self) -> bool:
        return self.terminal and not self.leaked and not self.paid_twice

    def said(self) -> str:
        """Say in one line what is wrong."""
        wrong = {
            "it never struck": not self.struck,
            "no end with a reason": not self.ended,
            f"promoted {self.promoted} times": self.promoted > 1,
            f"serves a student that nobody promoted: {', '.join(self.misled)}": bool(self.misled),
            f"leaked {', '.join(self.leaked)}": bool(self.leaked),
            f"paid twice {self.paid_twice}": bool(self.paid_twice),
            self.problem or f"finished as {self.finished}": self.finished != PROMOTED or bool(self.problem),
        }
        return "; ".join(text for text, holds in wrong.items() if holds) + f" (first attempt: {self.ended})"

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Bills:
    """What was bought before the run began, and what it buys where nothing fails."""

    before: Counter[str]
    clean: Counter[str]


def judge(world: World, run_id: str, fault: Fault, bills: Bills, folder: Path) -> Verdict:
    """Strike a run that stands before the fault's state, let it end, and judge what came of it.

    Parameters
    ----------
    bills : Bills
    folder : Path
        Where the verdicts on what is left after the first attempt lie: equal accounts are retried once.
    """
    verdict = Verdict(str(fault))
    _strike(world, run_id, fault)
    run = world.run(run_id)
    verdict.struck = world.striker.hits > 0 or fault.kind == KILL
    world.striker.fault = None
    if run.state == ENDED and run.outcome and run.reason and run_id not in world.registry.slots():
        verdict.ended = f"{run.outcome}: {run.reason}"
    verdict.leaked, verdict.misled = world.leaked(), world.misled()
    verdict.finished = str(run.outcome)
    _count(world, run_id, fault, bills, verdict)
    if run.may_be_retried(str(run.outcome)) and not verdict.leaked:
        verdict.same_as = _digest(world, run_id)
        try:
            (folder / verdict.same_as).touch(exist_ok=False)
        except FileExistsError:
            return verdict
        verdict.retried = True
        _retry(world, run_id, verdict)
        _count(world, run_id, fault, bills, verdict)
    return verdict


def _strike(world: World, run_id: str, fault: Fault) -> None:
    execution, striker = world.execution(run_id), world.striker
    striker.hits, striker.fault = 0, fault

    def stop_meanwhile() -> None:
        execution.stop()
        world.close(execution)

    striker.inside = stop_meanwhile
    if fault.kind == KILL:
        execution.stop()
    while execution.state is not None and execution.status == "RUNNING":
        execution.step()
    if fault.kind == KILL_INSIDE:
        execution.stop()
    striker.fault = None
    world.close(execution)


def _retry(world: World, run_id: str, verdict: Verdict) -> None:
    try:
        _start_again(world, run_id)
        finish(world, run_id, attempt=2)
    except TaskFailed as refused:
        verdict.problem = f"the retry: {refused}"
        return
    run = world.run(run_id)
    verdict.finished = str(run.outcome)
    if run.outcome != PROMOTED:
        verdict.problem = f"after the retry {run.outcome}: {run.reason}"
    verdict.leaked += world.leaked()
    verdict.misled += world.misled()


def _start_again(world: World, run_id: str) -> None:
    """Retry; where it is refused because something is still being released, once more at the time that it gives."""
    try:
        world.call("start_run", {"retry": run_id})
    except TaskFailed as refused:
        said = _RETRY_AFTER.search(refused.cause)
        if said is None:
            raise
        world.look_after_until(datetime.fromisoformat(said[1]))
        world.call("start_run", {"retry": run_id})


def _count(world: World, run_id: str, fault: Fault, bills: Bills, verdict: Verdict) -> None:
    more = world.paid() - bills.before - bills.clean
    for what in (TESTED_AGAIN, *BY_THE_HOUR):
        del more[what]
    more[JUDGE] -= MEASURED_AGAIN * verdict.retried
    more -= Counter(dict.fromkeys(FIRST_QUESTIONS, int(verdict.retried) + (fault.state == "CheckRun")))
    if fault.kind == DIES:
        more -= Counter(dict.fromkeys([what for what in more if what.startswith("converse ")], UNSAVED))
    verdict.paid_twice = dict(+more)
    history = world.tasks.history(world.run(run_id).task)
    verdict.promoted = sum((one["run_id"], one["action"]) == (run_id, "promoted") for one in history)


def _digest(world: World, run_id: str) -> str:
    """Hash what the account holds, without what is random in it and without the words of the error."""
    items: list[Any] = []
    for page in world.aws.client("dynamodb").get_paginator("scan").paginate(TableName="registry"):
        items += page["Items"]
    for item in items:
        for name in ("reason", "progress", "report_sha256", "since", "id", "sk"):
            item.pop(name, None)
        item.get("facts", {}).get("M", {}).pop("failure", None)
    objects = world.aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket="distillation-runs")
    keys = [
        f"{item['Key']} {item['Size'] if '/report/' not in item['Key'] else ''}"
        for page in objects
        for item in page.get("Contents", [])
    ]
    bedrock = world.control("resources")
    text = json.dumps(
        [sorted(json.dumps(item, sort_keys=True) for item in items), keys, bedrock, sorted(world.paid().items())],
        sort_keys=True,
    )
    del run_id
    masked = sorted(_CHANGING.sub("*", part) for part in text.split(","))
    return hashlib.sha256(json.dumps(masked).encode()).hexdigest()[:24]
