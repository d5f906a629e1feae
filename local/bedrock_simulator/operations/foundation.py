"""Foundation models and their availability."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from local.bedrock_simulator.catalog import FoundationModel
from local.bedrock_simulator.errors import ServiceError, not_found, validation
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.protocol.service import Call, Params
from local.bedrock_simulator.settings import ModelState
from local.bedrock_simulator.world import World

END_OF_LIFE = (
    "This model version has reached the end of its life. "
    "Please refer to the AWS documentation for more details and choose another model."
)


def state_of(world: World, model: FoundationModel) -> ModelState:
    """Return what the settings say about a model; its ``:128k`` sibling shares it."""
    models = world.settings.models
    return models.get(model.model_id) or models.get(model.served_as or "") or ModelState()


def details_of(world: World, model: FoundationModel) -> dict[str, Any]:
    """Return a model's details as the service shows them now."""
    state = state_of(world, model)
    details = dict(model.details)
    if state.customizations is not None:
        details["customizationsSupported"] = list(state.customizations)
    if state.status or state.end_of_life:
        lifecycle = dict(details["modelLifecycle"])
        lifecycle["status"] = state.status or lifecycle["status"]
        if state.end_of_life:
            lifecycle["endOfLifeTime"] = datetime.fromisoformat(state.end_of_life)
        details["modelLifecycle"] = lifecycle
    return details


def require_alive(world: World, model: FoundationModel) -> None:
    """Refuse a model past its end of life (model-lifecycle: after that date requests fail)."""
    end: datetime | None = details_of(world, model)["modelLifecycle"].get("endOfLifeTime")
    if end and world.clock.now() >= end:
        raise not_found(END_OF_LIFE)


def require_access(world: World, model: FoundationModel) -> None:
    """Refuse a model that the account has not been given access to."""
    state = state_of(world, model)
    if not (state.authorized and state.agreement and state.entitled):
        raise ServiceError("AccessDeniedException", "You don't have access to the model with the specified model ID.")
    if not state.region_available:
        raise validation("The provided model identifier is invalid.")


class FoundationModels:
    """The read-only part of Bedrock."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def get_foundation_model(self, call: Call) -> Params:
        """GetFoundationModel."""
        model = self._model(call.params["modelIdentifier"])
        self._host.require(call.caller, call.operation, model.arn)
        return {"modelDetails": details_of(self._host.world, model)}

    def list_foundation_models(self, call: Call) -> Params:
        """ListFoundationModels: not paged."""
        self._host.require(call.caller, call.operation, "*")
        shown = [details_of(self._host.world, model) for model in self._host.world.catalog.models.values()]
        filters: dict[str, Callable[[Params, str], bool]] = {
            "byProvider": lambda d, v: d["providerName"].lower() == v.lower(),
            "byCustomizationType": lambda d, v: v in d["customizationsSupported"],
            "byOutputModality": lambda d, v: v in d["outputModalities"],
            "byInferenceType": lambda d, v: v in d["inferenceTypesSupported"],
        }
        for name, fits in filters.items():
            if name in call.params:
                shown = [details for details in shown if fits(details, call.params[name])]
        return {"modelSummaries": shown}

    def get_foundation_model_availability(self, call: Call) -> Params:
        """GetFoundationModelAvailability."""
        model = self._model(call.params["modelId"])
        self._host.require(call.caller, call.operation, model.arn)
        state = state_of(self._host.world, model)
        available = {True: "AVAILABLE", False: "NOT_AVAILABLE"}
        return {
            "modelId": model.model_id,
            "agreementAvailability": {"status": available[state.agreement]},
            "authorizationStatus": "AUTHORIZED" if state.authorized else "NOT_AUTHORIZED",
            "entitlementAvailability": available[state.entitled],
            "regionAvailability": available[state.region_available],
        }

    def _model(self, identifier: str) -> FoundationModel:
        model = self._host.world.catalog.model(identifier)
        if model is None:
            raise not_found(f"Could not resolve the foundation model from the provided model identifier: {identifier}")
        return model
