"""What every operation works with."""

from __future__ import annotations

from dataclasses import dataclass

from local.bedrock_simulator.access import Access
from local.bedrock_simulator.batch.progress import BatchProgress
from local.bedrock_simulator.brains.base import Brain
from local.bedrock_simulator.faults import Faults
from local.bedrock_simulator.objects import ObjectStore
from local.bedrock_simulator.policies import Permission
from local.bedrock_simulator.progress import Progress
from local.bedrock_simulator.protocol.service import Params
from local.bedrock_simulator.runtime.caching import PromptCache
from local.bedrock_simulator.runtime.invocation_log import InvocationLog
from local.bedrock_simulator.runtime.metrics import Metrics
from local.bedrock_simulator.runtime.orders import Orders
from local.bedrock_simulator.runtime.throttle import Throttle
from local.bedrock_simulator.world import World


@dataclass(frozen=True)
class Host:
    """The simulated account and what surrounds it."""

    world: World
    progress: Progress
    batches: BatchProgress
    orders: Orders
    throttle: Throttle
    prompt_cache: PromptCache
    metrics: Metrics
    invocation_log: InvocationLog
    objects: ObjectStore
    access: Access
    faults: Faults
    brains: dict[str, Brain]

    def require(self, caller: str | None, action: str, *resources: str) -> None:
        """Check that the caller may do ``bedrock:<action>`` on each resource, with the tags that it carries."""
        permissions = [
            Permission(
                f"bedrock:{action}",
                resource,
                self.tags_of(resource),
            )
            for resource in resources
        ]
        self.access.require(caller, permissions)

    def tags_of(self, resource: str) -> dict[str, str]:
        """Give the condition keys that a resource's tags set."""
        return {f"aws:ResourceTag/{key}": value for key, value in self.world.tags.get(resource, {}).items()}

    def require_create(
        self, caller: str | None, action: str, params: Params, tags_on: dict[str, str], *on: str
    ) -> None:
        """Check a create call: the action on each resource, and TagResource on what it tags.

        ``tags_on`` maps the parameter that carries tags to the ARN that will carry them.
        """
        request_tags = {t["key"]: t["value"] for name in tags_on for t in params.get(name, [])}
        permissions = [
            Permission(f"bedrock:{action}", resource, self.tags_of(resource), request_tags) for resource in on
        ]
        permissions += [
            Permission("bedrock:TagResource", tags_on[name], request_tags=request_tags)
            for name in tags_on
            if params.get(name)
        ]
        self.access.require(caller, permissions)
