"""Sizes as the services count them: of variables, requests, policies, definitions and dashboards of the templates.

CloudFormation finds out only while it deploys, and rolls back. Names that CloudFormation will make count with the most
characters that they can have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stacks.limits.longest_names import Json, LongestNames

FEWER_MODELS = "name fewer models or log sources in the environment's settings, or shorter prefixes of log sources"
FEWER_SUBNETS = "name fewer subnets in 'vpc' of the environment's settings"
OF_OURS = "no setting makes it so long: shorten it where it is written, in stacks/"


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """One thing that a service measures.

    Attributes
    ----------
    stack, resource : str
        Stack name and logical id.
    what : str
        What is measured.
    measured, limit : int
    unit : str
    source : str
        Where the limit stands.
    cure : str
        What to do where it is exceeded.
    """

    stack: str
    resource: str
    what: str
    measured: int
    limit: int
    unit: str
    source: str
    cure: str = OF_OURS

    @property
    def exceeded(self) -> bool:
        """Whether the service would refuse it."""
        return self.measured > self.limit

    def __str__(self) -> str:
        return f"{self.what}: {self.measured:,} of {self.limit:,} {self.unit} ({self.source}); {self.cure}"


def sizes(templates: Mapping[str, Json], files: Mapping[str, int] | None = None) -> Iterator[Size]:
    """Measure everything that has a limit.

    Parameters
    ----------
    templates : mapping
        Templates by stack name; those that import from another together with it.
    files : mapping, optional
        Bytes of each template's file, by stack name. Where they are not known, the template is written as CDK does.
    """
    names, known = LongestNames(templates), files or {}
    for stack, template in templates.items():
        resources = template.get("Resources", {})
        yield from _of_template(stack, template, known.get(stack))
        for logical_id, resource in resources.items():
            measure = _MEASURES.get(resource["Type"])
            if measure:
                properties = names.resolved(stack, resource.get("Properties", {}))
                yield from measure(_Place(stack, logical_id), properties)
        yield from _inline_policies(names, stack, resources)


def compact(document: object) -> str:
    """Write a document as it is sent: JSON without spaces."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Place:
    stack: str
    resource: str

    def size(self, what: str, measured: int, limit: int, unit: str, source: str, cure: str = OF_OURS) -> Size:
        return Size(
            stack=self.stack,
            resource=self.resource,
            what=what,
            measured=measured,
            limit=limit,
            unit=unit,
            source=source,
            cure=cure,
        )


def _bytes(document: object) -> int:
    return len(compact(document).encode())


def _of_template(stack: str, template: Json, file: int | None) -> Iterator[Size]:
    place, quotas = _Place(stack, stack), "CloudFormation quotas"
    # With an indent Python's encoder is the slow one: a tenth of our part of a synthesis for a figure that is known.
    size = len(json.dumps(template, indent=1).encode()) if file is None else file
    yield place.size("template", size, 1_000_000, "bytes", quotas)
    cure = "name fewer models, subscriptions or subnets in the environment's settings"
    yield place.size("resources", len(template.get("Resources", {})), 500, "resources", quotas, cure)
    yield place.size("outputs", len(template.get("Outputs", {})), 200, "outputs", quotas)


def _function(place: _Place, function: Json) -> Iterator[Size]:
    variables = function.get("Environment", {}).get("Variables", {})
    # Lambda's own error text shows the JSON of the variables, quotes escaped, as what it measured.
    yield place.size("environment variables", _bytes(variables), 4_096, "bytes", "Lambda quotas", FEWER_MODELS)
    # Code and tags are requests of their own. The name is in the address; it is counted to be on the safe side.
    elsewhere = ("Code", "Tags", "Architectures", "ReservedConcurrentExecutions")
    request = {key: value for key, value in function.items() if key not in elsewhere}
    request["FunctionName"] = "x" * 64
    source = "UpdateFunctionConfiguration, largest request"
    yield place.size("configuration in one request", _bytes(request), 5_120, "bytes", source, FEWER_SUBNETS)


def _role(place: _Place, role: Json) -> Iterator[Size]:
    trust = _characters(role["AssumeRolePolicyDocument"])
    yield place.size("trust policy", trust, 2_048, "characters", "IAM quotas")
    managed = len(role.get("ManagedPolicyArns", []))
    yield place.size("managed policies", managed, 10, "policies", "IAM quotas")


def _inline_policies(names: LongestNames, stack: str, resources: Mapping[str, Json]) -> Iterator[Size]:
    """Add up the inline policies of each role, those included that are resources of their own."""
    total: dict[str, int] = {}
    for logical_id, resource in resources.items():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Role":
            documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
            size = sum(_characters(names.resolved(stack, document)) for document in documents)
            total[logical_id] = total.get(logical_id, 0) + size
        elif resource["Type"] == "AWS::IAM::Policy":
            size = _characters(names.resolved(stack, properties["PolicyDocument"]))
            for role in properties.get("Roles", []):
                total[role["Ref"]] = total.get(role["Ref"], 0) + size
    for role, characters in total.items():
        place = _Place(stack, role)
        yield place.size("inline policies", characters, 10_240, "characters", "IAM quotas", FEWER_MODELS)


def _characters(document: object) -> int:
    """Count as IAM does: characters without white space outside of strings."""
    return len(compact(document))


def _managed_policy(place: _Place, policy: Json) -> Iterator[Size]:
    size = _characters(policy["PolicyDocument"])
    yield place.size("managed policy", size, 6_144, "characters", "IAM quotas", FEWER_SUBNETS)


def _key(place: _Place, key: Json) -> Iterator[Size]:
    yield place.size("key policy", _bytes(key["KeyPolicy"]), 32_768, "bytes", "KMS quotas")


def _topic_policy(place: _Place, policy: Json) -> Iterator[Size]:
    yield place.size("topic policy", _bytes(policy["PolicyDocument"]), 30_720, "bytes", "SNS quotas")


def _queue_policy(place: _Place, policy: Json) -> Iterator[Size]:
    yield place.size("queue policy", _bytes(policy["PolicyDocument"]), 8_192, "bytes", "SQS quotas")


def _bucket_policy(place: _Place, policy: Json) -> Iterator[Size]:
    yield place.size("bucket policy", _bytes(policy["PolicyDocument"]), 20_480, "bytes", "S3, bucket policies")


def _machine(place: _Place, machine: Json) -> Iterator[Size]:
    size = len(str(machine["DefinitionString"]).encode())
    yield place.size("definition", size, 1_048_576, "bytes", "Step Functions quotas")


def _dashboard(place: _Place, dashboard: Json) -> Iterator[Size]:
    widgets = json.loads(dashboard["DashboardBody"])["widgets"]
    metrics = [len(widget.get("properties", {}).get("metrics", [])) for widget in widgets]
    yield place.size("dashboard", len(widgets), 500, "widgets", "CloudWatch quotas")
    yield place.size("largest widget", max(metrics, default=0), 500, "metrics", "CloudWatch quotas")
    yield place.size("dashboard", sum(metrics), 2_500, "metrics", "CloudWatch quotas")


def _alarm(place: _Place, alarm: Json) -> Iterator[Size]:
    text = str(alarm.get("AlarmDescription", ""))
    yield place.size("description", len(text), 1_024, "characters", "PutMetricAlarm")
    yield place.size("metrics", len(alarm.get("Metrics", [])), 20, "metrics", "PutMetricAlarm")


def _rule(place: _Place, rule: Json) -> Iterator[Size]:
    pattern = rule.get("EventPattern")
    if pattern:
        yield place.size("event pattern", len(compact(pattern)), 2_048, "characters", "EventBridge quotas")
    yield place.size("targets", len(rule.get("Targets", [])), 5, "targets", "EventBridge quotas")


def _profile(place: _Place, profile: Json) -> Iterator[Size]:
    size = len(str(profile.get("Description", "")))
    yield place.size("description", size, 200, "characters", "CreateInferenceProfile")


_MEASURES: dict[str, Any] = {
    "AWS::Lambda::Function": _function,
    "AWS::IAM::Role": _role,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::KMS::Key": _key,
    "AWS::SNS::TopicPolicy": _topic_policy,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::StepFunctions::StateMachine": _machine,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::Events::Rule": _rule,
    "AWS::Bedrock::ApplicationInferenceProfile": _profile,
}
