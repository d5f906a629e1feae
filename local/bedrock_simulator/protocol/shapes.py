"""The request shape of Converse, for bodies that do not come in as a request of Converse."""

from __future__ import annotations

from typing import Any

from local.bedrock_simulator.protocol.service import service_model
from local.bedrock_simulator.protocol.validation import StrictValidator

# A body has no modelId, which the shape requires; any that fits its pattern does.
_SOME_MODEL = "amazon.nova-micro-v1:0"


def converse_problems(params: Any) -> list[str]:  # noqa: ANN401 (whatever a body holds)
    """Return every way in which a body breaks the request of Converse."""
    if not isinstance(params, dict):
        return ["expected a JSON object"]
    shape = service_model("bedrock-runtime").operation_model("Converse").input_shape
    wrong_type, constraints = StrictValidator().problems({**params, "modelId": _SOME_MODEL}, shape)
    return wrong_type + constraints
