"""On what a quality line may rest, and what each kind of evidence may claim."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambdas.domain.evaluation.sample_sizes import holdout_records_needed

if TYPE_CHECKING:
    from lambdas.domain.task.task_definition import GateRules

TRUSTED, LABELLED, PAIRWISE, FIDELITY = "trusted", "labelled", "pairwise", "fidelity"

CLAIMS: Mapping[str, str] = {
    TRUSTED: "better or worse than the reference, by answers that the user trusts",
    LABELLED: "better or worse than the reference, by the judge corrected with people's scores",
    PAIRWISE: "better or worse than the reference, by the judge's view of blinded pairs, less surely than by trusted "
    "answers",
    FIDELITY: "how close the student is to the teacher; nothing about the baseline",
}
"""What each kind of evidence may claim."""


def is_trusted(reference: Mapping[str, Any]) -> bool:
    """Tell whether a line of ``references.jsonl`` is the user's own answer; each attempt writes that file anew."""
    return reference.get("trusted") is True


def rests_on(trusted: int, records: int, rules: GateRules) -> str:
    """Say on what the comparison with the reference model rests, before anything is asked.

    Parameters
    ----------
    trusted : int
        Records of the holdout whose reference is the user's own answer.
    records : int
        All records with a reference.
    rules : GateRules
    """
    if trusted and trusted >= min(records, holdout_records_needed(rules.max_quality_drop)):
        return TRUSTED
    return FIDELITY if rules.evidence == FIDELITY else PAIRWISE
