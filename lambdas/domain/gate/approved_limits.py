"""The limits under which a champion was approved: kept with it, and held against whoever would take its place.

A task's folder decides what a run asks for, and whoever may write there could ask for less than the team did. So what a
champion was held against stays with it. A later student is promoted without a person's explicit word only where its
task loosens nothing of that, is measured by the same yardstick, and is shown within these limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason
from lambdas.domain.gate.rule_result import INFORMS, ROUNDING, RuleResult
from lambdas.domain.identity import digest
from lambdas.domain.stored import known_fields
from lambdas.domain.task.task_definition import GateRules, TaskDefinition

if TYPE_CHECKING:
    from lambdas.domain.task.model_choice import ModelChoice

ROLES = ("teacher", "student_customization", "baseline", "judge")
"""Models on which the figures of a gate rest."""

YARDSTICK = {
    "judge_rubric": "what its scores mean ('judge_rubric')",
    "output_schema": "the form of its answers ('output_schema')",
    "teacher_system_prompt": "what the teacher is asked for ('teacher_system_prompt')",
}
"""Fields of ``task.json`` that say what is measured: of another one nobody can tell whether it is looser."""

FEWER_BY_CHANCE = 0.1
"""Share by which a holdout may have fewer records, or more answers of the upload, without a word: a split varies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredOn:
    """What a student was measured on.

    Attributes
    ----------
    holdout_records : int
    own_holdout : bool
        Whether it was the task's own ``holdout.jsonl``, else a split of the prompts.
    golden_share : float
        Share of the holdout whose answer came with the upload, so that the uploader says what is right.
    calibration_cases : int
        Answers with known scores on which the judge was measured; 0 where it was not.
    """

    holdout_records: int
    own_holdout: bool = False
    golden_share: float = 0.0
    calibration_cases: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovedLimits:
    """What a champion was held against.

    Attributes
    ----------
    gate : dict
        Its gate, a threshold a rule.
    approval, secrets : str
    budget_usd : float
        US dollars.
    serving : dict
        Mode, units, commitment and expected volume.
    teacher_data : dict
        ``max_drop_rate`` and ``max_disagreement``.
    yardstick : dict
        Hashes of the fields in :data:`YARDSTICK`; ``None`` where the task has none.
    models : dict
        Models by role; empty where that is not known.
    measured_on : dict
        :class:`MeasuredOn`; empty where that is not known.
    """

    gate: Mapping[str, Any]
    approval: str
    budget_usd: float
    serving: Mapping[str, Any]
    teacher_data: Mapping[str, Any]
    secrets: str
    yardstick: Mapping[str, str | None]
    models: Mapping[str, str]
    measured_on: Mapping[str, Any]

    @classmethod
    def of(cls, task: TaskDefinition, models: ModelChoice | None = None, measured_on: MeasuredOn | None = None) -> Self:
        """Gather what a run holds its student against."""
        rules = task.teacher_data
        return cls(
            gate=asdict(task.gate),
            approval=task.approval,
            budget_usd=task.budget_usd,
            serving=asdict(task.serving),
            teacher_data={"max_drop_rate": rules.max_drop_rate, "max_disagreement": rules.max_disagreement},
            secrets=task.secrets,
            yardstick={name: _hash(getattr(task, name)) for name in YARDSTICK},
            models={role: str(getattr(models, role)) for role in ROLES} if models else {},
            measured_on=asdict(measured_on) if measured_on else {},
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_document` wrote, in this version or another."""
        missing: dict[str, Any] = {"gate": {}, "serving": {}, "teacher_data": {}, "yardstick": {}, "models": {}}
        missing |= {"measured_on": {}, "approval": "required", "secrets": "block", "budget_usd": 0.0}
        return cls(**{**missing, **known_fields(cls, document)})

    def to_document(self) -> dict[str, Any]:
        """Give the limits as kept with the champion."""
        return asdict(self)

    def carried_over(self, before: ApprovedLimits | None) -> ApprovedLimits:
        """Keep what chance may take from a holdout where no person had to say a word: it would add up otherwise."""
        known = before.measured_on if before else {}
        if not known or not self.measured_on:
            return self
        records = max(self.measured_on["holdout_records"], known["holdout_records"])
        golden = min(self.measured_on["golden_share"], known.get("golden_share", 1.0))
        return replace(self, measured_on={**self.measured_on, "holdout_records": records, "golden_share": golden})


def protected_rules(wanted: GateRules, before: ApprovedLimits) -> GateRules:
    """Give the stricter one of each limit, the champion's and the task's: what a student must be shown within."""
    known = {one.name for one in fields(GateRules)}
    kept = {name: _stricter(name, value, getattr(wanted, name)) for name, value in before.gate.items() if name in known}
    return replace(wanted, **kept)


def loosened(before: ApprovedLimits, now: ApprovedLimits) -> list[ExplicitReason]:
    """Find what a run asks for less strictly than the champion's did, or measures by another yardstick.

    Parameters
    ----------
    before : ApprovedLimits
        The champion's.
    now : ApprovedLimits
        Of the run whose student would replace it.

    Returns
    -------
    list of ExplicitReason
        Both values are in each sentence.
    """
    return [
        *_looser_gate(before.gate, now.gate),
        *_looser_money(before, now),
        *_looser_data(before, now),
        *_another_yardstick(before, now),
        *_less_measured(before.measured_on, now.measured_on),
    ]


def not_shown(lines: Sequence[RuleResult]) -> Iterator[ExplicitReason]:
    """Name the rules that the student is not shown to keep, of the gate under :func:`protected_rules`."""
    for line in lines:
        if line.passed or line.kind == INFORMS:
            continue
        found = "nothing was measured" if line.measured is None else f"measured {line.measured:.4g}"
        bound = "" if line.bound is None else f", and it may be {line.bound:.4g}"
        text = (
            f"The student is not shown to keep '{line.rule}' {line.threshold:g}, a limit under which the champion was "
            f"approved: {found}{bound}"
        )
        yield explicit_reason(f"champion.{line.rule}", text)


def _looser_gate(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[ExplicitReason]:
    for name, was in before.items():
        if isinstance(was, Mapping):
            wanted = now.get(name) or {}
            for key, floor in was.items():
                if _is_looser("min_", floor, wanted.get(key)):
                    yield _looser(f"gate.{name}.{key}", floor, wanted.get(key))
        elif name in now and _is_looser(name, was, now[name]):
            yield _looser(f"gate.{name}", was, now[name])


def _looser_money(before: ApprovedLimits, now: ApprovedLimits) -> Iterator[ExplicitReason]:
    if before.approval == "required" and now.approval != "required":
        yield _looser("approval", before.approval, now.approval)
    if now.budget_usd > before.budget_usd + ROUNDING:
        yield _looser("budget_usd", f"{before.budget_usd:,.2f}", f"{now.budget_usd:,.2f}")
    was, wanted = before.serving, now.serving
    throughput = "provisioned_throughput"
    if wanted.get("mode") != throughput:
        return
    if was.get("mode") != throughput:
        yield _looser("serving.mode", was.get("mode"), throughput)
    elif wanted["model_units"] > was.get("model_units", 1):
        yield _looser("serving.model_units", was.get("model_units", 1), wanted["model_units"])
    if wanted["commitment"] != was.get("commitment", "none") and wanted["commitment"] != "none":
        yield _looser("serving.commitment", was.get("commitment", "none"), wanted["commitment"])
    volume, expected = was.get("expected_requests_per_month"), wanted.get("expected_requests_per_month")
    if volume is not None and (expected is None or expected > volume):
        # What a throughput costs a request follows from it, and so does min_cost_reduction.
        yield _looser("serving.expected_requests_per_month", volume, expected)


def _looser_data(before: ApprovedLimits, now: ApprovedLimits) -> Iterator[ExplicitReason]:
    for name, was in before.teacher_data.items():
        if was is not None and _is_looser("max_", was, now.teacher_data.get(name)):
            yield _looser(f"teacher_data.{name}", was, now.teacher_data.get(name))
    strict = ("block", "drop", "allow")
    if strict.index(now.secrets) > strict.index(before.secrets):
        yield _looser("secrets", before.secrets, now.secrets)


def _another_yardstick(before: ApprovedLimits, now: ApprovedLimits) -> Iterator[ExplicitReason]:
    for name, was in before.yardstick.items():
        if name in YARDSTICK and now.yardstick.get(name) != was:
            yield explicit_reason(name, f"The champion was approved under another text of {YARDSTICK[name]}")
    for role, model in before.models.items():
        if now.models.get(role, model) != model:
            said = (
                f"The champion was approved with {model} as {role.partition('_')[0]}, this run has {now.models[role]}"
            )
            yield explicit_reason(f"models.{role}", said)


def _less_measured(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[ExplicitReason]:
    if not before or not now:
        return
    was, records = before["holdout_records"], now["holdout_records"]
    if records < was * (1 - FEWER_BY_CHANCE):
        text = f"The champion was measured on {was:,} holdout records, this student on {records:,}"
        yield explicit_reason("holdout_records", text)
    if before.get("own_holdout") and not now.get("own_holdout"):
        text = "The champion was measured on the task's own holdout.jsonl, this student on a split of the prompts"
        yield explicit_reason("own_holdout", text)
    brought = now.get("golden_share", 0.0)
    golden = before.get("golden_share", brought)
    if brought > golden + FEWER_BY_CHANCE:
        text = f"The right answers of {brought:.0%} of the holdout came with the upload, the champion's of {golden:.0%}"
        yield explicit_reason("golden_share", text)
    cases, known = before.get("calibration_cases", 0), now.get("calibration_cases", 0)
    if known < cases:
        text = f"The judge of the champion was measured on {cases} answers with known scores, this run's on {known}"
        yield explicit_reason("calibration_cases", text)


def _looser(name: str, before: object, now: object) -> ExplicitReason:
    text = f"task.json has {name} {_shown(now)}; the champion that it would replace was approved under {_shown(before)}"
    return explicit_reason(name, text)


def _shown(value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return "no limit" if value is None else str(value)


def _is_looser(name: str, before: Any, now: Any) -> bool:  # noqa: ANN401 - a limit is a number, a word or nothing
    if before is None or before == now:
        return False
    if now is None:
        return True
    if name.startswith("min_"):
        return bool(now < before - ROUNDING)
    if name.startswith("max_"):
        return bool(now > before + ROUNDING)
    return True  # of a word nobody can tell which one is stricter


def _stricter(name: str, before: Any, now: Any) -> Any:  # noqa: ANN401 - as above
    if isinstance(before, Mapping):
        return {**now, **{key: max(floor, now.get(key, floor)) for key, floor in before.items()}}
    return before if _is_looser(name, before, now) else now


def _hash(value: object) -> str | None:
    return None if value is None else digest(value, length=16)
