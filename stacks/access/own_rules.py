"""Our own rule pack: what no pack of cdk-nag looks at. It reads the synthesized templates and stops the synthesis.

Each rule is a function from a template to its violations. They have no acknowledgements: a template keeps all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import (
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
)

from stacks.access.names import own_names
from stacks.limits.service_sizes import sizes

Json = dict[str, Any]
Rule = Callable[[Mapping[str, Json]], Iterator[tuple[str, str]]]
"""Gives logical id and place in the resource of each violation."""

BEDROCK = "bedrock.amazonaws.com"
RETAINED = ("AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::S3::Bucket")
PUBLIC = (
    "AWS::ApiGateway::",
    "AWS::ApiGatewayV2::",
    "AWS::AppRunner::",
    "AWS::AppSync::",
    "AWS::CloudFront::",
    "AWS::EC2::EIP",
    "AWS::EC2::InternetGateway",
    "AWS::ElasticLoadBalancing",
    "AWS::Lambda::Url",
)
_PUBLIC_ACCESS_BLOCK = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def bedrock_trust(resources: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """A role that Bedrock takes is for our account and for jobs of one kind: no other account can borrow it."""
    for name, role in _of(resources, "AWS::IAM::Role"):
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            if BEDROCK not in _listed(_mapping(statement.get("Principal")).get("Service")):
                continue
            conditions = [_mapping(keys) for keys in statement.get("Condition", {}).values()]
            for key in ("aws:SourceAccount", "aws:SourceArn"):
                if not any(key in keys for keys in conditions):
                    yield name, f"AssumeRolePolicyDocument/{key}"


def pass_role(resources: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """iam:PassRole names roles, and only Bedrock may receive them."""
    for name, place, statement in _statements(resources):
        if statement["Effect"] != "Allow" or "iam:PassRole" not in _listed(statement.get("Action")):
            continue
        passed_to = _mapping(_mapping(statement.get("Condition")).get("StringEquals")).get("iam:PassedToService")
        if _listed(passed_to) != [BEDROCK]:
            yield name, f"{place}/iam:PassedToService"
        if any("*" in json.dumps(resource) for resource in _listed(statement.get("Resource"))):
            yield name, f"{place}/Resource"


def no_action_wildcard(resources: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """No role may do everything of a service (``bedrock:*``), nor a whole family of actions (``s3:Get*``)."""
    for name, place, statement in _statements(resources):
        allowed = statement["Effect"] == "Allow" and ("NotAction" in statement or "NotResource" in statement)
        wild = [action for action in _listed(statement.get("Action")) if "*" in action]
        if statement["Effect"] == "Allow" and resources[name]["Type"].startswith("AWS::IAM::") and (wild or allowed):
            yield name, f"{place}/Action"


def task_time_out(resources: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Every Task has a time-out of its own: without one it may wait for a year."""
    for name, machine in _of(resources, "AWS::StepFunctions::StateMachine"):
        definition = json.loads(_text(machine["DefinitionString"]))
        for state, fields in _states(definition):
            if fields["Type"] == "Task" and not fields.get("TimeoutSeconds"):
                yield name, f"DefinitionString/States/{state}/TimeoutSeconds"
        if not definition.get("TimeoutSeconds"):
            yield name, "DefinitionString/TimeoutSeconds"


def retained_data(resources: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Whatever holds data, or the key to it, outlives its stack and its replacement."""
    for name, resource in resources.items():
        if resource["Type"] in RETAINED:
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                if resource.get(policy) != "Retain":
                    yield name, policy


def no_public_endpoint(resources: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Nothing answers the internet: no address of our own, no bucket, queue, topic or Lambda that anybody may use."""
    for name, resource in resources.items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind.startswith(PUBLIC):
            yield name, "Type"
        if kind == "AWS::S3::Bucket":
            blocked = _mapping(properties.get("PublicAccessBlockConfiguration"))
            if not all(blocked.get(setting) is True for setting in _PUBLIC_ACCESS_BLOCK):
                yield name, "PublicAccessBlockConfiguration"
        if kind == "AWS::Lambda::Permission" and properties.get("Principal") == "*":
            yield name, "Principal"
    for name, place, statement in _statements(resources):
        if statement["Effect"] == "Allow" and for_everybody(statement):
            yield name, f"{place}/Principal"


def for_everybody(statement: Json) -> bool:
    """Tell whether a statement is for any account; the policy of a VPC endpoint names its account by a condition."""
    principal, conditions = statement.get("Principal"), _mapping(statement.get("Condition"))
    of_one_account = "aws:PrincipalAccount" in _mapping(conditions.get("StringEquals"))
    return (principal == "*" or "*" in _listed(_mapping(principal).get("AWS"))) and not of_one_account


def log_retention(resources: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Logs end some day, and each Lambda and machine writes to a group of the templates, not to one that never ends."""
    for name, group in _of(resources, "AWS::Logs::LogGroup"):
        if not group.get("RetentionInDays"):
            yield name, "RetentionInDays"
    for name, function in _of(resources, "AWS::Lambda::Function"):
        if "LogGroup" not in _mapping(function.get("LoggingConfig")):
            yield name, "LoggingConfig/LogGroup"
    for name, machine in _of(resources, "AWS::StepFunctions::StateMachine"):
        if not _mapping(machine.get("LoggingConfiguration")).get("Destinations"):
            yield name, "LoggingConfiguration/Destinations"


def physical_names(resources: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """CloudFormation makes the names, but for the exceptions in ``stacks/access/names.py``."""
    return own_names(resources)


RULES: dict[str, Rule] = {
    "Distillation-BedrockTrust": bedrock_trust,
    "Distillation-PassRole": pass_role,
    "Distillation-NoActionWildcard": no_action_wildcard,
    "Distillation-TaskTimeOut": task_time_out,
    "Distillation-RetainedData": retained_data,
    "Distillation-NoPublicEndpoint": no_public_endpoint,
    "Distillation-LogRetention": log_retention,
    "Distillation-PhysicalNames": physical_names,
}


SERVICE_SIZES = "Distillation-ServiceSizes"
_TOO_LARGE = "AWS would refuse it while it is deployed, and the deployment would roll back."


def violations(template: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Apply every rule to a template.

    Returns
    -------
    dict
        For each rule that is broken, logical id and place of each violation.
    """
    resources = template.get("Resources", {})
    found = {name: list(rule(resources)) for name, rule in RULES.items()}
    return {name: places for name, places in found.items() if places}


@jsii.implements(IPolicyValidationPlugin)
class OwnRules:
    """The pack as a plugin of the synthesis, like those of cdk-nag."""

    @property
    def name(self) -> str:
        """Stands over the findings."""
        return "Distillation"

    @property
    def version(self) -> str:
        """Version of the pack."""
        return "1.0.0"

    @property
    def rule_ids(self) -> list[str]:
        """Ids of the rules."""
        return [*RULES, SERVICE_SIZES]

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """Read every template of the assembly."""
        texts = {path: Path(path).read_bytes() for path in context.template_paths}
        templates = {path: json.loads(text) for path, text in texts.items()}
        found = [
            _violation(rule, path, places, str(RULES[rule].__doc__).strip())
            for path, template in templates.items()
            for rule, places in violations(template).items()
        ]
        found += [
            # A violation each: the command line shows descriptions and no places, and both figures are what helps.
            _violation(SERVICE_SIZES, path, [place], f"{_TOO_LARGE} {place[1][0].upper()}{place[1][1:]}.")
            for path, places in oversized(templates, {path: len(text) for path, text in texts.items()}).items()
            for place in places
        ]
        return PolicyValidationPluginReport(success=not found, violations=found)


def oversized(
    templates: Mapping[str, Json], files: Mapping[str, int] | None = None
) -> dict[str, list[tuple[str, str]]]:
    """Find what a service would refuse for its size.

    Parameters
    ----------
    templates : mapping
        Templates by the path of their file, which is named after the stack.
    files : mapping, optional
        Bytes of each file, by its path.

    Returns
    -------
    dict
        For each path, logical id and the two figures of each finding.
    """
    paths = {Path(path).name.removesuffix(".template.json"): path for path in templates}
    found: dict[str, list[tuple[str, str]]] = {path: [] for path in templates}
    known = {stack: files[path] for stack, path in paths.items()} if files else None
    for size in sizes({stack: templates[path] for stack, path in paths.items()}, known):
        if size.exceeded:
            found[paths[size.stack]].append((size.resource, str(size)))
    return found


def _violation(rule: str, template: str, places: list[tuple[str, str]], description: str) -> PolicyViolation:
    resources = [
        PolicyViolatingResource(resource_logical_id=name, template_path=template, locations=[place])
        for name, place in places
    ]
    return PolicyViolation(rule_name=rule, description=description, violating_resources=resources, severity="error")


def _of(resources: Mapping[str, Json], kind: str) -> Iterator[tuple[str, Json]]:
    return ((name, found.get("Properties", {})) for name, found in resources.items() if found["Type"] == kind)


def _statements(resources: Mapping[str, Json]) -> Iterator[tuple[str, str, Json]]:
    """Every statement of every policy, trust policies left out: logical id, place, statement."""
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        documents = {"PolicyDocument": properties.get("PolicyDocument"), "KeyPolicy": properties.get("KeyPolicy")}
        for policy in properties.get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []:
            documents[f"Policies/{policy['PolicyName']}"] = policy["PolicyDocument"]
        for place, document in documents.items():
            for number, statement in enumerate(_mapping(document).get("Statement", [])):
                yield name, f"{place}/{number}", statement


def _states(definition: Json) -> Iterator[tuple[str, Json]]:
    for name, state in definition.get("States", {}).items():
        yield name, state
        for inner in (state.get("ItemProcessor", {}), *state.get("Branches", [])):
            yield from _states(inner)


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: object) -> str:
    """Write an intrinsic as text; what is known only in the account becomes a word without quotation marks."""
    if isinstance(value, dict):
        [(function, argument)] = value.items()
        if function == "Fn::Join":
            return str(argument[0]).join(_text(part) for part in argument[1])
        return "known-when-deployed"
    return str(value)
