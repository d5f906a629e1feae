"""Templates as the services get them: intrinsics replaced by the longest text that CloudFormation could put there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

ACCOUNT = "9" * 12
LONGEST_REGION = "ap-southeast-9"
SUFFIX = 13
"""Characters that CloudFormation appends to a name that it makes, the hyphen included."""

UUID = "01234567-89ab-cdef-0123-456789abcdef"

MAX_NAMES = {
    "AWS::IAM::Role": 64,
    "AWS::Lambda::Function": 64,
    "AWS::S3::Bucket": 63,
    "AWS::SQS::Queue": 80,
    "AWS::StepFunctions::StateMachine": 80,
    "AWS::IAM::ManagedPolicy": 128,
}
"""Longest name of a type (its API reference): CloudFormation cuts the names that it makes. Others are not cut here."""

_ARNS = {
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::IAM::ManagedPolicy": "iam::{account}:policy/{name}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::Lambda::LayerVersion": "lambda:{region}:{account}:layer:{name}:999",
    "AWS::Lambda::Version": "lambda:{region}:{account}:function:{name}:999",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::KMS::Key": "kms:{region}:{account}:key/{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::Events::Rule": "events:{region}:{account}:rule/{name}",
    "AWS::StepFunctions::StateMachine": "states:{region}:{account}:stateMachine:{name}",
    "AWS::Bedrock::ApplicationInferenceProfile": "bedrock:{region}:{account}:application-inference-profile/{name}",
    "AWS::CloudWatch::Alarm": "cloudwatch:{region}:{account}:alarm:{name}",
}
_FIXED = {
    "AWS::KMS::Key": UUID,
    "AWS::Bedrock::ApplicationInferenceProfile": "a1b2c3d4e5f6",  # pragma: allowlist secret
    "AWS::EC2::SecurityGroup": "sg-0123456789abcdef0",
}
_REF_IS_ARN = ("AWS::SNS::Topic", "AWS::Lambda::LayerVersion", "AWS::Lambda::Version", "AWS::IAM::ManagedPolicy")
_EXPORT = re.compile(r"(?P<stack>[^:]+):ExportsOutput(?P<kind>Ref|FnGetAtt)(?P<rest>.+)")
_HASH = 8
"""Characters of a hash that CDK appends to the name of an export."""

_VARIABLE = re.compile(r"\$\{([^}!]+)\}")


@dataclass(frozen=True)
class LongestNames:
    """Reads templates of stacks that import from each other.

    Parameters
    ----------
    templates : mapping
        Templates by stack name.
    """

    templates: Mapping[str, Json]

    def resolved(self, stack: str, value: Any) -> Any:  # noqa: ANN401 - any part of a template
        """Put texts into a part of a stack's template.

        Parameters
        ----------
        stack : str
            Name of the stack.
        value
            Any part of its template.
        """
        if isinstance(value, list):
            return [self.resolved(stack, item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref" or function.startswith("Fn::"):
                return self._intrinsic(stack, function, argument)
        return {key: self.resolved(stack, item) for key, item in value.items()}

    def name(self, stack: str, logical_id: str) -> str:
        """Give the name that CloudFormation makes for a resource, or the one that its template has."""
        resource = self._resource(stack, logical_id)
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind in _FIXED:
            return _FIXED[kind]
        own = kind.rpartition("::")[2]
        for key in (f"{own}Name", "Name"):
            if key in properties:
                return str(self.resolved(stack, properties[key]))
        made = f"{stack}-{logical_id}-{'X' * (SUFFIX - 1)}"
        longest = MAX_NAMES.get(kind, len(made))
        return made if len(made) <= longest else made[: longest - SUFFIX] + made[-SUFFIX:]

    def arn(self, stack: str, logical_id: str) -> str:
        """Give the ARN of a resource; one whose kind is not known gets the longest of the known forms."""
        kind = self._resource(stack, logical_id)["Type"]
        form = _ARNS.get(kind, max(_ARNS.values(), key=len))
        name = self.name(stack, logical_id)
        return f"arn:aws:{form.format(account=ACCOUNT, region=LONGEST_REGION, name=name)}"

    def _intrinsic(self, stack: str, function: str, argument: Any) -> Any:  # noqa: ANN401
        if function == "Ref":
            return self._reference(stack, str(argument))
        if function == "Fn::GetAtt":
            logical_id, attribute = argument if isinstance(argument, list) else str(argument).split(".", 1)
            return self._attribute(stack, logical_id, attribute)
        if function == "Fn::Join":
            separator, parts = argument
            return str(separator).join(str(self.resolved(stack, part)) for part in parts)
        if function == "Fn::Sub":
            return _VARIABLE.sub(lambda found: str(self._reference(stack, found[1])), str(argument))
        if function == "Fn::ImportValue":
            return self._imported(str(argument))
        raise KeyError(f"{function} in stack {stack}: say in stacks/limits/longest_names.py how long its text may be")

    def _reference(self, stack: str, name: str) -> str:
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": LONGEST_REGION,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": stack,
        }
        if name in pseudo:
            return pseudo[name]
        if name not in self.templates[stack].get("Resources", {}):
            return str(self.templates[stack]["Parameters"][name].get("Default", ""))
        kind = self._resource(stack, name)["Type"]
        return self.arn(stack, name) if kind in _REF_IS_ARN else self.name(stack, name)

    def _attribute(self, stack: str, logical_id: str, attribute: str) -> str:
        return self.arn(stack, logical_id) if attribute.endswith("Arn") else self.name(stack, logical_id)

    def _imported(self, export: str) -> str:
        """Read the export's own name: the stack that exports it may be of another template file, or not be there."""
        found = _EXPORT.fullmatch(export)
        exporter = self.templates.get(found["stack"]) if found else None
        if found is None or exporter is None:
            return f"arn:aws:dynamodb:{LONGEST_REGION}:{ACCOUNT}:table/{export}"
        [logical_id] = [name for name in exporter["Resources"] if found["rest"].startswith(name)]
        if found["kind"] == "Ref":
            return self._reference(found["stack"], logical_id)
        return self._attribute(found["stack"], logical_id, found["rest"].removeprefix(logical_id)[:-_HASH])

    def _resource(self, stack: str, logical_id: str) -> Json:
        resource: Json = self.templates[stack]["Resources"][logical_id]
        return resource
