"""Synthesize the app in this process, and read what came out."""

from __future__ import annotations

from stacks.node import tune_node, use_bundled_node

use_bundled_node()
tune_node(once=False)

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aws_cdk import App

from lambdas.domain.task.settings import Settings
from stacks.context import CONTEXT_KEY, read_environments
from stacks.environments import add_environment
from tests.workers import FOLDER_OF_THE_RUN, made_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Json = dict[str, Any]
STACKS = ("data", "pipeline", "operations")
DISCOVERY = "discovery"
"""A fourth stack, which no other one knows: its logical ids may be those of another, so that it is read alone."""

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Deployment:
    """Templates of one environment."""

    settings: Settings
    templates: Mapping[str, Json]

    @property
    def resources(self) -> dict[str, Json]:
        """Every resource of the three stacks; logical ids do not collide between them."""
        found = [template.get("Resources", {}) for template in self.templates.values()]
        merged = {name: resource for resources in found for name, resource in resources.items()}
        assert len(merged) == sum(len(resources) for resources in found)
        return merged

    def of_type(self, resource_type: str, stack: str | None = None) -> dict[str, Json]:
        """Properties of the resources of a type, by logical id."""
        resources = self.templates[stack]["Resources"] if stack else self.resources
        return {name: found["Properties"] for name, found in resources.items() if found["Type"] == resource_type}

    def the(self, resource_type: str, beginning: str, stack: str | None = None) -> Json:
        """Properties of the only resource of a type whose logical id begins so."""
        found = [
            properties for name, properties in self.of_type(resource_type, stack).items() if name.startswith(beginning)
        ]
        assert len(found) == 1, f"{len(found)} resources of type {resource_type} begin with '{beginning}'"
        return found[0]

    def policy_documents(self) -> dict[str, list[Json]]:
        """Statements of each role, its inline policies, and the policies and managed policies attached to it."""
        statements: dict[str, list[Json]] = {}
        for role, properties in self.of_type("AWS::IAM::Role").items():
            statements[role] = [
                statement
                for policy in properties.get("Policies", [])
                for statement in policy["PolicyDocument"]["Statement"]
            ]
            for managed in properties.get("ManagedPolicyArns", []):
                statements[role] += self.resources[managed["Ref"]]["Properties"]["PolicyDocument"]["Statement"]
        for properties in self.of_type("AWS::IAM::Policy").values():
            for role in properties["Roles"]:
                statements[role["Ref"]] += properties["PolicyDocument"]["Statement"]
        return statements

    def role_of(self, stage: str) -> list[Json]:
        """Statements of the role of a Lambda, by the camel-case name of its folder."""
        [found] = [
            statements for role, statements in self.policy_documents().items() if role.startswith(f"{stage}Role")
        ]
        return found

    @property
    def working_stack(self) -> str:
        """The stack with the Lambdas and their state machine."""
        return next(stack for stack in ("pipeline", DISCOVERY) if stack in self.templates)

    def machine(self) -> Json:
        """Properties of the only state machine."""
        [found] = self.of_type("AWS::StepFunctions::StateMachine").values()
        return found

    def definition(self) -> Json:
        """The state machine's definition as it is deployed; what is known only then stands in angle brackets."""
        machine = self.machine()
        parsed: Json = json.loads(text_of(machine["DefinitionString"]))
        return parsed


def text_of(value: object) -> str:
    """Write an intrinsic as text: references as ``<LogicalId>``, imports as their export's name."""
    if isinstance(value, dict):
        [(function, argument)] = value.items()
        if function == "Fn::Join":
            return str(argument[0]).join(text_of(part) for part in argument[1])
        if function == "Fn::GetAtt":
            return f"<{argument[0]}.{argument[1]}>"
        return f"<{text_of(argument)}>"
    return str(value)


def listed(value: object) -> list[str]:
    """Make a list of text of what IAM lets be one or many."""
    return [text_of(item) for item in value] if isinstance(value, list) else [text_of(value)]


def all_states(definition: Json) -> Iterator[tuple[str, Json]]:
    """Every state, those inside maps included."""
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from all_states(state["ItemProcessor"])


def context() -> Json:
    """The context that ``cdk.json`` gives the app, feature flags included."""
    loaded: Json = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
    return loaded


def build(environments: object, folder: Path) -> App:
    """Build the app without the slow parts: the template validator, and the installation of the layer."""
    flags = {key: value for key, value in context().items() if key != "@aws-cdk/core:validateAgainstDefaultRules"}
    app = App(
        outdir=str(folder),
        analytics_reporting=False,
        builtin_cloud_formation_validation=False,
        context={**flags, CONTEXT_KEY: environments, "aws:cdk:bundling-stacks": []},
    )
    for name, settings in read_environments(app.node.try_get_context(CONTEXT_KEY)).items():
        add_environment(app, name, settings)
    return app


def synthesize(environments: Mapping[str, Json], folder: Path) -> dict[str, Deployment]:
    """Synthesize environments and read their templates."""
    build(environments, folder).synth()
    return read(environments, folder)


def read(environments: Mapping[str, Json], folder: Path, stacks: Sequence[str] = STACKS) -> dict[str, Deployment]:
    """Read the templates of environments that have been synthesized."""
    return {
        name: Deployment(
            settings=Settings.from_mapping(settings),
            templates={
                stack: json.loads((folder / f"distillation-{name}-{stack}.template.json").read_text())
                for stack in stacks
            },
        )
        for name, settings in environments.items()
    }


def shared_deployment(name: str, settings: Json, stacks: Sequence[str] = STACKS) -> Deployment:
    """Give an environment that many modules read: in a run of the tests it is synthesized once, for all workers."""
    environments = {name: settings}
    if not FOLDER_OF_THE_RUN:
        with TemporaryDirectory() as scratch:
            synthesize(environments, Path(scratch))
            return read(environments, Path(scratch), stacks)[name]
    key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
    made = made_once(FOLDER_OF_THE_RUN[0], f"synthesized-{name}-{key}", lambda folder: synthesize(environments, folder))
    return read(environments, made, stacks)[name]
