"""Bedrock's control plane as far as stages look: things with a status that tests set, and a log of the calls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import botocore.session
import regex
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from lambdas.domain.bedrock_names import ENVIRONMENT_TAG

MODEL = botocore.session.Session().get_service_model("bedrock")
ACCOUNT = "arn:aws:bedrock:us-east-1:000000000000"


def refuse(code: str, operation: str, says: str = "as the service words it") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": f"{code} {says}"}}, operation)


def check_request(operation: str, request: dict[str, Any]) -> None:
    """Hold a request against shape, patterns and lengths of the service model; botocore itself checks only shapes."""
    shape: Any = MODEL.operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    _check_patterns(shape, request, operation)


def _check_patterns(shape: Any, value: Any, where: str) -> None:
    if shape.type_name == "structure":
        for name, inner in value.items():
            _check_patterns(shape.members[name], inner, f"{where}.{name}")
    elif shape.type_name == "list":
        assert len(value) <= shape.metadata.get("max", len(value)), where
        for inner in value:
            _check_patterns(shape.member, inner, f"{where}[]")
    elif shape.type_name == "string":
        limits = shape.metadata
        assert limits.get("min", 0) <= len(value) <= limits.get("max", len(value)), f"{where}: {value}"
        assert not shape.enum or value in shape.enum, f"{where}: {value}"
        assert "pattern" not in limits or regex.fullmatch(limits["pattern"], value), f"{where}: {value}"


class FakeBedrock:
    """One account. Names map to answers of the Get operations; ``calls`` lists what changed something."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.jobs: dict[str, dict[str, Any]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, list[dict[str, str]]] = {}
        self.calls: list[tuple[str, Any]] = []
        self.refuses: dict[str, str] = {}
        self.says = "as the service words it"

    def add_job(self, name: str, status: str, *, moved: datetime | None = None, **fields: Any) -> str:
        arn = f"{ACCOUNT}:model-customization-job/{name}"
        self.tags.setdefault(arn, [{"key": ENVIRONMENT_TAG, "value": "dev"}])
        created = moved or self.now
        training = {"status": status, "creationTime": created, "lastModifiedTime": created}
        self.jobs[name] = {
            "jobArn": arn,
            "jobName": name,
            "status": status,
            "creationTime": created,
            "statusDetails": {"trainingDetails": training},
            **fields,
        }
        return arn

    def add_model(self, name: str, status: str = "Active") -> str:
        arn = f"{ACCOUNT}:custom-model/{name}"
        self.tags.setdefault(arn, [{"key": ENVIRONMENT_TAG, "value": "dev"}])
        self.models[name] = {"modelArn": arn, "modelName": name, "modelStatus": status, "creationTime": self.now}
        return arn

    def add_throughput(self, name: str, model_arn: str, status: str = "InService") -> str:
        arn = f"{ACCOUNT}:provisioned-model/{name}"
        self.tags.setdefault(arn, [{"key": ENVIRONMENT_TAG, "value": "dev"}])
        fields = {"provisionedModelArn": arn, "provisionedModelName": name, "modelArn": model_arn, "status": status}
        self.endpoints[arn] = {**fields, "creationTime": self.now}
        return arn

    def add_deployment(self, name: str, model_arn: str, status: str = "Active") -> str:
        arn = f"{ACCOUNT}:custom-model-deployment/{name}"
        self.tags.setdefault(arn, [{"key": ENVIRONMENT_TAG, "value": "dev"}])
        fields = {"customModelDeploymentArn": arn, "modelDeploymentName": name, "modelArn": model_arn, "status": status}
        self.endpoints[arn] = {**fields, "customModelDeploymentName": name, "createdAt": self.now}
        return arn

    def called(self, operation: str) -> list[Any]:
        return [argument for name, argument in self.calls if name == operation]

    def create_model_customization_job(self, **request: Any) -> dict[str, Any]:
        self._do("CreateModelCustomizationJob", request)
        check_request("CreateModelCustomizationJob", request)
        if request["jobName"] in self.jobs:
            raise refuse("ValidationException", "CreateModelCustomizationJob")
        arn = self.add_job(request["jobName"], "InProgress")
        self.tags[arn] = request["jobTags"]
        return {"jobArn": arn}

    def get_model_customization_job(self, jobIdentifier: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        return self._get(self.jobs, "jobArn", jobIdentifier)

    def stop_model_customization_job(self, jobIdentifier: str) -> None:  # noqa: N803 - the API's name
        self._do("StopModelCustomizationJob", jobIdentifier)
        self._get(self.jobs, "jobArn", jobIdentifier)["status"] = "Stopped"

    def create_model_invocation_job(self, **request: Any) -> dict[str, Any]:
        self._do("CreateModelInvocationJob", request)
        check_request("CreateModelInvocationJob", request)
        name = request["jobName"]
        if name in self.batches:
            raise refuse("ConflictException", "CreateModelInvocationJob")
        arn = f"{ACCOUNT}:model-invocation-job/{len(self.batches):012d}"
        self.batches[name] = {"jobArn": arn, "jobName": name, "status": "Submitted", **request}
        self.tags[arn] = request["tags"]
        return {"jobArn": arn}

    def get_model_invocation_job(self, jobIdentifier: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        check_request("GetModelInvocationJob", {"jobIdentifier": jobIdentifier})
        return self._get(self.batches, "jobArn", jobIdentifier)

    def stop_model_invocation_job(self, jobIdentifier: str) -> None:  # noqa: N803 - the API's name
        check_request("StopModelInvocationJob", {"jobIdentifier": jobIdentifier})
        self._do("StopModelInvocationJob", jobIdentifier)
        self._get(self.batches, "jobArn", jobIdentifier)["status"] = "Stopping"

    def get_custom_model(self, modelIdentifier: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        return self._get(self.models, "modelArn", modelIdentifier)

    def delete_custom_model(self, modelIdentifier: str) -> None:  # noqa: N803 - the API's name
        self._do("DeleteCustomModel", modelIdentifier)
        del self.models[self._get(self.models, "modelArn", modelIdentifier)["modelName"]]

    def get_custom_model_deployment(self, customModelDeploymentIdentifier: str) -> dict[str, Any]:  # noqa: N803
        return self._get(self.endpoints, "", customModelDeploymentIdentifier)

    def create_custom_model_deployment(self, **request: Any) -> dict[str, Any]:
        self._do("CreateCustomModelDeployment", request)
        check_request("CreateCustomModelDeployment", request)
        arn = self.add_deployment(request["modelDeploymentName"], request["modelArn"], "Creating")
        self.tags[arn] = request["tags"]
        return {"customModelDeploymentArn": arn}

    def delete_custom_model_deployment(self, customModelDeploymentIdentifier: str) -> None:  # noqa: N803
        self._delete_endpoint("DeleteCustomModelDeployment", customModelDeploymentIdentifier)

    def get_provisioned_model_throughput(self, provisionedModelId: str) -> dict[str, Any]:  # noqa: N803
        return self._get(self.endpoints, "", provisionedModelId)

    def update_provisioned_model_throughput(self, provisionedModelId: str, desiredModelId: str) -> None:  # noqa: N803
        self._do("UpdateProvisionedModelThroughput", (provisionedModelId, desiredModelId))
        self.endpoints[provisionedModelId].update(status="Updating", modelArn=desiredModelId)

    def create_provisioned_model_throughput(self, **request: Any) -> dict[str, Any]:
        self._do("CreateProvisionedModelThroughput", request)
        check_request("CreateProvisionedModelThroughput", request)
        arn = self.add_throughput(request["provisionedModelName"], request["modelId"], "Creating")
        for name in {"modelUnits", "commitmentDuration"} & request.keys():
            self.endpoints[arn][name] = request[name]
        return {"provisionedModelArn": arn}

    def delete_provisioned_model_throughput(self, provisionedModelId: str) -> None:  # noqa: N803
        self._delete_endpoint("DeleteProvisionedModelThroughput", provisionedModelId)

    def list_tags_for_resource(self, resourceARN: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        self._do("ListTagsForResource", resourceARN)
        return {"tags": self.tags.get(resourceARN, [])}

    def get_paginator(self, operation: str) -> Any:
        if operation in self.refuses:
            raise refuse(self.refuses[operation], operation)
        things: dict[str, tuple[Any, str, str]] = {
            "list_model_customization_jobs": (self.jobs, "jobName", "modelCustomizationJobSummaries"),
            "list_model_invocation_jobs": (self.batches, "jobName", "invocationJobSummaries"),
            "list_custom_models": (self.models, "modelName", "modelSummaries"),
            "list_provisioned_model_throughputs": (self.endpoints, "provisionedModelName", "provisionedModelSummaries"),
            "list_custom_model_deployments": (self.endpoints, "customModelDeploymentName", "modelDeploymentSummaries"),
        }
        return _Pages(*things[operation])

    def _delete_endpoint(self, operation: str, arn: str) -> None:
        self._do(operation, arn)
        if self._get(self.endpoints, "", arn)["status"] in ("Creating", "Updating"):
            raise refuse("ConflictException", operation)
        del self.endpoints[arn]

    def _do(self, operation: str, argument: Any) -> None:
        self.calls.append((operation, argument))
        if operation in self.refuses:
            raise refuse(self.refuses[operation], operation, self.says)

    @staticmethod
    def _get(known: dict[str, dict[str, Any]], arn_field: str, name_or_arn: str) -> dict[str, Any]:
        for name, item in known.items():
            if name_or_arn in (name, item.get(arn_field)):
                return item
        raise refuse("ResourceNotFoundException", "Get")


class _Pages:
    """Pages of one item each, so that whoever reads only the first page is found out."""

    def __init__(self, things: dict[str, dict[str, Any]], name_field: str, summaries: str) -> None:
        self._items = [item for item in things.values() if name_field in item]
        self._name_field, self._summaries = name_field, summaries

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        name, status = request.get("nameContains", ""), request.get("statusEquals")
        found = [item for item in self._items if name in item[self._name_field]]
        found = [item for item in found if status in (None, item.get("status"))]
        return [{self._summaries: []}, *({self._summaries: [item]} for item in found)]


START = datetime(2026, 9, 1, 10, tzinfo=UTC)
