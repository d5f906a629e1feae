"""Snapshots of the templates: what a pull request changes in an account, line by line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "docs/templates"
_VERSION = re.compile(r"CurrentVersion[0-9A-F]{8}[0-9a-f]{32}")
_ASSET = re.compile(r"\b[0-9a-f]{64}\b")


def snapshots(templates: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Write each template for a reader.

    Hashes of code and layer are taken out: they change with every line of code and say nothing. The state machine's
    definition, one string in the template, is written as the structure that it is.

    Parameters
    ----------
    templates : mapping
        Template by stack.

    Returns
    -------
    dict
        YAML by path.
    """
    return {f"{FOLDER}/{stack}.yaml": _written(template) for stack, template in templates.items()}


def _written(template: Mapping[str, Any]) -> str:
    text = _ASSET.sub("<asset>", _VERSION.sub("CurrentVersion<code>", json.dumps(template)))
    plain = json.loads(text)
    # What CDK's bootstrap check adds to every template.
    for section in ("Parameters", "Rules"):
        plain.pop(section, None)
    for resource in plain.get("Resources", {}).values():
        if resource["Type"] == "AWS::StepFunctions::StateMachine":
            definition = _text(resource["Properties"]["DefinitionString"])
            resource["Properties"]["DefinitionString"] = json.loads(definition)
    written: str = yaml.dump(plain, Dumper=_Plain, sort_keys=True, width=118, allow_unicode=True)
    return written


class _Plain(yaml.SafeDumper):  # type: ignore[misc]
    """Without anchors: a reader need not look anything up."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - yaml's signature
        return True


def _text(value: object) -> str:
    if isinstance(value, dict):
        [(function, argument)] = value.items()
        if function == "Fn::Join":
            return str(argument[0]).join(_text(part) for part in argument[1])
        return f"<{'.'.join(argument) if isinstance(argument, list) else argument}>"
    return str(value)
