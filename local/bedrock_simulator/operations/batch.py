"""Batch inference jobs."""

from __future__ import annotations

from local.bedrock_simulator.access import batch_role_needs, pass_role
from local.bedrock_simulator.batch.job import UNDER_WAY, BatchJob
from local.bedrock_simulator.batch.records import Limits
from local.bedrock_simulator.catalog import FoundationModel, arn
from local.bedrock_simulator.errors import ServiceError, conflict, not_found, validation
from local.bedrock_simulator.operations.foundation import require_access, require_alive
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.operations.targets import resolve
from local.bedrock_simulator.policies import Permission
from local.bedrock_simulator.protocol.service import Call, Params
from local.bedrock_simulator.runtime.target import Target
from local.bedrock_simulator.world import (
    checked_tags,
    earlier,
    new_id,
    page,
    remember,
    selected,
    tag,
)

_GIGABYTE = 10**9
_ECHOED = (
    "jobName", "modelId", "clientRequestToken", "roleArn", "inputDataConfig", "outputDataConfig", "vpcConfig",
)  # fmt: skip


class BatchJobs:
    """Create, get, list and stop. There is no delete: a job and its name stay for ever.

    That a name is refused when it was used before is seen by others (opensearch-project/data-prepper, pull request
    5507); the documentation is silent.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def create_model_invocation_job(self, call: Call) -> Params:
        """CreateModelInvocationJob."""
        host, world, params = self._host, self._host.world, call.params
        target, invocations = self._target(params["modelId"])
        job_arn = arn("model-invocation-job", new_id())
        # Behind a profile the target is that profile.
        asked = sorted({target.resource, target.model.arn})
        host.require_create(call.caller, call.operation, params, {"tags": job_arn}, *asked, job_arn)
        host.access.require(call.caller, [pass_role(params["roleArn"])])
        host.batches.settle()
        refusal = self._role_refusal(call, job_arn, invocations)
        checked_tags(params.get("tags", []))
        with world.lock:
            known = earlier(world, call.operation, params, modelled_conflict=True)
            if known:
                return {"jobArn": known}
            if params["jobName"] in world.batch_job_names:
                raise conflict(f"The job name {params['jobName']} is already in use")
            self._check_quota(target.model)
            tag(world, job_arn, params.get("tags", []))
            job = BatchJob(
                arn=job_arn, params=params, model=target.model, profile=target.profile, created=world.clock.now(),
                durations=world.settings.durations, faults=host.faults.for_batch(), caller=call.caller, refusal=refusal,
            )  # fmt: skip
            world.batch_job_names.add(params["jobName"])
            world.batch_jobs[job_arn] = job
            remember(world, call.operation, params, job_arn)
            host.batches.start(job, target.brain, self._limits(target.model))
        return {"jobArn": job_arn}

    def get_model_invocation_job(self, call: Call) -> Params:
        """GetModelInvocationJob."""
        job = self._find(call)
        with self._host.world.lock:
            return _described(job)

    def list_model_invocation_jobs(self, call: Call) -> Params:
        """ListModelInvocationJobs: summaries carry no tags."""
        self._host.require(call.caller, call.operation, "*")
        self._host.batches.settle()
        params = call.params
        with self._host.world.lock:
            jobs = selected(
                self._host.world.batch_jobs.values(),
                params,
                name=lambda job: str(job.params["jobName"]),
                created=lambda job: job.created,
                equals={"statusEquals": lambda job: job.status},
                times=("submitTimeAfter", "submitTimeBefore"),
            )
            return page(jobs, params, "invocationJobSummaries", _described)

    def stop_model_invocation_job(self, call: Call) -> Params:
        """StopModelInvocationJob: only tokens that were processed until then are charged."""
        job = self._find(call)
        with self._host.world.lock:
            if job.status not in UNDER_WAY or job.status == "Stopping":
                raise conflict(f"The job {job.params['jobName']} is {job.status} and cannot be stopped")
            job.status = "Stopping"
            job.stop_requested = job.modified = self._host.world.clock.now()
        return {}

    def _find(self, call: Call) -> BatchJob:
        identifier = call.params["jobIdentifier"]
        job_arn = identifier if identifier.startswith("arn:") else arn("model-invocation-job", identifier)
        self._host.require(call.caller, call.operation, job_arn)
        job = self._host.world.batch_jobs.get(job_arn)
        if job is None:
            raise not_found(f"Could not find the model invocation job {identifier}")
        self._host.batches.settle()
        return job

    def _target(self, model_id: str) -> tuple[Target, list[Permission]]:
        """Find the model, which batch inference must support (user guide, batch-inference-supported)."""
        world = self._host.world
        profile = world.application_profiles.get(model_id) or world.catalog.profile(model_id)
        model = world.catalog.models[profile.model_id] if profile else world.catalog.model(model_id)
        if model is None or not model.batch:
            raise validation(f"The model {model_id} does not support batch inference.")
        require_alive(world, model)
        require_access(world, model)
        return resolve(self._host, model_id)

    def _role_refusal(self, call: Call, job_arn: str, invocations: list[Permission]) -> str | None:
        """Return what the batch role may not do, which fails the job in its validation.

        That Bedrock cannot take the role at all is refused at once.
        """
        access, params = self._host.access, call.params
        access.require_job_role(call.caller, params["roleArn"], job_arn, [])
        needs = batch_role_needs(
            params["inputDataConfig"]["s3InputDataConfig"]["s3Uri"],
            params["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"],
            invocations,
        )
        try:
            access.require_job_role(call.caller, params["roleArn"], job_arn, needs)
        except ServiceError as refused:
            return refused.message
        return None

    def _limits(self, model: FoundationModel) -> Limits:
        def quota(what: str) -> float:
            return self._host.world.quota(f"{what}-{model.usage_name}")

        return Limits(
            min_records=quota("batch-min-records"),
            max_file_records=quota("batch-file-records"),
            max_job_records=quota("batch-job-records"),
            max_file_bytes=quota("batch-file-gb") * _GIGABYTE,
            max_job_bytes=quota("batch-job-gb") * _GIGABYTE,
        )

    def _check_quota(self, model: FoundationModel) -> None:
        world = self._host.world
        running = sum(job.status in UNDER_WAY and job.model is model for job in world.batch_jobs.values())
        world.require_quota(
            f"batch-jobs-{model.usage_name}",
            running + 1,
            f"The account has {running} in-progress and submitted batch inference jobs using {model.model_id}, "
            "its maximum.",
        )


def _described(job: BatchJob) -> Params:
    result = {name: job.params[name] for name in _ECHOED if name in job.params}
    result |= {
        "jobArn": job.arn,
        "status": job.status,
        "submitTime": job.created,
        "lastModifiedTime": job.modified or job.created,
        "timeoutDurationInHours": job.timeout_hours,
        "jobExpirationTime": job.expires,
        "modelInvocationType": job.kind,
    }
    if job.ended:
        result["endTime"] = job.ended
    if job.message:
        result["message"] = job.message[:2048]
    return result | (job.counts.to_api() if job.counts else {})
