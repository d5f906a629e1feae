"""What the last discovery found, as the runs bucket has it, and which of it somebody has acted on."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cli.errors import CHECK_FAILED, UNKNOWN_RUN, CliError, NotDeployedError
from cli.focus_export import read_month
from cli.months import this_month
from lambdas.domain.discovery.opportunities import LATEST, Opportunities, Opportunity
from lambdas.domain.identity import task_slug
from lambdas.gateways.aws.service_errors import refusal
from lambdas.gateways.registry.tasks import TaskBook
from lambdas.workflow.acted_on import ActedOn, acted_on

if TYPE_CHECKING:
    from cli.deployment import Deployment

_DENIED = ("AccessDenied", "AccessDeniedException")

HOW_TO_DEPLOY = (
    "Set 'log_sources' (buckets of the model invocation log) and 'discovery' ({} takes the defaults) for the "
    "environment in cdk.json, then 'cdk deploy --all'. docs/discovery.md says what it reads and what it costs."
)


def machine_arn(deployment: Deployment) -> str:
    """Give the state machine of the discovery stack.

    Raises
    ------
    CliError
        There is none; with what to set and deploy.
    """
    try:
        return deployment.output("discovery", "DiscoveryMachineArn")
    except NotDeployedError as missing:
        raise CliError(f"{missing.said} {HOW_TO_DEPLOY}", CHECK_FAILED) from None


def latest(deployment: Deployment) -> Opportunities:
    """Read the newest opportunities.

    Raises
    ------
    CliError
        Nothing was discovered yet.
    """
    text = deployment.runs.find(LATEST)
    if text is None:
        machine_arn(deployment)
        raise CliError("Nothing was discovered yet: 'python -m cli discover' reads the logs.", CHECK_FAILED)
    document: dict[str, Any] = json.loads(text)
    return Opportunities.from_document(document)


def one(found: Opportunities, name: str) -> Opportunity:
    """Give the opportunity that a name stands for.

    Raises
    ------
    CliError
        None or several do.
    """
    fits = found.named(name)
    if len(fits) == 1:
        return fits[0]
    if fits:
        names = ", ".join(each.task.task for each in fits[:5])
        raise CliError(f"'{name}' is the beginning of several found tasks: {names}.", UNKNOWN_RUN)
    raise CliError(f"No found task is called '{name}'. 'python -m cli opportunities' lists them.", UNKNOWN_RUN)


def acted_in(deployment: Deployment, found: Opportunities) -> dict[str, ActedOn]:
    """Tell of each found task that has a champion or a run which one it is."""
    return acted_on(deployment.registry, TaskBook(deployment.table), [each.task.task for each in found.found])


def dollars(found: Opportunities, acted: dict[str, ActedOn]) -> tuple[Decimal, Decimal]:
    """Give what could be saved at most of what somebody acted on, and of all, in dollars a year."""
    of_acted = sum((each.high_usd for each in found.found if each.task.task in acted), Decimal())
    return of_acted, found.high_usd


def proven(deployment: Deployment, acted: dict[str, ActedOn]) -> Decimal | None:
    """Add up this month's verified savings of the found tasks whose students serve.

    ``None`` where the caller may not read what they are worked out from: a month takes the rights of finance.
    """
    if not any(each.serves for each in acted.values()):
        return Decimal()
    tasks = {task_slug(name) for name in acted}
    try:
        savings = read_month(deployment, this_month()).savings
    except ClientError as problem:
        if refusal(problem) not in _DENIED:
            raise
        return None
    return sum((saving.saved for saving in savings if saving.task in tasks), Decimal())
