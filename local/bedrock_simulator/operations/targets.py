"""What a ``modelId`` of the runtime stands for, and what a caller needs to invoke it."""

from __future__ import annotations

from local.bedrock_simulator.catalog import InferenceProfile, arn
from local.bedrock_simulator.errors import ServiceError, not_found, validation
from local.bedrock_simulator.operations.foundation import details_of, require_access, require_alive
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.policies import Permission
from local.bedrock_simulator.runtime.target import Target
from local.bedrock_simulator.world import ApplicationProfile

_INVOKE = "bedrock:InvokeModel"
_NOT_READY = "The model is not ready for inference: {} is {}. Wait and try again."


def invocation_permissions(profile: InferenceProfile) -> list[Permission]:
    """Return what invoking a profile needs: the profile, and its model in each region *through that profile*.

    A ``global.`` profile needs the model in the source region and the region-less ARN.
    """
    context = {"bedrock:InferenceProfileArn": profile.arn}
    models = [Permission(_INVOKE, model_arn, context) for model_arn in profile.model_arns]
    return [Permission(_INVOKE, profile.arn), *models]


def resolve(host: Host, model_id: str) -> tuple[Target, list[Permission]]:
    """Find what answers for a ``modelId``.

    Returns
    -------
    tuple[Target, list[Permission]]
        What answers, and what the caller must be allowed to do.

    Raises
    ------
    ServiceError
        Where there is nothing of that name, or it cannot answer now.
    """
    application = host.world.application_profiles.get(model_id)
    if application:
        return _application_profile(host, application)
    profile = host.world.catalog.profile(model_id)
    if profile:
        model = host.world.catalog.models[profile.model_id]
        target = Target(profile.arn, model, host.brains[model.brain], profile)
        return target, invocation_permissions(profile)
    if model_id.startswith(arn("custom-model-deployment", "")):
        return _deployment(host, model_id)
    if model_id.startswith(arn("provisioned-model", "")):
        return _throughput(host, model_id)
    if ":custom-model/" in model_id:
        raise validation("A custom model is invoked through its deployment's or its provisioned throughput's ARN.")
    return _foundation_model(host, model_id)


def _application_profile(host: Host, application: ApplicationProfile) -> tuple[Target, list[Permission]]:
    """Answer as the copied model or profile does, at its price and quota.

    What invoking takes is what AWS's own construct library grants (aws-bedrock-alpha, ApplicationInferenceProfile): the
    profile, the system profile that it copies, and the model in each region *through the application profile*.
    """
    model = host.world.catalog.models[application.model_id]
    context = {"bedrock:InferenceProfileArn": application.arn}
    own = [application.arn, *([application.source.arn] if application.source else [])]
    permissions = [Permission(_INVOKE, resource) for resource in own]
    permissions += [Permission(_INVOKE, model_arn, context) for model_arn in application.model_arns]
    return Target(application.arn, model, host.brains[model.brain], application.source), permissions


def require_answering(host: Host, target: Target) -> None:
    """Refuse a foundation model that is past its end of life or that the account has no access to."""
    require_alive(host.world, target.model)
    if not target.custom:
        require_access(host.world, target.model)


def _foundation_model(host: Host, model_id: str) -> tuple[Target, list[Permission]]:
    model = host.world.catalog.model(model_id)
    if model is None:
        raise validation("The provided model identifier is invalid.")
    if model.served_as:
        # Seen by others: an id such as nova-micro-v1:0:128k is for customization only.
        raise not_found(f"Model not found: {model_id} is for customization; invoke {model.served_as}.")
    permissions = [Permission(_INVOKE, model.arn)]
    require_alive(host.world, model)
    if "ON_DEMAND" not in details_of(host.world, model)["inferenceTypesSupported"]:
        raise validation(
            f"Invocation of model ID {model_id} with on-demand throughput isn't supported. Retry your request with the "
            "ID or ARN of an inference profile that contains this model."
        )
    return Target(model.arn, model, host.brains[model.brain]), permissions


def _deployment(host: Host, deployment_arn: str) -> tuple[Target, list[Permission]]:
    host.progress.settle_endpoints()
    with host.world.lock:
        deployment = host.world.deployments.get(deployment_arn)
        if deployment is None:
            raise not_found(f"Could not find the custom model deployment {deployment_arn}")
        if deployment.status != "Active":
            raise _not_ready(deployment_arn, deployment.status)
        model = host.world.models[deployment.model_arn]
    return Target(deployment_arn, model.base, model.brain, custom=True), [
        Permission(_INVOKE, deployment_arn, host.tags_of(deployment_arn))
    ]


def _throughput(host: Host, throughput_arn: str) -> tuple[Target, list[Permission]]:
    host.progress.settle_endpoints()
    with host.world.lock:
        throughput = host.world.throughputs.get(throughput_arn)
        if throughput is None:
            raise not_found(f"Could not find the provisioned model {throughput_arn}")
        if throughput.status not in ("InService", "Updating"):
            raise _not_ready(throughput_arn, throughput.status)
        custom = host.world.models.get(throughput.model_arn)
        brain = custom.brain if custom else host.brains[throughput.foundation.brain]
    target = Target(throughput_arn, throughput.foundation, brain, custom=custom is not None, billed=False)
    return target, [Permission(_INVOKE, throughput_arn, host.tags_of(throughput_arn))]


def _not_ready(resource: str, status: str) -> ServiceError:
    """Make the error that the SDK retries by itself, unless the thing has failed for good."""
    if status == "Failed":
        return validation(f"{resource} has failed and cannot be invoked.")
    return ServiceError("ModelNotReadyException", _NOT_READY.format(resource, status))
