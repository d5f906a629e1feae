"""Model customization jobs."""

from __future__ import annotations

from local.bedrock_simulator.access import job_role_needs, pass_role
from local.bedrock_simulator.catalog import FoundationModel, InferenceProfile, arn
from local.bedrock_simulator.customization import invocation_logs
from local.bedrock_simulator.customization.job import Job, TeacherChoice
from local.bedrock_simulator.customization.training_data import MAX_BYTES
from local.bedrock_simulator.errors import conflict, not_found, validation
from local.bedrock_simulator.objects import ObjectMissingError, split_uri
from local.bedrock_simulator.operations.foundation import details_of, require_access, require_alive
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.operations.targets import invocation_permissions
from local.bedrock_simulator.protocol.service import Call, Params
from local.bedrock_simulator.world import (
    checked_tags,
    earlier,
    new_id,
    page,
    remember,
    selected,
    tag,
)

_SCHEDULED_JOBS = "L-0406044C"
_CUSTOM_MODELS = "SIM-CUSTOM-MODELS"
# What the published samples ask for where maxResponseLengthForInference is not given.
_RESPONSE_TOKENS = 1000
# Hyperparameters of Nova text models (user guide: custom-model-hp-text). Values travel as strings.
_HYPER_PARAMETERS = {
    "epochCount": (1, 5),
    "batchSize": (1, 1),
    "learningRate": (1e-6, 1e-4),
    "learningRateWarmupSteps": (0, 100),
}
_ECHOED = (
    "jobName", "roleArn", "clientRequestToken", "hyperParameters", "trainingDataConfig", "outputDataConfig",
    "vpcConfig", "customizationConfig",
)  # fmt: skip


class CustomizationJobs:
    """Create, get, list and stop. There is no delete: a job and its name stay for ever."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def create_model_customization_job(self, call: Call) -> Params:
        """CreateModelCustomizationJob."""
        host, world, params = self._host, self._host.world, call.params
        base = self._base(params)
        teacher = self._teacher(params, base)
        _check_hyper_parameters(params.get("hyperParameters", {}))
        job_id = new_id()
        job_arn = arn("model-customization-job", f"{base.model_id}/{job_id}")
        model_arn = arn("custom-model", f"{base.model_id}/{job_id}")
        host.require_create(
            call.caller, call.operation, params, {"jobTags": job_arn, "customModelTags": model_arn},
            base.arn, job_arn, model_arn,
        )  # fmt: skip
        host.access.require(call.caller, [pass_role(params["roleArn"])])
        host.progress.settle()
        known = earlier(world, call.operation, params, modelled_conflict=True)
        if known:
            return {"jobArn": known}
        self._check_names(params)
        body = self._training_file(call, job_arn, teacher)
        checked_tags(params.get("customModelTags", []))
        with world.lock:
            known = earlier(world, call.operation, params, modelled_conflict=True)
            if known:  # the same token came in twice at once
                return {"jobArn": known}
            self._check_names(params)
            self._check_quotas()
            tag(world, job_arn, params.get("jobTags", []))
            job = Job(
                arn=job_arn, params=params, base=base, teacher=teacher, created=world.clock.now(),
                durations=world.settings.durations, faults=host.faults.for_job(), caller=call.caller,
            )  # fmt: skip
            job.created -= job.hung_before()
            world.job_names[params["jobName"]] = job_arn
            world.jobs[job_arn] = job
            remember(world, call.operation, params, job_arn)
            host.progress.start(job, body)
        return {"jobArn": job_arn}

    def get_model_customization_job(self, call: Call) -> Params:
        """GetModelCustomizationJob."""
        job = self._find(call)
        with self._host.world.lock:
            return self._described(job)

    def list_model_customization_jobs(self, call: Call) -> Params:
        """ListModelCustomizationJobs."""
        self._host.require(call.caller, call.operation, "*")
        self._host.progress.settle()
        params = call.params
        with self._host.world.lock:
            jobs = selected(
                self._host.world.jobs.values(),
                params,
                name=lambda job: str(job.params["jobName"]),
                created=lambda job: job.created,
                equals={"statusEquals": lambda job: job.status},
            )
            return page(jobs, params, "modelCustomizationJobSummaries", self._summary)

    def stop_model_customization_job(self, call: Call) -> Params:
        """StopModelCustomizationJob: what was trained until then is charged."""
        job = self._find(call)
        with self._host.world.lock:
            if job.status != "InProgress":
                raise conflict(f"The job {job.params['jobName']} is {job.status} and cannot be stopped")
            job.status = "Stopping"
            job.stop_requested = job.modified = self._host.world.clock.now()
        return {}

    def _find(self, call: Call) -> Job:
        world, identifier = self._host.world, call.params["jobIdentifier"]
        job = world.jobs.get(str(world.job_names.get(identifier, identifier)))
        if job is None:
            self._host.require(call.caller, call.operation, identifier if identifier.startswith("arn:") else "*")
            raise not_found(f"Could not find the model customization job {identifier}")
        self._host.require(call.caller, call.operation, job.arn)
        self._host.progress.settle()
        return job

    def _base(self, params: Params) -> FoundationModel:
        world, kind = self._host.world, params.get("customizationType", "FINE_TUNING")
        base = world.catalog.model(params["baseModelIdentifier"])
        if base is None:
            raise validation(f"The provided base model identifier is invalid: {params['baseModelIdentifier']}")
        require_alive(world, base)
        require_access(world, base)
        details = details_of(world, base)
        if kind not in details["customizationsSupported"]:
            allowed = ", ".join(details["customizationsSupported"]) or "no customization"
            raise validation(f"The base model {base.model_id} does not support {kind}; it supports {allowed}.")
        # model-lifecycle: once Legacy, no new fine-tuning jobs.
        if details["modelLifecycle"]["status"] == "LEGACY":
            raise validation(f"The base model {base.model_id} is Legacy: new customization jobs are not allowed.")
        return base

    def _teacher(self, params: Params, base: FoundationModel) -> TeacherChoice | None:
        config = params.get("customizationConfig", {}).get("distillationConfig")
        if params.get("customizationType") != "DISTILLATION":
            if config:
                raise validation("customizationConfig.distillationConfig is for customizationType DISTILLATION only.")
            return None
        if not config:
            raise validation("customizationType DISTILLATION needs customizationConfig.distillationConfig.")
        catalog, chosen = self._host.world.catalog, config["teacherModelConfig"]
        identifier = chosen["teacherModelIdentifier"]
        profile = catalog.profile(identifier)
        teacher = catalog.models[profile.model_id] if profile else catalog.model(identifier)
        if teacher is None:
            raise validation(f"The provided teacher model identifier is invalid: {identifier}")
        require_alive(self._host.world, teacher)
        require_access(self._host.world, teacher)
        self._check_pair(teacher, profile, base)
        return TeacherChoice(teacher, profile, chosen.get("maxResponseLengthForInference", _RESPONSE_TOKENS))

    def _check_pair(self, teacher: FoundationModel, profile: InferenceProfile | None, base: FoundationModel) -> None:
        """Check the table of prequisites-model-distillation, and its column on how the teacher is invoked."""
        if base.model_id not in self._host.world.catalog.pairs.get(teacher.model_id, ()):
            raise validation(
                f"The student model {base.model_id} is not supported with the teacher model {teacher.model_id}."
            )
        if profile is None and "ON_DEMAND" not in details_of(self._host.world, teacher)["inferenceTypesSupported"]:
            raise validation(f"The teacher model {teacher.model_id} can be used through an inference profile only.")

    def _check_names(self, params: Params) -> None:
        world = self._host.world
        with world.lock:
            if params["jobName"] in world.job_names:
                raise conflict(f"The job name {params['jobName']} is already in use")
            taken = {model.name for model in world.models.values()}
            taken |= {
                job.params["customModelName"] for job in world.jobs.values() if job.status in ("InProgress", "Stopping")
            }
            if params["customModelName"] in taken:
                raise conflict(f"The custom model name {params['customModelName']} is already in use")

    def _check_quotas(self) -> None:
        world = self._host.world
        running = sum(job.status in ("InProgress", "Stopping") for job in world.jobs.values())
        world.require_quota(
            _SCHEDULED_JOBS, running + 1, f"The account has {running} scheduled customization jobs, its maximum."
        )
        world.require_quota(
            _CUSTOM_MODELS, len(world.models) + running + 1, "The account has reached its number of custom models."
        )

    def _training_file(self, call: Call, job_arn: str, teacher: TeacherChoice | None) -> bytes:
        params = call.params
        config = params["trainingDataConfig"]
        uri, logs = config.get("s3Uri"), config.get("invocationLogsConfig")
        if (uri is None) == (logs is None):
            raise validation("trainingDataConfig needs either s3Uri or invocationLogsConfig.")
        if logs is not None:
            return self._training_logs(call, job_arn, teacher, logs)
        asks = invocation_permissions(teacher.profile) if teacher and teacher.profile else []
        needs = job_role_needs(uri, params["outputDataConfig"]["s3Uri"], asks)
        self._host.access.require_job_role(call.caller, params["roleArn"], job_arn, needs)
        bucket, key = split_uri(uri)
        try:
            body = self._host.objects.read(bucket, key)
        except ObjectMissingError as error:
            raise validation(
                f"Could not validate GetObject permissions to access Amazon S3 bucket: {bucket} at key {key}. ({error})"
            ) from None
        if len(body) > MAX_BYTES:
            raise validation(f"The training file {uri} is larger than 1 GB.")
        return body

    def _training_logs(self, call: Call, job_arn: str, teacher: TeacherChoice | None, logs: Params) -> bytes:
        """Read invocation logs as a training file; with ``usePromptResponse`` the teacher is not asked."""
        if teacher is None:
            raise validation("trainingDataConfig.invocationLogsConfig is for customizationType DISTILLATION only.")
        uri = logs["invocationLogSource"]["s3Uri"]
        bucket, prefix = split_uri(uri)
        asks = invocation_permissions(teacher.profile) if teacher.profile and not logs.get("usePromptResponse") else []
        needs = job_role_needs(uri, call.params["outputDataConfig"]["s3Uri"], asks, listed=True)
        self._host.access.require_job_role(call.caller, call.params["roleArn"], job_arn, needs)
        try:
            keys = [key for key in self._host.objects.keys(bucket, prefix) if key.endswith(invocation_logs.ENDING)]
            bodies = [self._host.objects.read(bucket, key) for key in keys]
        except ObjectMissingError as error:
            raise validation(f"Could not read the invocation logs under {uri}. ({error})") from None
        if not bodies:
            raise validation(f"There are no invocation logs (*{invocation_logs.ENDING}) under {uri}.")
        profile = call.params["customizationConfig"]["distillationConfig"]["teacherModelConfig"]
        return invocation_logs.training_file(bodies, logs, profile["teacherModelIdentifier"])

    def _described(self, job: Job) -> Params:
        result = {name: job.params[name] for name in _ECHOED if name in job.params}
        result |= {
            "jobArn": job.arn,
            "outputModelName": job.params["customModelName"],
            "status": job.status,
            "statusDetails": job.details(self._host.world.clock.now()),
            "creationTime": job.created,
            "lastModifiedTime": job.modified or job.created,
            "baseModelArn": job.base.arn,
            "customizationType": job.params.get("customizationType", "FINE_TUNING"),
            "validationDataConfig": job.params.get("validationDataConfig", {"validators": []}),
        }
        optional = {"outputModelArn": job.model_arn, "failureMessage": job.failure, "endTime": job.ended}
        result |= {name: value for name, value in optional.items() if value is not None}
        if job.loss is not None:
            result["trainingMetrics"] = {"trainingLoss": job.loss}
        return result

    def _summary(self, job: Job) -> Params:
        described = self._described(job)
        names = (
            "jobArn", "baseModelArn", "jobName", "status", "statusDetails", "lastModifiedTime", "creationTime",
            "endTime", "customizationType",
        )  # fmt: skip
        summary = {name: described[name] for name in names if name in described}
        if job.model_arn:
            summary |= {"customModelArn": job.model_arn, "customModelName": job.params["customModelName"]}
        return summary


def _check_hyper_parameters(given: dict[str, str]) -> None:
    for name, text in given.items():
        if name not in _HYPER_PARAMETERS:
            raise validation(f"The hyperparameter {name} is not supported; allowed are {', '.join(_HYPER_PARAMETERS)}.")
        low, high = _HYPER_PARAMETERS[name]
        try:
            fits = low <= float(text) <= high
        except ValueError:
            fits = False
        if not fits:
            raise validation(f"The hyperparameter {name} must be from {low} to {high}; got '{text}'.")
