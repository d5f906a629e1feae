"""Custom models and their on-demand deployments."""

from __future__ import annotations

from datetime import timedelta

from local.bedrock_simulator.catalog import ACCOUNT, arn
from local.bedrock_simulator.errors import conflict, not_found, validation
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.protocol.service import Call, Params
from local.bedrock_simulator.world import (
    CustomModel,
    Deployment,
    Update,
    earlier,
    new_id,
    page,
    remember,
    selected,
    tag,
)

_DEPLOYMENTS = "SIM-DEPLOYMENTS"
_DEPLOYMENTS_IN_CREATION = "L-C02E1E99"
_MUTATING = "Custom model deployment is in a mutating state"


class CustomModels:
    """Get, list and delete custom models; jobs make them."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def get_custom_model(self, call: Call) -> Params:
        """GetCustomModel."""
        model = find_model(self._host, call, call.params["modelIdentifier"])
        job = model.job
        result = {
            "modelArn": model.arn,
            "modelName": model.name,
            "jobName": job.params["jobName"],
            "jobArn": job.arn,
            "baseModelArn": model.base.arn,
            "customizationType": job.params.get("customizationType", "FINE_TUNING"),
            "trainingDataConfig": job.params["trainingDataConfig"],
            "outputDataConfig": job.params["outputDataConfig"],
            "trainingMetrics": {"trainingLoss": job.loss if job.loss is not None else -1.0},
            "creationTime": model.created,
            "modelStatus": "Active",
        }
        optional = ("hyperParameters", "customizationConfig", "validationDataConfig")
        return result | {name: job.params[name] for name in optional if name in job.params}

    def list_custom_models(self, call: Call) -> Params:
        """ListCustomModels."""
        self._host.require(call.caller, call.operation, "*")
        self._host.progress.settle()
        params = call.params
        with self._host.world.lock:
            models = selected(
                self._host.world.models.values(),
                params,
                name=lambda model: model.name,
                created=lambda model: model.created,
                equals={
                    "baseModelArnEquals": lambda model: model.base.arn,
                    "foundationModelArnEquals": lambda model: model.base.arn,
                    "modelStatus": lambda _model: "Active",
                    "isOwned": lambda _model: True,
                },
            )
        return page(models, params, "modelSummaries", _model_summary)

    def delete_custom_model(self, call: Call) -> Params:
        """DeleteCustomModel: refused while a deployment or a throughput serves it."""
        world = self._host.world
        model = find_model(self._host, call, call.params["modelIdentifier"])
        with world.lock:
            users = [d.arn for d in world.deployments.values() if model.arn in _models_of(d)]
            users += [
                t.arn
                for t in world.throughputs.values()
                if model.arn in (t.model_arn, t.update.model_arn if t.update else None)
            ]
            if users:
                raise conflict(f"The custom model {model.name} is in use by {', '.join(users)}")
            model.storage.end = world.clock.now()
            del world.models[model.arn]
            world.tags.pop(model.arn, None)
        return {}


class CustomModelDeployments:
    """Create, get, list, update and delete on-demand deployments."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def create_custom_model_deployment(self, call: Call) -> Params:
        """CreateCustomModelDeployment."""
        host, world, params = self._host, self._host.world, call.params
        deployment_arn = arn("custom-model-deployment", new_id())
        tags_on = {"tags": deployment_arn}
        host.require_create(call.caller, call.operation, params, tags_on, params["modelArn"])
        host.progress.settle()
        with world.lock:
            known = earlier(world, call.operation, params, modelled_conflict=False)
            if known:
                return {"customModelDeploymentArn": known}
            model = _model(host, params["modelArn"])
            if not model.base.on_demand_deployment:
                raise validation(f"Custom models of {model.base.model_id} cannot be deployed on demand.")
            # The operation models no ConflictException, so a name that is taken is a ValidationException.
            if any(d.name == params["modelDeploymentName"] for d in world.deployments.values()):
                raise validation(f"The deployment name {params['modelDeploymentName']} is already in use")
            self._check_quotas()
            tag(world, deployment_arn, params.get("tags", []))
            now = world.clock.now()
            world.deployments[deployment_arn] = Deployment(
                arn=deployment_arn, name=params["modelDeploymentName"], model_arn=model.arn,
                description=params.get("description"), created=now, updated=now,
                active_at=now + timedelta(seconds=world.settings.durations.deployment),
                failure=host.faults.for_resource("fail_deployment"),
            )  # fmt: skip
            remember(world, call.operation, params, deployment_arn)
        return {"customModelDeploymentArn": deployment_arn}

    def get_custom_model_deployment(self, call: Call) -> Params:
        """GetCustomModelDeployment."""
        deployment = self._find(call)
        with self._host.world.lock:
            result = {
                "customModelDeploymentArn": deployment.arn,
                "modelDeploymentName": deployment.name,
                "modelArn": deployment.model_arn,
                "createdAt": deployment.created,
                "status": deployment.status,
                "lastUpdatedAt": deployment.updated,
            }
            update = deployment.update
            if deployment.description:
                result["description"] = deployment.description
            if update:
                result["updateDetails"] = {"modelArn": update.model_arn, "updateStatus": update.status}
            failure = deployment.failure if deployment.status == "Failed" else _failed_update(update)
            if failure:
                result["failureMessage"] = failure
        return result

    def list_custom_model_deployments(self, call: Call) -> Params:
        """ListCustomModelDeployments: summaries carry no tags."""
        self._host.require(call.caller, call.operation, "*")
        self._host.progress.settle_endpoints()
        params = call.params
        with self._host.world.lock:
            ordered = selected(
                self._host.world.deployments.values(),
                params,
                name=lambda deployment: deployment.name,
                created=lambda deployment: deployment.created,
                equals={
                    "statusEquals": lambda deployment: deployment.status,
                    "modelArnEquals": lambda deployment: deployment.model_arn,
                },
                times=("createdAfter", "createdBefore"),
            )
        return page(ordered, params, "modelDeploymentSummaries", _deployment_summary)

    def update_custom_model_deployment(self, call: Call) -> Params:
        """UpdateCustomModelDeployment: another model behind the same ARN."""
        host, world = self._host, self._host.world
        deployment = self._find(call)
        # It asks for the model too (service authorization reference).
        host.require(call.caller, call.operation, call.params["modelArn"])
        with world.lock:
            model = _model(host, call.params["modelArn"])
            _require_settled(deployment)
            if deployment.status != "Active":
                raise validation(f"The deployment {deployment.name} is {deployment.status} and cannot be updated")
            done_at = world.clock.now() + timedelta(seconds=world.settings.durations.update)
            deployment.update = Update(model.arn, done_at, failure=host.faults.for_resource("fail_update"))
        return {"customModelDeploymentArn": deployment.arn}

    def delete_custom_model_deployment(self, call: Call) -> Params:
        """DeleteCustomModelDeployment: refused while it is created or updated."""
        deployment = self._find(call)
        with self._host.world.lock:
            _require_settled(deployment)
            self._host.world.deployments.pop(deployment.arn, None)
            self._host.world.tags.pop(deployment.arn, None)
        return {}

    def _find(self, call: Call) -> Deployment:
        world, identifier = self._host.world, call.params["customModelDeploymentIdentifier"]
        self._host.progress.settle_endpoints()
        with world.lock:
            found = next((d for d in world.deployments.values() if identifier in (d.arn, d.name)), None)
        self._host.require(call.caller, call.operation, found.arn if found else _any_deployment(identifier))
        if found is None:
            raise not_found(f"Could not find the custom model deployment {identifier}")
        return found

    def _check_quotas(self) -> None:
        world = self._host.world
        creating = sum(d.status == "Creating" for d in world.deployments.values())
        world.require_quota(
            _DEPLOYMENTS_IN_CREATION, creating + 1, f"The account has {creating} deployments in Creating, its maximum."
        )
        world.require_quota(
            _DEPLOYMENTS, len(world.deployments) + 1, "The account has reached its number of custom model deployments."
        )


def find_model(host: Host, call: Call, identifier: str) -> CustomModel:
    """Find a custom model by name or ARN and check that the caller may do the operation on it."""
    host.progress.settle()
    with host.world.lock:
        found = next((m for m in host.world.models.values() if identifier in (m.arn, m.name)), None)
    fallback = identifier if identifier.startswith("arn:") else arn("custom-model", "*")
    host.require(call.caller, call.operation, found.arn if found else fallback)
    if found is None:
        raise not_found(f"Could not find the custom model {identifier}")
    return found


def _model(host: Host, model_arn: str) -> CustomModel:
    model = host.world.models.get(model_arn)
    if model is None:
        raise not_found(f"Could not find the custom model {model_arn}")
    return model


def _any_deployment(identifier: str) -> str:
    return identifier if identifier.startswith("arn:") else arn("custom-model-deployment", "*")


def _require_settled(deployment: Deployment) -> None:
    updating = deployment.update is not None and deployment.update.status == "Updating"
    if deployment.status == "Creating" or updating:
        raise validation(_MUTATING)


def _failed_update(update: Update | None) -> str | None:
    return update.failure if update and update.status == "UpdateFailed" else None


def _models_of(deployment: Deployment) -> set[str]:
    update = deployment.update
    return {deployment.model_arn} | ({update.model_arn} if update and update.status == "Updating" else set())


def _model_summary(model: CustomModel) -> Params:
    return {
        "modelArn": model.arn,
        "modelName": model.name,
        "creationTime": model.created,
        "baseModelArn": model.base.arn,
        "baseModelName": model.base.model_id.partition(":")[0],
        "customizationType": model.job.params.get("customizationType", "FINE_TUNING"),
        "ownerAccountId": ACCOUNT,
        "modelStatus": "Active",
    }


def _deployment_summary(deployment: Deployment) -> Params:
    summary = {
        "customModelDeploymentArn": deployment.arn,
        "customModelDeploymentName": deployment.name,
        "modelArn": deployment.model_arn,
        "createdAt": deployment.created,
        "status": deployment.status,
        "lastUpdatedAt": deployment.updated,
    }
    if deployment.status == "Failed" and deployment.failure:
        summary["failureMessage"] = deployment.failure
    return summary
