"""What answers a question."""

from __future__ import annotations

from dataclasses import dataclass

from local.bedrock_simulator.brains.base import Brain
from local.bedrock_simulator.catalog import FoundationModel, InferenceProfile


@dataclass(frozen=True)
class Target:
    """A model that can answer now.

    ``billed`` is false behind a provisioned throughput: its hours are billed, not its tokens.
    """

    resource: str
    model: FoundationModel
    brain: Brain
    profile: InferenceProfile | None = None
    custom: bool = False
    billed: bool = True

    @property
    def owner(self) -> str:
        """Whose quota and whose prompt cache it is: the model's, however it is reached, or the endpoint's."""
        if self.custom or not self.billed:
            return self.resource
        return self.model.served_as or self.model.model_id
