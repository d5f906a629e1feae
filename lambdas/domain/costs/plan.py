"""What CheckRun decided for an attempt, before the first paid call: ``plan.json``, with one reader and one writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from lambdas.domain.stored import check_schema_version, read_as
from lambdas.domain.task.model_choice import ModelChoice

PLAN_FILE = "plan.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The models of an attempt and what it is foreseen to cost.

    Attributes
    ----------
    models : ModelChoice
        Models as they will be called.
    budget_usd : float or None
        Of the task.
    throughput_usd_per_unit_hour : float or None
        ``None`` where no price book has it.
    estimate : sequence of mapping
        Foreseen payments, line by line; see :class:`~lambdas.domain.costs.estimate.EstimatedLine`.
    estimate_usd, estimate_low_usd, estimate_high_usd : float or None
        Their sums in US dollars.
    estimate_method : str or None
        How they were foreseen.
    answer_tokens : mapping or None
        Tokens that an answer of the task is taken to have.
    holdout : mapping or None
        :func:`~lambdas.domain.costs.holdout_plan.holdout_plan`: what the holdout can show, and how many would do.
    """

    models: ModelChoice
    budget_usd: float | None = None
    throughput_usd_per_unit_hour: float | None = None
    estimate: Sequence[Mapping[str, Any]] = ()
    estimate_usd: float | None = None
    estimate_low_usd: float | None = None
    estimate_high_usd: float | None = None
    estimate_method: str | None = None
    answer_tokens: Mapping[str, float] | None = None
    holdout: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, models: ModelChoice, estimate: Mapping[str, Any], budget_usd: float, hour_usd: float | None) -> Self:
        """Make the plan of an attempt of what :func:`~lambdas.domain.costs.estimate.estimate_document` gives."""
        return cls(
            models=models,
            budget_usd=budget_usd,
            throughput_usd_per_unit_hour=hour_usd,
            **estimate,
        )

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_document` wrote, in this version or another.

        Raises
        ------
        DocumentTooNew
            When a later version wrote it in another way.
        """
        check_schema_version(document, PLAN_FILE)
        return read_as(cls, {**document, "models": ModelChoice.from_document(document["models"])})

    def to_document(self) -> dict[str, Any]:
        """Give the plan as written to ``plan.json``."""
        return asdict(self)
