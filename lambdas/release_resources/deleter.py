"""The one deleter of Bedrock resources: release, janitor and teardown all delete through it."""

from __future__ import annotations

from collections.abc import Callable

from lambdas.gateways.bedrock_control import BATCH_UNDER_WAY, BedrockControl
from lambdas.gateways.resource_book import BATCH_JOB, CUSTOM_MODEL, CUSTOMIZATION_JOB, DEPLOYMENT, THROUGHPUT, Resource

UNDER_WAY = ("InProgress", "Stopping")


class Deleter:
    """Deletes by what the registry says, also where a crash came before the ARN was written down.

    Parameters
    ----------
    bedrock : BedrockControl
    """

    def __init__(self, bedrock: BedrockControl) -> None:
        self._bedrock = bedrock
        self._by_kind: dict[str, Callable[[Resource], bool]] = {
            CUSTOMIZATION_JOB: self._stop_job,
            BATCH_JOB: self._stop_batch_job,
            CUSTOM_MODEL: self._delete_model,
            DEPLOYMENT: self._delete_deployment,
            THROUGHPUT: self._delete_throughput,
        }

    def delete(self, resource: Resource) -> bool:
        """Delete a resource, or stop it where it is a job.

        Returns
        -------
        bool
            True when nothing of it bills any more; false when the service refuses for now and it must be tried again.
        """
        return self._by_kind[resource.kind](resource)

    def _stop_job(self, resource: Resource) -> bool:
        job = self._bedrock.find_job(resource.name)
        if job is None or job.status not in UNDER_WAY:
            return True
        self._bedrock.stop_job(job.arn)
        after = self._bedrock.find_job(resource.name)
        return after is None or after.status not in UNDER_WAY

    def _stop_batch_job(self, resource: Resource) -> bool:
        """Stop a batch; what it has answered stays in its output, where another attempt finds it."""
        job = self._bedrock.find_batch_job(resource.name)
        if job is None or job.status not in BATCH_UNDER_WAY:
            return True
        self._bedrock.stop_batch_job(job.arn)
        after = self._bedrock.find_batch_job(resource.name)
        return after is None or after.status not in BATCH_UNDER_WAY

    def _delete_model(self, resource: Resource) -> bool:
        model = self._bedrock.find_model(resource.name)
        return model is None or self._bedrock.delete_model(model.arn)

    def _delete_deployment(self, resource: Resource) -> bool:
        arn = resource.arn or self._bedrock.deployment_named(resource.name)
        if arn is None:
            return True
        self._bedrock.delete_deployment(arn)
        return self._bedrock.find_deployment(arn) is None

    def _delete_throughput(self, resource: Resource) -> bool:
        arn = resource.arn or self._bedrock.throughput_named(resource.name)
        if arn is None:
            return True
        self._bedrock.delete_throughput(arn)
        return self._bedrock.find_throughput(arn) is None
