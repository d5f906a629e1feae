"""Everything that the simulated account holds, and the shared rules for names, tags, tokens and pages."""

from __future__ import annotations

import base64
import binascii
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from local.bedrock_simulator.batch.job import BatchJob
from local.bedrock_simulator.brains.base import Brain
from local.bedrock_simulator.catalog import Catalog, FoundationModel, InferenceProfile, foundation_model_arn
from local.bedrock_simulator.catalog import arn as resource_arn
from local.bedrock_simulator.clock import Clock
from local.bedrock_simulator.customization.job import Job
from local.bedrock_simulator.errors import ServiceError, conflict, quota_exceeded, validation
from local.bedrock_simulator.protocol.service import Params
from local.bedrock_simulator.records import BillingEntry, ServiceEntry
from local.bedrock_simulator.settings import Settings

# "You exceeded the maximum number of tags": 50 a resource, although the model's list allows 200.
MAX_TAGS = 50
_DEFAULT_PAGE = 100
Item = TypeVar("Item")


@dataclass
class CustomModel:
    """A custom model that a job made."""

    arn: str
    name: str
    job: Job
    base: FoundationModel
    created: datetime
    brain: Brain
    storage: BillingEntry


@dataclass
class Deployment:
    """An on-demand custom model deployment."""

    arn: str
    name: str
    model_arn: str
    description: str | None
    created: datetime
    active_at: datetime
    updated: datetime
    failure: str | None = None
    update: Update | None = None
    status: str = "Creating"


@dataclass
class Update:
    """A change of model under way, or the last one; ``ends`` is where a failed one leaves a throughput."""

    model_arn: str
    done_at: datetime
    status: str = "Updating"
    failure: str | None = None
    ends: str = "InService"


@dataclass
class Throughput:
    """A provisioned model throughput."""

    arn: str
    name: str
    model_arn: str
    foundation: FoundationModel
    units: int
    commitment: str | None
    commitment_ends: datetime | None
    created: datetime
    ready_at: datetime
    modified: datetime
    billing: BillingEntry
    failure: str | None = None
    update: Update | None = None
    status: str = "Creating"


@dataclass(frozen=True)
class ApplicationProfile:
    """An application inference profile: a name, and tags, for calls to one model.

    ``source`` is the system-defined profile that it copies; ``None`` where it copies a model of this region.
    """

    arn: str
    name: str
    model_id: str
    source: InferenceProfile | None
    created: datetime

    @property
    def profile_id(self) -> str:
        """The last part of the ARN."""
        return self.arn.rpartition("/")[2]

    @property
    def model_arns(self) -> list[str]:
        """The foundation model in each region that may answer."""
        return self.source.model_arns if self.source else [foundation_model_arn(self.model_id)]


@dataclass
class World:
    """The account's state. Hold ``lock`` while reading or changing more than one thing.

    ``job_names`` and ``batch_job_names`` only grow: a job cannot be deleted and its name is never freed.
    """

    catalog: Catalog
    clock: Clock
    settings: Settings = field(default_factory=Settings)
    lock: threading.RLock = field(default_factory=threading.RLock)
    jobs: dict[str, Job] = field(default_factory=dict)
    job_names: dict[str, str] = field(default_factory=dict)
    batch_jobs: dict[str, BatchJob] = field(default_factory=dict)
    batch_job_names: set[str] = field(default_factory=set)
    models: dict[str, CustomModel] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    throughputs: dict[str, Throughput] = field(default_factory=dict)
    application_profiles: dict[str, ApplicationProfile] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[tuple[str, str], tuple[Params, str]] = field(default_factory=dict)
    billing: list[BillingEntry] = field(default_factory=list)
    services: list[ServiceEntry] = field(default_factory=list)

    def quota(self, code: str) -> float:
        """Return a quota's value, as set or as the catalog has it; by code, or by what it limits."""
        quota = self.catalog.quota(code)
        return self.settings.quotas.get(quota.code, quota.value)

    def application_profile(self, identifier: str) -> ApplicationProfile | None:
        """Find an application inference profile by id or ARN."""
        return self.application_profiles.get(identifier) or self.application_profiles.get(
            resource_arn("application-inference-profile", identifier)
        )

    def require_quota(self, code: str, needed: float, message: str) -> None:
        """Raise ``ServiceQuotaExceededException`` where ``needed`` is above the quota."""
        if needed > self.quota(code):
            raise quota_exceeded(message)

    def clear(self) -> None:
        """Forget every resource and every entry of the billing record; settings and application profiles stay.

        The profiles belong to the deployed stacks, not to what runs make.
        """
        self.jobs.clear()
        self.job_names.clear()
        self.batch_jobs.clear()
        self.batch_job_names.clear()
        self.models.clear()
        self.deployments.clear()
        self.throughputs.clear()
        self.tags = {arn: tags for arn, tags in self.tags.items() if arn in self.application_profiles}
        self.tokens.clear()
        self.billing.clear()
        self.services.clear()


def new_id() -> str:
    """Return a resource id: twelve lower-case letters and digits, as every pattern of Bedrock wants them."""
    return uuid.uuid4().hex[:12]


def earlier(world: World, operation: str, params: Params, *, modelled_conflict: bool) -> str | None:
    """Return the ARN that the same client token made before.

    Raises
    ------
    ServiceError
        Where the token came with other parameters: ``ConflictException`` where the operation models it,
        otherwise ``ValidationException``.
    """
    token = params.get("clientRequestToken")
    known = world.tokens.get((operation, token)) if token else None
    if known is None:
        return None
    if known[0] != params:
        text = f"The clientRequestToken {token} was used before with different parameters"
        raise conflict(text) if modelled_conflict else validation(text)
    return known[1]


def remember(world: World, operation: str, params: Params, arn: str) -> None:
    """Keep which ARN a client token made."""
    if "clientRequestToken" in params:
        world.tokens[operation, params["clientRequestToken"]] = (params, arn)


def tag(world: World, arn: str, tags: Sequence[dict[str, str]]) -> None:
    """Add tags to a resource, or raise as the service does."""
    merged = world.tags.get(arn, {}) | checked_tags(tags)
    if len(merged) > MAX_TAGS:
        raise _too_many()
    world.tags[arn] = merged


def checked_tags(tags: Sequence[dict[str, str]]) -> dict[str, str]:
    """Turn a list of tags into a map; refuse more than 50, doubles, and the reserved prefix."""
    if len(tags) > MAX_TAGS:
        raise _too_many()
    keys = [entry["key"] for entry in tags]
    if len(set(keys)) != len(keys):
        raise validation("Tag keys must be unique within a request")
    if any(key.lower().startswith("aws:") for key in keys):
        raise validation("Tag keys must not begin with the reserved prefix aws:")
    return {entry["key"]: entry["value"] for entry in tags}


def _too_many() -> ServiceError:
    return ServiceError("TooManyTagsException", f"A resource can have at most {MAX_TAGS} tags")


def page(
    items: Sequence[Item], params: Params, member: str, summary: Callable[[Item], Params], default: int = _DEFAULT_PAGE
) -> Params:
    """Return one page of summaries, with ``nextToken`` where there is more."""
    start = _offset(params["nextToken"]) if "nextToken" in params else 0
    end = start + params.get("maxResults", default)
    result: Params = {member: [summary(item) for item in items[start:end]]}
    if end < len(items):
        result["nextToken"] = base64.b64encode(str(end).encode()).decode()
    return result


def _offset(token: str) -> int:
    try:
        return int(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError):
        raise validation("The nextToken is not one that this service gave out") from None


def selected(
    items: Iterable[Item],
    params: Params,
    *,
    name: Callable[[Item], str],
    created: Callable[[Item], datetime],
    equals: Mapping[str, Callable[[Item], object]],
    times: tuple[str, str] = ("creationTimeAfter", "creationTimeBefore"),
) -> list[Item]:
    """Choose and sort as the list operations do.

    Parameters
    ----------
    items : iterable
        What the account has.
    params : dict
        The request.
    name, created : callable
        What ``nameContains`` and the limits of time look at.
    equals : mapping of str to callable
        Filter of the request to what must equal it.
    times : tuple of str
        Names of the request's limits of time.

    Returns
    -------
    list
        Newest first unless ``sortOrder`` says otherwise.
    """
    found = [
        item
        for item in items
        if params.get("nameContains", "") in name(item)
        and all(field not in params or params[field] == value(item) for field, value in equals.items())
        and _created_within(created(item), params, *times)
    ]
    return sorted(found, key=created, reverse=params.get("sortOrder") != "Ascending")


def _created_within(moment: datetime, params: Params, after: str, before: str) -> bool:
    """Whether a creation time lies within the request's limits."""
    return not ((after in params and moment <= params[after]) or (before in params and moment >= params[before]))
