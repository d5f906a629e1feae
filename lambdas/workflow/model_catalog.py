"""Ask the service what it says about a model today: lifecycle, access, customization, quotas."""

from __future__ import annotations

from datetime import UTC
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.costs.model_quotas import ModelQuota
from lambdas.domain.model_ids import foundation_model_id, is_profile, model_family
from lambdas.domain.task.model_choice import ModelChoice, ModelFacts, choose_models
from lambdas.domain.task.model_unit_quotas import NO_COMMITMENT_QUOTA
from lambdas.gateways.aws.service_errors import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_service_quotas import ServiceQuotasClient

    from lambdas.domain.task.settings import Settings

_ACCESS = {
    "agreementAvailability": "has no agreement in this account; accept it once in the Bedrock console, Model catalog",
    "authorizationStatus": "is not authorised for this account; submit its use-case form in the Bedrock console",
    "entitlementAvailability": "is not enabled for this account; subscribe to it once in the Bedrock console",
    "regionAvailability": "is not available in this Region",
}
"""GetFoundationModelAvailability's fields and what a person does about each."""


def lifecycle_facts(details: Mapping[str, Any]) -> dict[str, Any]:
    """Read of GetFoundationModel's ``modelDetails`` how far a model is in its life, as fields of ModelFacts."""
    lifecycle = details.get("modelLifecycle", {})
    moments = {
        "legacy_since": lifecycle.get("legacyTime"),
        "extended_access_from": lifecycle.get("publicExtendedAccessTime"),
        "end_of_life": lifecycle.get("endOfLifeTime"),
    }
    # The fields are optional in the service model.
    known = {name: moment.astimezone(UTC) for name, moment in moments.items() if moment}
    return {"lifecycle": lifecycle.get("status", "ACTIVE"), **known}


def account_quotas(client: ServiceQuotasClient) -> dict[str, float]:
    """List the account's quotas of Bedrock by name; empty where they may not be listed."""
    quotas: dict[str, float] = {}
    try:
        for page in client.get_paginator("list_service_quotas").paginate(ServiceCode="bedrock"):
            quotas |= {quota["QuotaName"]: quota["Value"] for quota in page["Quotas"]}
    except ClientError as problem:
        if refusal(problem) not in ("NoSuchResourceException", "AccessDeniedException"):
            raise
    return quotas


class ModelCatalog:
    """What Bedrock and Service Quotas say.

    Parameters
    ----------
    bedrock : Bedrock client
    quotas : Service Quotas client
    """

    def __init__(self, bedrock: BedrockClient, quotas: ServiceQuotasClient) -> None:
        self._bedrock, self._quotas = bedrock, quotas
        self._known: dict[str, ModelFacts] = {}

    def facts(self, model: str) -> ModelFacts:
        """Gather what is known of a model or a system inference profile."""
        bare = foundation_model_id(model) if is_profile(model) else model
        try:
            details: dict[str, Any] = dict(self._bedrock.get_foundation_model(modelIdentifier=bare)["modelDetails"])
            profile_active = not is_profile(model) or self._profile_is_active(model)
            access_problem = self._access_problem(foundation_model_id(model))
        except ClientError as problem:
            if refusal(problem) not in ("ResourceNotFoundException", "ValidationException"):
                raise
            return ModelFacts(model=model, exists=False)
        on_demand = "ON_DEMAND" in details.get("inferenceTypesSupported", [])
        return ModelFacts(
            model=model,
            **lifecycle_facts(details),
            customizations=tuple(details.get("customizationsSupported", [])),
            on_demand=profile_active if is_profile(model) else on_demand,
            access_problem=access_problem,
        )

    def choose(
        self,
        settings: Settings,
        training: str,
        now: datetime,
        refused: Mapping[tuple[str, str], str] = MappingProxyType({}),
    ) -> ModelChoice:
        """Take the first model of each list of the settings that can still be used.

        What the service says of a model is asked once. ``refused``: as of :func:`choose_models`.

        Raises
        ------
        ModelUnavailable
            Names every model of a list and what is wrong with it.
        """
        preferences = settings.model_preferences()
        student, customization = settings.student_model, settings.student_customization_model
        named = {model for models in preferences.values() for model in models} | {student, customization}
        self._known |= {model: self.facts(model) for model in sorted(named - self._known.keys())}
        return choose_models(
            [self._known[model] for model in sorted(named)],
            preferences,
            student=student,
            student_customization=customization,
            training=training,
            now=now,
            refused=refused,
        )

    def listed_profiles(self, model: str) -> list[str]:
        """List the ids of the system inference profiles that lead to a model, whatever their geographies are called.

        Parameters
        ----------
        model : str
            A model id, or a profile id of any scope, known here or not.
        """
        pages = self._bedrock.get_paginator("list_inference_profiles").paginate(typeEquals="SYSTEM_DEFINED")
        bare = foundation_model_id(model)
        return sorted(
            profile["inferenceProfileId"]
            for page in pages
            for profile in page["inferenceProfileSummaries"]
            if any(behind["modelArn"].rpartition("/")[2] == bare for behind in profile["models"])
        )

    def model_quotas(self, settings: Settings) -> dict[str, ModelQuota]:
        """Read what the account may ask of each model of the settings in a day and in a minute."""
        account = account_quotas(self._quotas)
        models = {model for models in settings.model_preferences().values() for model in models}
        return {model: ModelQuota.of(model, account) for model in sorted(models | {settings.student_model})}

    def no_commitment_units(self) -> float | None:
        """Read how many model units without commitment the account may have; ``None`` where the quota is not shown."""
        try:
            answer = self._quotas.get_service_quota(ServiceCode="bedrock", QuotaCode=NO_COMMITMENT_QUOTA)
        except ClientError as problem:
            if refusal(problem) == "NoSuchResourceException":
                return None
            raise
        return float(answer["Quota"]["Value"])

    def _profile_is_active(self, model: str) -> bool:
        return self._bedrock.get_inference_profile(inferenceProfileIdentifier=model)["status"] == "ACTIVE"

    def _access_problem(self, model: str) -> str | None:
        answer = dict(self._bedrock.get_foundation_model_availability(modelId=model))
        agreement: Any = answer.get("agreementAvailability", {})
        states = {**answer, "agreementAvailability": agreement.get("status")}
        for field, advice in _ACCESS.items():
            if field == "authorizationStatus" and model_family(model) == "amazon":
                continue  # seen as NOT_AUTHORIZED for Amazon's own models in accounts that can call them
            if states.get(field) not in ("AVAILABLE", "AUTHORIZED"):
                return advice
        return None
