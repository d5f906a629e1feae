"""The settings of one environment: typed, validated once at synth, handed to every Lambda as one JSON text."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from lambdas.domain.documents import InvalidDocument, check_document
from lambdas.domain.errors import InvalidSettings
from lambdas.domain.model_ids import foundation_model_id
from lambdas.domain.prices.price_book import ModelUnit, PriceBook, PriceLine
from lambdas.domain.prices.price_lines import check_price_lines
from lambdas.domain.task.log_request import LogSource

MAX_HISTORY_EVENTS = 15_000
"""Worst case that settings may reach, of the 25,000 events that Step Functions allows an execution (service quotas)."""

EVENTS_A_POLL = 10
"""History events of one poll: Wait (2), Task (5) and Choice (2), with one to spare.

A poll of a batch or a training that fails is one more poll, not a retry within one. Retries within the shorter loops
have the events between :data:`MAX_HISTORY_EVENTS` and what Step Functions allows.
"""

TEACHER_POLLS = 150
"""Polls of the teacher's batch before its deadline, however late that is: the interval follows from the deadline."""

TEACHER_POLL_LIMIT = TEACHER_POLLS + 12
"""Polls after which the machine goes on: some more, in which jobs that are past their deadline may stop."""


QUOTA_TRY_SECONDS = 1_800
"""How often it is tried whether a quota of the day was reset: AWS does not say at which hour it is."""

WAITING_TASKS, EVENTS_A_TRY = 3, 3
"""Tasks of the machine itself that wait so (CheckRun, CalibrateJudge, ScoreEvaluation; shards have histories of their
own), and history events of one try: scheduled, started, failed."""

MOST_LABEL_CALLS = 20
"""Calls with people's scores that a run takes: each is another look at the same records."""

EVENTS_A_VERDICT = 30
"""History events of a verdict anew: ScoreEvaluation with a failed try, the choices, the request for approval."""

OF_THE_STACKS = ("permissions_boundary", "vpc")
"""Settings that no Lambda reads: their variables have little room."""


ENDED_MODELS = {
    "amazon.nova-premier-v1:0": "2026-09-14",
    "anthropic.claude-3-haiku-20240307-v1:0": "2026-09-10",
    "anthropic.claude-sonnet-4-20250514-v1:0": "2026-10-14",
    "meta.llama3-1-405b-instruct-v1:0": "2026-07-07",
}
"""Models and the days on which they ended for most accounts (Bedrock user guide, model lifecycle, autumn 2026).

Bedrock makes no application inference profile of such a model, and the deployment would fail: whoever names one that
the account still has asks it as it is. Whether it answers is never decided from this list, but asked of the service.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Vpc:
    """Where Lambdas run, and whether the stack makes the endpoints through which they reach AWS."""

    vpc_id: str
    subnet_ids: list[str]
    endpoints: bool
    route_table_ids: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscoverySettings:
    """How the log sources are read each day; the meaning of each field is in ``schemas/settings.schema.json``."""

    metadata_key: str | None
    hour_utc: int
    days: int
    sample_calls: int
    offloaded_a_day: int
    max_scanned_gb: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """One environment. See ``schemas/settings.schema.json`` for limits, defaults and the meaning of each field."""

    account: str | None
    region: str
    notification_emails: list[str]
    teacher_models: list[str]
    judge_models: list[str]
    baseline_models: list[str]
    inference_profiles: bool
    models_without_profile: list[str]
    student_model: str
    student_customization_model: str
    max_running: int
    calls_at_once: int
    shards_at_once: int
    teacher_poll_seconds: int
    distillation_poll_seconds: int
    distillation_deadline_hours: int
    distillation_stall_hours: float
    training_data_max_rejected_rate: float
    endpoint_poll_seconds: int
    endpoint_deadline_minutes: int
    quota_wait_hours: int
    approval_expiry_hours: int
    approval_reminder_hours: int
    separate_approver: bool | str
    trusted_sessions: list[str]
    max_hourly_usd: float
    max_budget_usd: float
    max_monthly_usd: float
    approval_modes: list[str]
    max_model_units: int
    lowest_gate: dict[str, float]
    keep_champions: int
    bake_minutes: int
    bake_poll_seconds: int
    bake_min_requests: int
    bake_max_error_share: float
    bake_max_slowdown: float
    keep_unused_models_days: int
    reap: str
    reap_every_hours: int
    idle_hours: int
    review_after_days: int
    end_of_life_notice_days: int
    cost_export: str
    derived_factors: dict[str, float]
    discovery: dict[str, Any] | None
    log_retention_days: int
    run_data_retention_days: int
    answers_retention_days: int
    access_log_retention_days: int
    prices: list[dict[str, Any]]
    model_units: list[dict[str, Any]]
    log_sources: list[dict[str, Any]]
    permissions_boundary: str | None
    vpc: dict[str, Any] | None
    simulated: bool

    @classmethod
    def from_mapping(cls, mapping: object) -> Self:
        """Build settings from parsed JSON.

        Parameters
        ----------
        mapping : object
            What ``cdk.json`` has under the environment's name.

        Raises
        ------
        InvalidSettings
            Names the key and what is allowed.
        """
        try:
            settings = cls(**check_document(mapping, "settings.schema.json"))
        except InvalidDocument as problem:
            raise InvalidSettings(str(problem)) from None
        if settings.worst_case_history_events() > MAX_HISTORY_EVENTS:
            message = (
                f"the polls could write {settings.worst_case_history_events()} history events, more than "
                f"{MAX_HISTORY_EVENTS}: raise 'distillation_poll_seconds' or 'endpoint_poll_seconds', "
                "or lower 'distillation_deadline_hours' or 'endpoint_deadline_minutes'"
            )
            raise InvalidSettings(message)
        if settings.discovery is not None and not settings.log_sources:
            raise InvalidSettings("'discovery' reads the buckets of 'log_sources', and there is none: name one")
        check_price_lines(settings.prices, settings.model_units)
        return settings

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote."""
        return cls.from_mapping(json.loads(text))

    def to_json(self) -> str:
        """Write what Lambdas read of the settings as one line of JSON, keys in order."""
        read = {key: value for key, value in asdict(self).items() if key not in OF_THE_STACKS}
        return json.dumps(read, sort_keys=True, separators=(",", ":"))

    def discovered(self) -> DiscoverySettings | None:
        """Give how the log sources are read each day; ``None`` where nobody asked for it."""
        return DiscoverySettings(**self.discovery) if self.discovery is not None else None

    def network(self) -> Vpc | None:
        """Give where Lambdas run; ``None`` outside of any VPC."""
        return Vpc(**self.vpc) if self.vpc else None

    @property
    def distillation_polls(self) -> int:
        """How often the customization job is looked at before its deadline."""
        return -(-self.distillation_deadline_hours * 3600 // self.distillation_poll_seconds)

    @property
    def endpoint_polls(self) -> int:
        """How often a deployment, a throughput or a release is looked at before its deadline."""
        return -(-self.endpoint_deadline_minutes * 60 // self.endpoint_poll_seconds)

    @property
    def bake_polls(self) -> int:
        """How often a new champion's metrics are read; 0 where nobody watches it."""
        return -(-self.bake_minutes * 60 // self.bake_poll_seconds)

    @property
    def rollback_poll_seconds(self) -> int:
        """How often a rollback of the watch is looked at: callers are served all the while, so seldom is enough."""
        return 3 * self.endpoint_poll_seconds

    @property
    def rollback_polls(self) -> int:
        """How often it is looked at before the deadline of an endpoint."""
        return -(-self.endpoint_deadline_minutes * 60 // self.rollback_poll_seconds)

    def worst_case_history_events(self) -> int:
        """Bound the history of an execution in which every deadline is exhausted.

        Returns
        -------
        int
            Events of the polls (the teacher's batch, distillation, bake, three loops of endpoints and the rollback of a
            bake), of the waits for quotas of the day, of verdicts anew after labels, and 500 for everything else.
        """
        bake = self.bake_polls + (self.rollback_polls if self.bake_polls else 0)
        polls = TEACHER_POLL_LIMIT + self.distillation_polls + bake + 3 * self.endpoint_polls
        waits = EVENTS_A_TRY * WAITING_TASKS * self.quota_tries
        return EVENTS_A_POLL * polls + waits + EVENTS_A_VERDICT * MOST_LABEL_CALLS + 500

    @property
    def quota_tries(self) -> int:
        """How often a stage asks again whether a quota of the day was reset."""
        return -(-self.quota_wait_hours * 3600 // QUOTA_TRY_SECONDS)

    def teacher_poll_interval(self, deadline_hours: float) -> int:
        """Space the polls of a batch, in seconds, so that its deadline is reached within :data:`TEACHER_POLLS`."""
        return max(self.teacher_poll_seconds, math.ceil(deadline_hours * 3600 / TEACHER_POLLS))

    def model_preferences(self) -> dict[str, list[str]]:
        """Give the models of each role that is chosen, in order of preference."""
        return {"teacher": self.teacher_models, "judge": self.judge_models, "baseline": self.baseline_models}

    def asked_models(self) -> list[str]:
        """List the models that are asked on demand, each once, in order of their names."""
        return sorted({*self.teacher_models, *self.judge_models, *self.baseline_models, self.student_model})

    def profiled_models(self) -> list[str]:
        """List those of them that are asked through an application inference profile of the environment."""
        without = set(self.models_without_profile)
        return [
            model
            for model in self.asked_models()
            if self.inference_profiles and model not in without and foundation_model_id(model) not in ENDED_MODELS
        ]

    def allowed_logs(self) -> list[LogSource]:
        """Give the log locations that runs may be made of."""
        return [LogSource(**{**source, "prefix": source["prefix"].strip("/")}) for source in self.log_sources]

    def price_book(self) -> PriceBook:
        """Give the price book that ships with the pipeline for this Region, with this environment's lines on top."""
        return PriceBook.shipped(self.region).with_lines(
            [PriceLine(**line, region=self.region) for line in self.prices],
            [ModelUnit(**unit, region=self.region) for unit in self.model_units],
        )
