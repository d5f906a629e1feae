"""Whether the teacher agrees with a golden answer, by the task's own measure."""

from __future__ import annotations

from typing import Any

from lambdas.domain.evaluation.task_metric import field_differences


def disagreement(schema: dict[str, Any] | None, answer: str, golden: str, max_difference: float) -> str | None:
    """Say in which field an answer disagrees with a golden answer, or ``None``.

    Parameters
    ----------
    schema : dict or None
        The task's output schema, which says what is measured.
    answer, golden : str
    max_difference : float
        How far a number may be off; choices must be equal.

    Returns
    -------
    str or None
        The first field that is off, without either text: reasons reach reports. Several answers that are off in the
        same field have the same reason, so that the report can count them.
    """
    for difference in field_differences(schema, answer, golden) or ():
        if difference.kind == "choice" and not difference.equal:
            return f"disagrees with the golden answer: {difference.field} is another choice"
        if difference.kind == "number" and (difference.error is None or difference.error > max_difference + 1e-9):
            return f"disagrees with the golden answer: {difference.field} is off by more than {max_difference:g}"
    return None
