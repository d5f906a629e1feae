"""The environment of a Lambda, typed: read once at start-up, with an error that names what is missing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from lambdas.domain.task.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """What the pipeline stack hands to its Lambdas. Fields that only some Lambdas have are empty in the others."""

    name: str
    settings: Settings
    uploads_bucket: str
    runs_bucket: str
    registry_table: str
    approvals_table: str
    state_machine_arn: str
    topic_arn: str
    customization_role_arn: str
    batch_role_arn: str
    model_key_arn: str
    release_function: str
    report_function: str
    account: str = ""
    rollback_function: str = ""
    inference_profiles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Read the variables.

        Raises
        ------
        KeyError
            Names a variable that every Lambda must have.
        """
        return cls(
            name=variables["ENVIRONMENT"],
            settings=Settings.from_json(variables["PIPELINE_SETTINGS"]),
            uploads_bucket=variables["UPLOADS_BUCKET"],
            runs_bucket=variables["RUNS_BUCKET"],
            registry_table=variables["REGISTRY_TABLE"],
            approvals_table=variables.get("APPROVALS_TABLE", ""),
            state_machine_arn=variables.get("STATE_MACHINE_ARN", ""),
            topic_arn=variables.get("TOPIC_ARN", ""),
            customization_role_arn=variables.get("CUSTOMIZATION_ROLE_ARN", ""),
            batch_role_arn=variables.get("BATCH_ROLE_ARN", ""),
            model_key_arn=variables.get("MODEL_KEY_ARN", ""),
            release_function=variables.get("RELEASE_FUNCTION", ""),
            report_function=variables.get("REPORT_FUNCTION", ""),
            account=variables.get("ACCOUNT", ""),
            rollback_function=variables.get("ROLLBACK_FUNCTION", ""),
            inference_profiles=_profiles(variables.get("INFERENCE_PROFILES", "")),
        )

    def callable_model(self, model: str) -> str:
        """Give what a call to a model names: its application inference profile, where the environment has one."""
        return self.inference_profiles.get(model, model)

    def champion_parameter(self, task: str) -> str:
        """Name the SSM parameter from which callers learn where a task's student is served."""
        return f"/distillation/{self.name}/{task}/champion"


def _profiles(text: str) -> dict[str, str]:
    """Read ARNs by model: the ids' common prefix is written once, because a Lambda's variables are short."""
    if not text:
        return {}
    document = json.loads(text)
    return {model: f"{document['prefix']}{profile_id}" for model, profile_id in document["ids"].items()}
