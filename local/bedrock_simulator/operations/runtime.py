"""The runtime: Converse and InvokeModel."""

from __future__ import annotations

import json
import time
from dataclasses import replace

from local.bedrock_simulator import billing
from local.bedrock_simulator.operations.foundation import state_of
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.operations.targets import require_answering, resolve
from local.bedrock_simulator.protocol.service import Call, Params
from local.bedrock_simulator.records import Payer, Tokens
from local.bedrock_simulator.runtime import caching, conversation, formats
from local.bedrock_simulator.runtime.conversation import Reply
from local.bedrock_simulator.runtime.target import Target

_MILLISECONDS = 1000.0


class Runtime:
    """Answers prompts with the simulated models."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def converse(self, call: Call) -> Params:
        """Converse."""
        target = self._target(call)
        reply, latency = self._ask(call, target, call.params)
        return reply.to_api(round(latency))

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

    def _ask(self, call: Call, target: Target, params: Params) -> tuple[Reply, float]:
        """Ask a model: its reply, and the service's own latency in milliseconds."""
        host, began = self._host, time.monotonic()
        conversation.check(params, target.model)
        allowed = state_of(host.world, target.model).caching
        points = caching.checkpoints(params, target.model, allowed=allowed)
        slower = host.orders.before_call(target)
        prompt = conversation.prompt_of(params, target.model)
        with host.throttle.admit(target):
            host.orders.before_record(params, target.model, prompt.key)
            reply = conversation.converse(params, target.model, target.brain, prompt)
            reply = host.orders.after_record(params, target.model, reply)
            if points:
                use = host.prompt_cache.use(target.owner, points, host.world.clock.now())
                reply = replace(reply, input_tokens=reply.input_tokens - use.read - use.write, cache=use)
            latency = self._take_time(target, reply, slower, began)
            host.prompt_cache.keep(target.owner, points, host.world.clock.now())
        tokens = _tokens(reply)
        host.throttle.spend(target, reply.input_tokens + reply.output_tokens)
        if target.billed:
            payer = Payer(target.resource, call.caller)
            billing.inference(host.world, payer, target.model, tokens, profile=target.profile, custom=target.custom)
        host.metrics.answered(call.params["modelId"], host.world.clock.now(), latency, tokens.to_metrics())
        return reply, latency

    def _take_time(self, target: Target, reply: Reply, slower: float, began: float) -> float:
        """Let the settings' share of the latency really pass, our own work included; return all of it."""
        settings = self._host.world.settings
        if settings.latency_ms is not None:
            latency = real = settings.latency_ms + slower
        else:
            latency = conversation.latency_ms(target.model, reply.key) + slower
            real = latency * settings.latency_scale
        left = real / _MILLISECONDS - (time.monotonic() - began)
        if left > 0:
            time.sleep(left)
        return latency


def _tokens(reply: Reply) -> Tokens:
    cache = reply.cache
    if cache is None:
        return Tokens(reply.input_tokens, reply.output_tokens, 1)
    hour = cache.ttl == "1h"
    return Tokens(
        reply.input_tokens,
        reply.output_tokens,
        1,
        cache_read=cache.read,
        cache_write=0 if hour else cache.write,
        cache_write_hour=cache.write if hour else 0,
    )
