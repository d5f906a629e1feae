"""What an environment really has in Bedrock, whatever registry and names say: everything there is, by its tags."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG, RUN_TAG, TASK_TAG
from lambdas.domain.prices.price_book import HOURS_A_MONTH, PriceBook
from lambdas.domain.serving.break_even import throughput_usage
from lambdas.domain.serving.idle_rules import Thing
from lambdas.gateways.aws.bedrock import BATCH_UNDER_WAY, DEAD, JOB_UNDER_WAY
from lambdas.gateways.aws.service_errors import refusal
from lambdas.gateways.registry.resources import BATCH_JOB, CUSTOM_MODEL, CUSTOMIZATION_JOB, DEPLOYMENT, THROUGHPUT

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

    from lambdas.gateways.registry.foreign_resources import ForeignResources

_logger = logging.getLogger(__name__)

ITEMS_A_PAGE = 1_000
"""The most that the list operations give at once (service model)."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """How one kind of resource is listed (botocore service model), once with each of the filters."""

    kind: str
    operation: str
    items: str
    name: str
    arn: str
    created: str
    filters: tuple[dict[str, Any], ...] = ({},)


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
    _Listing(
        CUSTOM_MODEL,
        "list_custom_models",
        "modelSummaries",
        "modelName",
        "modelArn",
        "creationTime",
        ({"isOwned": True},),
    ),
)


_JOB_LISTINGS = (
    _Listing(
        CUSTOMIZATION_JOB,
        "list_model_customization_jobs",
        "modelCustomizationJobSummaries",
        "jobName",
        "jobArn",
        "creationTime",
        tuple({"statusEquals": status} for status in JOB_UNDER_WAY),
    ),
    _Listing(
        BATCH_JOB,
        "list_model_invocation_jobs",
        "invocationJobSummaries",
        "jobName",
        "jobArn",
        "submitTime",
        tuple({"statusEquals": status} for status in BATCH_UNDER_WAY),
    ),
)


class Inventory:
    """The throughput, deployments, custom models and running jobs of one environment.

    Everything of the account is listed, whatever it is called: a throughput can be renamed in the console and bills on.
    Summaries carry no tags, so each one's are read, except of what was seen to be other people's lately. Jobs are never
    deleted: only those that have not ended are asked for.

    Parameters
    ----------
    client : Bedrock client
    environment : str
        Environment name, which the tag ``distillation:environment`` equals.
    prices : PriceBook
    student_model : str
        The model whose throughput and storage prices count.
    foreign : ForeignResources
        What was seen to be other people's.
    """

    def __init__(
        self,
        client: BedrockClient,
        environment: str,
        prices: PriceBook,
        student_model: str,
        foreign: ForeignResources,
    ) -> None:
        self._client, self._environment, self._foreign = client, environment, foreign
        self._prices, self._student_model = prices, student_model

    def things(self) -> Iterator[Thing]:
        """List what exists, endpoints before the models that they hold."""
        yield from self._listed(_LISTINGS)
        self._foreign.keep()

    def jobs(self) -> Iterator[Thing]:
        """List the customization and batch jobs that have not ended."""
        return self._listed(_JOB_LISTINGS)

    def _listed(self, listings: tuple[_Listing, ...]) -> Iterator[Thing]:
        seen: set[str] = set()
        for listing in listings:
            for chosen in listing.filters:
                for item in self._pages(listing, chosen):
                    arn = str(item[listing.arn])
                    # A job that goes on to another status between two lists is in both.
                    if arn not in seen and (thing := self._thing(listing, item)) is not None:
                        seen.add(arn)
                        yield thing

    def _pages(self, listing: _Listing, chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
        paginator = self._client.get_paginator(listing.operation)  # type: ignore[call-overload]
        for page in paginator.paginate(**chosen, PaginationConfig={"PageSize": ITEMS_A_PAGE}):
            yield from page.get(listing.items, [])

    def _thing(self, listing: _Listing, item: dict[str, Any]) -> Thing | None:
        name, arn = str(item[listing.name]), str(item[listing.arn])
        created_at = item[listing.created].astimezone(UTC)
        named_alike = name.startswith(f"{self._environment}-")
        # What is called as ours are is always asked: a tag that it lost may be back.
        if not named_alike and self._foreign.knows(arn):
            return None
        tags = self._tags(arn, named_alike=named_alike)
        if tags is None:
            return None
        if tags.get(ENVIRONMENT_TAG) != self._environment:
            if not named_alike:
                self._foreign.note(arn, created_at)
            return None
        until: datetime | None = item.get("commitmentExpirationTime")
        return Thing(
            kind=listing.kind,
            name=name,
            arn=arn,
            created_at=created_at,
            task=tags.get(TASK_TAG),
            run_id=tags.get(RUN_TAG),
            usd_per_hour=self._hourly[listing.kind](item),
            broken=item.get("status") == DEAD,
            committed_until=until.astimezone(UTC) if until else None,
        )

    def _tags(self, arn: str, *, named_alike: bool) -> dict[str, str] | None:
        """Read the tags of a resource; ``None`` where it has gone meanwhile, or its owner lets nobody look."""
        try:
            answer = self._client.list_tags_for_resource(resourceARN=arn)
        except ClientError as problem:
            code = refusal(problem)
            if code == "ResourceNotFoundException":
                return None
            if code == "AccessDeniedException" and not named_alike:
                _logger.warning("the tags of a resource may not be read: it is left out", extra={"arn": arn})
                return None
            raise
        return {tag["key"]: tag["value"] for tag in answer.get("tags", [])}

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
