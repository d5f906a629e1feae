"""The models, profiles, distillation pairs, quotas and prices of the simulated account, read from ``catalog.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

ACCOUNT = "000000000000"
REGION = "us-east-1"
_FILE = Path(__file__).with_name("catalog.json")


def arn(kind: str, name: str) -> str:
    """Return the ARN of one of this account's Bedrock resources."""
    return f"arn:aws:bedrock:{REGION}:{ACCOUNT}:{kind}/{name}"


def foundation_model_arn(model_id: str, region: str = REGION) -> str:
    """Return a foundation model's ARN; an empty region gives the region-less one of ``global.`` profiles."""
    return f"arn:aws:bedrock:{region}::foundation-model/{model_id}"


@dataclass(frozen=True)
class TokenPrice:
    """US dollars per million tokens; Nova's writes to the prompt cache cost nothing (Price List)."""

    input: float
    output: float
    cache_read: float = 0.0
    cache_write: float = 0.0
    cache_write_hour: float = 0.0


@dataclass(frozen=True)
class Caching:
    """What a model keeps of prompts: the fewest tokens, the fields that take checkpoints, and for how long."""

    minimum_tokens: int
    fields: tuple[str, ...]
    ttls: tuple[str, ...]


@dataclass(frozen=True)
class FoundationModel:
    """One foundation model.

    ``served_as`` names the model that answers where this id exists for customization only, as Nova's ``:128k`` does.
    """

    model_id: str
    details: dict[str, Any]
    brain: str
    usage_name: str
    latency_mean_ms: float
    latency_spread_ms: float
    context_tokens: int
    output_tokens: int
    price: TokenPrice
    served_as: str | None
    on_demand_deployment: bool
    batch: bool
    caching: Caching | None
    training_usd_per_thousand_tokens: float | None

    @property
    def arn(self) -> str:
        """The model's ARN in this region."""
        return foundation_model_arn(self.model_id)

    @property
    def end_of_life(self) -> datetime | None:
        """When the service stops answering for it."""
        moment: datetime | None = self.details["modelLifecycle"].get("endOfLifeTime")
        return moment


@dataclass(frozen=True)
class InferenceProfile:
    """A system-defined inference profile."""

    profile_id: str
    name: str
    model_id: str
    regions: tuple[str, ...]
    price: TokenPrice | None

    @property
    def arn(self) -> str:
        """The profile's ARN."""
        return arn("inference-profile", self.profile_id)

    @property
    def model_arns(self) -> list[str]:
        """The foundation model in each region that the profile may use."""
        return [foundation_model_arn(self.model_id, region) for region in self.regions]


@dataclass(frozen=True)
class Quota:
    """A service quota and its default value; ``limits`` says what it limits where a simulated rule reads it."""

    code: str
    name: str
    value: float
    requests_per_minute_of: str | None
    limits: str | None
    tokens_per_day_of: str | None = None


@dataclass(frozen=True)
class Catalog:
    """Everything that the account can see before it made anything itself."""

    models: dict[str, FoundationModel]
    profiles: dict[str, InferenceProfile]
    pairs: dict[str, tuple[str, ...]]
    quotas: dict[str, Quota]
    storage_usd_per_model_month: float

    def model(self, identifier: str) -> FoundationModel | None:
        """Find a foundation model by id or by its ARN in any region."""
        prefix, found, model_id = identifier.partition("::foundation-model/")
        return self.models.get(model_id if found and prefix.startswith("arn:aws:bedrock:") else identifier)

    def quota(self, name: str) -> Quota:
        """Find a quota by its code or by what it limits."""
        return self.quotas.get(name) or next(quota for quota in self.quotas.values() if quota.limits == name)

    def profile(self, identifier: str) -> InferenceProfile | None:
        """Find a system inference profile by id or ARN."""
        return self.profiles.get(identifier.removeprefix(arn("inference-profile", "")))


def load(path: Path = _FILE) -> Catalog:
    """Read the catalog."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    models = [_model(entry) for entry in raw["models"]]
    profiles = [_profile(entry) for entry in raw["inferenceProfiles"]]
    quotas = [
        Quota(q["code"], q["name"], q["value"], q.get("requestsPerMinuteOf"), q.get("limits"), q.get("tokensPerDayOf"))
        for q in raw["quotas"]
    ]
    return Catalog(
        models={model.model_id: model for model in models},
        profiles={profile.profile_id: profile for profile in profiles},
        pairs={pair["teacher"]: tuple(pair["students"]) for pair in raw["distillationPairs"]},
        quotas={quota.code: quota for quota in quotas},
        storage_usd_per_model_month=raw["storageUsdPerModelMonth"],
    )


def parse_lifecycle(raw: dict[str, str]) -> dict[str, Any]:
    """Turn a lifecycle's ISO times into moments, as the service's answers carry them."""
    return {key: value if key == "status" else datetime.fromisoformat(value) for key, value in raw.items()}


def _model(entry: dict[str, Any]) -> FoundationModel:
    details = entry["details"]
    details["modelArn"] = foundation_model_arn(details["modelId"])
    details["modelLifecycle"] = parse_lifecycle(details["modelLifecycle"])
    return FoundationModel(
        model_id=details["modelId"],
        details=details,
        brain=entry["brain"],
        usage_name=entry["usageName"],
        latency_mean_ms=entry["latencyMs"]["mean"],
        latency_spread_ms=entry["latencyMs"]["spread"],
        context_tokens=entry["limits"]["contextTokens"],
        output_tokens=entry["limits"]["outputTokens"],
        price=_price(entry["usdPerMillionTokens"]),
        served_as=entry["servedAs"],
        on_demand_deployment=entry["onDemandDeployment"],
        batch=entry["batch"],
        caching=_caching(entry["caching"]),
        training_usd_per_thousand_tokens=entry["trainingUsdPerThousandTokens"],
    )


def _profile(entry: dict[str, Any]) -> InferenceProfile:
    price = entry["usdPerMillionTokens"]
    return InferenceProfile(
        profile_id=entry["inferenceProfileId"],
        name=entry["inferenceProfileName"],
        model_id=entry["modelId"],
        regions=tuple(entry["regions"]),
        price=_price(price) if price else None,
    )


def _caching(entry: dict[str, Any] | None) -> Caching | None:
    return Caching(entry["minimumTokens"], tuple(entry["fields"]), tuple(entry["ttls"])) if entry else None


def _price(entry: dict[str, float]) -> TokenPrice:
    return TokenPrice(
        input=entry["input"],
        output=entry["output"],
        cache_read=entry["cacheRead"],
        cache_write=entry["cacheWrite"],
        cache_write_hour=entry["cacheWriteHour"],
    )
