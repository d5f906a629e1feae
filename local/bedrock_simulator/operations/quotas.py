"""Service Quotas, for the service code ``bedrock``."""

from __future__ import annotations

from collections.abc import Sequence

from local.bedrock_simulator.catalog import ACCOUNT, REGION, Quota
from local.bedrock_simulator.errors import ServiceError
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.policies import Permission
from local.bedrock_simulator.protocol.service import Call, Params

_SERVICE = "bedrock"
_PAGE = 100


class ServiceQuotas:
    """Get and list quotas."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def get_service_quota(self, call: Call) -> Params:
        """GetServiceQuota."""
        self._require(call)
        quota = self._host.world.catalog.quotas.get(call.params["QuotaCode"])
        if quota is None:
            raise ServiceError(
                "NoSuchResourceException", "The request failed because the specified quota does not exist."
            )
        return {"Quota": self._described(quota)}

    def list_service_quotas(self, call: Call) -> Params:
        """ListServiceQuotas."""
        self._require(call)
        wanted = call.params.get("QuotaCode")
        quotas: Sequence[Quota] = [q for q in self._host.world.catalog.quotas.values() if wanted in (None, q.code)]
        token = call.params.get("NextToken", "0")
        if not token.isdigit():
            raise ServiceError(
                "InvalidPaginationTokenException", "The NextToken is not one that this service gave out."
            )
        start = int(token)
        end = start + call.params.get("MaxResults", _PAGE)
        result: Params = {"Quotas": [self._described(quota) for quota in quotas[start:end]]}
        if end < len(quotas):
            result["NextToken"] = str(end)
        return result

    def _require(self, call: Call) -> None:
        self._host.access.require(call.caller, [Permission(f"servicequotas:{call.operation}", "*")])
        if call.params["ServiceCode"] != _SERVICE:
            raise ServiceError(
                "NoSuchResourceException", "The request failed because the specified service does not exist."
            )

    def _described(self, quota: Quota) -> Params:
        return {
            "ServiceCode": _SERVICE,
            "ServiceName": "Amazon Bedrock",
            "QuotaArn": f"arn:aws:servicequotas:{REGION}:{ACCOUNT}:{_SERVICE}/{quota.code}",
            "QuotaCode": quota.code,
            "QuotaName": quota.name,
            "Value": float(self._host.world.quota(quota.code)),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }
