"""The registry of runs: claimed, queued, started, ended. It decides; all else is a projection of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Self, Unpack

from lambdas.domain.costs.ledger import LedgerEntry
from lambdas.domain.errors import AnswerRefused, AttemptSuperseded, ItemDamaged, RetryRefused, RunNotFound
from lambdas.domain.identity import Upload
from lambdas.domain.outcomes import EXPIRED, FAILED, REJECTED, STOPPED
from lambdas.domain.run_facts import LABELLED_ANSWER, Approval, RunFacts, StopFact
from lambdas.domain.run_files import RunFiles
from lambdas.domain.stored import known_fields, missing_fields
from lambdas.gateways.registry.resources import LAMBDA_LIFE
from lambdas.gateways.registry.run_list import OPEN, RunList
from lambdas.gateways.registry.table import ITEMS_A_PAGE, ConditionFailed, Table

if TYPE_CHECKING:
    from lambdas.domain.caller_identity import Caller, Submitter
    from lambdas.gateways.registry.items import Item

QUEUED, RUNNING, ENDED = "QUEUED", "RUNNING", "ENDED"
RETRYABLE = (FAILED, EXPIRED, STOPPED)
_CLAIMED = frozenset(
    (
        "run_id", "task", "folder", "bucket", "key", "version", "task_version", "holdout_version",
        "calibration_version", "state", "attempt", "created_at", "progress", "facts",
    )
)  # fmt: skip
"""Fields that a run's item has from the beginning; the others come when there is something to say."""

_KNOWN = "attribute_exists(run_id)"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run as the registry knows it. Times are ISO 8601 in UTC."""

    run_id: str
    task: str
    folder: str
    bucket: str
    key: str
    version: str
    task_version: str | None
    holdout_version: str | None = None
    calibration_version: str | None = None
    state: str
    attempt: int
    created_at: str
    started_at: str | None = None
    ended_at: str | None = None
    outcome: str | None = None
    reason: str | None = None
    progress: dict[str, Any] = field(default_factory=dict)
    report_key: str | None = None
    report_sha256: str | None = None
    endpoint_arn: str | None = None
    forgetting_since: str | None = None
    facts: RunFacts = field(default_factory=RunFacts)

    @classmethod
    def from_item(cls, item: Item) -> Self:
        """Read an item of the table.

        Raises
        ------
        ItemDamaged
            When fields are missing that every run has.
        """
        if missing := missing_fields(cls, item):
            run_id = str(item.get("run_id") or str(item.get("pk", "")).removeprefix("RUN#"))
            raise ItemDamaged(
                f"the registry's item of run '{run_id}' has no {', '.join(missing)}: it was forgotten while something "
                f"still wrote to it. 'python -m cli forget {run_id}' deletes what is left of it, 'python -m cli "
                "rebuild-registry' writes it anew from its report"
            )
        return cls(**known_fields(cls, item))

    @classmethod
    def claimed(
        cls,
        upload: Upload,
        now: str,
        *,
        task_version: str | None,
        holdout_version: str | None,
        calibration_version: str | None,
    ) -> Self:
        """Give the run of an upload as it is when it is claimed: queued, its first attempt before it.

        The upload is flattened here and nowhere else; :attr:`upload` is the way back. Parameters as of
        :meth:`Registry.claim`.
        """
        return cls(
            run_id=upload.run_id,
            task=upload.task,
            folder=upload.folder,
            bucket=upload.bucket,
            key=upload.key,
            version=upload.version,
            task_version=task_version,
            holdout_version=holdout_version,
            calibration_version=calibration_version,
            state=QUEUED,
            attempt=1,
            created_at=now,
        )

    def may_still_point_until(self) -> datetime | None:
        """Give the moment until which a Lambda may still point a champion's endpoint away; ``None``: none may."""
        pointed = self.facts.get("pointed_endpoint")
        since = pointed.get("asking_since") if pointed else None
        return datetime.fromisoformat(since) + LAMBDA_LIFE if since else None

    def may_be_retried(self, outcome: str) -> bool:
        """Tell whether another attempt may come to something else than this outcome: a verdict is final.

        A trained model is kept for that attempt.
        """
        return outcome in RETRYABLE or (outcome == REJECTED and bool(self.facts.get("undecided")))

    @property
    def paid_at(self) -> str:
        """The time of its ledger lines that say none (ISO 8601): its end, or its beginning while it runs."""
        return self.ended_at or self.created_at

    @property
    def upload(self) -> Upload:
        """The object version that the run is made of."""
        return Upload(self.bucket, self.key, self.version)

    @property
    def files(self) -> RunFiles:
        """Where the run's files lie."""
        return RunFiles(self.task, self.run_id)


class LeftStage(NamedTuple):
    """A stage that a run has just left, and since when it had been there (ISO 8601 in UTC)."""

    name: str
    since: str


class Registry:
    """Runs and their queue.

    Parameters
    ----------
    table : Table
        The registry table.
    paid : callable, optional
        Told the stage and the US dollars that a line adds to the ledger.
    """

    def __init__(self, table: Table, paid: Callable[[str, float], None] = lambda _stage, _usd: None) -> None:
        self._table, self._paid = table, paid
        self.listed = RunList(table)

    def claim(
        self,
        upload: Upload,
        task_version: str | None,
        holdout_version: str | None,
        now: str,
        calibration_version: str | None = None,
        submitter: Submitter | None = None,
    ) -> Run:
        """Claim a run by conditional write; a later claim changes nothing and gives what the first one wrote.

        Parameters
        ----------
        upload : Upload
        task_version, holdout_version, calibration_version : str or None
            Versions of ``task.json``, ``holdout.jsonl`` and ``calibration.jsonl`` that the run is pinned to.
        now : str
            ISO 8601.
        submitter : Submitter, optional
            Who uploaded, or why that is not known.
        """
        run = Run.claimed(
            upload,
            now,
            task_version=task_version,
            holdout_version=holdout_version,
            calibration_version=calibration_version,
        )
        run = replace(run, facts={"submitter": submitter}) if submitter else run
        item = {name: value for name, value in asdict(run).items() if name in _CLAIMED}
        item |= {**run_key(run.run_id), "state_group": f"RUN#{QUEUED}", "since": now}
        self.listed.enter(run.run_id)  # first: a run that is not in the list would cost nothing in it
        try:
            self._table.put(item, "attribute_not_exists(pk)")
        except ConditionFailed:
            return self.run(run.run_id)
        return run

    def find(self, run_id: str) -> Run | None:
        """Read a run, or ``None``."""
        item = self._table.get(**run_key(run_id))
        return Run.from_item(item) if item else None

    def is_known(self, run_id: str) -> bool:
        """Tell whether there is anything of a run, be it damaged."""
        return self._table.get(**run_key(run_id)) is not None

    def run(self, run_id: str) -> Run:
        """Read a run that must exist.

        Raises
        ------
        RunNotFound
        """
        found = self.find(run_id)
        if found is None:
            raise RunNotFound(f"the registry knows no run '{run_id}'; 'python -m cli runs' lists them")
        return found

    def take_slot(self, run_id: str, max_running: int, now: str) -> bool:
        """Move a queued run to RUNNING if fewer than ``max_running`` are; both or nothing.

        Returns
        -------
        bool
            Whether the run has a slot now. A run that had one before has it still.
        """
        # Of hundreds of uploads at once nearly all stop here: reading collides with nobody, a transaction does.
        held = self.slots()
        if run_id not in held and len(held) >= max_running:
            return self.run(run_id).state == RUNNING
        self.listed.will_pay(run_id)
        slot = self._table.update_request(
            "SLOTS",
            "SLOTS",
            "ADD running :run",
            {":run": {run_id}, ":id": run_id, ":max": max_running},
            "attribute_not_exists(running) OR size(running) < :max OR contains(running, :id)",
        )
        run = self._table.update_request(
            **run_key(run_id),
            expression="SET #state = :running, state_group = :group, since = :now, started_at = :now",
            values={":running": RUNNING, ":group": f"RUN#{RUNNING}", ":now": now, ":queued": QUEUED},
            condition="#state = :queued",
        )
        try:
            self._table.update_together(slot, run)
        except ConditionFailed:
            return self.run(run_id).state == RUNNING
        return True

    def free_slot(self, run_id: str) -> None:
        """Give the slot of a run back; it may be given back twice."""
        self._table.update("SLOTS", "SLOTS", "DELETE running :run", {":run": {run_id}})

    def slots(self) -> set[str]:
        """Name the runs that hold a slot."""
        item = self._table.get("SLOTS", "SLOTS") or {}
        return set(item.get("running", set()))

    def in_state(self, state: str, *, newest_first: bool = False, at_once: int = ITEMS_A_PAGE) -> Iterator[Run]:
        """Read the runs in a state, oldest first unless said otherwise; a damaged item hides no other run."""
        for item in self._table.in_state(f"RUN#{state}", newest_first=newest_first, at_once=at_once):
            if missing_fields(Run, item):
                _logger.error("a damaged item is left out", extra={"pk": item.get("pk")})
                continue
            yield Run.from_item(item)

    def latest_in_state(self, state: str, *, at_once: int) -> Iterator[tuple[str, Run]]:
        """Read the runs in a state by when they entered it, the latest first.

        Parameters
        ----------
        state : str
        at_once : int
            Runs that one query reads.

        Yields
        ------
        tuple
            Since when it is in the state (ISO 8601), and the run.
        """
        for item in self._table.in_state(f"RUN#{state}", newest_first=True, at_once=at_once):
            if missing_fields(Run, item):
                _logger.error("a damaged item is left out", extra={"pk": item.get("pk")})
                continue
            run = Run.from_item(item)
            yield str(item.get("since") or run.created_at), run

    def record_progress(self, run_id: str, stage: str, now: str, **details: object) -> LeftStage | None:
        """Say what a run is doing, for whoever watches; ``since`` stays while the stage is the same.

        Returns
        -------
        LeftStage or None
            For the first call of a stage, the stage before it, if the attempt had one.

        Raises
        ------
        RunNotFound
            When the run was forgotten meanwhile; nothing is written then.
        """
        progress = {"stage": stage, "updated_at": now, **details}
        try:
            before = self._table.replace(
                **run_key(run_id),
                expression="SET progress = :progress, stage_since = :now, stage = :stage",
                values={":progress": {**progress, "since": now}, ":now": now, ":stage": stage},
                condition=f"{_KNOWN} AND (attribute_not_exists(stage) OR stage <> :stage)",
            )
        except ConditionFailed:
            item = self._table.get(**run_key(run_id)) or {}
            since = item.get("stage_since", now)
            self._change(run_id, "SET progress = :progress", {":progress": {**progress, "since": since}})
            return None
        return LeftStage(before["stage"], before["stage_since"]) if "stage" in before else None

    def pin_files(self, run_id: str, versions: Mapping[str, str]) -> Run:
        """Pin a run to files that it was claimed without; a version that it is pinned to already stays.

        Parameters
        ----------
        run_id : str
        versions : mapping of str to str
            ``task_version``, ``holdout_version`` or ``calibration_version`` to the version.

        Returns
        -------
        Run
            As it is pinned now.
        """
        for name, version in versions.items():
            unpinned = f"attribute_not_exists({name}) OR attribute_type({name}, :null)"
            with contextlib.suppress(ConditionFailed):
                self._change(run_id, f"SET {name} = :version", {":version": version, ":null": "NULL"}, unpinned)
        return self.run(run_id)

    def record_facts(self, run_id: str, **facts: Unpack[RunFacts]) -> None:
        """Keep small facts that later stages and people need, for example the custom model's ARN.

        Raises
        ------
        RunNotFound
            When the run was forgotten meanwhile.
        """
        for name, value in facts.items():
            self._change(run_id, f"SET facts.{name} = :value", {":value": value})

    def claim_answer(self, run_id: str, attempt: int, answer: Approval) -> Approval:
        """Keep the first answer to the report that is the run's now; a later one changes nothing.

        People's scores take the place of an answer until report and request are replaced.

        Returns
        -------
        Approval
            The answer that stands.

        Raises
        ------
        RunNotFound
            When the run was forgotten meanwhile.
        """
        try:
            self._change(
                run_id,
                "SET facts.approval = :answer",
                {
                    ":answer": answer,
                    ":attempt": attempt,
                    ":hash": answer["report_sha256"],
                    ":labelled": LABELLED_ANSWER,
                },
                "attempt = :attempt AND report_sha256 = :hash AND (attribute_not_exists(facts.approval) OR "
                "(facts.approval.answer = :labelled AND facts.approval.report_sha256 <> :hash))",
            )
        except ConditionFailed:
            found = self.run(run_id)
            stands = found.facts.get("approval")
            if found.attempt == attempt and found.report_sha256 != answer["report_sha256"]:
                message = f"the report of run '{run_id}' was replaced meanwhile; read it again, then answer"
                raise AnswerRefused(message) from None
            if stands is None:
                raise AttemptSuperseded(f"attempt {attempt} of run '{run_id}' was superseded meanwhile") from None
            return stands
        return answer

    def add_labeller(self, run_id: str, caller: Caller) -> None:
        """Note whose scores the run has, once a call.

        Raises
        ------
        RunNotFound
            When the run was forgotten meanwhile.
        """
        added = "SET facts.labellers = list_append(if_not_exists(facts.labellers, :none), :one)"
        self._change(run_id, added, {":none": [], ":one": [caller]})

    def record_stop(self, run: Run, stop: StopFact) -> bool:
        """Keep that a person stops an attempt, and why; the first word stands.

        Returns
        -------
        bool
            False where the attempt has ended meanwhile.
        """
        try:
            self._change(
                run.run_id,
                "SET facts.stop = if_not_exists(facts.stop, :stop)",
                {":stop": stop, ":attempt": run.attempt, ":ended": ENDED},
                "attempt = :attempt AND #state <> :ended",
            )
        except ConditionFailed:
            return False
        return True

    def claim_reminder(self, run_id: str, attempt: int) -> bool:
        """Claim the one reminder of an attempt's request for approval; true for the first who asks."""
        asked_once = "attribute_not_exists(facts.reminded) OR facts.reminded <> :attempt"
        try:
            self._change(run_id, "SET facts.reminded = :attempt", {":attempt": attempt}, asked_once)
        except ConditionFailed:
            return False
        return True

    def record_report(self, run_id: str, report_key: str, report_sha256: str) -> None:
        """Note where the newest report lies and the SHA-256 of its ``report.json``.

        Raises
        ------
        RunNotFound
            When the run was forgotten meanwhile.
        """
        values = {":key": report_key, ":hash": report_sha256}
        self._change(run_id, "SET report_key = :key, report_sha256 = :hash", values)

    def end(self, run_id: str, attempt: int, outcome: str, reason: str, now: str, endpoint_arn: str | None) -> bool:
        """Record how an attempt ended; the first word stands.

        Returns
        -------
        bool
            Whether this call ended it. False when it had ended before or another attempt is in progress.
        """
        try:
            self._table.update(
                **run_key(run_id),
                expression=(
                    "SET #state = :ended, state_group = :group, since = :now, ended_at = :now, #outcome = :outcome, "
                    "#reason = :reason, endpoint_arn = :endpoint"
                ),
                values={
                    ":ended": ENDED,
                    ":group": f"RUN#{ENDED}",
                    ":now": now,
                    ":outcome": outcome,
                    ":reason": reason,
                    ":endpoint": endpoint_arn,
                    ":attempt": attempt,
                },
                condition="attempt = :attempt AND #state <> :ended",
            )
        except ConditionFailed:
            return False
        return True

    def begin_retry(self, run_id: str, now: str) -> Run:
        """Queue another attempt of a run that failed, expired, or had too little evidence for a verdict.

        What the earlier attempt failed of, and an answer that came too late for it, are not reasons of this one.

        Raises
        ------
        RetryRefused
            When it is in progress, or ended with a verdict.
        RunNotFound
        """
        run = self.run(run_id)
        if run.state != ENDED or not run.may_be_retried(str(run.outcome)):
            state = run.outcome or run.state
            which = f"{', '.join(RETRYABLE[:-1])} or {RETRYABLE[-1]}, or {REJECTED} for too little evidence,"
            raise RetryRefused(f"run '{run_id}' is {state}; only a run that is {which} can be retried")
        if run_id in self.slots():
            raise RetryRefused(f"run '{run_id}' has just ended and is being closed; try again in a minute")
        if run.forgetting_since:
            raise RetryRefused(f"run '{run_id}' is being forgotten since {run.forgetting_since}; its files are gone")
        try:
            item = self._table.update(
                **run_key(run_id),
                expression=(
                    "SET #state = :queued, state_group = :group, since = :now, attempt = :next, progress = :empty "
                    "REMOVE #outcome, #reason, ended_at, started_at, endpoint_arn, stage, "
                    "facts.failure, facts.approval, facts.stop, facts.undecided"
                ),
                values={
                    ":queued": QUEUED,
                    ":group": f"RUN#{QUEUED}",
                    ":now": now,
                    ":next": run.attempt + 1,
                    ":attempt": run.attempt,
                    ":ended": ENDED,
                    ":empty": {},
                },
                condition="attempt = :attempt AND #state = :ended AND attribute_not_exists(forgetting_since)",
            )
        except ConditionFailed:
            raise RetryRefused(f"run '{run_id}' was retried by somebody else just now") from None
        return Run.from_item(item)

    def record_cost(self, run_id: str, entry: LedgerEntry, *, opened: bool = False) -> None:
        """Write a ledger line; writing it again changes nothing.

        ``opened`` says that the run was in progress when this Lambda began: its slot opened its item of the list.
        """
        item = {"pk": f"RUN#{run_id}", "sk": f"LEDGER#{entry.stage}#{entry.id}", **entry.to_document()}
        if not opened:
            self.listed.will_pay(run_id)
        replaced = self._table.put(item)
        added = entry.usd - (_ledger_entry(replaced).usd if replaced else 0.0)
        if added:
            self._paid(entry.stage, added)

    def ledger(self, run_id: str) -> list[LedgerEntry]:
        """Read the ledger of a run."""
        return [_ledger_entry(item) for item in self._table.query(f"RUN#{run_id}", "LEDGER#")]

    def restore(self, run: Run) -> bool:
        """Write an ended run as it was read from its report; one that is known stays as it is.

        Returns
        -------
        bool
            Whether it was missing.
        """
        known = {name: value for name, value in asdict(run).items() if name != "forgetting_since"}
        item: Item = {**known, **run_key(run.run_id), "state_group": f"RUN#{run.state}", "since": run.ended_at}
        self.listed.enter_known(run.run_id, OPEN)
        try:
            self._table.put(item, "attribute_not_exists(run_id)")  # half an item is written anew
        except ConditionFailed:
            return False
        return True

    def claim_forgetting(self, run: Run, now: str) -> bool:
        """Close an ended run for good, so that it can be deleted: it cannot be retried any more.

        Parameters
        ----------
        run : Run
            As it was when a person decided.
        now : str
            ISO 8601.

        Returns
        -------
        bool
            False where it is not as it was then: retried, or forgotten by somebody else.
        """
        try:
            self._change(
                run.run_id,
                "SET forgetting_since = if_not_exists(forgetting_since, :now)",
                {":now": now, ":attempt": run.attempt, ":ended": ENDED},
                "attempt = :attempt AND #state = :ended",
            )
        except (ConditionFailed, RunNotFound):
            return False
        return True

    def keep_after_all(self, run_id: str) -> None:
        """Take a claim of :meth:`claim_forgetting` back before anything was deleted."""
        with contextlib.suppress(RunNotFound):
            self._change(run_id, "REMOVE forgetting_since", {})

    def forget(self, run_id: str) -> int:
        """Delete everything that is known of a run, the run itself last.

        Returns
        -------
        int
            Number of items deleted.
        """
        listed = self.listed.leave(run_id)
        items = sorted(self._table.query(f"RUN#{run_id}"), key=lambda item: item["sk"] == "RUN")
        for item in items:
            self._table.delete(item["pk"], item["sk"])
        return listed + len(items)

    def _change(self, run_id: str, expression: str, values: Item, condition: str | None = None) -> None:
        """Change a run that is known: an update must not make half an item, which nobody could read.

        Raises
        ------
        RunNotFound
            When it was forgotten meanwhile.
        ConditionFailed
            When ``condition`` does not hold.
        """
        known = f"{_KNOWN} AND ({condition})" if condition else _KNOWN
        try:
            self._table.update(**run_key(run_id), expression=expression, values=values, condition=known)
        except ConditionFailed:
            self.run(run_id)
            raise


def run_key(run_id: str) -> dict[str, str]:
    """Give the key of a run's item in the registry table."""
    return {"pk": f"RUN#{run_id}", "sk": "RUN"}


def _ledger_entry(item: Item) -> LedgerEntry:
    return LedgerEntry.from_document(item)
