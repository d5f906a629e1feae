"""What the deployed definition says: time-outs, retries, catches, JSONata, and that every state can be reached."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from jsonata import Jsonata  # type: ignore[import-untyped]

from lambdas.domain.dataset.shards import TOLERATED_FAILURE_PERCENT
from lambdas.domain.errors import DailyQuotaUsed, OutOfTime, permanent_error_names
from lambdas.domain.task.settings import MAX_HISTORY_EVENTS
from stacks.machine.asl import SHARD_HOURS, THROTTLED_ERROR
from tests.stacks.templates import REPOSITORY, Deployment, Json, all_states

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_SHARDS = {"ReadInvocationLogs", "GenerateTeacherData", "EvaluateStudent"}
WATCHING = {
    "RunTeacherBatch": "IsTeacherBatchOutOfReach",
    "LaunchDistillation": "IsDistillationOutOfReach",
}
"""Tasks that watch paid work of hours, and where a poll of theirs that fails leads."""
STAGES = {
    "ListInvocationLogs",
    "ReadInvocationLogs",
    "PrepareDataset",
    "CheckRun",
    "CalibrateJudge",
    "RunTeacherBatch",
    "GenerateTeacherData",
    "CollectTeacherData",
    "LaunchDistillation",
    "DeployCandidate",
    "EvaluateStudent",
    "ScoreEvaluation",
    "RequestApproval",
    "PromoteStudent",
    "BakeStudent",
    "ReleaseResources",
    "PublishReport",
}
ORDER = [
    "BeginRun",
    "ComesFromLogs",
    "ListInvocationLogs",
    "EachLogShard",
    "PrepareDataset",
    "CheckRun",
    "CalibrateJudge",
    "IsJudgeBelieved",
    "RunTeacherBatch",
    "IsTeacherBatchCompleted",
    "WaitForTeacherBatch",
    "IsTeacherBatchOutOfReach",
    "EachTeacherShard",
    "CollectTeacherData",
    "LaunchDistillation",
    "IsDistillationCompleted",
    "WaitForDistillation",
    "IsDistillationOutOfReach",
    "DeployCandidate",
    "IsCandidateDeployed",
    "WaitForDeployment",
    "EachHoldoutShard",
    "ScoreEvaluation",
    "IsStudentGoodEnough",
    "NeedsApproval",
    "RequestApproval",
    "IsApproved",
    "PromoteStudent",
    "IsStudentServing",
    "WaitForPromotion",
    "WaitForTraffic",
    "BakeStudent",
    "IsStudentBaked",
    "WaitForRollback",
    "ReleaseResources",
    "AreResourcesReleased",
    "WaitForRelease",
    "PublishReport",
    "HasFailed",
    "RunFailed",
    "RunEnded",
]
JSONPATH_FIELDS = {"InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "ItemsPath", "Variable"}


@pytest.fixture(scope="module")
def definition(deployment: Deployment) -> Json:
    return deployment.definition()


def tasks(definition: Json) -> dict[str, Json]:
    return {name: state for name, state in all_states(definition) if state["Type"] == "Task"}


def fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key and value in a document, at any depth."""
    if isinstance(value, dict):
        yield from value.items()
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from fields(item)


def test_reads_from_top_to_bottom_in_the_order_of_a_run(definition: Json) -> None:
    assert list(definition["States"]) == ORDER
    assert definition["StartAt"] == ORDER[0]


def test_every_stage_is_a_task_and_every_task_a_stage(definition: Json) -> None:
    assert set(tasks(definition)) == STAGES


def test_a_task_invokes_the_published_version_of_the_lambda_in_the_folder_of_its_name(
    deployment: Deployment, definition: Json
) -> None:
    # Given
    versions = deployment.of_type("AWS::Lambda::Version")
    functions = deployment.of_type("AWS::Lambda::Function")
    for name, task in tasks(definition).items():
        folder = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
        # When
        version = versions[task["Arguments"]["FunctionName"].strip("<>")]
        # Then
        assert functions[version["FunctionName"]["Ref"]]["Handler"] == f"lambdas.states.{folder}.handler.handler"
        assert (REPOSITORY / "lambdas" / "states" / folder).is_dir()


def test_a_published_version_outlives_the_next_deployment(deployment: Deployment) -> None:
    versions = [found for found in deployment.resources.values() if found["Type"] == "AWS::Lambda::Version"]
    assert len(versions) == len(STAGES)
    assert {(version["DeletionPolicy"], version["UpdateReplacePolicy"]) for version in versions} == {
        ("Retain", "Retain")
    }


def test_every_task_has_a_time_out_above_that_of_its_lambda(deployment: Deployment, definition: Json) -> None:
    functions = deployment.of_type("AWS::Lambda::Function")
    versions = deployment.of_type("AWS::Lambda::Version")
    for task in tasks(definition).values():
        version = versions[task["Arguments"]["FunctionName"].strip("<>")]
        assert task["TimeoutSeconds"] > functions[version["FunctionName"]["Ref"]]["Timeout"]


def test_the_machine_outlasts_every_deadline_of_the_settings(deployment: Deployment, definition: Json) -> None:
    settings = deployment.settings
    deadlines = (
        settings.distillation_deadline_hours * 3600
        + 3 * settings.endpoint_deadline_minutes * 60
        + settings.approval_expiry_hours * 3600
    )
    assert definition["TimeoutSeconds"] > deadlines + 24 * 3600


def test_a_permanent_error_is_never_retried_and_everything_else_with_full_jitter(definition: Json) -> None:
    for name, task in tasks(definition).items():
        if name in WATCHING:
            assert "Retry" not in task  # its loop asks again
            continue
        never, *others, last = task["Retry"]
        assert never == {"ErrorEquals": permanent_error_names(), "MaxAttempts": 0}
        assert last["ErrorEquals"] == ["States.ALL"]
        assert last["JitterStrategy"] == "FULL"
        assert 0 < last["MaxDelaySeconds"] <= 60
        assert last["MaxAttempts"] > 0
        expiry = [{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 0}]
        others = [other for other in others if other["ErrorEquals"] != [DailyQuotaUsed.__name__]]
        *others, throttled = others
        assert throttled["ErrorEquals"] == [THROTTLED_ERROR]
        if name in OF_SHARDS:
            (go_on,) = others
            assert go_on["ErrorEquals"] == [OutOfTime.__name__]
            # A day of Lambdas, one after the other; asked again at once, since each of them got on
            assert (go_on["MaxAttempts"] + 1) * 15 * 60 >= SHARD_HOURS * 3600
            assert go_on["IntervalSeconds"] * go_on["BackoffRate"] == 1
        else:
            assert others == (expiry if name == "RequestApproval" else [])


def test_a_throttled_lambda_is_waited_for_longer_than_a_lambda_lasts(definition: Json) -> None:
    # Given an account whose Lambdas are all busy for their longest time, with jitter that halves a wait on average
    longest = 15 * 60
    for name, task in tasks(definition).items():
        [throttled] = [found for found in task.get("Retry", []) if found["ErrorEquals"] == [THROTTLED_ERROR]] or [None]
        counted = [found for found in task.get("Catch", []) if found["ErrorEquals"] == [THROTTLED_ERROR]]
        if counted:
            # A loop: the poll counts, the work goes on, and no history is written beyond that of any other error
            assert counted[0]["Output"]["status"] in ("IN_PROGRESS", "BAKING")
            assert throttled is None or throttled["MaxAttempts"] <= task["Retry"][-1]["MaxAttempts"]
        else:
            assert throttled is not None, name
            assert throttled["JitterStrategy"] == "FULL"
            assert throttled["MaxAttempts"] * throttled["MaxDelaySeconds"] / 2 >= (
                SHARD_HOURS * 3600 / 6 if name in OF_SHARDS else 1.9 * longest
            )


def test_a_quota_of_the_day_is_waited_for_by_whoever_asks_models_and_never_while_a_throughput_may_bill(
    deployment: Deployment, definition: Json
) -> None:
    # Given
    settings = deployment.settings
    waiting = {
        name: found
        for name, task in tasks(definition).items()
        for found in task.get("Retry", [])
        if found["ErrorEquals"] == [DailyQuotaUsed.__name__]
    }
    # Then
    assert set(waiting) == {"CheckRun", "CalibrateJudge", "GenerateTeacherData", "EvaluateStudent", "ScoreEvaluation"}
    assert "PromoteStudent" not in waiting
    for retrier in waiting.values():
        assert retrier["BackoffRate"] == 1
        assert "JitterStrategy" not in retrier, "jitter would halve the time that the settings state"
        assert retrier["MaxAttempts"] * retrier["IntervalSeconds"] == settings.quota_wait_hours * 3600 >= 24 * 3600
    # And before what matches every error
    for name in waiting:
        assert tasks(definition)[name]["Retry"][-1]["ErrorEquals"] == ["States.ALL"]
    # And the machine outlasts all of these waits beside its deadlines
    deadlines = settings.distillation_deadline_hours + settings.approval_expiry_hours
    assert definition["TimeoutSeconds"] > (deadlines + len(waiting) * settings.quota_wait_hours) * 3600


def test_retries_of_throttled_lambdas_fit_into_the_history_beside_every_poll(definition: Json) -> None:
    # Given three events for a try that is throttled: scheduled, started, failed
    loops = {name for name, task in tasks(definition).items() if len(task.get("Catch", [])) > 1 or name in OF_SHARDS}
    tries = sum(
        retrier["MaxAttempts"]
        for name, task in tasks(definition).items()
        for retrier in task.get("Retry", [])
        if retrier["ErrorEquals"] == [THROTTLED_ERROR] and name not in loops
    )
    # Then
    assert MAX_HISTORY_EVENTS + 3 * tries < 20_000


def test_every_stage_catches_everything_and_leads_through_release_and_report(definition: Json) -> None:
    for name, state in definition["States"].items():
        if state["Type"] in ("Task", "Map"):
            last = state["Catch"][-1]
            assert last["ErrorEquals"] == ["States.ALL"]
            if name == "PublishReport":
                assert last["Next"] == "RunFailed"
            elif name == "ReleaseResources":
                assert last["Next"] == "PublishReport"
            elif name in WATCHING:
                later, first, *others = state["Catch"]
                assert others == [last]
                assert later["ErrorEquals"] == [THROTTLED_ERROR]
                assert first["ErrorEquals"] == permanent_error_names()
                assert first["Next"] == "ReleaseResources"
                assert last["Next"] == WATCHING[name]
            else:
                assert last["Next"] == "ReleaseResources"
                assert last["Assign"] == {"outcome": "FAILED", "failure": "{% $states.errorOutput %}"}


def test_a_map_tolerates_no_failed_shard_and_hands_over_everything_its_children_see(definition: Json) -> None:
    for name in ("EachLogShard", "EachTeacherShard", "EachHoldoutShard"):
        shards = definition["States"][name]
        assert shards["ToleratedFailurePercentage"] == TOLERATED_FAILURE_PERCENT == 0
        assert shards["MaxConcurrency"] >= 1
        assert shards["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        for child in shards["ItemProcessor"]["States"].values():
            handed = {f"{{% $states.input.{field} %}}" for field in shards["ItemSelector"]}
            assert set(child["Arguments"]["Payload"].values()) == handed
        # A child sees neither the variables nor the input of its parent.
        inside = [value for _, value in fields(shards["ItemProcessor"]) if isinstance(value, str) and "{%" in value]
        assert all("$states." in value and "context.Execution" not in value for value in inside)


def test_only_jsonata_and_every_expression_can_be_parsed(definition: Json) -> None:
    # Given
    assert definition["QueryLanguage"] == "JSONata"
    # When
    names = [name for name, _ in fields(definition["States"])]
    expressions = [value for _, value in fields(definition) if isinstance(value, str) and value.startswith("{%")]
    # Then
    assert not JSONPATH_FIELDS & set(names)
    assert not [name for name in names if name.endswith(".$")]
    assert "QueryLanguage" not in names
    assert len(expressions) > 20
    for expression in expressions:
        assert expression.endswith("%}")
        Jsonata(expression[2:-2].strip())


def test_no_variable_is_called_like_a_function_of_jsonata(definition: Json) -> None:
    assigned = {name for key, value in fields(definition) if key == "Assign" for name in value}
    assert "outcome" in assigned
    for name in assigned:
        assert Jsonata(f"$exists(${name})").evaluate(None) is False, f"${name} hides or is hidden by a function"


def test_time_outs_are_constants_and_the_end_has_no_output(definition: Json) -> None:
    assert all(isinstance(value, int) for key, value in fields(definition) if key == "TimeoutSeconds")
    waits = {name: state["Seconds"] for name, state in all_states(definition) if state["Type"] == "Wait"}
    assert waits.pop("WaitForTeacherBatch") == "{% $teacher_wait %}"  # the deadline is the task's own
    assert all(isinstance(seconds, int) for seconds in waits.values())
    assert definition["States"]["RunEnded"] == {"Type": "Succeed"}


def following(state: Json) -> set[str]:
    return {str(value) for key, value in fields(state) if key in ("Next", "Default")}


def test_every_next_exists_and_every_state_can_be_reached(definition: Json) -> None:
    # Given
    states = {
        name: {k: v for k, v in state.items() if k != "ItemProcessor"} for name, state in definition["States"].items()
    }
    # When
    reached, ahead = set(), {definition["StartAt"]}
    while ahead:
        reached |= ahead
        ahead = {name for found in ahead for name in following(states[found])} - reached
    # Then
    assert reached == set(states)
    for state in states.values():
        assert following(state) or state["Type"] in ("Succeed", "Fail")


def test_state_names_are_unique_inside_maps_too(definition: Json) -> None:
    counts = Counter(name for name, _ in all_states(definition))
    assert set(counts.values()) == {1}


def test_logs_say_everything_but_data(deployment: Deployment) -> None:
    machine = deployment.the("AWS::StepFunctions::StateMachine", "Distillation")
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine["TracingConfiguration"] == {"Enabled": True}
