"""Tags of jobs of both kinds, custom models, deployments, throughput and application inference profiles."""

from __future__ import annotations

from local.bedrock_simulator.errors import not_found
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.protocol.service import Call, Params
from local.bedrock_simulator.world import tag


class Tags:
    """Tag, untag and list."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def tag_resource(self, call: Call) -> Params:
        """TagResource: at most 50 tags a resource."""
        resource = self._resource(call)
        with self._host.world.lock:
            tag(self._host.world, resource, call.params["tags"])
        return {}

    def untag_resource(self, call: Call) -> Params:
        """UntagResource."""
        resource = self._resource(call)
        with self._host.world.lock:
            held = self._host.world.tags.get(resource, {})
            for key in call.params["tagKeys"]:
                held.pop(key, None)
        return {}

    def list_tags_for_resource(self, call: Call) -> Params:
        """ListTagsForResource."""
        resource = self._resource(call)
        with self._host.world.lock:
            held = self._host.world.tags.get(resource, {})
            return {"tags": [{"key": key, "value": value} for key, value in held.items()]}

    def _resource(self, call: Call) -> str:
        host, resource = self._host, str(call.params["resourceARN"])
        host.require(call.caller, call.operation, resource)
        host.progress.settle()
        world = host.world
        kinds = (
            world.jobs, world.batch_jobs, world.models, world.deployments, world.throughputs,
            world.application_profiles,
        )  # fmt: skip
        if not any(resource in held for held in kinds):
            raise not_found(f"Could not find the resource {resource}")
        return resource
