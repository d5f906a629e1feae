"""The cloud assembly, as it was synthesized: every resource with its path, and what was written down beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]
STACKS = ("data", "pipeline", "operations")
_LOGICAL_ID = "aws:cdk:logicalId"
_PSEUDO = "AWS::"


@dataclass(frozen=True, slots=True)
class TemplateResource:
    """One resource of a template.

    Attributes
    ----------
    stack : str
        Last part of its stack's name, such as ``data``.
    path : str
        Of its construct, without the stack and without ``/Resource``.
    body : dict
        As the template has it.
    """

    stack: str
    name: str
    path: str
    body: Json

    @property
    def type(self) -> str:
        """Type of the resource, such as ``AWS::S3::Bucket``."""
        return str(self.body["Type"])

    @property
    def properties(self) -> Json:
        """What the template sets."""
        found: Json = self.body.get("Properties", {})
        return found

    @property
    def parent(self) -> str:
        """Path of the construct to which it belongs."""
        return self.path.rpartition("/")[0]

    @property
    def retained(self) -> bool:
        """Whether it outlives its stack."""
        return self.body.get("DeletionPolicy") == "Retain"


@dataclass(frozen=True)
class Assembly:
    """Templates and metadata of one environment.

    Attributes
    ----------
    templates : dict
        By stack.
    metadata : dict
        By stack, then by path of the construct: a list of ``type`` and ``data``.
    """

    templates: dict[str, Json]
    metadata: dict[str, dict[str, list[Json]]]

    @classmethod
    def read(cls, folder: Path, environment: str) -> Assembly:
        """Read what was synthesized.

        Parameters
        ----------
        folder : Path
            The cloud assembly.
        environment : str
            Environment name.
        """

        def read(kind: str) -> dict[str, Any]:
            return {
                stack: json.loads((folder / f"distillation-{environment}-{stack}.{kind}.json").read_text())
                for stack in STACKS
            }

        return cls(read("template"), read("metadata"))

    @cached_property
    def resources(self) -> dict[str, TemplateResource]:
        """Every resource by logical id, in the order of the templates; ids do not collide between the stacks."""
        return {
            name: TemplateResource(stack, name, self._paths[stack][name], body)
            for stack, template in self.templates.items()
            for name, body in template.get("Resources", {}).items()
        }

    def of_type(self, resource_type: str) -> list[TemplateResource]:
        """Give the resources of a type."""
        return [resource for resource in self.resources.values() if resource.type == resource_type]

    def noted(self, resource: TemplateResource, kind: str) -> list[Any]:
        """Give what was written down beside a resource's construct, under a kind of metadata."""
        notes = self.metadata[resource.stack]
        return [
            entry["data"]
            for path, entries in notes.items()
            if _short(path) == resource.path
            for entry in entries
            if entry["type"] == kind
        ]

    @cached_property
    def definition(self) -> Json:
        """The state machine's definition as it is deployed."""
        [machine] = self.of_type("AWS::StepFunctions::StateMachine")
        parsed: Json = json.loads(self.text(machine.properties["DefinitionString"]))
        return parsed

    def text(self, value: object) -> str:
        """Write a value with its intrinsics as text: a reference is the path of what it refers to, in braces."""
        if isinstance(value, list):
            return ", ".join(self.text(item) for item in value)
        if not isinstance(value, dict):
            return str(value)
        if len(value) != 1:
            return json.dumps(value, sort_keys=True)
        [(function, argument)] = value.items()
        if function == "Fn::Join":
            return str(argument[0]).join(self.text(part) for part in argument[1])
        if function == "Fn::ImportValue":
            return self.text(self._exports[argument])
        name = str(argument[0] if function == "Fn::GetAtt" else argument)
        if name in self.resources:
            name = self.resources[name].path
        return "{" + name.removeprefix(_PSEUDO) + "}"

    def referred(self, value: object) -> set[str]:
        """Give the logical ids of the resources of these stacks that a value refers to."""
        if isinstance(value, list):
            return {name for item in value for name in self.referred(item)}
        if not isinstance(value, dict):
            return set()
        if "Fn::ImportValue" in value:
            return self.referred(self._exports.get(value["Fn::ImportValue"]))
        found = {value.get("Ref"), (value.get("Fn::GetAtt") or [None])[0]} & set(self.resources)
        return {str(name) for name in found} | self.referred(list(value.values()))

    @cached_property
    def _exports(self) -> dict[str, object]:
        return {
            output["Export"]["Name"]: output["Value"]
            for template in self.templates.values()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    @cached_property
    def _paths(self) -> dict[str, dict[str, str]]:
        return {
            stack: {
                entry["data"]: _short(path)
                for path, entries in notes.items()
                for entry in entries
                if entry["type"] == _LOGICAL_ID
            }
            for stack, notes in self.metadata.items()
        }


def _short(path: str) -> str:
    return path.removeprefix("/").partition("/")[2].removesuffix("/Resource")
