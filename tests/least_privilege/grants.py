"""What each role is granted: one action on one resource under one condition, with this account's names put in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

from lambdas.domain.model_ids import foundation_model_id
from local.bedrock_simulator.policies import RolePolicies, allows
from local.embedded_aws.lifecycle import ACCOUNT, REGION
from tests.faults.world import MACHINE, NAMES, PSEUDO, TOPIC
from tests.least_privilege.needs import PROFILE, Need, function_arn
from tests.stacks.templates import Deployment, Json, listed, text_of

DISCOVERY_MACHINE = MACHINE.replace("distillation", "discovery")
_REFERENCE = re.compile(r"<([^<>]+)>")
_TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table"
_BEGINNINGS = {
    "Runs": f"arn:aws:s3:::{NAMES['RUNS_BUCKET']}",
    "Uploads": f"arn:aws:s3:::{NAMES['UPLOADS_BUCKET']}",
    "Registry": f"{_TABLE}/{NAMES['REGISTRY_TABLE']}",
    "Approvals": f"{_TABLE}/{NAMES['APPROVALS_TABLE']}",
    "DataKey": NAMES["MODEL_KEY_ARN"],
    "Notifications": TOPIC,
    "CustomizationRole": NAMES["CUSTOMIZATION_ROLE_ARN"],
    "BatchRole": NAMES["BATCH_ROLE_ARN"],
    "Undelivered": f"arn:aws:sqs:{REGION}:{ACCOUNT}:undelivered",
}
"""What is there once, by the beginning of its logical id."""


@dataclass(frozen=True)
class Grant:
    """One action on one resource, as a statement allows it."""

    action: str
    resource: str
    conditions: str = "{}"

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}" + (f" if {self.conditions}" if self.conditions != "{}" else "")

    def covers(self, need: Need) -> bool:
        return self.action == need.action and allows(self._policies, "arn:aws:iam::0:role/any", need.permission())

    @cached_property
    def _policies(self) -> RolePolicies:
        conditions = json.loads(self.conditions)
        statement = {"Effect": "Allow", "Action": self.action, "Resource": self.resource, "Condition": conditions}
        return RolePolicies(identity=[{"Version": "2012-10-17", "Statement": [statement]}])


class Grants:
    """Grants of a deployment's roles.

    Parameters
    ----------
    deployment : Deployment
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._functions = deployment.of_type("AWS::Lambda::Function", deployment.working_stack)
        self._documents = deployment.policy_documents()

    def role_of(self, folder: str) -> str:
        """Give the logical id of the role of a Lambda."""
        return str(self.folders()[folder]["Role"]["Fn::GetAtt"][0])

    def roles(self) -> set[str]:
        """Give the logical ids of all roles."""
        return set(self._documents)

    def beginning(self, beginning: str) -> str:
        """Give the logical id of the only role that begins so."""
        [role] = [role for role in self._documents if role.startswith(beginning)]
        return role

    def folders(self) -> dict[str, Json]:
        """Give the Lambdas of the pipeline by their folder."""
        return {_folder(made): made for made in self._functions.values()}

    def of_role(self, role: str) -> list[Grant]:
        """Give everything that a role, by its logical id, is granted."""
        found = []
        for statement in self._documents[role]:
            assert statement["Effect"] == "Allow", "a Deny is beyond this reading"
            found += [
                Grant(action, resource, json.dumps(conditions, sort_keys=True))
                for action in listed(statement["Action"])
                for resource in self.resolved(listed(statement["Resource"]))
                for conditions in one_by_one(self.resolved(statement.get("Condition", {})))
                if self._leads_to(conditions, resource)
            ]
        return found

    def _leads_to(self, conditions: Json, resource: str) -> bool:
        """Tell whether a call through the profile of the conditions can be one of the resource's model.

        A statement names several models and their profiles. A profile leads to its own model and to no other (Amazon
        Bedrock user guide, inference profiles), so that the other pairs allow nothing.
        """
        profile = conditions.get("StringEquals", {}).get("bedrock:InferenceProfileArn")
        if profile is None:
            return True
        return foundation_model_id(self._copied(profile).rpartition("/")[2]) == resource.rpartition("/")[2]

    def _copied(self, profile: str) -> str:
        """Give what an application inference profile copies, and any other profile as it is."""
        made = self._deployment.of_type("AWS::Bedrock::ApplicationInferenceProfile")
        name = profile.rpartition("/")[2]
        return text_of(made[name]["ModelSource"]["CopyFrom"]) if name in made else profile

    def policies(self, role: str) -> RolePolicies:
        """Give a role as the offline evaluation reads it, its trust included."""
        trust = self._deployment.of_type("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"]
        return RolePolicies(
            identity=[document for grant in self.of_role(role) for document in grant._policies.identity],
            trust=self.resolved(trust),
        )

    def resolved(self, value: Any) -> Any:
        """Put this account's names into a part of a template."""
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if isinstance(value, dict) and not any(key.startswith(("Fn::", "Ref")) for key in value):
            return {key: self.resolved(item) for key, item in value.items()}
        return _REFERENCE.sub(lambda found: self._named(found[1]), text_of(value))

    def _named(self, reference: str) -> str:
        """Give what a reference means in this account; one that nobody knows is an error."""
        if reference in PSEUDO:
            return PSEUDO[reference]
        name, _, attribute = reference.partition(".")
        if attribute == "InferenceProfileArn":
            return f"{PROFILE}/{name}"
        if name in self._functions:
            return function_arn(_folder(self._functions[name]))
        for beginning, machine in (("DistillationMachine", MACHINE), ("DiscoveryMachine", DISCOVERY_MACHINE)):
            if name.startswith(beginning):
                return machine.rpartition(":")[2] if attribute == "Name" else machine
        exported = re.sub(r"^.*ExportsOutput(FnGetAtt|Ref)", "", name)
        for beginning, arn in _BEGINNINGS.items():
            if exported.startswith(beginning):
                return arn
        if name in self._deployment.of_type("AWS::Logs::LogGroup"):
            return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"
        raise KeyError(reference)


def uncovered(grants: list[Grant], needs: set[Need]) -> list[Need]:
    """Give the needs that no grant covers."""
    return [need for need in sorted(needs, key=str) if not any(grant.covers(need) for grant in grants)]


def denied_of(grants: Grants, needed: Mapping[str, set[Need]]) -> dict[str, list[str]]:
    """Give what roles need and may not do, by role; nothing of roles that may do all."""
    denied = {role: [str(need) for need in uncovered(grants.of_role(role), needs)] for role, needs in needed.items()}
    return {role: found for role, found in denied.items() if found}


def unused_of(grants: Grants, needed: Mapping[str, set[Need]]) -> set[str]:
    """Give what roles may do and never need, each with its role, which is named without its hash."""
    return {
        f"{role.partition('Role')[0]}: {grant}"
        for role, needs in needed.items()
        for grant in unused(grants.of_role(role), needs)
    }


def unused(grants: list[Grant], needs: set[Need]) -> Iterator[Grant]:
    """Give the grants that cover no need."""
    for grant in sorted(set(grants), key=str):
        if not any(grant.covers(need) for need in needs):
            yield grant


def one_by_one(conditions: Json) -> Iterator[Json]:
    """Give conditions with one value a key, for every choice among the values that a key may have."""
    keys = [(operator, key) for operator, given in conditions.items() for key in given]
    choices = [listed(conditions[operator][key]) for operator, key in keys]
    for chosen in product(*choices):
        one: Json = {operator: {} for operator in conditions}
        for (operator, key), value in zip(keys, chosen, strict=True):
            one[operator][key] = value
        yield one


def _folder(function: Json) -> str:
    return str(function["Handler"]).split(".")[2]
