"""The discovery stack: nothing of it without the setting; with it, narrow roles and a machine that reads days once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.discovery.calls import COLUMNS
from lambdas.domain.errors import InvalidSettings
from lambdas.domain.metrics import OF_DISCOVERY
from lambdas.domain.task.settings import Settings
from stacks.access.names import own_names
from tests.stacks.machine.asl_walk import EVENTS, TaskFailed, Walker
from tests.stacks.templates import REPOSITORY, Deployment, all_states, listed, synthesize, text_of

Json = dict[str, Any]
SOURCES = [
    {"bucket": "team-logs", "prefix": "app"},
    {"bucket": "other-logs", "key": "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d"},
]
WITH = {"discovery": {"hour_utc": 5, "max_scanned_gb": 7}, "log_sources": SOURCES}
HISTORY = 25_000
"""Events that Step Functions allows an execution (service quotas)."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Deployment]:
    folder = tmp_path_factory.mktemp("discovery")
    return folder, synthesize({"dev": WITH, "off": {"log_sources": SOURCES}}, folder)["dev"]


@pytest.fixture(scope="module")
def discovery(made: tuple[Path, Deployment]) -> Deployment:
    folder, pipeline = made
    template = json.loads((folder / "distillation-dev-discovery.template.json").read_text())
    return Deployment(settings=pipeline.settings, templates={"discovery": template})


@pytest.fixture(scope="module")
def definition(discovery: Deployment) -> Json:
    parsed: Json = json.loads(
        text_of(discovery.the("AWS::StepFunctions::StateMachine", "Discovery")["DefinitionString"])
    )
    return parsed


def test_a_setting_without_a_log_source_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="'discovery' reads the buckets of 'log_sources', and there is none"):
        Settings.from_mapping({"discovery": {}})


def test_log_sources_alone_start_nothing(made: tuple[Path, Deployment]) -> None:
    folder, _ = made
    assert not (folder / "distillation-off-discovery.template.json").exists()


def test_the_stack_can_go_at_any_time_since_no_other_one_knows_it(made: tuple[Path, Deployment]) -> None:
    folder, _ = made
    for stack in ("data", "pipeline", "operations"):
        template = (folder / f"distillation-dev-{stack}.template.json").read_text()
        assert "distillation-dev-discovery" not in template
        exports = json.loads(template).get("Outputs", {}).keys()
        without = json.loads((folder / f"distillation-off-{stack}.template.json").read_text()).get("Outputs", {}).keys()
        assert exports == without, "what another stack imports cannot be deleted before it"


def test_whatever_is_left_of_it_expires(made: tuple[Path, Deployment]) -> None:
    _, pipeline = made
    rules = pipeline.the("AWS::S3::Bucket", "Runs")["LifecycleConfiguration"]["Rules"]
    [rule] = [rule for rule in rules if rule.get("Prefix") == "discovery/"]
    assert rule["ExpirationInDays"] == 100


def test_a_raw_line_is_one_column_that_is_found_by_its_hour(discovery: Deployment) -> None:
    table = discovery.the("AWS::Glue::Table", "Tableslines0")["TableInput"]
    assert table["StorageDescriptor"]["Columns"] == [{"Name": "line", "Type": "string"}]
    projection = table["Parameters"]
    template = text_of(projection["storage.location.template"])
    assert template == "s3://team-logs/app/AWSLogs/<AWS::AccountId>/BedrockModelInvocationLogs/${region}/${hour}"
    assert [key["Name"] for key in table["PartitionKeys"]] == ["region", "hour"]
    assert projection["projection.region.values"] == "us-east-1"
    assert projection["projection.hour.format"] == "yyyy/MM/dd/HH"


def test_rows_have_the_columns_that_the_query_writes(discovery: Deployment) -> None:
    table = discovery.the("AWS::Glue::Table", "Tablescalls")["TableInput"]
    columns = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    assert columns == COLUMNS
    assert "Parquet" in table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]


def test_a_query_that_would_scan_too_much_is_stopped_whatever_it_asks_for(discovery: Deployment) -> None:
    [workgroup] = discovery.of_type("AWS::Athena::WorkGroup").values()
    configuration = workgroup["WorkGroupConfiguration"]
    assert configuration["BytesScannedCutoffPerQuery"] == 7 * 10**9
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["ResultConfiguration"]["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"


def test_only_the_workgroup_has_a_name_of_ours_since_athena_asks_for_one(discovery: Deployment) -> None:
    assert list(own_names(discovery.resources)) == []
    renamed = {"Other": {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": "primary"}}}
    assert list(own_names(renamed)) == [("Other", "Name")]


def test_the_schedule_comes_after_the_last_entry_of_the_day(discovery: Deployment) -> None:
    [rule] = discovery.of_type("AWS::Events::Rule").values()
    assert rule["ScheduleExpression"] == "cron(0 5 * * ? *)"
    assert rule["Targets"][0]["DeadLetterConfig"]


def test_people_are_told_of_a_failed_execution_with_what_to_do(discovery: Deployment) -> None:
    [(name, alarm)] = discovery.of_type("AWS::CloudWatch::Alarm").items()
    assert name == "DiscoveryFailed"
    assert alarm["MetricName"] == "ExecutionsFailed"
    assert text_of(alarm["Dimensions"][0]["Value"]).startswith("<DiscoveryMachine")
    assert "python -m cli discover" in alarm["AlarmDescription"]
    assert alarm["AlarmDescription"].endswith("Runbook: docs/runbook.md, heading DiscoveryFailed.")
    assert "\n## DiscoveryFailed\n" in (REPOSITORY / "docs" / "runbook.md").read_text()
    assert ["Notifications" in text_of(action) for action in alarm["AlarmActions"]] == [True]


def test_no_role_reads_the_runs_or_writes_beside_its_prefix(discovery: Deployment) -> None:
    for role, statements in discovery.policy_documents().items():
        for statement in statements:
            for resource in listed(statement["Resource"]):
                own = "RunsBucket" in resource or "Runs" in resource
                objects = own and any(action.endswith("Object") for action in listed(statement["Action"]))
                assert not objects or "/discovery/" in resource, f"{role}: {resource}"


def test_only_what_reads_bodies_and_the_machine_may_read_logs(discovery: Deployment) -> None:
    readers = {
        role
        for role, statements in discovery.policy_documents().items()
        for statement in statements
        if "s3:GetObject" in listed(statement["Action"])
        and any("team-logs/" in r for r in listed(statement["Resource"]))
    }
    assert {role.removesuffix(role[-8:]) for role in readers} == {"ReadOffloadedBodiesRole", "DiscoveryAccessRole"}


def test_no_lambda_of_it_may_ask_a_model(discovery: Deployment) -> None:
    actions = {
        action
        for statements in discovery.policy_documents().values()
        for statement in statements
        for action in listed(statement["Action"])
    }
    # It learns of which model a profile was made, to price its calls
    assert {action for action in actions if action.startswith("bedrock:")} == {"bedrock:GetInferenceProfile"}


def test_every_query_runs_in_the_workgroup_and_every_task_has_a_time_out(definition: Json) -> None:
    tasks = {name: state for name, state in all_states(definition) if state["Type"] == "Task"}
    queries = {name for name, state in tasks.items() if "athena:startQueryExecution.sync" in state["Resource"]}
    assert queries == {"ExtractCalls", "ListOffloaded", "SampleCalls", "MeasureTasks"}
    for name in queries:
        assert tasks[name]["Arguments"]["WorkGroup"] == "distillation-dev-discovery"
        # A query that has begun is not asked again by a Retry: it may have written.
        assert [rule["ErrorEquals"] for rule in tasks[name]["Retry"]] == [["Athena.TooManyRequestsException"]]
    assert all(state["TimeoutSeconds"] for state in tasks.values())


def test_three_hundred_days_each_tried_three_times_fit_into_the_history(definition: Json) -> None:
    states = definition["States"]["EachDay"]["ItemProcessor"]["States"]
    a_try = sum(EVENTS[state["Type"]] for state in states.values()) + 2
    assert 300 * (a_try + 2) < HISTORY
    # Where days fail again and again the history may end first: so few may fail in that way before people are told.
    assert 300 * a_try + 100 * 3 * a_try < HISTORY


class _Day:
    """One day of the map, walked as an execution of its own."""

    def __init__(self, definition: Json, failing: dict[str, int]) -> None:
        processor = definition["States"]["EachDay"]["ItemProcessor"]
        self.failing = dict(failing)
        states = {name: _with_payload(state) for name, state in processor["States"].items()}
        self.walk = Walker({**processor, "States": states}, self._result, source=0, day="2026-11-28").walk()

    def _result(self, name: str, _sent: Json) -> Json:
        if self.failing.get(name, 0) > 0:
            self.failing[name] -= 1
            raise TaskFailed("Athena.Failed")
        if "Query" in name or name in ("ExtractCalls", "ListOffloaded"):
            return {"QueryExecution": {"QueryExecutionId": f"id-of-{name}"}}
        return {"Payload": {"query": "UNLOAD", "offloaded_query": "SELECT"}}


def _with_payload(state: Json) -> Json:
    """Let the walker see what a query is sent where a Lambda has its payload."""
    if state["Type"] == "Pass":
        return {**state, "Next": state.get("Next")}
    if state["Type"] != "Task" or "Payload" in state["Arguments"]:
        return state
    return {**state, "Arguments": {"Payload": state["Arguments"]}}


def test_a_day_is_emptied_before_it_is_read_again(definition: Json) -> None:
    path = _Day(definition, {"ExtractCalls": 1}).walk.path
    assert path == [
        "BeginDay", "PrepareDay", "ExtractCalls", "IsDayTriedAgain", "WaitForDay",
        "PrepareDay", "ExtractCalls", "ListOffloaded", "ReadOffloadedBodies", "DayIsRead",
    ]  # fmt: skip


def test_a_day_that_fails_three_times_is_left_to_people(definition: Json) -> None:
    walk = _Day(definition, {"ExtractCalls": 9}).walk
    assert walk.visits("ExtractCalls") == 3
    assert walk.path[-1] == "DayIsNotRead"
    assert walk.variables["failure"]["Error"] == "Athena.Failed"


def _whole(definition: Json, days: list[Json]) -> Any:
    plan = {"generation": "g", "days": [{"source": 0, "day": "2026-11-28"}], "sample_query": "a", "figures_query": "b"}

    def result(name: str, _sent: Json) -> Any:
        if name == "EachDay":
            return days
        if name in ("SampleCalls", "MeasureTasks"):
            return {"QueryExecution": {"QueryExecutionId": name}}
        return {"Payload": plan}

    states = {name: _with_payload(state) for name, state in definition["States"].items()}
    walker = Walker({**definition, "States": states}, result)
    walker._context["Execution"]["Name"] = "daily"
    return walker.walk()


def test_what_was_read_is_ranked_though_a_day_was_not_and_people_are_told(definition: Json) -> None:
    walk = _whole(definition, [{"source": 0, "day": "2026-11-28", "failure": {"Error": "Athena.Failed"}}])
    assert walk.path[-3:] == ["RankOpportunities", "AreAllDaysRead", "DaysNotRead"]
    assert walk.last_payload("RankOpportunities")["failed"][0]["day"] == "2026-11-28"
    assert "1 days could not be read" in walk.cause


def test_a_quiet_day_ends_well(definition: Json) -> None:
    walk = _whole(definition, [{"source": 0, "day": "2026-11-28"}, {"source": 1, "day": "2026-11-28"}])
    assert walk.path[-1] == "DiscoveryEnded"
    assert walk.last_payload("GroupCalls") == {"query": "SampleCalls", "generation": "g"}


def test_a_day_without_anything_to_read_ends_well(definition: Json) -> None:
    assert _whole(definition, []).path[-1] == "DiscoveryEnded"


def test_what_discovery_measures_is_on_the_dashboard_where_there_is_discovery(made: tuple[Path, Deployment]) -> None:
    folder, _ = made

    def shown(environment: str) -> bool:
        template = (folder / f"distillation-{environment}-operations.template.json").read_text()
        return all(metric.name in template for metric in OF_DISCOVERY)

    assert (shown("dev"), shown("off")) == (True, False)
