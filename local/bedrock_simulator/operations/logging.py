"""The account's model invocation logging."""

from __future__ import annotations

from local.bedrock_simulator.errors import validation
from local.bedrock_simulator.objects import ObjectMissingError
from local.bedrock_simulator.operations.host import Host
from local.bedrock_simulator.protocol.service import Call, Params


class InvocationLogging:
    """Put, get and delete the configuration; one an account and Region."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def put_model_invocation_logging_configuration(self, call: Call) -> Params:
        """PutModelInvocationLoggingConfiguration."""
        self._host.require(call.caller, call.operation, "*")
        try:
            self._host.invocation_log.put(call.params["loggingConfig"])
        except ObjectMissingError as missing:
            raise validation(f"Failed to validate permissions for log delivery: {missing}") from None
        return {}

    def get_model_invocation_logging_configuration(self, call: Call) -> Params:
        """GetModelInvocationLoggingConfiguration: nothing where logging is off."""
        self._host.require(call.caller, call.operation, "*")
        config = self._host.invocation_log.config
        return {"loggingConfig": config} if config else {}

    def delete_model_invocation_logging_configuration(self, call: Call) -> Params:
        """DeleteModelInvocationLoggingConfiguration."""
        self._host.require(call.caller, call.operation, "*")
        self._host.invocation_log.delete()
        return {}
