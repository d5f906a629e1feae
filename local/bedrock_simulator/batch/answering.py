"""Answers the records of a batch inference job as the runtime would answer the same request."""

from __future__ import annotations

from dataclasses import dataclass

from local.bedrock_simulator.batch.records import Answered, Record, failed
from local.bedrock_simulator.brains.base import Brain
from local.bedrock_simulator.catalog import FoundationModel
from local.bedrock_simulator.errors import ServiceError, validation
from local.bedrock_simulator.runtime import conversation, formats
from local.bedrock_simulator.runtime.orders import Orders

CONVERSE = "Converse"
_CODES, _SERVER_ERROR = {"ValidationException": 400, "ModelErrorException": 424}, 500
# Converse-format records refuse these with 400 (user guide, batch-inference: neither tools nor structured output).
_REFUSED_FIELDS = ("toolConfig", "outputConfig")


@dataclass(frozen=True)
class Answering:
    """Answers the records of one job as the on-demand call would be, without tools, caching or latency.

    ``kind`` is the job's ``modelInvocationType``.
    """

    kind: str
    model: FoundationModel
    brain: Brain
    orders: Orders

    def answer(self, record: Record) -> Answered:
        """Answer one record; what it gets wrong is its error."""
        try:
            return self._answer(record)
        except ServiceError as refused:
            return failed(record, _CODES.get(refused.code, _SERVER_ERROR), refused.message)

    def _answer(self, record: Record) -> Answered:
        wire, model = formats.of(self.model), self.model
        if self.kind == CONVERSE:
            for name in _REFUSED_FIELDS:
                if name in record.model_input:
                    raise validation(f"The field {name} is not supported for batch inference.")
            params = formats.checked(record.model_input)
        else:
            params = wire.read(record.model_input)
        conversation.check(params, model)
        prompt = conversation.prompt_of(params, model)
        self.orders.before_record(params, model, prompt.key)
        reply = conversation.converse(params, model, self.brain, prompt)
        reply = self.orders.after_record(params, model, reply)
        output = reply.to_api(None) if self.kind == CONVERSE else wire.write(reply, model)
        return Answered(record, output, None, reply.input_tokens, reply.output_tokens)
