"""Inference profiles: those of the system, and the account's own, which copy one of them or a model."""

from __future__ import annotations

from local.bedrock_simulator.catalog import InferenceProfile, arn, foundation_model_arn
from local.bedrock_simulator.errors import conflict, not_found, validation
from local.bedrock_simulator.operations.foundation import require_alive
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.protocol.service import Call, Params
from local.bedrock_simulator.world import (
    ApplicationProfile,
    checked_tags,
    earlier,
    new_id,
    page,
    remember,
    tag,
)


class InferenceProfiles:
    """Create, get, list and delete."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def create_inference_profile(self, call: Call) -> Params:
        """CreateInferenceProfile: an application inference profile, active at once."""
        host, world, params = self._host, self._host.world, call.params
        source_arn = params["modelSource"]["copyFrom"]
        profile_arn = arn("application-inference-profile", new_id())
        host.require_create(call.caller, call.operation, params, {"tags": profile_arn}, source_arn, profile_arn)
        source, model = world.catalog.profile(source_arn), world.catalog.model(source_arn)
        if source is None and model is None:
            raise not_found(f"Could not find the model source {source_arn}")
        model_id = source.model_id if source else model.model_id if model else ""
        require_alive(world, world.catalog.models[model_id])
        checked_tags(params.get("tags", []))
        with world.lock:
            known = earlier(world, call.operation, params, modelled_conflict=True)
            if known:
                return {"inferenceProfileArn": known, "status": "ACTIVE"}
            name = params["inferenceProfileName"]
            if any(name == profile.name for profile in world.application_profiles.values()):
                raise conflict(f"An inference profile with the name {name} already exists")
            world.application_profiles[profile_arn] = ApplicationProfile(
                arn=profile_arn, name=name, model_id=model_id, source=source, created=world.clock.now()
            )
            tag(world, profile_arn, params.get("tags", []))
            remember(world, call.operation, params, profile_arn)
        return {"inferenceProfileArn": profile_arn, "status": "ACTIVE"}

    def get_inference_profile(self, call: Call) -> Params:
        """GetInferenceProfile."""
        identifier = call.params["inferenceProfileIdentifier"]
        profile = self._host.world.application_profile(identifier) or self._host.world.catalog.profile(identifier)
        if profile is None:
            raise not_found(f"Could not find the inference profile {identifier}")
        self._host.require(call.caller, call.operation, profile.arn)
        return _described(profile)

    def list_inference_profiles(self, call: Call) -> Params:
        """ListInferenceProfiles: those of the system unless the account's own are asked for."""
        self._host.require(call.caller, call.operation, "*")
        world = self._host.world
        own = call.params.get("typeEquals", "SYSTEM_DEFINED") == "APPLICATION"
        profiles: list[InferenceProfile | ApplicationProfile] = (
            list(world.application_profiles.values()) if own else list(world.catalog.profiles.values())
        )
        return page(profiles, call.params, "inferenceProfileSummaries", _described)

    def delete_inference_profile(self, call: Call) -> Params:
        """DeleteInferenceProfile: application profiles only."""
        identifier = call.params["inferenceProfileIdentifier"]
        if self._host.world.catalog.profile(identifier):
            raise validation("A system-defined inference profile cannot be deleted")
        profile = self._host.world.application_profile(identifier)
        if profile is None:
            raise not_found(f"Could not find the inference profile {identifier}")
        self._host.require(call.caller, call.operation, profile.arn)
        with self._host.world.lock:
            self._host.world.application_profiles.pop(profile.arn, None)
            self._host.world.tags.pop(profile.arn, None)
        return {}


def _described(profile: InferenceProfile | ApplicationProfile) -> Params:
    described: Params = {
        "inferenceProfileName": profile.name,
        "inferenceProfileArn": profile.arn,
        "inferenceProfileId": profile.profile_id,
        "status": "ACTIVE",
    }
    if isinstance(profile, ApplicationProfile):
        models = [{"modelArn": model} for model in profile.model_arns if "::foundation-model/" in model]
        return {**described, "models": models, "createdAt": profile.created, "type": "APPLICATION"}
    models = [{"modelArn": foundation_model_arn(profile.model_id, region)} for region in profile.regions if region]
    return {**described, "models": models, "type": "SYSTEM_DEFINED"}
