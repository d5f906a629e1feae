"""Each item of docs/real-account.md is confirmed, refuted or open; nothing is paid, no account number is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from cli import deep_doctor
from cli.deep_doctor import CONFIRMED, LOOKS, OPEN, REFUTED, Account, Evidence, ItemState, document
from lambdas.domain.task.settings import Settings
from tests.unit.cli.conftest import FakeAws

Call = Callable[..., Result]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "real-account.md"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
ACCOUNT = "123456789012"
BEDROCK = f"arn:aws:bedrock:us-east-1:{ACCOUNT}"


def account(aws: FakeAws, **settings: Any) -> Account:
    return Account(aws.deployment(), Settings.from_mapping(settings))


def asked(aws: FakeAws, item: str, **settings: Any) -> Evidence:
    """Ask one item, as the command does: what AWS refuses is open."""
    [look] = [look for look in LOOKS if look.item == item]
    return deep_doctor._found(look, account(aws, **settings))


def metrics(aws: FakeAws, *model_ids: str) -> None:
    dimensions = [[{"Name": "ModelId", "Value": value}] for value in model_ids]
    found = [{"Namespace": "AWS/Bedrock", "MetricName": "Invocations", "Dimensions": one} for one in dimensions]
    aws.stub("cloudwatch").add_response("list_metrics", {"Metrics": found})


def trail(aws: FakeAws, *events: dict[str, Any]) -> None:
    found = [{"EventName": event["eventName"], "CloudTrailEvent": json.dumps(event)} for event in events]
    aws.stub("cloudtrail").add_response("lookup_events", {"Events": found})


def event(name: str, role: str = "distillation-dev-pipeline-CheckRunRole", error: str = "") -> dict[str, Any]:
    who = {"arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/x"}
    return {"eventName": name, "userIdentity": who} | ({"errorCode": error, "errorMessage": "no"} if error else {})


def customization_jobs(aws: FakeAws, *hours: float) -> None:
    jobs = [
        {
            "jobArn": f"{BEDROCK}:model-customization-job/amazon.nova-micro-v1:0/abcdefghi{n:03}",
            "baseModelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0",
            "jobName": f"job-{n}",
            "status": "Completed",
            "creationTime": NOW - timedelta(hours=took),
            "endTime": NOW,
        }
        for n, took in enumerate(hours)
    ]
    aws.stub("bedrock").add_response("list_model_customization_jobs", {"modelCustomizationJobSummaries": jobs})


def test_what_aws_refuses_stays_open_and_says_why(aws: FakeAws) -> None:
    aws.stub("bedrock").add_client_error("list_model_customization_jobs", "AccessDeniedException", "not for you", 403)
    found = asked(aws, "8")
    assert found.state == OPEN
    assert "not for you" in found.evidence


def test_an_outage_in_the_middle_stops_nothing(aws: FakeAws) -> None:
    aws.stub("cloudwatch").add_client_error("list_metrics", "InternalFailure", "page", 503)
    assert asked(aws, "19").state == OPEN


@pytest.mark.parametrize(("hours", "state"), [((), OPEN), ((2.0, 3.5), CONFIRMED), ((2.0, 13.0), REFUTED)])
def test_trainings_are_held_against_the_stall_hours(aws: FakeAws, hours: tuple[float, ...], state: str) -> None:
    customization_jobs(aws, *hours)
    assert asked(aws, "8", distillation_stall_hours=12).state == state


@pytest.mark.parametrize(("units", "state"), [(0.0, REFUTED), (2.0, CONFIRMED)])
def test_the_quota_of_model_units_is_read(aws: FakeAws, units: float, state: str) -> None:
    aws.stub("service-quotas").add_response("get_service_quota", {"Quota": {"Value": units}})
    assert asked(aws, "2").state == state


@pytest.mark.parametrize(
    ("dimensions", "state"),
    [
        ((), OPEN),
        (("amazon.nova-pro-v1:0",), OPEN),
        ((f"arn:aws:bedrock:us-east-1:{ACCOUNT}:provisioned-model/abcdefghij12",), CONFIRMED),
        ((f"arn:aws:bedrock:us-east-1:{ACCOUNT}:custom-model-deployment/abcdefghij12",), CONFIRMED),
        (("abcdefghij12",), REFUTED),
        (("provisioned-model/abcdefghij12",), REFUTED),
    ],
)
@pytest.mark.parametrize("item", ["19", "21"])
def test_an_endpoints_metrics_are_named_by_its_arn(
    aws: FakeAws, item: str, dimensions: tuple[str, ...], state: str
) -> None:
    metrics(aws, *dimensions)
    assert asked(aws, item).state == state


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ((), OPEN),
        ((event("Decrypt"), event("GenerateDataKey")), OPEN),
        ((event("Decrypt"), event("GenerateDataKey"), event("CreateGrant")), CONFIRMED),
        ((event("Decrypt"), event("CreateGrant", error="AccessDenied")), REFUTED),
        # somebody else's refusal says nothing of this pipeline
        ((event("Decrypt", "another-team", "AccessDenied"),), OPEN),
    ],
)
def test_cloudtrail_says_what_was_refused(aws: FakeAws, events: tuple[dict[str, Any], ...], state: str) -> None:
    trail(aws, *events)
    assert asked(aws, "11").state == state


@pytest.mark.parametrize(
    ("key_state", "dry", "state"),
    [("Enabled", "DryRunOperationException", CONFIRMED), ("Enabled", "AccessDeniedException", OPEN),
     ("PendingDeletion", "", REFUTED)],
)  # fmt: skip
def test_the_key_is_asked_in_dry_form_with_its_context(aws: FakeAws, key_state: str, dry: str, state: str) -> None:
    # Given
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/01234567-89ab-cdef-0123-456789abcdef"
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    encryption = {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}
    aws.stub("s3").add_response("get_bucket_encryption", encryption, {"Bucket": "runs"})
    aws.stub("kms").add_response("describe_key", {"KeyMetadata": {"KeyId": key, "KeyState": key_state}})
    if dry:
        expected = {
            "KeyId": key,
            "KeySpec": "AES_256",
            "DryRun": True,
            "EncryptionContext": {"aws:s3:arn": "arn:aws:s3:::runs"},
        }
        aws.stub("kms").add_client_error("generate_data_key", dry, "dry", 412, expected_params=expected)
    if dry.startswith("Dry"):
        aws.stub("cloudtrail").add_response("lookup_events", {"Events": []})
    # When, Then
    assert asked(aws, "10").state == state


@pytest.mark.parametrize(
    ("names", "completed", "state"),
    [
        (["Records per batch inference job for Llama 3.1"], False, REFUTED),
        (["Records per batch inference job for Nova Pro"], False, OPEN),
        (["Records per batch inference job for Nova Pro"], True, CONFIRMED),
    ],
)
def test_batch_quotas_are_known_by_their_names(aws: FakeAws, names: list[str], completed: bool, state: str) -> None:
    quotas = [{"QuotaName": name, "Value": 100.0} for name in names]
    aws.stub("service-quotas").add_response("list_service_quotas", {"Quotas": quotas})
    if state != REFUTED:
        job = {
            "jobArn": f"arn:aws:bedrock:us-east-1:{ACCOUNT}:model-invocation-job/abcdefghij12",
            "jobName": "dev-batch",
            "modelId": "amazon.nova-pro-v1:0",
            "roleArn": f"arn:aws:iam::{ACCOUNT}:role/x",
            "submitTime": NOW,
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://runs/in.jsonl"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://runs/out/"}},
        }
        aws.stub("bedrock").add_response(
            "list_model_invocation_jobs", {"invocationJobSummaries": [job] if completed else []}
        )
    assert asked(aws, "22").state == state


@pytest.mark.parametrize(("delivered", "state"), [(None, REFUTED), ("another-bucket", REFUTED), ("team-logs", OPEN)])
def test_log_delivery_is_held_against_the_settings(aws: FakeAws, delivered: str | None, state: str) -> None:
    config = {"loggingConfig": {"s3Config": {"bucketName": delivered}}} if delivered else {}
    aws.stub("bedrock").add_response("get_model_invocation_logging_configuration", config)
    sources = [{"bucket": "team-logs", "prefix": "app"}]
    assert asked(aws, "18", log_sources=sources).state == state


@pytest.mark.parametrize("item", ["14", "18", "26"])
def test_what_no_setting_uses_is_confirmed_without_a_question(aws: FakeAws, item: str) -> None:
    assert asked(aws, item).state == CONFIRMED


def test_what_cannot_be_asked_freely_is_open_and_leads_to_the_page(aws: FakeAws) -> None:
    found = asked(aws, "20")
    assert (found.state, found.next_step) == (OPEN, "docs/real-account.md, item 20")


def test_the_file_has_no_account_number(aws: FakeAws) -> None:
    answer = ItemState(
        item="1", title="t", state=OPEN, evidence=f"arn:aws:iam::{ACCOUNT}:role/x", next_step="", asked=True
    )
    text = json.dumps(document(aws.deployment(), [answer]))
    assert ACCOUNT not in text
    assert "arn:aws:iam::<account>:role/x" in text


def price_list(*usage_types: tuple[str, str, float]) -> list[str]:
    """Texts as GetProducts gives them: usage type, unit and dollars."""
    made = []
    for number, (usage_type, unit, usd) in enumerate(usage_types):
        dimension = {"unit": unit, "pricePerUnit": {"USD": f"{usd:.10f}"}, "beginRange": "0", "endRange": "Inf"}
        term = {"effectiveDate": "2026-09-01T00:00:00Z", "priceDimensions": {"d": dimension}}
        product = {"sku": f"S{number}", "attributes": {"usagetype": usage_type, "regionCode": "us-east-1"}}
        made.append(
            json.dumps({"product": product, "terms": {"OnDemand": {"t": term}}, "publicationDate": "2026-11-01"})
        )
    return made


@pytest.mark.parametrize(
    ("usage_types", "state"),
    [
        ([("USE1-NovaMicro-input-tokens", "1K tokens", 0.000035)], OPEN),
        ([("USE1-NovaMicro-input-tokens-custom-model", "1K tokens", 0.000035)], CONFIRMED),
        ([("USE1-NovaMicro-input-tokens-custom-model", "1K tokens", 0.00007)], REFUTED),
    ],
)
def test_prices_of_a_custom_model_are_held_against_the_book(
    aws: FakeAws, usage_types: list[tuple[str, str, float]], state: str
) -> None:
    aws.stub("pricing").add_response("get_products", {"PriceList": price_list(*usage_types)})
    assert asked(aws, "4").state == state


def functions(aws: FakeAws, **fields: Any) -> None:
    names = ("StartRun", "AnswerApproval", "RecordLabels", "Release", "Reap", "Reconcile")
    aws.outputs["pipeline"] = {f"{name}Function": name for name in names}
    for name in names:
        found = {"FunctionName": name, "Role": f"arn:aws:iam::{ACCOUNT}:role/StartRunRole", "State": "Active",
                 "Runtime": "python3.14", "Architectures": ["arm64"]} | fields  # fmt: skip
        aws.stub("lambda").add_response("get_function_configuration", found)


@pytest.mark.parametrize(("used", "state"), [(None, OPEN), (NOW, CONFIRMED)])
def test_the_trust_is_confirmed_when_lambda_took_the_role(aws: FakeAws, used: datetime | None, state: str) -> None:
    functions(aws)
    arn = f"arn:aws:iam::{ACCOUNT}:role/x"
    role = {"Path": "/", "RoleName": "StartRunRole", "RoleId": "AROA0123456789ABCDEF", "Arn": arn,
            "CreateDate": NOW, "RoleLastUsed": {"LastUsedDate": used} if used else {}}  # fmt: skip
    aws.stub("iam").add_response("get_role", {"Role": role})
    assert asked(aws, "5").state == state


def test_a_function_that_never_became_active_refutes_the_trust(aws: FakeAws) -> None:
    functions(aws, State="Failed")
    assert asked(aws, "5").state == REFUTED


@pytest.mark.parametrize(
    ("import_errors", "starts", "state"),
    [(["Runtime.ImportModuleError: No module named 'x'"], [], REFUTED), ([], [], OPEN), ([], ["START"], CONFIRMED)],
)
def test_the_log_says_whether_the_layer_could_be_imported(
    aws: FakeAws, import_errors: list[str], starts: list[str], state: str
) -> None:
    functions(aws)
    aws.stub("logs").add_response("filter_log_events", {"events": [{"message": text} for text in import_errors]})
    if not import_errors:
        aws.stub("logs").add_response("filter_log_events", {"events": [{"message": text} for text in starts]})
    assert asked(aws, "15").state == state


@pytest.mark.parametrize(
    ("reason", "measured", "state"),
    [("Error: the query is invalid", True, REFUTED), ("no data", False, OPEN), ("no data", True, CONFIRMED)],
)
def test_alarms_with_an_error_are_named(aws: FakeAws, reason: str, measured: bool, state: str) -> None:
    found = [{"Namespace": "Distillation", "MetricName": "StageSeconds"}] if measured else []
    aws.stub("cloudwatch").add_response("list_metrics", {"Metrics": found})
    alarm = {"AlarmName": "distillation-dev-EndpointErrors", "StateReason": reason}
    aws.stub("cloudwatch").add_response("describe_alarms", {"MetricAlarms": [alarm]})
    assert asked(aws, "24").state == state


def profile(status: str) -> dict[str, Any]:
    arn = f"{BEDROCK}:application-inference-profile/abcdefghij12"
    model = "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"
    return {"inferenceProfileName": "dev-nova-pro", "inferenceProfileArn": arn, "inferenceProfileId": "abcdefghij12",
            "models": [{"modelArn": model}], "status": status, "type": "APPLICATION"}  # fmt: skip


@pytest.mark.parametrize(
    ("profiles", "dimension", "state"),
    [
        ([], None, OPEN),
        ([profile("ACTIVE")], "amazon.nova-pro-v1:0", OPEN),
        ([profile("ACTIVE")], f"{BEDROCK}:application-inference-profile/abcdefghij12", CONFIRMED),
    ],
)
def test_application_profiles_are_active_and_called(
    aws: FakeAws, profiles: list[dict[str, Any]], dimension: str | None, state: str
) -> None:
    aws.stub("bedrock").add_response("list_inference_profiles", {"inferenceProfileSummaries": profiles})
    if profiles:
        metrics(aws, str(dimension))
    assert asked(aws, "25").state == state


@pytest.mark.parametrize(
    ("services", "state"),
    [
        ("bedrock bedrock-runtime lambda monitoring servicequotas sns ssm states s3", CONFIRMED),
        ("bedrock lambda monitoring servicequotas sns ssm states", REFUTED),
    ],
)
def test_interface_endpoints_are_offered(aws: FakeAws, services: str, state: str) -> None:
    names = [f"com.amazonaws.us-east-1.{name}" for name in services.split()]
    aws.stub("ec2").add_response("describe_vpc_endpoint_services", {"ServiceNames": names})
    vpc = {"vpc_id": "vpc-0123456789abcdef0", "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]}
    assert asked(aws, "26", vpc=vpc).state == state


def test_an_answer_of_an_unknown_form_is_open(aws: FakeAws) -> None:
    aws.stub("s3").add_response("get_bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": []}})
    found = asked(aws, "10")
    assert (found.state, "form" in found.evidence) == (OPEN, True)


# The page

ROW = re.compile(
    r"^\| (\d+a?) \| ([^|]+?) \| (closed|narrowed|open) \| ([^|]+?) \| ([^|]+?) \| ([^|]+?) \|$", re.MULTILINE
)


def test_the_page_and_the_command_have_the_same_items() -> None:
    text = PAGE.read_text()
    rows = {row[1]: row for row in ROW.finditer(text)}
    headings = re.findall(r"^### (\d+a?)\. ", text, re.MULTILINE)
    assert set(rows) == set(headings) == {look.item for look in LOOKS}
    assert [str(number) for number in range(1, 31)] == [item for item in headings if item.isdigit()]
    closed = {item for item, row in rows.items() if row[3] == "closed"}
    assert closed == {look.item for look in LOOKS if look.closed}
    assert sum(row[3] == "open" for row in rows.values()) <= 12
    for look in LOOKS:
        assert ("doctor --deep" in rows[look.item][6]) == (look.ask is not None), look.item
