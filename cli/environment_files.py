"""The settings of an environment as the files beside the code have them: before a deployment, or without AWS."""

from __future__ import annotations

from pathlib import Path

from lambdas.domain.documents import parse_document
from lambdas.domain.errors import InvalidSettings
from lambdas.domain.task.settings import Settings

CDK_FILE = Path("cdk.json")
LOCAL_FILE = Path(__file__).resolve().parents[1] / "local" / "environments.json"


def read_settings(environment: str, *, local: bool = False) -> Settings:
    """Read one environment: of ``cdk.json`` in this folder, or of the embedded AWS.

    Raises
    ------
    InvalidSettings
        When the file or the environment is not there, or says what is not allowed; the message names the file.
    """
    path = LOCAL_FILE if local else CDK_FILE
    try:
        document = parse_document(path.read_bytes(), f"{path.name} is ")
        environments = document if local else document["context"]["environments"]
        return Settings.from_mapping(environments[environment])
    except (OSError, ValueError, KeyError, TypeError, InvalidSettings) as problem:
        raise InvalidSettings(f"{path} does not say how '{environment}' would be: {problem}") from None
