"""What an environment really has in Bedrock, whatever the registry says: found by name, then by tag."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG, RUN_TAG, TASK_TAG
from lambdas.domain.prices.price_book import HOURS_A_MONTH, PriceBook
from lambdas.domain.serving.break_even import throughput_usage
from lambdas.domain.serving.idle_rules import Thing
from lambdas.gateways.aws.bedrock import BATCH_ENDED, DEAD
from lambdas.gateways.registry.resources import BATCH_JOB, CUSTOM_MODEL, CUSTOMIZATION_JOB, DEPLOYMENT, THROUGHPUT

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient


@dataclass(frozen=True, slots=True)
class _Listing:
    """How one kind of resource is listed (botocore service model)."""

    kind: str
    operation: str
    items: str
    name: str
    arn: str
    created: str


_LISTINGS = (
    _Listing(
        THROUGHPUT,
        "list_provisioned_model_throughputs",
        "provisionedModelSummaries",
        "provisionedModelName",
        "provisionedModelArn",
        "creationTime",
    ),
    _Listing(
        DEPLOYMENT,
        "list_custom_model_deployments",
        "modelDeploymentSummaries",
        "customModelDeploymentName",
        "customModelDeploymentArn",
        "createdAt",
    ),
    _Listing(CUSTOM_MODEL, "list_custom_models", "modelSummaries", "modelName", "modelArn", "creationTime"),
)


_JOB_LISTINGS = (
    _Listing(
        CUSTOMIZATION_JOB,
        "list_model_customization_jobs",
        "modelCustomizationJobSummaries",
        "jobName",
        "jobArn",
        "creationTime",
    ),
    _Listing(BATCH_JOB, "list_model_invocation_jobs", "invocationJobSummaries", "jobName", "jobArn", "submitTime"),
)


class Inventory:
    """The throughput, deployments, custom models and running jobs of one environment.

    Summaries carry no tags, so names are searched first and each hit's tags are read then: another team's resource
    whose name begins alike is not ours.

    Parameters
    ----------
    client : Bedrock client
    environment : str
        Environment name: every name begins with it, and the tag ``distillation:environment`` equals it.
    prices : PriceBook
    student_model : str
        The model whose throughput and storage prices count.
    """

    def __init__(self, client: BedrockClient, environment: str, prices: PriceBook, student_model: str) -> None:
        self._client, self._environment = client, environment
        self._prices, self._student_model = prices, student_model

    def things(self) -> Iterator[Thing]:
        """List what exists, endpoints before the models that they hold."""
        return self._listed(_LISTINGS)

    def jobs(self) -> Iterator[Thing]:
        """List the customization and batch jobs that have not ended."""
        return self._listed(_JOB_LISTINGS)

    def _listed(self, listings: tuple[_Listing, ...]) -> Iterator[Thing]:
        for listing in listings:
            pages = self._client.get_paginator(listing.operation).paginate(  # type: ignore[call-overload]
                nameContains=f"{self._environment}-"
            )
            for page in pages:
                for item in page.get(listing.items, []):
                    if listing in _JOB_LISTINGS and item.get("status") in BATCH_ENDED:
                        continue
                    thing = self._thing(listing, item)
                    if thing is not None:
                        yield thing

    def _thing(self, listing: _Listing, item: dict[str, Any]) -> Thing | None:
        name, arn = str(item[listing.name]), str(item[listing.arn])
        if not name.startswith(f"{self._environment}-"):
            return None
        answer = self._client.list_tags_for_resource(resourceARN=arn)
        tags = {tag["key"]: tag["value"] for tag in answer.get("tags", [])}
        if tags.get(ENVIRONMENT_TAG) != self._environment:
            return None
        until: datetime | None = item.get("commitmentExpirationTime")
        return Thing(
            kind=listing.kind,
            name=name,
            arn=arn,
            created_at=item[listing.created].astimezone(UTC),
            task=tags.get(TASK_TAG),
            run_id=tags.get(RUN_TAG),
            usd_per_hour=self._hourly[listing.kind](item),
            broken=item.get("status") == DEAD,
            committed_until=until.astimezone(UTC) if until else None,
        )

    @property
    def _hourly(self) -> dict[str, Callable[[dict[str, Any]], float | None]]:
        by_the_hour = {
            THROUGHPUT: self._throughput_hour,
            CUSTOM_MODEL: self._storage_hour,
            DEPLOYMENT: lambda _item: 0.0,
        }
        return {**by_the_hour, CUSTOMIZATION_JOB: _by_the_token, BATCH_JOB: _by_the_token}

    def _throughput_hour(self, item: dict[str, Any]) -> float | None:
        line = self._prices.find(self._student_model, throughput_usage(item.get("commitmentDuration", "none")))
        return line.usd * int(item.get("modelUnits", 1)) if line else None

    def _storage_hour(self, _item: dict[str, Any]) -> float | None:
        line = self._prices.find(self._student_model, "storage")
        return line.usd / HOURS_A_MONTH if line else None


def _by_the_token(_item: dict[str, Any]) -> float | None:
    """Give nothing: a job bills by the token until it ends or is stopped."""
    return None
