"""What each resource is there for: its own description where the template has one, else what is written here.

A test fails on a resource without a purpose, and on a purpose without a resource.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacks.access.stage_permissions import StagePermissions

if TYPE_CHECKING:
    from review.assembly import Assembly, TemplateResource

CONSTRUCTS = {
    "AccessLogs": "Keeps who read or wrote which key of the other two buckets",
    "Uploads": "Receives prompts: people put objects, no role of the pipeline may",
    "Runs": "Holds what runs write: datasets, bought answers, training output, reports",
    "Registry": "Keeps runs, attempts, ledger, champions, and what was created in Bedrock before it is created",
    "Approvals": "Keeps task tokens of open approvals, apart: whoever reads one can answer in a person's place",
    "Undelivered": "Keeps events that could not be delivered, or whose Lambda failed for good, until a person looks",
    "Notifications": "Tells subscribers of approvals, reports, alarms and idle throughput",
    "Distillation/Machine": "Leads a run from its upload to a promoted student, or to the reason why not",
    "Distillation/Access/MapRuns": "Lets the machine start and stop the children of its maps; its role's inline policy "
    "cannot name the machine, which depends on its role",
    "Watch/Dashboard": "Shows runs, money, serving and alarms of this environment",
}
"""By path of the construct."""

_DESCRIPTIONS = ("Description", "AlarmDescription", "GroupDescription")

_KINDS = {
    "AWS::EC2::VPCEndpoint": "Way from the private subnets to an AWS service",
    "AWS::IAM::Role": "Taken by the Lambda {parent}, by nothing else",
    "AWS::Lambda::Permission": "Lets the rule {parent} invoke the Lambda {target}",
    "AWS::Lambda::Version": "Published code of {parent}: a run under way keeps the version with which it was started",
    "AWS::Logs::LogGroup": "Log of {parent}",
    "AWS::S3::BucketPolicy": "Who may use the bucket {parent} beside IAM; refuses whoever comes without TLS",
    "AWS::SNS::TopicPolicy": "Who may publish to {parent} beside IAM; refuses whoever comes without TLS",
    "AWS::SNS::Subscription": "Sends what {target} says to an address of the settings",
    "AWS::SQS::QueuePolicy": "Who may send to {parent} beside IAM; refuses whoever comes without TLS",
}
"""By type, for parts of another construct."""


def purpose(assembly: Assembly, resource: TemplateResource) -> str | None:
    """Say what a resource is there for.

    Parameters
    ----------
    assembly : Assembly
        For the names of what the resource refers to.
    resource : TemplateResource
        A resource of it.

    Returns
    -------
    str or None
        One phrase; ``None`` where nobody has said it.
    """
    if resource.type == "AWS::Lambda::Function":
        return stage_purpose(resource)
    described = next((resource.properties[key] for key in _DESCRIPTIONS if resource.properties.get(key)), None)
    if described:
        return assembly.text(described)
    if resource.path in CONSTRUCTS:
        return CONSTRUCTS[resource.path]
    if resource.type not in _KINDS:
        return None
    target = assembly.text(resource.properties.get("FunctionName") or resource.properties.get("TopicArn") or "")
    named = target.strip("{}").removesuffix("/Function")
    return _KINDS[resource.type].format(parent=resource.parent.removesuffix("/Function"), target=named)


def stage_purpose(function: TemplateResource) -> str | None:
    """Give what a Lambda does: the first sentence of its method in ``stacks/access/stage_permissions.py``."""
    folder = str(function.properties["Handler"]).split(".")[2]
    text = (getattr(StagePermissions, folder, None).__doc__ or "").strip()
    return text.partition("\n")[0].removesuffix(".") or None
