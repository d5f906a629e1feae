"""The pipeline's own metrics: what emits, graphs or watches one reads its name, unit and dimension here.

Every metric has the dimension ``Environment`` and at most one more, whose values are bounded: a stage, an outcome, a
contestant's role. Never a run, a task or a model's ARN: each value of a dimension is a metric that is paid for, and
tasks are named by users. Prompts and answers are in no metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdas.domain.evaluation.contestant_document import ContestantDocument

NAMESPACE = "Distillation"

ENVIRONMENT, STAGE, OUTCOME, ROLE = "Environment", "Stage", "Outcome", "Role"

COUNT, SECONDS, MILLISECONDS, PERCENT, NO_UNIT = "Count", "Seconds", "Milliseconds", "Percent", "None"
"""Units of CloudWatch (MetricDatum, CloudWatch API reference). It has none for dollars: these have ``None``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """One metric; ``by`` is its dimension beside ``Environment``, if it has one."""

    name: str
    unit: str
    by: str | None = None

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of its dimensions."""
        return (ENVIRONMENT, self.by) if self.by else (ENVIRONMENT,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One value of a metric; ``of`` is the value of the metric's own dimension."""

    metric: Metric
    value: float
    of: str | None = None


RUNS_ENDED = Metric(name="RunsEnded", unit=COUNT, by=OUTCOME)
RUN_SECONDS = Metric(name="RunSeconds", unit=SECONDS, by=OUTCOME)
"""From the start of the attempt to its end, a person's thinking included."""

STAGE_SECONDS = Metric(name="StageSeconds", unit=SECONDS, by=STAGE)
"""From the first call of a stage to the first call of the next, waiting included."""

STAGE_USD = Metric(name="StageUsd", unit=NO_UNIT, by=STAGE)
"""US dollars as they are written into the ledger; a line written again counts only what it changed."""

BUDGET_USED = Metric(name="BudgetUsed", unit=PERCENT)
"""What a run has spent of its task's ``budget_usd``: every five minutes while it is in progress, and at its end."""

SAVINGS = Metric(name="SavingsAgainstBaseline", unit=PERCENT)
"""How much cheaper a promoted student answers a request than the baseline, both on demand."""

USD_PER_1K_REQUESTS = Metric(name="UsdPer1000Requests", unit=NO_UNIT, by=ROLE)
JUDGE_SCORE = Metric(name="JudgeScore", unit=NO_UNIT, by=ROLE)
LATENCY = Metric(name="Latency", unit=MILLISECONDS, by=ROLE)
"""Of a contestant in an evaluation: dollars on demand, mean score 1 to 5, mean latency by the service's own clock."""

JOBS_STALLED = Metric(name="JobsStalled", unit=COUNT)
IDLE_USD_PER_HOUR = Metric(name="IdleUsdPerHour", unit=NO_UNIT)
IDLE_THROUGHPUTS = Metric(name="IdleThroughputs", unit=COUNT)
"""What ReapIdleThroughput found and nobody has dealt with. Counted beside the dollars, which a missing price hides."""

MONTH_RUNS_USD = Metric(name="MonthRunsUsd", unit=NO_UNIT)
MONTH_SERVING_USD = Metric(name="MonthServingUsd", unit=NO_UNIT)
MONTH_IDLE_USD = Metric(name="MonthIdleUsd", unit=NO_UNIT)
MONTH_SAVED_USD = Metric(name="MonthSavedUsd", unit=NO_UNIT)
MONTH_SERVICES_USD = Metric(name="MonthServicesUsd", unit=NO_UNIT)
"""What the present month has come to, once a day by ExportCosts: US dollars of runs, of serving, of the part of it that
nobody used, verified savings, and what the services around Bedrock cost."""

FOUND_USD = Metric(name="FoundSavingsUsd", unit=NO_UNIT)
ACTED_ON_USD = Metric(name="ActedOnSavingsUsd", unit=NO_UNIT)
"""What RankOpportunities found that could be saved at most, and how much of it has a champion or a run: US dollars a
year. What is proven of it is in the month's verified savings."""

ROUTING_OUT_OF_BOUNDS = Metric(name="RoutingOutOfBounds", unit=COUNT)
"""Tasks whose callers escalate more, or less, than was foreseen when their routing was adopted."""

ALL = (
    RUNS_ENDED,
    RUN_SECONDS,
    STAGE_SECONDS,
    STAGE_USD,
    BUDGET_USED,
    SAVINGS,
    USD_PER_1K_REQUESTS,
    JUDGE_SCORE,
    LATENCY,
    JOBS_STALLED,
    IDLE_USD_PER_HOUR,
    IDLE_THROUGHPUTS,
    MONTH_RUNS_USD,
    MONTH_SERVING_USD,
    MONTH_IDLE_USD,
    MONTH_SAVED_USD,
    MONTH_SERVICES_USD,
    ROUTING_OUT_OF_BOUNDS,
)

OF_DISCOVERY = (FOUND_USD, ACTED_ON_USD)
"""Those that are there with the discovery stack alone."""


def budget_used(spent_usd: float, budget_usd: float) -> Measured:
    """Measure the share of a budget, in percent."""
    return Measured(metric=BUDGET_USED, value=100 * spent_usd / budget_usd)


def measure_contestants(contestants: Sequence[ContestantDocument], *, promoted: bool) -> Iterable[Measured]:
    """Measure an evaluation.

    Parameters
    ----------
    contestants : sequence of mapping
        As ``evaluation.json`` has them.
    promoted : bool
        Whether the student serves: one that does not saves nothing.

    Yields
    ------
    Measured
    """
    for one in contestants:
        role = str(one["role"])
        yield Measured(metric=USD_PER_1K_REQUESTS, value=one["usd_per_1k_requests"], of=role)
        if one["judge_score"]["mean"] is not None:
            yield Measured(metric=JUDGE_SCORE, value=one["judge_score"]["mean"], of=role)
        if one["latency_ms"]:
            yield Measured(metric=LATENCY, value=one["latency_ms"]["mean"], of=role)
    dollars = {one["role"]: one["usd_per_1k_requests"] for one in contestants}
    if promoted and dollars.get("baseline") and "student" in dollars:
        yield Measured(metric=SAVINGS, value=100 * (1 - dollars["student"] / dollars["baseline"]))
