"""Is prompting enough? The student beside its own base model with the long prompt, which needs no distillation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.evaluation.confidence_bounds import mean_bounds
from lambdas.domain.evaluation.evidence_kinds import FIDELITY, TRUSTED
from lambdas.domain.evaluation.judge import MOST_DIFFERENCE
from lambdas.domain.evaluation.measurements import PROMPTED, STUDENT, Measurement, paired_differences, worst_differences
from lambdas.domain.gate.rule_result import MUST_BE_SHOWN, PROMOTE, ROUNDING, RuleResult, decide, to_accept

if TYPE_CHECKING:
    from lambdas.domain.evaluation.contestant_summary import ContestantSummary
    from lambdas.domain.gate.prompting_document import PromptingDocument
    from lambdas.domain.serving.break_even import BreakEven
    from lambdas.domain.task.task_definition import TaskDefinition

_AGAINST = {TRUSTED: "trusted answers", FIDELITY: "the teacher's answers"}


def prompting(
    grouped: Mapping[str, Sequence[Measurement]],
    summaries: Mapping[str, ContestantSummary],
    task: TaskDefinition,
    break_even: BreakEven,
    trusted: AbstractSet[str] | None,
    gate: Sequence[RuleResult],
    gate_of: Callable[[Mapping[str, Sequence[Measurement]], Mapping[str, ContestantSummary]], Sequence[RuleResult]],
) -> PromptingDocument | None:
    """Say whether the base model with the long prompt does what the student does, for no more.

    It is enough where its scores are shown to be within ``gate.max_quality_drop`` of the student's, it keeps the output
    schema as often as the task demands (or as the student does), and it costs no more than the student as that is
    served; or where it passes every rule of the gate itself, whatever it costs. A judge that is not believed shows
    neither.

    Parameters
    ----------
    grouped, summaries : mapping
        By role.
    task : TaskDefinition
    break_even : BreakEven
    trusted : set of str or None
        Ids of the records whose reference is the user's own answer, where scores against these decide; else all count.
    gate : sequence of RuleResult
        The student's.
    gate_of : callable
        Holds whoever is the student of such measurements and summaries against the gate, served on demand.

    Returns
    -------
    dict or None
        ``None`` where the rival was not measured.
    """
    if PROMPTED not in grouped:
        return None
    rival, student = summaries[PROMPTED], summaries[STUDENT]
    ours, theirs = (
        [item for item in grouped[role] if trusted is None or item.record_id in trusted] for role in (STUDENT, PROMPTED)
    )
    found, known = worst_differences(theirs, ours), paired_differences(theirs, ours)
    units = [item.unit for item in theirs]
    bounds = mean_bounds(found, (-MOST_DIFFERENCE, MOST_DIFFERENCE), groups=units)
    believed = all(line.passed for line in gate if line.kind == MUST_BE_SHOWN and line.rule != "max_quality_drop")
    costs, student_costs = rival.usd_per_1k_requests, _as_served(student, task, break_even)
    valid = rival.schema_validity >= min(task.gate.min_schema_validity, student.schema_validity) - ROUNDING
    within = believed and valid and bounds.low >= -task.gate.max_quality_drop - ROUNDING
    passes = believed and _passes(gate_of(*_in_its_place(grouped, summaries)))
    cheaper = 0 < costs <= student_costs
    difference = sum(known) / len(known) if known else None
    document: PromptingDocument = {
        "model_id": rival.model,
        "enough": passes or (within and cheaper),
        "within_margin": within,
        "passes_gate": passes,
        "evidence": FIDELITY if trusted is None else TRUSTED,
        "difference": difference,
        "bound": bounds.low,
        "usd_per_1k_requests": costs,
        "student_usd_per_1k_requests": student_costs,
    }
    return {**document, "sentence": _sentence(document, rival, student, task)}


def _as_served(student: ContestantSummary, task: TaskDefinition, break_even: BreakEven) -> float:
    """Give what 1,000 requests to the student cost as it is promoted, where that is known; else on demand."""
    volume, monthly = break_even.expected_requests_per_month, break_even.usd_per_month
    served = monthly["student_provisioned_throughput"] if monthly else None
    if task.serving.mode == "provisioned_throughput" and served is not None and volume:
        return 1000 * served / volume
    return student.usd_per_1k_requests


def _in_its_place(
    grouped: Mapping[str, Sequence[Measurement]], summaries: Mapping[str, ContestantSummary]
) -> tuple[dict[str, Sequence[Measurement]], dict[str, ContestantSummary]]:
    measured = [replace(item, role=STUDENT) for item in grouped[PROMPTED]]
    return {**grouped, STUDENT: measured}, {**summaries, STUDENT: replace(summaries[PROMPTED], role=STUDENT)}


def _passes(lines: Sequence[RuleResult]) -> bool:
    return decide(lines) == PROMOTE and not to_accept(lines)


def _sentence(
    found: PromptingDocument, rival: ContestantSummary, student: ContestantSummary, task: TaskDefinition
) -> str:
    if rival.mean_score is None or student.mean_score is None:
        return f"Of {rival.model} with the long prompt nothing can be said: it, or the student, has no score"
    scores = (
        f"{rival.model} with the long prompt scores {rival.mean_score:.2f} beside the student's "
        f"{student.mean_score:.2f} against {_AGAINST[found['evidence']]}"
    )
    costs = (
        f"${found['usd_per_1k_requests']:.4f} per 1,000 requests on demand beside the student's "
        f"${found['student_usd_per_1k_requests']:.4f} as it would be served"
    )
    if found["enough"]:
        why = "passes every rule of the gate itself" if found["passes_gate"] else "costs no more"
        return f"Prompting is enough: {scores} and {why}: {costs}"
    if found["within_margin"]:
        return f"Prompting is as good and dearer: {scores}; it costs {costs}"
    margin = f"{task.gate.max_quality_drop:g} points"
    return f"Prompting is not shown to be within {margin} of the student: {scores}; it costs {costs}"
