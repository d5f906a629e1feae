"""Provisioned throughput: what bills by the hour until it is deleted."""

from __future__ import annotations

from datetime import timedelta

from local.bedrock_simulator import billing
from local.bedrock_simulator.catalog import FoundationModel, arn
from local.bedrock_simulator.errors import conflict, not_found, validation
from local.bedrock_simulator.operations.foundation import details_of, require_alive
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.protocol.service import Call, Params
from local.bedrock_simulator.records import Payer
from local.bedrock_simulator.world import (
    Throughput,
    Update,
    earlier,
    new_id,
    page,
    remember,
    selected,
    tag,
)

_UNITS_WITHOUT_COMMITMENT = "L-BE77399C"
_UNITS_WITH_COMMITMENT = "SIM-COMMITTED-UNITS"
_COMMITMENT_DAYS = {"OneMonth": 30, "SixMonths": 180}


class ProvisionedThroughput:
    """Create, get, list, update and delete."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def create_provisioned_model_throughput(self, call: Call) -> Params:
        """CreateProvisionedModelThroughput: billed from now on until it is deleted."""
        host, world, params = self._host, self._host.world, call.params
        throughput_arn = arn("provisioned-model", new_id())
        host.progress.settle()
        with world.lock:
            model_arn, foundation = self._model(params["modelId"])
        host.require_create(call.caller, call.operation, params, {"tags": throughput_arn}, model_arn)
        with world.lock:
            known = earlier(world, call.operation, params, modelled_conflict=False)
            if known:
                return {"provisionedModelArn": known}
            self._require_serviceable(foundation)
            # The operation models no ConflictException, so a name that is taken is a ValidationException.
            self._require_free(params["provisionedModelName"])
            self._require_units(params, foundation)
            tag(world, throughput_arn, params.get("tags", []))
            now, commitment = world.clock.now(), params.get("commitmentDuration")
            payer = Payer(throughput_arn, call.caller)
            world.throughputs[throughput_arn] = Throughput(
                arn=throughput_arn, name=params["provisionedModelName"], model_arn=model_arn, foundation=foundation,
                units=params["modelUnits"], commitment=commitment,
                commitment_ends=now + timedelta(days=_COMMITMENT_DAYS[commitment]) if commitment else None,
                created=now, modified=now, ready_at=now + timedelta(seconds=world.settings.durations.throughput),
                billing=billing.throughput(
                    world, payer, foundation, now, units=params["modelUnits"], commitment=commitment
                ),
                failure=host.faults.for_resource("fail_throughput"),
            )  # fmt: skip
            remember(world, call.operation, params, throughput_arn)
        return {"provisionedModelArn": throughput_arn}

    def get_provisioned_model_throughput(self, call: Call) -> Params:
        """GetProvisionedModelThroughput."""
        throughput = self._find(call)
        with self._host.world.lock:
            return _summary(throughput) | ({"failureMessage": throughput.failure} if throughput.failure else {})

    def list_provisioned_model_throughputs(self, call: Call) -> Params:
        """ListProvisionedModelThroughputs: summaries carry no tags."""
        self._host.require(call.caller, call.operation, "*")
        self._host.progress.settle_endpoints()
        params = call.params
        with self._host.world.lock:
            ordered = selected(
                self._host.world.throughputs.values(),
                params,
                name=lambda throughput: throughput.name,
                created=lambda throughput: throughput.created,
                equals={
                    "statusEquals": lambda throughput: throughput.status,
                    "modelArnEquals": lambda throughput: throughput.model_arn,
                },
            )
        return page(ordered, params, "provisionedModelSummaries", _summary)

    def update_provisioned_model_throughput(self, call: Call) -> Params:
        """UpdateProvisionedModelThroughput: name and model only; no token, no units, no conflict in its model.

        The target must be the base model or another custom model of the same base; meanwhile the old one serves.
        """
        host, world, params = self._host, self._host.world, call.params
        throughput = self._find(call)
        if "desiredModelId" in params:  # asks for the model too (service authorization reference)
            host.require(call.caller, call.operation, self._model(params["desiredModelId"])[0])
        with world.lock:
            if throughput.status != "InService":
                raise validation(
                    f"The provisioned model {throughput.name} is {throughput.status}; update it when InService"
                )
            new_name = params.get("desiredProvisionedModelName", throughput.name)
            if new_name != throughput.name:
                self._require_free(new_name)
            if "desiredModelId" in params:
                model_arn, foundation = self._model(params["desiredModelId"])
                if throughput.model_arn not in world.models:
                    raise validation("The model can be changed only where the throughput is on a custom model.")
                if foundation.model_id != throughput.foundation.model_id:
                    raise validation("The desired model must be the base model or a custom model of the same base.")
                done_at = world.clock.now() + timedelta(seconds=world.settings.durations.update)
                throughput.update = Update(model_arn, done_at)
                fault = host.faults.due("fail_update")
                if fault:
                    throughput.update.failure = fault.options["message"]
                    throughput.update.ends = fault.options["status"]
                throughput.status = "Updating"
            throughput.name, throughput.modified = new_name, world.clock.now()
        return {}

    def delete_provisioned_model_throughput(self, call: Call) -> Params:
        """DeleteProvisionedModelThroughput: refused while it changes and while a commitment runs."""
        world = self._host.world
        throughput = self._find(call)
        with world.lock:
            if throughput.status in ("Creating", "Updating"):
                raise conflict(
                    f"The provisioned model {throughput.name} is {throughput.status} and cannot be deleted now"
                )
            ends = throughput.commitment_ends
            if ends and world.clock.now() < ends and throughput.status != "Failed":
                raise conflict(
                    f"The provisioned model {throughput.name} is committed until {ends.isoformat()}; "
                    "it cannot be deleted before"
                )
            if throughput.billing.end is None:  # one that failed in an update bills on until here
                throughput.billing.end = world.clock.now()
            world.throughputs.pop(throughput.arn, None)
            world.tags.pop(throughput.arn, None)
        return {}

    def _find(self, call: Call) -> Throughput:
        world, identifier = self._host.world, call.params["provisionedModelId"]
        self._host.progress.settle_endpoints()
        with world.lock:
            found = next((t for t in world.throughputs.values() if identifier in (t.arn, t.name)), None)
        fallback = identifier if identifier.startswith("arn:") else arn("provisioned-model", "*")
        self._host.require(call.caller, call.operation, found.arn if found else fallback)
        if found is None:
            raise not_found(f"Could not find the provisioned model {identifier}")
        return found

    def _model(self, identifier: str) -> tuple[str, FoundationModel]:
        """Find the model to serve: ``(its ARN, the foundation model that it is or comes from)``."""
        world = self._host.world
        custom = next((m for m in world.models.values() if identifier in (m.arn, m.name)), None)
        if custom:
            return custom.arn, custom.base
        foundation = world.catalog.model(identifier)
        if foundation is None:
            raise not_found(f"Could not find the model {identifier}")
        return foundation.arn, foundation

    def _require_serviceable(self, foundation: FoundationModel) -> None:
        world = self._host.world
        require_alive(world, foundation)
        details = details_of(world, foundation)
        if "PROVISIONED" not in details["inferenceTypesSupported"]:
            raise validation(f"The model {foundation.model_id} does not support provisioned throughput.")
        # model-lifecycle: no new provisioned throughput on a Legacy model.
        if details["modelLifecycle"]["status"] == "LEGACY":
            raise validation(f"The model {foundation.model_id} is Legacy: no new provisioned throughput.")

    def _require_free(self, name: str) -> None:
        if any(t.name == name for t in self._host.world.throughputs.values()):
            raise validation(f"The provisioned model name {name} is already in use")

    def _require_units(self, params: Params, foundation: FoundationModel) -> None:
        world, committed = self._host.world, "commitmentDuration" in params
        held = sum(t.units for t in world.throughputs.values() if bool(t.commitment) == committed)
        code = _UNITS_WITH_COMMITMENT if committed else _UNITS_WITHOUT_COMMITMENT
        kind = "commitment" if committed else "no commitment"
        world.require_quota(
            code,
            held + params["modelUnits"],
            f"Your account does not currently have any {kind} model units reserved for "
            f"{foundation.details['modelName']}. "
            "Request an increase of the quota through AWS Support.",
        )


def _summary(throughput: Throughput) -> Params:
    summary = {
        "provisionedModelName": throughput.name,
        "provisionedModelArn": throughput.arn,
        "modelArn": throughput.model_arn,
        "desiredModelArn": throughput.update.model_arn if throughput.update else throughput.model_arn,
        "foundationModelArn": throughput.foundation.arn,
        "modelUnits": throughput.units,
        "desiredModelUnits": throughput.units,
        "status": throughput.status,
        "creationTime": throughput.created,
        "lastModifiedTime": throughput.modified,
    }
    if throughput.commitment:
        summary |= {
            "commitmentDuration": throughput.commitment,
            "commitmentExpirationTime": throughput.commitment_ends,
        }
    return summary
