"""The runtime: Converse and InvokeModel."""

from __future__ import annotations

import json
import threading
import time
from collections import deque

from local.bedrock_simulator import billing
from local.bedrock_simulator.billing import Payer, Tokens
from local.bedrock_simulator.catalog import FoundationModel
from local.bedrock_simulator.errors import ServiceError
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.operations.targets import Target, require_answering, resolve
from local.bedrock_simulator.protocol.service import Call
from local.bedrock_simulator.runtime import conversation, formats
from local.bedrock_simulator.runtime.conversation import Reply
from local.bedrock_simulator.world import Params

_MILLISECONDS = 1000.0
_MINUTE_SECONDS = 60.0
_TOO_MANY = "Too many requests, please wait before trying again."


class Runtime:
    """Answers prompts with the simulated models."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._recent: dict[str, deque[float]] = {}
        self._recent_lock = threading.Lock()

    def converse(self, call: Call) -> Params:
        """Converse."""
        target = self._target(call)
        reply, latency = self._ask(call, target, call.params)
        return reply.to_api(latency)

    def invoke_model(self, call: Call) -> Params:
        """InvokeModel, in the message formats of Nova and Claude."""
        target = self._target(call)
        wire = formats.of(target.model)
        params = wire.read(formats.json_body(call.params.get("body", b"")))
        reply, _ = self._ask(call, target, params)
        body = json.dumps(wire.write(reply, target.model), ensure_ascii=False).encode()
        return {"body": body, "contentType": "application/json"}

    def _target(self, call: Call) -> Target:
        target, permissions = resolve(self._host, call.params["modelId"])
        self._host.access.require(call.caller, permissions)
        require_answering(self._host, target)
        return target

    def _ask(self, call: Call, target: Target, params: Params) -> tuple[Reply, int]:
        """Ask a model: its reply, and the service's own latency in milliseconds."""
        world = self._host.world
        conversation.check(params, target.model)
        self._throttle(target)
        reply = conversation.converse(params, target.model, target.brain)
        if target.billed:
            payer = Payer(target.resource, call.caller)
            tokens = Tokens(reply.input_tokens, reply.output_tokens, 1)
            billing.inference(world, payer, target.model, tokens, profile=target.profile, custom=target.custom)
        latency = conversation.latency_ms(target.model, reply.key)
        time.sleep(latency / _MILLISECONDS * world.settings.latency_scale)
        return reply, latency

    def _throttle(self, target: Target) -> None:
        """Refuse what exceeds the quota of requests per minute, where the settings ask for it."""
        world = self._host.world
        if not world.settings.enforce_request_quotas or not target.billed:
            return
        quotas = (q for q in world.catalog.quotas.values() if q.requests_per_minute_of in _served(target.model))
        quota = next(quotas, None)
        if quota is None:
            return
        now = world.clock.now().timestamp()
        with self._recent_lock:
            recent = self._recent.setdefault(quota.code, deque())
            while recent and recent[0] <= now - _MINUTE_SECONDS:
                recent.popleft()
            if len(recent) >= world.quota(quota.code):
                raise ServiceError("ThrottlingException", _TOO_MANY)
            recent.append(now)


def _served(model: FoundationModel) -> tuple[str, ...]:
    return tuple(model_id for model_id in (model.model_id, model.served_as) if model_id)
