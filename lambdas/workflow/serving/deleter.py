"""The one deleter of Bedrock resources: release, janitor and teardown all delete through it.

What a registry item or a listing names is deleted only where the resource's own tags, read at that moment, say that it
is this environment's: an item may be wrong, and a name may have been taken by another team.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from botocore.exceptions import ClientError

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG
from lambdas.gateways.aws.bedrock import BATCH_ENDED, JOB_ENDED, BedrockControl, Found
from lambdas.gateways.aws.service_errors import AWS_ERRORS, passes, refusal
from lambdas.gateways.registry.resources import BATCH_JOB, CUSTOM_MODEL, CUSTOMIZATION_JOB, DEPLOYMENT, THROUGHPUT

_logger = logging.getLogger(__name__)


class Billable(Protocol):
    """What can be deleted: a resource of the registry, or a thing that was found in the account."""

    @property
    def kind(self) -> str:
        """One of the kinds of :mod:`~lambdas.gateways.registry.resources`."""

    @property
    def name(self) -> str:
        """Bedrock name."""

    @property
    def arn(self) -> str | None:
        """``None`` where a crash came before it was written down."""


class Deleter:
    """Deletes by what the registry says, also where a crash came before the ARN was written down.

    Parameters
    ----------
    bedrock : BedrockControl
    environment : str
        Only what carries its tag is deleted or stopped.
    spares : callable
        Told the tags of a running job or of an endpoint, says whether it is to stay. Runs on the same content name
        their jobs alike, so a name alone does not tell whose job it is.
    deleted_model : callable
        Told the name of a model that was deleted, so that no later run waits for it.

    Attributes
    ----------
    left_alone : list of str
        What was asked for and is not this environment's by its own tags.
    """

    def __init__(
        self,
        bedrock: BedrockControl,
        environment: str,
        spares: Callable[[Mapping[str, str]], bool] = lambda _tags: False,
        deleted_model: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._bedrock, self._environment, self._spares = bedrock, environment, spares
        self._deleted_model = deleted_model
        self.left_alone: list[str] = []
        self._by_kind: dict[str, Callable[[Billable], bool]] = {
            CUSTOMIZATION_JOB: self._stop_job,
            BATCH_JOB: self._stop_batch_job,
            CUSTOM_MODEL: self._delete_model,
            DEPLOYMENT: self._delete_deployment,
            THROUGHPUT: self._delete_throughput,
        }

    def delete(self, thing: Billable) -> bool:
        """Delete a resource, or stop it where it is a job.

        Returns
        -------
        bool
            True when nothing of it is left to stop or delete, it is not ours, or it is a job that is spared; false
            when the service refuses or does not answer for now and it must be tried again.
        """
        try:
            return self._by_kind[thing.kind](thing)
        except AWS_ERRORS as problem:
            # What else is to be deleted bills too: it must not wait for this one.
            if not passes(problem):
                raise
            return False

    def finds(self, thing: Billable) -> bool:
        """Tell whether something of that kind and name exists, whatever its state."""
        named: dict[str, Callable[[str], object | None]] = {
            CUSTOMIZATION_JOB: self._bedrock.find_job,
            BATCH_JOB: self._bedrock.find_batch_job,
            CUSTOM_MODEL: self._bedrock.find_model,
            DEPLOYMENT: self._bedrock.deployment_named,
            THROUGHPUT: self._bedrock.throughput_named,
        }
        return named[thing.kind](thing.name) is not None

    def _stop_job(self, thing: Billable) -> bool:
        find = _by_arn_or_name(thing, self._bedrock.job, self._bedrock.find_job)
        return self._stopped(find, self._bedrock.stop_job, JOB_ENDED)

    def _stop_batch_job(self, thing: Billable) -> bool:
        """Stop a batch; what it has answered stays in its output, where another attempt finds it."""
        find = _by_arn_or_name(thing, self._bedrock.batch_job, self._bedrock.find_batch_job)
        return self._stopped(find, self._bedrock.stop_batch_job, BATCH_ENDED)

    def _delete_model(self, thing: Billable) -> bool:
        model = _by_arn_or_name(thing, self._bedrock.model, self._bedrock.find_model)()
        if model is None or not self._is_ours(model.arn, self._bedrock.model):
            return True
        if not self._bedrock.delete_model(model.arn):
            return False
        self._deleted_model(thing.name)
        return True

    def _delete_deployment(self, thing: Billable) -> bool:
        arn = thing.arn or self._bedrock.deployment_named(thing.name)
        if arn is None or not self._is_ours(arn, self._bedrock.find_deployment, self._spares):
            return True
        return self._gone(arn, self._bedrock.delete_deployment, self._bedrock.find_deployment)

    def _delete_throughput(self, thing: Billable) -> bool:
        arn = thing.arn or self._bedrock.throughput_named(thing.name)
        if arn is None or not self._is_ours(arn, self._bedrock.find_throughput, self._spares):
            return True
        return self._gone(arn, self._bedrock.delete_throughput, self._bedrock.find_throughput)

    @staticmethod
    def _gone(arn: str, delete: Callable[[str], object], find: Callable[[str], object | None]) -> bool:
        """Delete, and tell whether it is gone; what is gone has no tags, so that deleting it once more is denied."""
        try:
            delete(arn)
        except ClientError as problem:
            if refusal(problem) != "AccessDeniedException" or find(arn) is not None:
                raise
        return find(arn) is None

    def _is_ours(
        self,
        arn: str,
        find: Callable[[str], object | None],
        spares: Callable[[Mapping[str, str]], bool] = lambda _tags: False,
    ) -> bool:
        """Read the resource's own tags, environment and run; what does not exist any more is nobody's.

        An endpoint has one run; a model may have several, which its holders tell. Tags that are not found do not say
        that a resource is gone: it bills on while ``find`` has it.
        """
        try:
            tags = self._bedrock.tags(arn)
        except ClientError as problem:
            if refusal(problem) == "ResourceNotFoundException" and find(arn) is None:
                return False
            raise
        owner = tags.get(ENVIRONMENT_TAG)
        if owner == self._environment:
            return not spares(tags)
        # To claim what is ours and lost its tag: aws bedrock tag-resource (docs/runbook.md).
        _logger.error("left alone: not tagged as this environment's", extra={"arn": arn, "environment": owner})
        self.left_alone.append(arn)
        return False

    def _stopped(
        self,
        find: Callable[[], Found | None],
        stop: Callable[[str], None],
        ended: Collection[str],
    ) -> bool:
        job = find()
        if job is None or job.status in ended or not self._is_ours(job.arn, lambda _arn: find(), self._spares):
            return True
        stop(job.arn)
        after = find()
        return after is None or after.status in ended


def _by_arn_or_name(
    thing: Billable, by_arn: Callable[[str], Found | None], by_name: Callable[[str], Found | None]
) -> Callable[[], Found | None]:
    """Look a thing up by its ARN; by its name where that is not known, or leads to nothing."""

    def find() -> Found | None:
        found = by_arn(thing.arn) if thing.arn else None
        return found or by_name(thing.name)

    return find
