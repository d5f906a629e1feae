"""The runtime: Converse, ConverseStream and InvokeModel."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from local.bedrock_simulator import billing
from local.bedrock_simulator.errors import ServiceError
from local.bedrock_simulator.operations.foundation import state_of
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.operations.targets import require_answering, resolve
from local.bedrock_simulator.protocol.service import Call, Params
from local.bedrock_simulator.records import Payer, Tokens
from local.bedrock_simulator.runtime import caching, conversation, formats
from local.bedrock_simulator.runtime.conversation import Reply
from local.bedrock_simulator.runtime.invocation_log import Logged
from local.bedrock_simulator.runtime.streaming import cut_off, events_of
from local.bedrock_simulator.runtime.target import Target

_MILLISECONDS = 1000.0
# Streaming is a right of its own (service authorization reference of Amazon Bedrock).
_STREAMED, _INVOKE_STREAMED = ("ConverseStream",), "bedrock:InvokeModelWithResponseStream"


class Runtime:
    """Answers prompts with the simulated models."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def converse(self, call: Call) -> Params:
        """Converse."""
        target = self._target(call)
        with self._logged_error(call, _body_of(call)):
            reply, latency = self._ask(call, target, call.params)
        answer = reply.to_api(round(latency))
        self._log(call, _body_of(call), answer, reply)
        return answer

    def converse_stream(self, call: Call) -> Params:
        """ConverseStream: the events of the whole answer at once, unless an ordered fault breaks it off."""
        target = self._target(call)
        with self._logged_error(call, _body_of(call)):
            reply, latency = self._ask(call, target, call.params)
        self._log(call, _body_of(call), reply.to_api(round(latency)), reply)
        events = events_of(reply, round(latency))
        broken = self._host.orders.in_stream(target)
        if broken:
            events = cut_off(events, broken["share"], broken["error"], f"{broken['error']} by order of a test.")
        return {"stream": events}

    def invoke_model(self, call: Call) -> Params:
        """InvokeModel, in the message formats of Nova and Claude."""
        target = self._target(call)
        wire = formats.of(target.model)
        asked = formats.json_body(call.params.get("body", b""))
        params = wire.read(asked)
        with self._logged_error(call, asked):
            reply, _ = self._ask(call, target, params)
        answer = wire.write(reply, target.model)
        self._log(call, asked, answer, reply)
        return {"body": json.dumps(answer, ensure_ascii=False).encode(), "contentType": "application/json"}

    @contextmanager
    def _logged_error(self, call: Call, asked: Params) -> Iterator[None]:
        """Log a call that the service refuses, with the error's code."""
        try:
            yield
        except ServiceError as refused:
            self._host.invocation_log.add(replace(self._entry(call, asked), error=refused.code))
            raise

    def _log(self, call: Call, asked: Params, answer: Params, reply: Reply) -> None:
        entry = self._entry(call, asked)
        tokens = (reply.input_tokens, reply.output_tokens)
        cached = (reply.cache.read, reply.cache.write) if reply.cache else (0, 0)
        self._host.invocation_log.add(replace(entry, response=answer, tokens=tokens, cached=cached))

    def _entry(self, call: Call, asked: Params) -> Logged:
        metadata, now = call.params.get("requestMetadata"), self._host.world.clock.now()
        return Logged(now, call.operation, call.params["modelId"], call.caller, asked, metadata=metadata)

    def _target(self, call: Call) -> Target:
        target, permissions = resolve(self._host, call.params["modelId"])
        if call.operation in _STREAMED:
            permissions = [replace(permission, action=_INVOKE_STREAMED) for permission in permissions]
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


def _body_of(call: Call) -> Params:
    return {name: value for name, value in call.params.items() if name not in ("modelId", "requestMetadata")}


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
