"""Verbs about what serves and what bills: they look before they delete, and say what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import Result

from cli.doctor import OK, PROBLEM, WARNING, discovery_check, price_book_check
from lambdas.domain.task.settings import Settings
from lambdas.gateways.registry.items import to_values
from tests.unit.cli.conftest import FakeAws, ended, make_run

Call = Callable[..., Result]

FINDING = {
    "reason": "UNUSED",
    "kind": "provisioned_throughput",
    "name": "dev-greetings-ab",
    "arn": "arn:throughput",
    "task": "greetings",
    "run_id": "greetings-1",
    "usd_per_hour": 20.5,
    "explanation": "no champion uses it and its run is over",
    "deletable": True,
    "done": "",
}


def reap_function(aws: FakeAws) -> None:
    aws.outputs["pipeline"]["ReapFunction"] = "reap"


def test_reap_only_looks_and_says_how_to_take_it_away(aws: FakeAws, call: Call) -> None:
    # Given
    reap_function(aws)
    aws.function_answers("reap", {"reap": "report"}, {"findings": [FINDING], "usd_per_hour": 20.5, "reap": "report"})
    # When
    said = call("reap")
    # Then
    assert said.exit_code == 1
    assert "$20.50 an hour" in said.output
    assert "reap --delete" in said.output


def test_reap_with_nothing_to_find_is_content(aws: FakeAws, call: Call) -> None:
    reap_function(aws)
    aws.function_answers("reap", {"reap": "delete_idle"}, {"findings": [], "usd_per_hour": 0, "reap": "delete_idle"})

    said = call("reap", "--delete", "--idle")

    assert said.exit_code == 0
    assert "Nothing bills for nobody." in said.output


def test_idle_without_delete_is_a_usage_error(call: Call) -> None:
    assert call("reap", "--idle").exit_code == 2


def test_confirm_names_the_champion_that_serves_now(aws: FakeAws, call: Call) -> None:
    # Given
    reap_function(aws)
    champion = {
        "run_id": "greetings-1",
        "model_arn": "arn:model",
        "base_model": "base",
        "endpoint_arn": "arn:throughput",
        "endpoint_name": "dev-greetings-ab",
        "mode": "provisioned_throughput",
        "promoted_at": "2026-08-01T00:00:00.000Z",
    }
    aws.stub("dynamodb").add_response("get_item", {"Item": to_values({"champion": champion})})
    payload = {"confirm": "greetings", "run_id": "greetings-1", "why": "needed"}
    aws.function_answers("reap", payload, {"task": "greetings", "confirmed": "greetings-1"})
    # When
    said = call("confirm", "greetings", "--why", "needed")
    # Then
    assert said.exit_code == 0
    assert "greetings-1, is confirmed" in said.output


def test_rollback_says_who_serves_and_what_a_refusal_asks_for(aws: FakeAws, call: Call) -> None:
    # Given
    aws.outputs["pipeline"]["RollbackFunction"] = "rollback"
    run = ended("PROMOTED")
    served = {"status": "COMPLETED", "from_run": "greetings-2", "to_run": run["run_id"], "endpoint_arn": "arn:endpoint"}
    aws.run_in_registry(run)
    aws.function_answers("rollback", {"task": "greetings", "to": run["run_id"], "why": ""}, served)
    # When
    said = call("rollback", "greetings", "--to", run["run_id"])
    # Then
    assert said.exit_code == 0, said.output
    assert f"Run {run['run_id']} serves task greetings again at arn:endpoint" in said.output
    # When the one that is named does not exist
    aws.run_is_unknown()
    unknown = call("rollback", "greetings", "--to", "no-such-run")
    # Then
    assert unknown.exit_code == 4
    assert "'python -m cli runs' lists them" in unknown.output


def test_a_run_under_way_is_not_forgotten(aws: FakeAws, call: Call) -> None:
    run = make_run()
    aws.run_in_registry(run)

    said = call("forget", run["run_id"], "--yes")

    assert said.exit_code == 1
    assert "RUNNING" in said.output


def test_a_run_with_resources_left_is_not_forgotten(aws: FakeAws, call: Call) -> None:
    # Given
    run = ended("FAILED")
    aws.run_in_registry(run)
    for _ in ("slots", "task"):
        aws.stub("dynamodb").add_response("get_item", {})
    kept = {
        "run_id": run["run_id"],
        "attempt": 1,
        "task": "greetings",
        "kind": "custom_model",
        "name": "dev-greetings-model",
        "state": "KEPT",
        "created_at": "2026-11-24T08:00:00.000Z",
    }
    aws.stub("dynamodb").add_response("query", {"Items": [to_values(kept)]})
    # When
    said = call("forget", run["run_id"], "--yes")
    # Then
    assert said.exit_code == 1
    assert "custom_model dev-greetings-model" in said.output


def identity(aws: FakeAws, arn: str = "arn:aws:sts::123456789012:assumed-role/Engineer/me") -> None:
    aws.stub("sts").add_response(
        "get_caller_identity", {"Account": "123456789012", "Arn": arn, "UserId": "AIDA0123456789012345"}
    )


def deployed_settings(aws: FakeAws, **changes: Any) -> None:
    variables = {"PIPELINE_SETTINGS": Settings.from_mapping(changes).to_json()}
    aws.stub("lambda").add_response(
        "get_function_configuration", {"Environment": {"Variables": variables}}, {"FunctionName": "start-run"}
    )


@pytest.mark.parametrize(
    ("date", "state", "said"),
    [
        ("2026-10-20", OK, "of 2026-10-20, 35 days ago"),
        ("2026-05-28", OK, "180 days ago"),
        ("2026-05-27", WARNING, "181 days ago"),
    ],
)
def test_doctor_says_how_old_the_price_book_is(
    monkeypatch: pytest.MonkeyPatch, date: str, state: str, said: str
) -> None:
    # Given a book in which one price of the settings' models was read longest ago
    monkeypatch.setattr("cli.doctor.utc_now", lambda: datetime(2026, 11, 24, 8, tzinfo=UTC))
    line = {"model": "a.model-v1:0", "usage": "input", "usd": 1.0, "unit": "million tokens", "source": "a page"}
    models = {f"{role}_models": ["a.model-v1:0"] for role in ("teacher", "judge", "baseline")}
    settings = Settings.from_mapping(
        {**models, "student_model": "a.model-v1:0", "student_customization_model": "a.model-v1:0:128k"}
        | {"prices": [{**line, "date": date}, {**line, "usage": "output", "date": "2026-11-01"}]}
    )

    # When
    check = price_book_check(settings)

    # Then
    assert (check.state, check.name) == (state, "Price book")
    assert said in check.found
    assert ("prices refresh" in check.fix) == (state == WARNING)


def test_doctor_names_a_region_without_any_price() -> None:
    check = price_book_check(Settings.from_mapping({"region": "sa-east-1"}))

    assert check.state == PROBLEM
    assert "'prices'" in check.fix


SOURCE = {"bucket": "the-logs", "prefix": ""}


@pytest.mark.parametrize(
    ("changes", "there", "state", "said"),
    [
        ({}, True, WARNING, "still reads the logs every day"),
        ({"log_sources": [SOURCE], "discovery": {}}, False, WARNING, "there is no stack distillation-dev-discovery"),
        ({}, False, OK, "no log is read"),
        ({"log_sources": [SOURCE], "discovery": {"hour_utc": 5}}, True, OK, "the logs are read at 5:00 UTC"),
    ],
)
def test_doctor_holds_the_discovery_stack_against_the_settings(
    aws: FakeAws, changes: dict[str, Any], there: bool, state: str, said: str
) -> None:
    # Given
    if there:
        aws.outputs["discovery"] = {"DiscoveryMachineArn": "arn"}
    else:
        aws.stub("cloudformation").add_client_error(
            "describe_stacks", "ValidationError", "Stack with id distillation-dev-discovery does not exist"
        )

    # When
    check = discovery_check(aws.deployment(), Settings.from_mapping(changes))

    # Then
    assert check.state == state
    assert said in check.found
    assert ("cloudformation delete-stack --stack-name distillation-dev-discovery" in check.fix) == (
        state == WARNING and there
    )


def test_doctor_goes_on_where_a_look_is_refused_and_names_who_did_not_confirm(aws: FakeAws, call: Call) -> None:
    # Given nobody may look at models or quotas, one right is missing, and one subscription waits
    identity(aws)
    aws.outputs["operations"] = {"TopicArn": "arn:aws:sns:us-east-1:123456789012:topic"}
    models = {f"{role}_models": ["amazon.nova-pro-v1:0"] for role in ("teacher", "judge", "baseline")}
    deployed_settings(aws, **models)
    for _ in range(6):
        aws.stub("bedrock").add_client_error("get_foundation_model", "AccessDeniedException")
    aws.stub("service-quotas").add_client_error("get_service_quota", "AccessDeniedException")
    aws.stub("lambda").add_client_error("get_account_settings", "AccessDeniedException")
    waiting = {"SubscriptionArn": "PendingConfirmation", "Endpoint": "a@example.com", "Protocol": "email"}
    aws.stub("sns").add_response("list_subscriptions_by_topic", {"Subscriptions": [waiting]})
    for decision in ("allowed", "allowed", "allowed", "implicitDeny"):
        result = {"EvalActionName": "some:Action", "EvalDecision": decision}
        aws.stub("iam").add_response("simulate_principal_policy", {"EvaluationResults": [result]})
    # When
    said = call("--json", "doctor")
    # Then
    checks = {check["name"]: check for check in json.loads(said.output)}
    assert said.exit_code == 1
    assert checks["Model for teacher"]["state"] == "warning"
    assert "a@example.com" in checks["Notifications"]["found"]
    assert checks["Your right lambda:InvokeFunction"]["state"] == "problem"
    assert "role/Engineer" in checks["Your right lambda:InvokeFunction"]["fix"]
