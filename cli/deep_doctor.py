"""Ask the account, without paying, what docs/real-account.md lists: each item is confirmed, refuted or open.

A look reads. It invokes no model, creates nothing and changes nothing. What it cannot read stays open.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore
from botocore.exceptions import ClientError

from cli.errors import CliError
from cli.price_list import NoPriceListError, read_price_list
from cli.prices import SERVICE_CODE
from lambdas.domain.errors import ModelUnavailable
from lambdas.domain.training.batch_inference import names_of_limits
from lambdas.gateways.aws.service_errors import AWS_ERRORS, error_code, in_words
from lambdas.workflow.model_catalog import ModelCatalog
from lambdas.workflow.stage import utc_now

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from lambdas.domain.task.settings import Settings

CONFIRMED, REFUTED, OPEN = "confirmed", "refuted", "open"
SCHEMA_VERSION = 1
PAGES = 20
"""Pages of a list that are read at most: a look is to end."""

METRICS = "AWS/Bedrock"
_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])\d{12}(?![0-9A-Za-z])")


class Evidence(NamedTuple):
    """What a look found, and what to do next where it matters."""

    state: str
    evidence: str
    next_step: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemState:
    """One item of docs/real-account.md.

    Attributes
    ----------
    item : str
        Its number there, which never changes.
    state : {"confirmed", "refuted", "open"}
    asked : bool
        Whether something was asked now; otherwise the evidence is what the page says.
    """

    item: str
    title: str
    state: str
    evidence: str
    next_step: str
    asked: bool


class Look(NamedTuple):
    """How an item is looked at: by asking, or by saying what would have to be done."""

    item: str
    title: str
    ask: Callable[[Account], Evidence] | None
    otherwise: str
    closed: bool = False


class Account:
    """What the looks ask, each thing once.

    Parameters
    ----------
    deployment : Deployment
    settings : Settings
    """

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        self.deployment, self.settings = deployment, settings
        self._events: dict[str, list[dict[str, Any]]] = {}

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' types at run time
        """Make a client."""
        return self.deployment.client(service)

    @cached_property
    def catalog(self) -> ModelCatalog:
        """Models as Bedrock tells them."""
        return ModelCatalog(self.client("bedrock"), self.client("service-quotas"))

    def pages(self, service: str, operation: str, key: str, **wanted: object) -> Iterator[dict[str, Any]]:
        """List things, the first :data:`PAGES` pages."""
        pages = self.client(service).get_paginator(operation).paginate(**wanted)
        return (item for page in islice(pages, PAGES) for item in page[key])

    @cached_property
    def quotas(self) -> dict[str, float]:
        """Quotas of Bedrock by name."""
        found = self.pages("service-quotas", "list_service_quotas", "Quotas", ServiceCode="bedrock")
        return {quota["QuotaName"]: quota["Value"] for quota in found}

    @cached_property
    def functions(self) -> list[dict[str, Any]]:
        """Configuration of the Lambdas that the stacks name."""
        names = (
            "StartRunFunction",
            "AnswerApprovalFunction",
            "RecordLabelsFunction",
            "ReleaseFunction",
            "ReapFunction",
            "ReconcileFunction",
        )
        known = [self.deployment.output("pipeline", name) for name in names]
        return [self.client("lambda").get_function_configuration(FunctionName=name) for name in known]

    @cached_property
    def dimensions(self) -> list[str]:
        """What Bedrock's metric of calls has as ModelId."""
        found = self.pages("cloudwatch", "list_metrics", "Metrics", Namespace=METRICS, MetricName="Invocations")
        return [entry["Value"] for metric in found for entry in metric["Dimensions"] if entry["Name"] == "ModelId"]

    def events(self, source: str) -> list[dict[str, Any]]:
        """Read the latest events of a service from CloudTrail's history, which is free and 90 days long."""
        if source not in self._events:
            wanted = [{"AttributeKey": "EventSource", "AttributeValue": source}]
            found = self.pages("cloudtrail", "lookup_events", "Events", LookupAttributes=wanted)
            self._events[source] = [json.loads(event["CloudTrailEvent"]) for event in found]
        return self._events[source]


def _models(account: Account) -> Evidence:
    settings = account.settings
    ways = account.catalog.facts(settings.student_customization_model).customizations
    if not {"DISTILLATION", "FINE_TUNING"} & set(ways):
        step = "change 'student_model' and 'student_customization_model' in cdk.json"
        return Evidence(REFUTED, f"{settings.student_customization_model} can be neither distilled nor tuned", step)
    try:
        chosen = account.catalog.choose(settings, "auto", utc_now())
    except ModelUnavailable as problem:
        return Evidence(REFUTED, str(problem), "do what stands there")
    return Evidence(CONFIRMED, f"{chosen.student} from {chosen.teacher} by {chosen.training}")


def _throughput_quota(account: Account) -> Evidence:
    units = account.catalog.no_commitment_units()
    if units is None:
        return Evidence(OPEN, "the quota of model units is not shown", "look into the console's Service Quotas")
    if not units:
        step = "ask for model units, or use serving.mode on_demand"
        return Evidence(REFUTED, "0 model units without commitment: no throughput can be purchased", step)
    return Evidence(CONFIRMED, f"{units:g} model units without commitment")


def _prices(account: Account) -> Evidence:
    wanted = [{"Type": "TERM_MATCH", "Field": "regionCode", "Value": account.deployment.region}]
    texts = list(account.pages("pricing", "get_products", "PriceList", ServiceCode=SERVICE_CODE, Filters=wanted))
    try:
        listed = read_price_list(texts, account.deployment.region).prices
    except NoPriceListError as problem:
        return Evidence(OPEN, f"the price list cannot be read: {problem}")
    student = f"custom:{account.settings.student_model}"
    custom = [price for price in listed if price.model == student]
    if not custom:
        return Evidence(OPEN, f"{len(listed)} prices of known usage types, none of them of {student}", "see the page")
    found = ", ".join(f"{price.usage} ${price.usd:g} ({price.usage_type})" for price in custom)
    book = account.settings.price_book()
    differing = [price for price in custom if _differs(book.find(student, price.usage), price.usd)]
    if differing:
        return Evidence(REFUTED, found, "python -m cli prices refresh says what differs, and writes it with --write")
    return Evidence(CONFIRMED, found)


def _differs(line: Any, usd: float) -> bool:  # noqa: ANN401 - a line of the book or none
    return line is None or f"{line.usd:.6g}" != f"{usd:.6g}"


def _trust(account: Account) -> Evidence:
    waiting = [found["FunctionName"] for found in account.functions if found.get("State", "Active") != "Active"]
    if waiting:
        return Evidence(REFUTED, f"not active: {', '.join(waiting)}", "read StateReason of the function")
    name = account.functions[0]["Role"].rpartition("/")[2]
    used = account.client("iam").get_role(RoleName=name)["Role"].get("RoleLastUsed", {}).get("LastUsedDate")
    if used is None:
        return Evidence(
            OPEN, "the functions are active; IAM has not seen their roles used yet", "upload something first"
        )
    return Evidence(CONFIRMED, f"Lambda took the role {name} with its condition, last on {used:%Y-%m-%d}")


def _stalls(account: Account) -> Evidence:
    jobs = account.pages(
        "bedrock", "list_model_customization_jobs", "modelCustomizationJobSummaries", statusEquals="Completed"
    )
    hours = [(job["endTime"] - job["creationTime"]).total_seconds() / 3600 for job in jobs if job.get("endTime")]
    if not hours:
        return Evidence(OPEN, "no training has completed yet", "call it again after the first one")
    longest, limit = max(hours), account.settings.distillation_stall_hours
    if longest > limit:
        step = "raise 'distillation_stall_hours' in cdk.json unless watch showed that its phases moved"
        return Evidence(REFUTED, f"a healthy training took {longest:.1f} hours, more than {limit:g}", step)
    return Evidence(CONFIRMED, f"{len(hours)} trainings completed, the longest in {longest:.1f} of {limit:g} hours")


def _key(account: Account) -> Evidence:
    bucket = account.deployment.output("data", "RunsBucket")
    rules = account.client("s3").get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    key = rules[0]["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")
    if key is None:
        return Evidence(OPEN, "S3 does not name the key of the runs bucket", "look at the bucket's encryption")
    state = account.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    if state != "Enabled":
        return Evidence(REFUTED, f"the data key is {state}", "nothing can be read or written until it is Enabled")
    # Dry: KMS decides about rights and conditions, and makes nothing.
    context = {"aws:s3:arn": f"arn:aws:s3:::{bucket}"}
    try:
        account.client("kms").generate_data_key(KeyId=key, KeySpec="AES_256", EncryptionContext=context, DryRun=True)
    except ClientError as problem:
        if error_code(problem) != "DryRunOperationException":
            return Evidence(OPEN, f"the key does not answer you: {in_words(problem)}", "ask as somebody who may use it")
    denied = _denials(account, "kms.amazonaws.com")
    if denied:
        return Evidence(REFUTED, denied, "allow it in stacks/access/data_key.py or key_access.py, in one line")
    dry = "the key answers in dry form with the context of S3, and CloudTrail has no refusal of this pipeline"
    return Evidence(CONFIRMED, dry)


def _denials(account: Account, source: str) -> str:
    """Say which calls of this environment's roles a service refused; empty where none."""
    mine = f"distillation-{account.deployment.environment}-"
    refused = {
        f"{event['eventName']} of {event['userIdentity'].get('arn', 'a service')}: {event.get('errorMessage', '')}"
        for event in account.events(source)
        if event.get("errorCode") in ("AccessDenied", "AccessDeniedException") and mine in json.dumps(event)
    }
    return "; ".join(sorted(refused)[:3])


def _no_denial(source: str, *actions: str) -> Callable[[Account], Evidence]:
    """Make a look into CloudTrail: refused is refuted, seen and not refused is confirmed."""

    def look(account: Account) -> Evidence:
        denied = _denials(account, source)
        if denied:
            return Evidence(REFUTED, denied, "the event names action and resource: add it to the role's statement")
        seen = {event["eventName"] for event in account.events(source) if not event.get("errorCode")} & set(actions)
        if seen >= set(actions):
            return Evidence(CONFIRMED, f"CloudTrail has {', '.join(sorted(seen))} and no refusal of this pipeline")
        missing = ", ".join(sorted(set(actions) - seen))
        return Evidence(OPEN, f"CloudTrail has no {missing} yet", "call it again after a run")

    return look


def _global_profiles(account: Account) -> Evidence:
    used = sorted(model for model in account.settings.asked_models() if model.startswith("global."))
    if not used:
        return Evidence(CONFIRMED, "no setting names a global. profile, so nothing depends on it")
    return Evidence(OPEN, f"named: {', '.join(used)}", "run the example to EvaluateStudent")


def _runtime(account: Account) -> Evidence:
    if account.deployment.local:
        return Evidence(OPEN, "the embedded AWS runs Lambdas in the Python of this machine", "ask in an account")
    runtimes = {f"{found['Runtime']} on {', '.join(found['Architectures'])}" for found in account.functions}
    name = account.functions[0]["FunctionName"]
    group = account.functions[0].get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
    streams = account.client("logs").filter_log_events(logGroupName=group, filterPattern="ImportModuleError", limit=1)
    if streams["events"]:
        return Evidence(REFUTED, streams["events"][0]["message"].strip()[:300], "the message names the missing package")
    began = account.client("logs").filter_log_events(logGroupName=group, filterPattern="platform.start", limit=1)
    if not began["events"]:
        return Evidence(OPEN, f"{', '.join(runtimes)}: not called yet", "upload something first")
    return Evidence(CONFIRMED, f"{', '.join(sorted(runtimes))} was called and imported its layer")


def _log_delivery(account: Account) -> Evidence:
    sources = account.settings.log_sources
    if not sources:
        return Evidence(CONFIRMED, "no setting names log_sources, so nothing depends on it")
    answer = account.client("bedrock").get_model_invocation_logging_configuration()
    delivered = answer.get("loggingConfig", {}).get("s3Config", {}).get("bucketName")
    if delivered not in {source["bucket"] for source in sources}:
        step = "switch the logging on, or name its bucket in 'log_sources'"
        return Evidence(REFUTED, f"Bedrock delivers its logs to {delivered or 'no bucket'}", step)
    return Evidence(OPEN, f"Bedrock delivers to {delivered}; forms of entries are seen in a run", "submit --from-logs")


def _metric_dimension(account: Account) -> Evidence:
    ours = [value for value in account.dimensions if "provisioned-model" in value or "custom-model-deploy" in value]
    if any(value.startswith("arn:") for value in ours):
        return Evidence(CONFIRMED, f"ModelId is an ARN: {ours[0]}")
    others = [value for value in account.dimensions if re.fullmatch(r"[a-z0-9]{12}", value)]
    if ours or others:
        step = "set 'reap' to report: until this is mended every champion looks idle"
        return Evidence(REFUTED, f"ModelId is not an ARN: {(ours or others)[0]}", step)
    return Evidence(OPEN, "no endpoint was called yet", "call one and wait five minutes")


def _batch(account: Account) -> Evidence:
    teacher = account.settings.teacher_models[0]
    named = names_of_limits(account.quotas, teacher)
    if not named:
        return Evidence(REFUTED, f"no batch quota ends with the name of {teacher}", "the documented defaults hold")
    summaries = "invocationJobSummaries"
    done = next(account.pages("bedrock", "list_model_invocation_jobs", summaries, statusEquals="Completed"), None)
    if done is None:
        return Evidence(
            OPEN, f"{len(named)} batch quotas are named as expected; no batch has completed yet", "see the page"
        )
    return Evidence(CONFIRMED, f"{len(named)} batch quotas are named as expected, and {done['jobName']} completed")


def _own_metrics(account: Account) -> Evidence:
    found = next(account.pages("cloudwatch", "list_metrics", "Metrics", Namespace="Distillation"), None)
    name = f"distillation-{account.deployment.environment}"
    alarms = list(account.pages("cloudwatch", "describe_alarms", "MetricAlarms", AlarmNamePrefix=name))
    broken = [alarm["AlarmName"] for alarm in alarms if alarm.get("StateReason", "").startswith("Error")]
    if broken:
        return Evidence(REFUTED, f"alarms with an error: {', '.join(broken)}", "read StateReason of the alarm")
    if found is None:
        return Evidence(OPEN, f"{len(alarms)} alarms; no metric of a run yet", "call it again after a run")
    return Evidence(CONFIRMED, f"{len(alarms)} alarms without an error, and metrics under Distillation")


def _application_profiles(account: Account) -> Evidence:
    if not account.settings.inference_profiles:
        return Evidence(CONFIRMED, "'inference_profiles' is false, so nothing depends on it")
    found = account.pages("bedrock", "list_inference_profiles", "inferenceProfileSummaries", typeEquals="APPLICATION")
    ours = [one for one in found if one["inferenceProfileName"].startswith(f"{account.deployment.environment}-")]
    lame = [one["inferenceProfileName"] for one in ours if one["status"] != "ACTIVE"]
    if lame:
        return Evidence(REFUTED, f"not active: {', '.join(lame)}", "name their models in 'models_without_profile'")
    if not ours:
        return Evidence(OPEN, "no application inference profile of this environment is listed", "deploy")
    if not any("application-inference-profile" in value for value in account.dimensions):
        return Evidence(OPEN, f"{len(ours)} are active; none was called yet", "call it again after a run")
    return Evidence(CONFIRMED, f"{len(ours)} are active, and calls through one are counted")


def _vpc_endpoints(account: Account) -> Evidence:
    network = account.settings.network()
    if network is None:
        return Evidence(CONFIRMED, "no setting names a vpc, so nothing depends on it")
    offered = {name.rpartition(f".{account.deployment.region}.")[2] for name in account.client("ec2")
               .describe_vpc_endpoint_services()["ServiceNames"]}  # fmt: skip
    needed = {"bedrock", "bedrock-runtime", "lambda", "monitoring", "servicequotas", "sns", "ssm", "states"}
    if needed - offered:
        return Evidence(REFUTED, f"not offered here: {', '.join(sorted(needed - offered))}", "use 'endpoints': false")
    return Evidence(CONFIRMED, "every interface endpoint is offered in this Region")


_RUN = "needs a run; the page says what to look at"
LOOKS = (
    Look("1", "Teacher and student are open", _models, ""),
    Look("2", "Quotas", _throughput_quota, ""),
    Look("3", "The longest line that Nova takes", None, _RUN),
    Look("4", "Prices of a custom model", _prices, ""),
    Look("5", "Trust of the Lambdas' roles", _trust, ""),
    Look("6", "Answers are trained on word for word", None, "needs two trainings, which are paid"),
    Look("7", "What a training really cost", None, "needs a bill, a day after a run"),
    Look("8", "Stalled jobs", _stalls, ""),
    Look("9", "Step Functions' own integration", None, "not used: all Bedrock calls are made by Lambdas", closed=True),
    Look("10", "The key's policy", _key, ""),
    Look("11", "Grants on the key", _no_denial("kms.amazonaws.com", "CreateGrant", "GenerateDataKey", "Decrypt"), ""),
    Look(
        "12",
        "Resource types of Create and Update calls",
        None,
        "AWS's service authorization reference has each of them (tests/references/test_iam_reference.py)",
        closed=True,
    ),
    Look("13", "Distributed maps", _no_denial("states.amazonaws.com", "StartExecution"), ""),
    Look("14", "global. inference profiles", _global_profiles, ""),
    Look("14a", "Models behind profiles in Bedrock's own jobs", None, _RUN),
    Look("15", "Python 3.14 on arm64", _runtime, ""),
    Look("16", "Removing what another stack imports", None, "a rule for changes, not a question", closed=True),
    Look("17", "Delivery of events", None, "needs a run that is stopped by hand"),
    Look("18", "The form of the invocation logs", _log_delivery, ""),
    Look("19", "What ReapIdleThroughput counts by", _metric_dimension, ""),
    Look("20", "Moves of endpoints", None, "needs a second promotion to throughput, which is paid"),
    Look("21", "Metrics of endpoints", _metric_dimension, ""),
    Look("22", "Batch inference", _batch, ""),
    Look("23", "Training on invocation logs", None, "needs a training on a log, which is paid"),
    Look("24", "Dashboard and alarms", _own_metrics, ""),
    Look("25", "Application inference profiles", _application_profiles, ""),
    Look("26", "Lambdas in a VPC", _vpc_endpoints, ""),
    Look("27", "What passes by itself", None, "needs several runs at the same time"),
    Look("28", "Proofs of identity", None, "needs a run that waits, and a clock that is slow"),
    Look("29", "Callers", None, "needs an application that asks a student"),
    Look("30", "Discovery's queries", None, "needs the setting discovery and one hour of the log"),
)
"""Every item of docs/real-account.md, in its order."""


def answers(deployment: Deployment, settings: Settings) -> Iterator[ItemState]:
    """Look at one item after the other; what cannot be asked stays open and says why."""
    account = Account(deployment, settings)
    for look in LOOKS:
        finding = _found(look, account)
        yield ItemState(
            item=look.item,
            title=look.title,
            state=finding.state,
            evidence=finding.evidence,
            next_step=finding.next_step,
            asked=look.ask is not None,
        )


def _found(look: Look, account: Account) -> Evidence:
    if look.ask is None:
        step = "" if look.closed else f"docs/real-account.md, item {look.item}"
        return Evidence(CONFIRMED if look.closed else OPEN, look.otherwise, step)
    try:
        return look.ask(account)
    except AWS_ERRORS as problem:
        local = account.deployment.local
        step = "the embedded AWS may not have it: ask in an account" if local else "call it with the right to read this"
        return Evidence(OPEN, f"could not be asked: {in_words(problem)}", step)
    except (LookupError, TypeError, ValueError) as problem:  # a field that the service model calls optional
        return Evidence(OPEN, f"the answer has a form that is not known here ({type(problem).__name__}: {problem})")
    except CliError as problem:
        return Evidence(OPEN, f"could not be asked: {problem}", "deploy first")


def document(deployment: Deployment, found: list[ItemState]) -> dict[str, Any]:
    """Give ``doctor.json``, which an issue can carry: account numbers are taken out of every text.

    Parameters
    ----------
    deployment : Deployment
    found : list of ItemState
    """
    made = {
        "schema_version": SCHEMA_VERSION,
        "environment": deployment.environment,
        "region": deployment.region,
        "simulated": deployment.local,
        "asked_at": utc_now().isoformat(timespec="seconds"),
        "botocore": botocore.__version__,
        "items": [asdict(answer) for answer in found],
    }
    whole: dict[str, Any] = json.loads(_ACCOUNT.sub("<account>", json.dumps(made)))
    return whole
