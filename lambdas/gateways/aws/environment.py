"""The environment of a Lambda, typed: read once at start-up, with an error that names what is missing."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from lambdas.domain.errors import InvalidSettings
from lambdas.domain.task.settings import Settings

SETTINGS_LAYER = "settings_layer"
"""Only key of ``PIPELINE_SETTINGS`` where the settings outgrow a Lambda's variables: the ARN of the layer with them."""

SETTINGS_FILE = "pipeline_settings.json"
"""Their file there, in the folder of a layer that Lambda puts on Python's path."""


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
    start_function: str = ""
    inference_profiles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Read the variables.

        Raises
        ------
        KeyError
            Names a variable that every Lambda must have.
        """
        settings = Settings.from_json(settings_text(variables["PIPELINE_SETTINGS"]))
        return cls(
            name=variables["ENVIRONMENT"],
            settings=settings,
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
            start_function=variables.get("START_FUNCTION", ""),
            inference_profiles=_profiles(variables.get("INFERENCE_PROFILES", ""), settings.profiled_models()),
        )

    def callable_model(self, model: str) -> str:
        """Give what a call to a model names: its application inference profile, where the environment has one."""
        return self.inference_profiles.get(model, model)

    def champion_parameter(self, task: str) -> str:
        """Name the SSM parameter from which callers learn where a task's student is served."""
        return f"/distillation/{self.name}/{task}/champion"

    def policy_parameter(self, task: str) -> str:
        """Name the SSM parameter from which callers learn who answers where the student does not."""
        return f"/distillation/{self.name}/{task}/policy"


def layer_of_settings(variable: str) -> str | None:
    """Give the ARN of the layer that has the settings, or ``None`` where the variable has them itself."""
    document = json.loads(variable)
    return str(document[SETTINGS_LAYER]) if isinstance(document, dict) and SETTINGS_LAYER in document else None


def settings_text(variable: str, path: Sequence[str] | None = None) -> str:
    """Find the settings: in the variable, or in the file of their layer.

    Parameters
    ----------
    variable : str
        What ``PIPELINE_SETTINGS`` has.
    path : sequence of str, optional
        Folders to look in; Python's path unless given.

    Raises
    ------
    InvalidSettings
        When the layer is not there.
    """
    layer = layer_of_settings(variable)
    if layer is None:
        return variable
    for folder in sys.path if path is None else path:
        file = Path(folder, SETTINGS_FILE)
        if file.is_file():
            return file.read_text(encoding="utf-8")
    raise InvalidSettings(f"the layer with the settings, {layer}, has no {SETTINGS_FILE}: deploy the environment again")


def _profiles(text: str, models: Sequence[str]) -> dict[str, str]:
    """Read ARNs by model: their common prefix and their ids in order of the models, because variables are short."""
    if not text:
        return {}
    document = json.loads(text)
    ids: list[str] = document["ids"]
    return {model: f"{document['prefix']}{profile_id}" for model, profile_id in zip(models, ids, strict=True)}
