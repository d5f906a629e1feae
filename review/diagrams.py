"""Diagrams of the state machine and of the stacks, made of the synthesized templates as Mermaid."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from review.assembly import Assembly, Json, TemplateResource

PAGE = "docs/diagrams.md"
_HEAD = """# Diagrams

Made by `make snapshots` of the synthesized templates: a test fails while they are not up to date. What each state does
stands in [architecture.md](architecture.md).
"""
_SHAPES = {
    "Choice": '{{"{}"}}',
    "Wait": '(["{}"])',
    "Pass": '["{}"]',
    "Task": '["{}"]',
    "Succeed": '((("{}")))',
    "Fail": '((("{}")))',
}
_FUNCTION, _ROLE, _TOPIC = "AWS::Lambda::Function", "AWS::IAM::Role", "AWS::SNS::Topic"
_SHOWN = {
    "AWS::DynamoDB::Table": '[("{}")]',
    "AWS::Events::Rule": '>"{}"]',
    "AWS::KMS::Key": '["{}"]',
    "AWS::S3::Bucket": '[("{}")]',
    "AWS::SNS::Topic": '["{}"]',
    "AWS::SQS::Queue": '["{}"]',
    "AWS::StepFunctions::StateMachine": '["{}"]',
}
_COUNTED = {
    "AWS::Bedrock::ApplicationInferenceProfile": "application inference profiles",
    "AWS::CloudWatch::Alarm": "alarms",
    "AWS::CloudWatch::Dashboard": "dashboard",
    "AWS::SNS::Subscription": "subscriptions",
}
"""Types of which one box stands for all."""


def diagrams(assembly: Assembly) -> dict[str, str]:
    """Write the page with both diagrams.

    Parameters
    ----------
    assembly : Assembly
        The environment ``dev`` with default settings.

    Returns
    -------
    dict
        Text by path.
    """
    parts = [
        _HEAD,
        "## The state machine\n",
        _fenced(state_machine(assembly.definition)),
        *ways_on_errors(assembly.definition),
        "## The stacks\n",
        "An arrow goes from what acts to what it acts on: by a statement of its role, or as target of a rule or an",
        "alarm; a rule's arrow to `Undelivered` is for events that do not arrive. Left out: the key, which all use,",
        "log groups, and policies. Every resource stands on the page of `make review`.\n",
        _fenced(stacks(assembly)),
    ]
    return {PAGE: "\n".join(parts)}


def state_machine(definition: Json) -> list[str]:
    """Draw the states and every way between them; ways on errors have a list of their own.

    Parameters
    ----------
    definition : dict
        The state machine's definition in Amazon States Language.
    """
    return ["flowchart TD", *_states(definition, "  ")]


def ways_on_errors(definition: Json) -> list[str]:
    """List where each Catch goes."""
    caught: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, state in definition["States"].items():
        for catch in state.get("Catch", []):
            caught[", ".join(catch["ErrorEquals"]), catch["Next"]].append(name)
    lines = ["On errors, when the retries are used up:\n", "| error | in | goes to |", "|---|---|---|"]
    lines += [f"| `{error}` | {', '.join(names)} | {following} |" for (error, following), names in caught.items()]
    return [*lines, ""]


def stacks(assembly: Assembly) -> list[str]:
    """Draw the three stacks: what acts, on what.

    Parameters
    ----------
    assembly : Assembly
        The templates.
    """
    boxes = _boxes(assembly)
    lines = ["flowchart LR"]
    for stack in assembly.templates:
        lines.append(f"  subgraph {stack}")
        labels = {box: label for box, (where, label) in boxes.labels.items() if where == stack}
        lines += [f"    {box}{label}" for box, label in sorted(labels.items())]
        lines.append("  end")
    ways = sorted({way for way in _acts(assembly, boxes) if way[0] != way[1]})
    return lines + [f"  {source} --> {target}" for source, target in ways]


class _Boxes:
    """Which box stands for a resource: one resource, or many of a kind."""

    def __init__(self) -> None:
        self.labels: dict[str, tuple[str, str]] = {}
        self.of: dict[str, str] = {}

    def add(self, resource: TemplateResource, box: str, label: str) -> None:
        self.labels[box] = (resource.stack, label)
        self.of[resource.name] = box


def _boxes(assembly: Assembly) -> _Boxes:
    boxes = _Boxes()
    [machine] = assembly.of_type("AWS::StepFunctions::StateMachine")
    stages = _invoked(assembly, machine)
    by_role: dict[str, str] = {}
    for function in assembly.of_type(_FUNCTION):
        if function.name in stages:
            boxes.add(function, "Stages", f'["{len(stages)} Lambdas, one a state"]')
        else:
            boxes.add(function, _id(function.parent), f'["{function.parent}"]')
        by_role |= dict.fromkeys(assembly.referred(function.properties["Role"]), boxes.of[function.name])
    for resource in assembly.resources.values():
        if resource.type in _SHOWN and resource.type != "AWS::KMS::Key":
            boxes.add(
                resource, _id(resource.path), _SHOWN[resource.type].format(resource.path.removeprefix("Triggers/"))
            )
        elif resource.type in _COUNTED:
            count = len(assembly.of_type(resource.type))
            boxes.add(resource, _id(resource.type), f'["{count} {_COUNTED[resource.type]}"]')
        elif (
            resource.type == _ROLE and resource.name not in by_role and not _is_of_machine(assembly, machine, resource)
        ):
            boxes.add(resource, _id(resource.parent), f'["{resource.parent}, taken by Bedrock"]')
    boxes.of |= by_role
    for role in assembly.referred(machine.properties["RoleArn"]):
        boxes.of[role] = boxes.of[machine.name]
    return boxes


def _acts(assembly: Assembly, boxes: _Boxes) -> Iterator[tuple[str, str]]:
    for resource in assembly.resources.values():
        if resource.name not in boxes.of:
            continue
        named: Iterable[object] = ()
        if resource.type == _ROLE:
            documents = [policy["PolicyDocument"] for policy in resource.properties.get("Policies", [])]
            named = [statement["Resource"] for document in documents for statement in document["Statement"]]
        elif resource.type == "AWS::Events::Rule":
            named = [resource.properties["Targets"]]
        elif resource.type == "AWS::CloudWatch::Alarm":
            named = [resource.properties.get("AlarmActions", [])]
        for target in {name for value in named for name in assembly.referred(value)}:
            if target in boxes.of:
                yield boxes.of[resource.name], boxes.of[target]


def _invoked(assembly: Assembly, machine: TemplateResource) -> set[str]:
    """Give the Lambdas that the machine's role may invoke."""
    names: set[str] = set()
    for role in assembly.referred(machine.properties["RoleArn"]):
        for policy in assembly.resources[role].properties["Policies"]:
            names |= assembly.referred([statement["Resource"] for statement in policy["PolicyDocument"]["Statement"]])
    return {name for name in names if assembly.resources[name].type == _FUNCTION}


def _is_of_machine(assembly: Assembly, machine: TemplateResource, role: TemplateResource) -> bool:
    return role.name in assembly.referred(machine.properties["RoleArn"])


def _states(machine: Json, indent: str) -> Iterator[str]:
    yield f"{indent}{_start(machine)}((start)) --> {machine['StartAt']}"
    for name, state in machine["States"].items():
        if "ItemProcessor" in state:
            yield f'{indent}subgraph {name} ["{name}, a distributed map"]'
            yield from _states(state["ItemProcessor"], f"{indent}  ")
            yield f"{indent}end"
        else:
            yield f"{indent}{name}{_SHAPES[state['Type']].format(name)}"
    for name, state in machine["States"].items():
        ways: defaultdict[str, list[str]] = defaultdict(list)
        for choice in state.get("Choices", []):
            ways[choice["Next"]].append(_condition(choice["Condition"]))
        for following, conditions in ways.items():
            yield f'{indent}{name} -->|"{"<br>or ".join(conditions)}"| {following}'
        if "Next" in state:
            yield f"{indent}{name} --> {state['Next']}"
        if "Default" in state:
            yield f'{indent}{name} -->|"otherwise"| {state["Default"]}'


def _start(machine: Json) -> str:
    return f"start_{machine['StartAt']}"


def _condition(text: str) -> str:
    """Write a condition of JSONata as a label, without the characters that mean something to Mermaid."""
    plain = text.removeprefix("{%").removesuffix("%}").strip().replace("$states.context.Execution.Input.", "")
    plain = plain.replace("$states.input.", "").replace("$", "")
    for sign, written in {'"': "'", ">=": "≥", "<=": "≤", ">": "above", "<": "below"}.items():
        plain = plain.replace(sign, written)
    return plain


def _id(path: str) -> str:
    return "".join(character for character in path if character.isalnum())


def _fenced(lines: list[str]) -> str:
    return "\n".join(["```mermaid", *lines, "```", ""])
