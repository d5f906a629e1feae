"""Environments as the CDK context has them; what reads it needs no construct library, which starts Node."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lambdas.domain.documents import InvalidDocument, parse_document
from lambdas.domain.errors import InvalidSettings
from lambdas.domain.task.settings import Settings

CONTEXT_KEY = "environments"

_NAME = re.compile(r"(?=.{2,12}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""It begins the names of what is made in Bedrock, which refuses two hyphens in a row: so none stands at the end."""


def read_environments(context: object) -> dict[str, Settings]:
    """Read every environment of the context.

    Parameters
    ----------
    context : object
        A mapping from name to settings document, as ``cdk.json`` has it, or the same as JSON text, as
        ``cdk -c environments='{"dev": {}}'`` hands it over.

    Raises
    ------
    InvalidSettings
        Names the environment, the key and what is allowed.
    """
    document = _parsed(context)
    if not isinstance(document, dict) or not document:
        raise InvalidSettings(
            f"context '{CONTEXT_KEY}' must name at least one environment, for example {{'dev': {{}}}}"
        )
    return {name: _checked(name, settings) for name, settings in document.items()}


def _parsed(context: object) -> object:
    if not isinstance(context, str):
        return context
    try:
        parsed: object = parse_document(context, "it is ")
    except InvalidDocument as problem:
        raise InvalidSettings(f"context '{CONTEXT_KEY}' is no JSON to build from: {problem}") from None
    return parsed


def read_context_file(file: Path) -> dict[str, Any]:
    """Read the context of ``cdk.json``, so that ``python app.py`` has it too; what the CDK hands over goes before it.

    Returns
    -------
    dict
        Empty where there is no file.

    Raises
    ------
    InvalidSettings
        When the CDK would read it otherwise than its author meant, as of a key that stands twice the last; names it.
    """
    if not file.is_file():
        return {}
    try:
        document = parse_document(file.read_bytes(), f"{file.name} is ")
    except InvalidDocument as problem:
        raise InvalidSettings(str(problem)) from None
    context = document.get("context", {}) if isinstance(document, dict) else None
    if not isinstance(context, dict):
        raise InvalidSettings(f"{file.name} must be an object whose 'context' is one")
    return context


def _checked(name: str, document: object) -> Settings:
    if not _NAME.fullmatch(name):
        raise InvalidSettings(
            f"environment '{name}': a name is 2 to 12 characters of [a-z0-9-]; it begins with a letter, "
            "does not end in '-' and has no '--'"
        )
    try:
        return Settings.from_mapping(document)
    except InvalidSettings as problem:
        raise InvalidSettings(f"environment '{name}': {problem}") from None
