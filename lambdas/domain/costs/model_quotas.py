"""What an account may ask of a model in a day and in a minute, and whether a run's estimate fits into it.

Names of quotas: Service Quotas, Amazon Bedrock. A new account may have a quota of the day that is 0 and not adjustable:
it never resets, and each call is answered "Too many tokens per day".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from lambdas.domain.model_ids import foundation_model_id, is_profile, model_family

if TYPE_CHECKING:
    from lambdas.domain.costs.estimate import EstimatedLine

OUTPUT_WEIGHT = 5.0
"""Tokens of a quota that one output token of a Claude model takes (Bedrock user guide, how tokens are counted)."""

LONGEST_STAGE_HOURS = 24.0
"""How long a shard may make progress before its stage fails: a quota of the minute that needs longer is too small."""

_DAYS_HOURS = 24.0
_DAY = "model invocation max tokens per day"
_NAME = re.compile(r"(?P<what>.+?) for (?P<whose>.+?)(?P<note> \(.*\))?", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelQuota:
    """The quotas of one model under the id by which it is called; ``None`` where the account's list has none.

    Attributes
    ----------
    model : str
    tokens_a_day, tokens_a_minute, requests_a_minute : float or None
    """

    model: str
    tokens_a_day: float | None = None
    tokens_a_minute: float | None = None
    requests_a_minute: float | None = None

    @classmethod
    def of(cls, model: str, quotas: Mapping[str, float]) -> Self:
        """Read the quotas of a model from those of the account, by their names."""
        scope = "global cross-region" if model.startswith("global.") else "cross-region"
        scope = scope if is_profile(model) else "on-demand"
        fields = {
            _DAY: "tokens_a_day",
            f"{scope} model inference tokens per day": "tokens_a_day",
            f"{scope} model inference tokens per minute": "tokens_a_minute",
            f"{scope} model inference requests per minute": "requests_a_minute",
        }
        found: dict[str, float] = {}
        for name, value in quotas.items():
            parts = _NAME.fullmatch(name.strip())
            field = fields.get(parts["what"].lower()) if parts and names_model(parts["whose"], model) else None
            if parts and field:
                doubled = "doubled for cross-region" in (parts["note"] or "").lower() and is_profile(model)
                found[field] = 2 * value if doubled else value
        return cls(model=model, **found)

    @property
    def never(self) -> str | None:
        """Say why the model cannot be asked at all, or nothing."""
        for field, words in _WORDS.items():
            if getattr(self, field) == 0:
                return (
                    f"has a quota of 0 {words}, which never resets; ask for one in Service Quotas (Amazon Bedrock), or "
                    "AWS Support where it is not adjustable"
                )
        return None

    def said(self) -> str:
        """Say the quotas in one line."""
        known = [
            f"{value:,.0f} {words}" for field, words in _WORDS.items() if (value := getattr(self, field)) is not None
        ]
        return ", ".join(known) or "not listed by Service Quotas"


_WORDS = {
    "tokens_a_day": "tokens a day",
    "tokens_a_minute": "tokens a minute",
    "requests_a_minute": "requests a minute",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What a run is estimated to ask of one model on demand, and how long its quotas make that take.

    Attributes
    ----------
    model : str
    calls, tokens : float
        ``tokens`` as the quotas count them.
    days : float
        Quotas of the day that it takes; 0 where none is known.
    hours : float
        Least time by the quotas of the minute, of the stage that takes longest.
    """

    model: str
    calls: float
    tokens: float
    days: float
    hours: float

    def problem(self, quota: ModelQuota, wait_hours: float) -> str | None:
        """Say why a run cannot get through, or nothing.

        Parameters
        ----------
        quota : ModelQuota
        wait_hours : float
            ``quota_wait_hours`` of the settings.
        """
        if (self.days - 1) * _DAYS_HOURS > wait_hours:
            return (
                f"{self.model} is needed for about {self.tokens:,.0f} tokens, and the account may use "
                f"{quota.tokens_a_day:,.0f} a day: {self.days:.1f} days of it, more than 'quota_wait_hours' "
                f"({wait_hours:g}) waits for"
            )
        if self.hours > LONGEST_STAGE_HOURS:
            return (
                f"{self.model} would take {self.hours:,.0f} hours for one stage at {quota.said()}; a stage may take "
                f"{LONGEST_STAGE_HOURS:g}"
            )
        return None


def needs(lines: Iterable[EstimatedLine], quotas: Mapping[str, ModelQuota]) -> Iterator[Need]:
    """Add up what an estimate asks of each model; batch inference has quotas of its own and is left out."""
    models: dict[str, dict[str, tuple[float, float]]] = {}
    for line in lines:
        if "calls" not in line.usage or line.stage == "RunTeacherBatch":
            continue
        weight = OUTPUT_WEIGHT if model_family(line.model) == "anthropic" else 1.0
        tokens = line.usage.get("input_tokens", 0.0) + weight * line.usage.get("output_tokens", 0.0)
        stages = models.setdefault(line.model, {})
        calls, before = stages.get(line.stage, (0.0, 0.0))
        stages[line.stage] = (calls + line.usage["calls"], before + tokens)
    for model, stages in models.items():
        quota = quotas.get(model, ModelQuota(model=model))
        total = sum(tokens for _, tokens in stages.values())
        yield Need(
            model=model,
            calls=sum(calls for calls, _ in stages.values()),
            tokens=total,
            days=total / quota.tokens_a_day if quota.tokens_a_day else 0.0,
            hours=max(_minutes(calls, tokens, quota) for calls, tokens in stages.values()) / 60,
        )


def _minutes(calls: float, tokens: float, quota: ModelQuota) -> float:
    by_calls = calls / quota.requests_a_minute if quota.requests_a_minute else 0.0
    return max(by_calls, tokens / quota.tokens_a_minute if quota.tokens_a_minute else 0.0)


def names_model(whose: str, model: str) -> bool:
    """Tell whether a quota's name means a model: ``Anthropic Claude Sonnet 4.5 V1``, ``Amazon Nova Pro``."""
    named = re.sub(r" v\d+$", "", _words(whose))
    asked = _words(re.sub(r"(-\d{8})?(-v\d+(:\d+)?)?$", "", foundation_model_id(model).split(".", 1)[-1]))
    return named == asked or named.endswith(f" {asked}")


def _words(name: str) -> str:
    return " ".join(re.split(r"[^a-z0-9]+", name.lower())).strip()
