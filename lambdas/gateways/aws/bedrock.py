"""The Bedrock control plane: customization and batch jobs, custom models, deployments and provisioned throughput.

A name is looked up by listing, then everything is asked by ARN: a role needs rights on ARNs only, and a name that does
not exist cannot come back as a refusal.

Names, tokens and URIs come from ``lambdas.domain.bedrock_names``. Creating a deployment or a throughput lists no
ConflictException in the service model, so a name that is taken is looked up on ValidationException too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG, TASK_TAG
from lambdas.domain.errors import QuotaTooLow, RetryLater
from lambdas.gateways.aws.service_errors import in_words, passes, refusal

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_bedrock import BedrockClient

Tags = list[dict[str, str]]

JOB_ENDED = ("Completed", "Failed", "Stopped")
BATCH_ENDED = (*JOB_ENDED, "PartiallyCompleted", "Expired")
"""Statuses of a customization job and of a batch inference job that has ended (service model). In any other, one that
the service model does not have yet too, a job may still bill, and a second one in its place would be paid as well."""

JOB_UNDER_WAY = ("InProgress", "Stopping")
BATCH_UNDER_WAY = ("Submitted", "Validating", "Scheduled", "InProgress", "Stopping")
"""All other statuses of the service model: by these, what has not ended is listed."""

DEAD = "Failed"
"""Status of an endpoint that serves nobody and cannot be changed, only deleted (throughput and deployment alike)."""

REFUSALS = ("ValidationException", "AccessDeniedException", "ResourceNotFoundException", "TooManyTagsException")
"""Answers to a create call that made nothing and never will; a quota is :class:`QuotaTooLow`."""

_NAME_TAKEN = ("ConflictException", "ValidationException")


class _ByName(NamedTuple):
    """An operation that lists, the field of its items, and the fields of an item that name it."""

    operation: str
    items: str
    name: str
    arn: str


_JOBS = _ByName("list_model_customization_jobs", "modelCustomizationJobSummaries", "jobName", "jobArn")
_BATCH_JOBS = _ByName("list_model_invocation_jobs", "invocationJobSummaries", "jobName", "jobArn")
_MODELS = _ByName("list_custom_models", "modelSummaries", "modelName", "modelArn")
_DEPLOYMENTS = _ByName(
    "list_custom_model_deployments", "modelDeploymentSummaries", "customModelDeploymentName", "customModelDeploymentArn"
)
_THROUGHPUTS = _ByName(
    "list_provisioned_model_throughputs", "provisionedModelSummaries", "provisionedModelName", "provisionedModelArn"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A resource as the service describes it.

    Attributes
    ----------
    arn, name, status : str
        ``status`` is the service's own word, for example ``InService``.
    model_arn : str or None
        The custom model behind it, where there is one.
    failure : str
        The service's failure message, if any.
    details : dict
        The whole answer.
    """

    arn: str
    name: str
    status: str
    model_arn: str | None
    failure: str
    details: dict[str, Any]

    @property
    def ended_at(self) -> datetime | None:
        """When a job that has ended did so, as far as the service tells; ``None`` otherwise."""
        moment: datetime | None = self.details.get("endTime") or self.details.get("lastModifiedTime")
        return moment


class JobRefused(Exception):
    """The service refuses a customization job as it is asked for; the message is the service's own."""


class BedrockControl:
    """Create, find and delete what a run needs.

    Parameters
    ----------
    client : Bedrock client
    """

    def __init__(self, client: BedrockClient) -> None:
        self._client = client

    def find_job(self, name: str) -> Found | None:
        """Find a customization job by its exact name."""
        arn = self._named(_JOBS, name)
        return self.job(arn) if arn else None

    def job(self, arn: str) -> Found | None:
        """Describe a customization job."""
        answer = _or_none(lambda: self._client.get_model_customization_job(jobIdentifier=arn))
        if answer is None:
            return None
        failure = answer.get("failureMessage", "")
        status = answer.get("status", "InProgress")  # the field is optional in the service model
        return _found(answer, "jobArn", "jobName", status, answer.get("outputModelArn"), failure)

    def create_job(self, request: dict[str, Any]) -> str:
        """Start a customization job, or adopt the one of that name if its tags are ours.

        Parameters
        ----------
        request : dict
            Keyword arguments of CreateModelCustomizationJob, with ``jobTags``.

        Returns
        -------
        str
            The job's ARN.

        Raises
        ------
        JobRefused
            The service refuses the request itself, for example because the pair is not open in this account.
        QuotaTooLow
            With the quota to ask for.
        """
        try:
            return self._create(
                lambda: self._client.create_model_customization_job(**request)["jobArn"],
                lambda: self._named(_JOBS, request["jobName"]),
                request["jobTags"],
            )
        except ClientError as problem:
            if refusal(problem) not in ("ValidationException", "AccessDeniedException", "ResourceNotFoundException"):
                raise
            raise JobRefused(in_words(problem)) from problem

    def stop_job(self, arn: str) -> None:
        """Stop a customization job; one that has ended or does not exist is not an error."""
        _stop(lambda: self._client.stop_model_customization_job(jobIdentifier=arn))

    def find_batch_job(self, name: str) -> Found | None:
        """Find a batch inference job by its exact name; the service itself knows jobs by ARN only."""
        arn = self._named(_BATCH_JOBS, name)
        return self.batch_job(arn) if arn else None

    def batch_job(self, arn: str) -> Found | None:
        """Describe a batch inference job."""
        answer = _or_none(lambda: self._client.get_model_invocation_job(jobIdentifier=arn))
        if answer is None:
            return None
        # Name and status are optional in the service model.
        named = {**answer, "jobName": answer.get("jobName", "")}
        return _found(named, "jobArn", "jobName", answer.get("status", "Submitted"), None, answer.get("message", ""))

    def create_batch_job(self, request: dict[str, Any]) -> str:
        """Start a batch inference job, or adopt the one of that name if its tags are ours.

        Parameters
        ----------
        request : dict
            Keyword arguments of CreateModelInvocationJob, with ``tags``.

        Returns
        -------
        str
            The job's ARN.

        Raises
        ------
        QuotaTooLow
            As many jobs are in progress as the account may have.
        """
        return self._create(
            lambda: self._client.create_model_invocation_job(**request)["jobArn"],
            lambda: self._named(_BATCH_JOBS, request["jobName"]),
            request["tags"],
        )

    def stop_batch_job(self, arn: str) -> None:
        """Stop a batch inference job; one that has ended or does not exist is not an error."""
        _stop(lambda: self._client.stop_model_invocation_job(jobIdentifier=arn))

    def find_model(self, name: str) -> Found | None:
        """Find a custom model by its exact name."""
        arn = self._named(_MODELS, name)
        return self.model(arn) if arn else None

    def model(self, arn: str) -> Found | None:
        """Describe a custom model."""
        answer = _or_none(lambda: self._client.get_custom_model(modelIdentifier=arn))
        if answer is None:
            return None
        status = answer.get("modelStatus", "Active")  # the field is optional in the service model
        return _found(answer, "modelArn", "modelName", status, answer["modelArn"], answer.get("failureMessage", ""))

    def model_exists(self, arn: str) -> bool:
        """Tell whether a custom model exists, by its ARN."""
        return _or_none(lambda: self._client.get_custom_model(modelIdentifier=arn)) is not None

    def delete_model(self, arn: str) -> bool:
        """Delete a custom model; true when it is gone, false when the service refuses for now."""
        return _deleted(lambda: self._client.delete_custom_model(modelIdentifier=arn))

    def find_deployment(self, arn: str) -> Found | None:
        """Find a custom model deployment by ARN.

        Its ``status`` is ``Updating`` while it changes models: the service says so beside the status, which stays
        ``Active``, and refuses another update.
        """
        answer = _or_none(lambda: self._client.get_custom_model_deployment(customModelDeploymentIdentifier=arn))
        if answer is None:
            return None
        names = ("customModelDeploymentArn", "modelDeploymentName")
        updating = answer.get("updateDetails", {}).get("updateStatus") == "Updating"
        status = "Updating" if updating else answer["status"]
        return _found(answer, *names, status, answer.get("modelArn"), answer.get("failureMessage", ""))

    def create_deployment(self, request: dict[str, Any]) -> str:
        """Create a custom model deployment, or adopt the one of that name if its tags are ours.

        Parameters
        ----------
        request : dict
            Keyword arguments of CreateCustomModelDeployment, with ``tags``.
        """
        return self._create(
            lambda: self._client.create_custom_model_deployment(**request)["customModelDeploymentArn"],
            lambda: self.deployment_named(request["modelDeploymentName"]),
            request["tags"],
        )

    def deployment_named(self, name: str) -> str | None:
        """Look the ARN of a deployment up by its exact name."""
        return self._named(_DEPLOYMENTS, name)

    def point_deployment(self, arn: str, model_arn: str) -> None:
        """Point a deployment at another custom model; its ARN stays."""
        self._client.update_custom_model_deployment(customModelDeploymentIdentifier=arn, modelArn=model_arn)

    def delete_deployment(self, arn: str) -> bool:
        """Delete a deployment; true when it is gone, false when the service refuses for now (it is being created)."""
        return _deleted(lambda: self._client.delete_custom_model_deployment(customModelDeploymentIdentifier=arn))

    def find_throughput(self, arn: str) -> Found | None:
        """Find a provisioned throughput by ARN."""
        answer = _or_none(lambda: self._client.get_provisioned_model_throughput(provisionedModelId=arn))
        if answer is None:
            return None
        names = ("provisionedModelArn", "provisionedModelName")
        return _found(answer, *names, answer["status"], answer["modelArn"], answer.get("failureMessage", ""))

    def create_throughput(self, request: dict[str, Any]) -> str:
        """Create a provisioned throughput, or adopt the one of that name if its tags are ours.

        Parameters
        ----------
        request : dict
            Keyword arguments of CreateProvisionedModelThroughput, with ``tags``.

        Raises
        ------
        QuotaTooLow
            With the quota to ask for.
        """
        return self._create(
            lambda: self._client.create_provisioned_model_throughput(**request)["provisionedModelArn"],
            lambda: self.throughput_named(request["provisionedModelName"]),
            request["tags"],
        )

    def throughput_named(self, name: str) -> str | None:
        """Look the ARN of a provisioned throughput up by its exact name."""
        return self._named(_THROUGHPUTS, name)

    def point_throughput(self, arn: str, model_arn: str) -> None:
        """Point a provisioned throughput at another custom model of the same base; it serves on while updating."""
        self._client.update_provisioned_model_throughput(provisionedModelId=arn, desiredModelId=model_arn)

    def delete_throughput(self, arn: str) -> bool:
        """Delete a throughput; true when it is gone, false when the service refuses for now (creating, committed)."""
        return _deleted(lambda: self._client.delete_provisioned_model_throughput(provisionedModelId=arn))

    def find_endpoint(self, arn: str, *, throughput: bool) -> Found | None:
        """Find what serves a task: a provisioned throughput, else a deployment."""
        return self.find_throughput(arn) if throughput else self.find_deployment(arn)

    def point_endpoint(self, arn: str, model_arn: str, *, throughput: bool) -> None:
        """Point what serves a task at another custom model; its ARN stays."""
        point = self.point_throughput if throughput else self.point_deployment
        point(arn, model_arn)

    def tags(self, arn: str) -> dict[str, str]:
        """Read the tags of a resource."""
        answer = self._client.list_tags_for_resource(resourceARN=arn)
        return {tag["key"]: tag["value"] for tag in answer.get("tags", [])}

    def _named(self, listing: _ByName, name: str) -> str | None:
        """Look an ARN up by an exact name, where the service knows the beginning of names at most."""
        client: Any = self._client  # its stubs know each operation by a literal
        for page in client.get_paginator(listing.operation).paginate(nameContains=name):
            for item in page.get(listing.items, []):
                if item[listing.name] == name:
                    return str(item[listing.arn])
        return None

    def _create(self, create: Callable[[], str], lookup: Callable[[], str | None], tags: Tags) -> str:
        try:
            return create()
        except ClientError as problem:
            code = refusal(problem)
            if code == "ServiceQuotaExceededException":
                said = problem.response["Error"]["Message"].rstrip(".")
                raise QuotaTooLow(f"{said}. Ask for more in Service Quotas (Amazon Bedrock), then retry") from None
            if passes(problem):
                raise RetryLater(f"Bedrock created nothing: {in_words(problem)}") from problem
            if code not in _NAME_TAKEN:
                raise
            arn = lookup()
            wanted = {tag["key"]: tag["value"] for tag in tags}
            owner = (ENVIRONMENT_TAG, TASK_TAG)
            if arn is None or any(self.tags(arn).get(key) != wanted[key] for key in owner):
                raise
            return arn


def _or_none(call: Callable[[], Any]) -> dict[str, Any] | None:
    try:
        return dict(call())
    except ClientError as problem:
        if refusal(problem) == "ResourceNotFoundException":
            return None
        raise


def _stop(call: Callable[[], Any]) -> None:
    """Stop a job; one that has ended or does not exist is not an error."""
    try:
        call()
    except ClientError as problem:
        if refusal(problem) not in ("ConflictException", "ResourceNotFoundException", "ValidationException"):
            raise


def _deleted(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as problem:
        code = refusal(problem)
        if code == "ResourceNotFoundException":
            return True
        if passes(problem) or code in ("ConflictException", "ValidationException"):
            return False
        raise
    return True


def _found(answer: dict[str, Any], arn: str, name: str, status: str, model_arn: str | None, failure: str) -> Found:
    return Found(
        arn=answer[arn], name=answer[name], status=status, model_arn=model_arn, failure=failure, details=answer
    )
