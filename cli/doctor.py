"""Look at everything that a first upload needs, and say what to do about what is missing."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.ceilings import all_beyond
from cli.concurrency import fit
from cli.deep_doctor import CONFIRMED, OPEN, REFUTED, ItemState, answers, document
from cli.environment_files import CDK_FILE, read_settings
from cli.errors import CHECK_FAILED, NOT_REACHED, CliError, NotDeployedError
from cli.estimation import run_to_come
from cli.ownership import tagging_commands, untagged
from cli.session import Session, pass_session
from cli.submission import check_folder
from lambdas.domain.costs.model_quotas import ModelQuota, needs
from lambdas.domain.errors import InvalidSettings, ModelUnavailable
from lambdas.domain.task.model_choice import ANTHROPIC_TERMS, problem_with
from lambdas.domain.task.model_unit_quotas import how_to_ask
from lambdas.domain.text.plain_text import one_line
from lambdas.gateways.aws.service_errors import AWS_ERRORS, in_words, passes
from lambdas.gateways.registry.monthly_budget import MonthlyBudget
from lambdas.workflow.model_catalog import ModelCatalog
from lambdas.workflow.stage import utc_now

if TYPE_CHECKING:
    from datetime import datetime

    from cli.deployment import Deployment
    from lambdas.domain.task.model_choice import ModelFacts
    from lambdas.domain.task.settings import Settings

LAMBDAS, TAGS, DISCOVERY = "Lambdas at once", "Tags of champions", "Discovery"
CEILINGS, MONTH = "Ceilings", "Dollars of the month"
OK, WARNING, PROBLEM = "ok", "warning", "problem"
_SYMBOLS = {OK: ("✔", "green"), WARNING: ("!", "yellow"), PROBLEM: ("✘", "bold red")}

DISTILLATION_REGION = "us-east-1"
"""The only Region with Nova distillation (Bedrock user guide, prerequisites for model distillation)."""

_PERSON_ACTIONS = {
    "s3:PutObject": ("data", "UploadsBucket", "arn:aws:s3:::{name}/doctor/prompts.jsonl"),
    "dynamodb:GetItem": ("data", "RegistryTable", "arn:aws:dynamodb:{region}:{account}:table/{name}"),
    "dynamodb:Query": ("data", "RegistryTable", "arn:aws:dynamodb:{region}:{account}:table/{name}"),
    "lambda:InvokeFunction": (
        "pipeline",
        "AnswerApprovalFunction",
        "arn:aws:lambda:{region}:{account}:function:{name}",
    ),
}
"""What submit, watch and approve need of whoever types them."""


OLD_PRICE_DAYS = 180
"""Age of a price at which it should be looked at again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing looked at: how it stands and, where it is not well, what to do."""

    name: str
    state: str
    found: str
    fix: str = ""


_MARKS = {CONFIRMED: _SYMBOLS[OK], OPEN: ("?", "yellow"), REFUTED: _SYMBOLS[PROBLEM]}


@click.command()
@click.argument("task_dir", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--deep", is_flag=True, help="Ask what docs/real-account.md lists: confirmed, refuted or open.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=Path("doctor.json"),
    show_default=True,
    help="With --deep: where the answers are written.",
)
@pass_session
def doctor(session: Session, *, task_dir: Path | None, deep: bool, out: Path) -> None:
    """Check Region, deployment, models, quotas, notifications and your own rights, each with its fix.

    With a task's folder its estimate is held against the models' quotas of the day and the minute too.
    Nothing here costs anything. Exit code 1 when something would stop a run.

    With --deep each item of docs/real-account.md is asked instead, as far as that is free; exit code 1 when one is
    refuted. The file has no account number, so that an issue can carry it.
    """
    if deep:
        _deep(session, out)
        return
    checks: list[Check] = []
    for check in itertools.chain(examine(session.deployment), _fits(session, task_dir) if task_dir else ()):
        checks.append(check)
        if not session.as_json:
            session.screen.say(one_line(f"{check.name}: {check.found}"), hang=2, mark=_SYMBOLS[check.state])
            if check.fix:
                session.screen.say(f"  Do: {check.fix}", hang=6)
    if session.as_json:
        session.show([asdict(check) for check in checks])
    if any(check.state == PROBLEM for check in checks):
        raise click.exceptions.Exit(CHECK_FAILED)


def _deep(session: Session, out: Path) -> None:
    found: list[ItemState] = []
    settings, _ = _settings(session.deployment)
    if settings is None:
        raise CliError(f"There are no settings to ask about: deploy, or mend {CDK_FILE}.", NOT_REACHED)
    for answer in answers(session.deployment, settings):
        found.append(answer)
        if not session.as_json:
            line = f"{answer.item} {answer.title}: {answer.state}. {answer.evidence}"
            session.screen.say(line, hang=2, mark=_MARKS[answer.state])
            if answer.next_step:
                session.screen.say(f"  Next: {answer.next_step}", hang=8)
    told = document(session.deployment, found)
    out.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    counts = ", ".join(
        f"{sum(answer.state == state for answer in found)} {state}" for state in (CONFIRMED, REFUTED, OPEN)
    )
    simulated = " (simulated: the embedded AWS)" if session.deployment.local else ""
    session.show(told, f"{counts}{simulated}; written to {out}")
    if any(answer.state == REFUTED for answer in found):
        raise click.exceptions.Exit(CHECK_FAILED)


def examine(deployment: Deployment) -> Iterator[Check]:
    """Look at one thing after the other; a look that AWS refuses is a warning, not the end."""
    account = deployment.client("sts").get_caller_identity()
    yield Check(name="Credentials", state=OK, found=f"account {account['Account']}, {account['Arn']}")
    yield _region(deployment)
    settings, deployed = _settings(deployment)
    yield deployed
    if settings is None:
        return
    catalog = ModelCatalog(deployment.client("bedrock"), deployment.client("service-quotas"))
    yield from _models(catalog, settings)
    yield from _model_quotas(catalog, settings)
    yield _tried("Provisioned throughput quota", lambda: _throughput_quota(catalog, deployment.region))
    yield _tried(LAMBDAS, lambda: _lambdas(deployment, settings))
    if deployed.state == OK:
        yield _tried("Notifications", lambda: _notifications(deployment))
        yield _tried(TAGS, lambda: _tags(deployment))
        yield _tried(CEILINGS, lambda: _ceilings(deployment, settings))
        yield _tried(MONTH, lambda: _month(deployment, settings))
        yield _tried(DISCOVERY, lambda: discovery_check(deployment, settings))
        yield from _rights(deployment, account)


def discovery_check(deployment: Deployment, settings: Settings) -> Check:
    """Look for a stack that the settings do not ask for any more: it reads and costs until it is deleted."""
    there, asked = deployment.has_stack("discovery"), settings.discovered()
    if there == (asked is not None):
        found = "not asked for: no log is read" if asked is None else f"the logs are read at {asked.hour_utc}:00 UTC"
        return Check(name=DISCOVERY, state=OK, found=found)
    stack = deployment.stack_name("discovery")
    if asked is not None:
        found = f"the settings ask for it, and there is no stack {stack}: no log is read"
        return Check(name=DISCOVERY, state=WARNING, found=found, fix="npx cdk deploy --all")
    return Check(
        name=DISCOVERY,
        state=WARNING,
        found=f"the settings have no 'discovery' any more, and {stack} still reads the logs every day, by the byte",
        fix=f"'{deployment.how_to_delete('discovery')}', since 'cdk destroy' knows only what the settings ask for; or "
        "set it again and deploy",
    )


def _region(deployment: Deployment) -> Check:
    if deployment.region == DISTILLATION_REGION:
        return Check(name="Region", state=OK, found=deployment.region)
    return Check(
        name="Region",
        state=WARNING,
        found=f"{deployment.region} has no Nova distillation",
        fix=f"deploy to {DISTILLATION_REGION}, or set 'training' to \"fine_tuning\" with a student of this Region",
    )


def _settings(deployment: Deployment) -> tuple[Settings | None, Check]:
    try:
        settings = deployment.settings
    except NotDeployedError as missing:
        return _settings_of_cdk_json(deployment, missing)
    return settings, Check(name="Deployment", state=OK, found=f"environment {deployment.environment}")


def _settings_of_cdk_json(deployment: Deployment, missing: NotDeployedError) -> tuple[Settings | None, Check]:
    """Before the first deployment the settings are those that would be deployed."""
    deploy, first = "npx cdk deploy --all", missing.said.split(".", maxsplit=1)[0]
    try:
        settings = read_settings(deployment.environment)
    except InvalidSettings as problem:
        return None, Check(name="Deployment", state=PROBLEM, found=f"{first}, and {problem}", fix=deploy)
    found = f"{first}; models and quotas are checked by {CDK_FILE}"
    return settings, Check(name="Deployment", state=PROBLEM, found=found, fix=deploy)


def _models(catalog: ModelCatalog, settings: Settings) -> Iterator[Check]:
    roles = {
        "teacher": settings.teacher_models,
        "judge": settings.judge_models,
        "baseline": settings.baseline_models,
        "student": [settings.student_model],
    }
    for role, models in roles.items():
        yield _tried(f"Model for {role}", lambda role=role, models=models: _role(catalog, role, models))  # type: ignore[misc]
    yield _tried("Customization", lambda: _customization(catalog, settings))
    yield price_book_check(settings)
    yield _tried("Way of training", lambda: _way_of_training(catalog, settings))


def _model_quotas(catalog: ModelCatalog, settings: Settings) -> Iterator[Check]:
    """Look at what the account may ask of each model in a day and in a minute."""
    name = "Model quotas"
    quotas: dict[str, ModelQuota] = {}

    def look() -> Check:
        quotas.update(catalog.model_quotas(settings))
        return Check(name=name, state=OK, found="read")

    looked = _tried(name, look)
    if looked.state != OK:
        yield looked
    for model, quota in quotas.items():
        if quota.never:
            fix = "ask for it, or leave the model out of the settings: a run takes the next of the list"
            yield Check(name=f"Quotas of {model}", state=WARNING, found=quota.never, fix=fix)
        else:
            yield Check(name=f"Quotas of {model}", state=OK, found=quota.said())


def _fits(session: Session, task_dir: Path) -> Iterator[Check]:
    """Hold the estimate of a task's folder against the quotas, as CheckRun does before anything is paid."""
    submission = check_folder(task_dir, None)
    run, environment = run_to_come(session, submission, submission.beside.definition(), offline=False)
    catalog = ModelCatalog(session.deployment.client("bedrock"), session.deployment.client("service-quotas"))
    quotas = catalog.model_quotas(environment.settings)
    for need in needs(run.estimate().lines, quotas):
        quota = quotas.get(need.model, ModelQuota(model=need.model))
        problem = need.problem(quota, environment.settings.quota_wait_hours)
        found = f"{need.calls:,.0f} calls and {need.tokens:,.0f} tokens; the account may use {quota.said()}"
        yield Check(
            name=f"{task_dir.name} at {need.model}",
            state=PROBLEM if problem else OK,
            found=problem or found,
            fix="ask for more in Service Quotas (Amazon Bedrock) or upload fewer prompts" if problem else "",
        )


def _role(catalog: ModelCatalog, role: str, models: list[str]) -> Check:
    name, now = f"Model for {role}", utc_now()
    problems: list[str] = []
    for model in models:
        facts = catalog.facts(model)
        problem = problem_with(facts, now)
        if problem is None:
            passed = "".join(f"; {text}" for text in problems)
            return _usable(name, facts, passed, now)
        problems.append(f"{model} {problem}{_listed(catalog, facts)}")
    field = "student_model" if role == "student" else f"{role}_models"
    return Check(
        name=name,
        state=PROBLEM,
        found="; ".join(problems),
        fix=f"do for one of them what is said of it, or change '{field}' of this environment in cdk.json and deploy",
    )


def _listed(catalog: ModelCatalog, facts: ModelFacts) -> str:
    """Say under which ids Bedrock offers a model that does not answer under its own."""
    if facts.exists and facts.on_demand:
        return ""
    try:
        profiles = [profile for profile in catalog.listed_profiles(facts.model) if profile != facts.model]
    except AWS_ERRORS:
        return ""  # a help, not the check
    return f" (Bedrock lists {', '.join(profiles)} here)" if profiles else ""


def _usable(name: str, facts: ModelFacts, passed: str, now: datetime) -> Check:
    aging = facts.aging(now)
    if aging is None:
        return Check(name=name, state=OK, found=f"{facts.model}{passed}")
    return Check(
        name=name,
        state=WARNING,
        found=f"{facts.model} {aging}{passed}",
        fix="name its successor in the settings before that, and deploy; a Legacy phase may last 45 days only",
    )


def _customization(catalog: ModelCatalog, settings: Settings) -> Check:
    model = settings.student_customization_model
    facts = catalog.facts(model)
    ways = [way for way in ("DISTILLATION", "FINE_TUNING") if way in facts.customizations]
    if ways:
        return Check(name="Customization", state=OK, found=f"{model} can be trained by {' and '.join(ways)}")
    return Check(
        name="Customization",
        state=PROBLEM,
        found=f"{model} can be neither distilled nor fine-tuned in this account and Region",
        fix="change 'student_customization_model', or ask AWS support whether customization is open to the account",
    )


def _way_of_training(catalog: ModelCatalog, settings: Settings) -> Check:
    """Say how a task that leaves it open would be trained: of any teacher's answers a student can be fine-tuned."""
    name = "Way of training"
    try:
        models = catalog.choose(settings, "auto", utc_now())
    except ModelUnavailable as problem:
        return Check(
            name=name,
            state=PROBLEM,
            found=str(problem),
            fix="do for one of the models named what is said of it, or change the list in cdk.json; then deploy",
        )
    way = models.training.replace("_", "-")
    found = f"{models.student} learns from {models.teacher} by {way}: {models.training_reason}"
    terms = [warning for warning in models.warnings if warning == ANTHROPIC_TERMS]
    if terms:
        return Check(name=name, state=WARNING, found=found, fix=terms[0])
    return Check(name=name, state=OK, found=found)


def price_book_check(settings: Settings) -> Check:
    """Say how old the prices are by which runs are estimated and stopped."""
    name, models = "Price book", [*settings.asked_models(), settings.student_customization_model]
    oldest = settings.price_book().oldest(models)
    if oldest is None:
        fix = f"add lines to 'prices' of this environment in {CDK_FILE} and deploy: runs stop without a price"
        return Check(
            name=name, state=PROBLEM, found=f"no price of any model of the settings in {settings.region}", fix=fix
        )
    days = (utc_now().date() - date.fromisoformat(oldest.date)).days
    found = f"the oldest price of your models is of {oldest.date}, {days} days ago ({oldest.model} {oldest.usage})"
    if days <= OLD_PRICE_DAYS:
        return Check(name=name, state=OK, found=found)
    fix = "python -m cli prices refresh compares it with the AWS Price List, and writes it with --write; then deploy"
    return Check(name=name, state=WARNING, found=found, fix=fix)


def _throughput_quota(catalog: ModelCatalog, region: str) -> Check:
    name, units = "Provisioned throughput quota", catalog.no_commitment_units()
    if units:
        return Check(name=name, state=OK, found=f"{units:g} model units without commitment")
    found = "not shown" if units is None else "0 model units without commitment across custom models"
    return Check(
        name=name,
        state=WARNING,
        found=found,
        fix=(
            f"for serving.mode provisioned_throughput ask for units. {how_to_ask(1, 'none', region)}; "
            "serving.mode on_demand needs none"
        ),
    )


def _lambdas(deployment: Deployment, settings: Settings) -> Check:
    limits = deployment.client("lambda").get_account_settings()["AccountLimit"]
    fitting = fit(settings, int(limits["UnreservedConcurrentExecutions"]))
    return Check(name=LAMBDAS, state=OK if fitting.fits else WARNING, found=fitting.found, fix=fitting.fix)


def _notifications(deployment: Deployment) -> Check:
    topic = deployment.output("operations", "TopicArn")
    pages = deployment.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [item for page in pages for item in page["Subscriptions"]]
    waiting = [item["Endpoint"] for item in subscriptions if not item["SubscriptionArn"].startswith("arn:")]
    if waiting:
        found = f"{', '.join(waiting)} has not confirmed the subscription and gets nothing"
        return Check(name="Notifications", state=WARNING, found=found, fix="confirm by the mail that AWS sent")
    if not subscriptions:
        return Check(
            name="Notifications",
            state=WARNING,
            found="nobody is subscribed: nobody hears of requests for approval, of failures or of idle throughput",
            fix="set 'notification_emails' of this environment in cdk.json and deploy",
        )
    return Check(name="Notifications", state=OK, found=f"{len(subscriptions)} subscribed")


def _tags(deployment: Deployment) -> Check:
    arns = untagged(deployment)
    if not arns:
        return Check(name=TAGS, state=OK, found="what serves carries this environment's tag")
    found = f"{len(arns)} resources of champions lack this environment's tag, so no role may use or delete them"
    return Check(
        name=TAGS, state=PROBLEM, found=found, fix=f"claim them: {tagging_commands(arns, deployment.environment)}"
    )


def _ceilings(deployment: Deployment, settings: Settings) -> Check:
    """Tell of what runs and serves beyond settings that were tightened since: it goes on."""
    found = list(all_beyond(deployment, settings))
    if not found:
        return Check(name=CEILINGS, state=OK, found="nothing runs or serves beyond the settings")
    fix = "nothing stops by itself: stop the run, submit the task again within the settings, or change them"
    return Check(name=CEILINGS, state=WARNING, found="; ".join(found), fix=fix)


def _month(deployment: Deployment, settings: Settings) -> Check:
    month = MonthlyBudget(deployment.table).month(utc_now())
    found = f"{month.name} (UTC): ${month.usd:,.2f} of ${settings.max_monthly_usd:,.2f} spent or reserved by runs"
    if month.usd < settings.max_monthly_usd:
        return Check(name=MONTH, state=OK, found=found)
    fix = "runs wait for the next month, or raise 'max_monthly_usd' of this environment and deploy"
    return Check(name=MONTH, state=PROBLEM, found=found, fix=fix)


def _rights(deployment: Deployment, account: dict[str, Any]) -> Iterator[Check]:
    person = str(account["Arn"])
    if ":assumed-role/" in person:
        role = person.split("/")[1]
        person = f"arn:aws:iam::{account['Account']}:role/{role}"
    for action, (stack, output, pattern) in _PERSON_ACTIONS.items():
        resource = pattern.format(
            name=deployment.output(stack, output), region=deployment.region, account=account["Account"]
        )
        yield _tried(
            f"Your right {action}",
            lambda action=action, resource=resource: _right(deployment, person, action, resource),  # type: ignore[misc]
        )


def _right(deployment: Deployment, person: str, action: str, resource: str) -> Check:
    name = f"Your right {action}"
    if person.endswith(":root"):
        return Check(name=name, state=OK, found="the root user may do everything; use a role instead")
    answer = deployment.client("iam").simulate_principal_policy(
        PolicySourceArn=person, ActionNames=[action], ResourceArns=[resource]
    )
    decision = answer["EvaluationResults"][0]["EvalDecision"]
    if decision == "allowed":
        return Check(name=name, state=OK, found=f"on {resource}")
    fix = f"allow {action} on {resource} to {person}"
    return Check(name=name, state=PROBLEM, found=f"{decision} on {resource}", fix=fix)


def _tried(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except AWS_ERRORS as problem:
        fix = "ask an administrator for the right to read it, or let one call doctor"
        return Check(
            name=name,
            state=WARNING,
            found=f"could not be looked at: {in_words(problem)}",
            fix="call doctor again in a minute" if passes(problem) else fix,
        )
