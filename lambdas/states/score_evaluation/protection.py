"""Hold a run against the limits under which the champion was approved that its student would replace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason
from lambdas.domain.gate.approved_limits import (
    ApprovedLimits,
    MeasuredOn,
    loosened,
    not_shown,
    protected_rules,
)
from lambdas.domain.identity import digest
from lambdas.domain.run_files import RunFiles
from lambdas.workflow.serving.pinned_champion import approved_limits

if TYPE_CHECKING:
    from lambdas.domain.gate.rule_result import RuleResult
    from lambdas.domain.task.task_definition import GateRules
    from lambdas.gateways.registry.champions import Champion
    from lambdas.workflow.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Protection:
    """What a run holds its student against, and what the champion was held against.

    Attributes
    ----------
    now : ApprovedLimits
        The run's.
    champion : Champion or None
    before : ApprovedLimits or None
        The champion's; ``None`` where there is no champion, or nothing says them any more.
    """

    stage: Stage
    now: ApprovedLimits
    champion: Champion | None
    before: ApprovedLimits | None

    @classmethod
    def of(cls, stage: Stage, champion: Champion | None, calibration_cases: int) -> Protection:
        """Read both."""
        runs, files = stage.pipeline.runs, stage.run.files
        records = golden = 0
        for line in runs.lines(files.dataset("holdout.jsonl")):
            records += 1
            golden += json.loads(line).get("golden") is not None
        dataset = runs.find_json(files.dataset("dataset.json")) or {}
        measured_on = MeasuredOn(
            holdout_records=records,
            own_holdout=bool(dataset.get("own_holdout")),
            golden_share=round(golden / records, 4) if records else 0.0,
            calibration_cases=calibration_cases,
        )
        return cls(
            stage=stage,
            now=ApprovedLimits.of(stage.task, stage.plan.models, measured_on),
            champion=champion,
            before=approved_limits(stage, champion) if champion else None,
        )

    @property
    def rules(self) -> GateRules:
        """The gate within which the student must be shown, to replace the champion without a person's word."""
        return protected_rules(self.stage.task.gate, self.before) if self.before else self.stage.task.gate

    def reasons(self, gate: Callable[[GateRules], list[RuleResult]]) -> list[ExplicitReason]:
        """Say what a person must say yes to before the champion is replaced.

        Parameters
        ----------
        gate : callable
            Holds the student against other rules than the task's.
        """
        if self.champion is None:
            return []
        if self.before is None:
            text = (
                f"Nothing says under which limits the champion of run {self.champion.run_id} was approved: the "
                "task.json of its run cannot be read"
            )
            return [explicit_reason("limits_unknown", text)]
        rules = self.rules
        shown = [] if rules == self.stage.task.gate else list(not_shown(gate(rules)))
        return [*loosened(self.before, self.now), *self._own_holdout(self.champion, self.before), *shown]

    def limits(self, reasons: list[ExplicitReason]) -> ApprovedLimits:
        """Give the limits that stay with the student where it becomes champion."""
        return self.now if reasons else self.now.carried_over(self.before)

    def _own_holdout(self, champion: Champion, before: ApprovedLimits) -> Iterator[ExplicitReason]:
        """Miss the records of the task's own holdout on which the champion was measured."""
        if not (before.measured_on.get("own_holdout") and self.now.measured_on["own_holdout"]):
            return
        earlier = self._records(RunFiles(self.stage.run.task, champion.run_id))
        if earlier is None:
            yield explicit_reason(
                "own_holdout", "Nothing says any more which holdout.jsonl the champion was measured on"
            )
            return
        missing = len(earlier - (self._records(self.stage.run.files) or set()))
        if missing:
            text = (
                f"{missing:,} of the {len(earlier):,} records of the holdout.jsonl on which the champion was measured "
                "are not in this one, or have another answer"
            )
            yield explicit_reason("own_holdout", text)

    def _records(self, files: RunFiles) -> set[str] | None:
        key = files.dataset("holdout.jsonl")
        if self.stage.pipeline.runs.find(key) is None:
            return None
        found = map(json.loads, self.stage.pipeline.runs.lines(key))
        return {digest(one["turns"], one.get("system"), one.get("golden"), one.get("slices")) for one in found}
