"""Step Functions as this pipeline's machine needs it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.embedded_aws.conftest import Bench

RAISE = {"do": "raise", "message": "no teacher"}
DISTRIBUTED = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}


def passing(output: Any) -> dict[str, Any]:
    return {"Type": "Pass", "Output": output, "End": True}


def test_an_exception_is_caught_by_its_class_name(bench: Bench) -> None:
    # Given a task whose function raises, with a catch for its class and one for everything
    catch = [
        {"ErrorEquals": ["SampleError"], "Assign": {"error": "{% $states.errorOutput %}"}, "Next": "Caught"},
        {"ErrorEquals": ["States.ALL"], "Next": "Missed"},
    ]
    states = {
        "Ask": bench.task(RAISE, Catch=catch, End=True),
        "Caught": passing("{% $error %}"),
        "Missed": passing("missed"),
    }
    # When it runs
    ended = bench.run(states)
    # Then the catch for the class matches, and the cause carries the message
    assert ended["output"]["Error"] == "SampleError"
    assert json.loads(ended["output"]["Cause"]) == {"errorType": "SampleError", "errorMessage": "no teacher"}


def test_an_exception_is_retried_by_its_class_name(bench: Bench) -> None:
    # Given a retry for the class of the exception
    retry = [{"ErrorEquals": ["SampleError"], "MaxAttempts": 2, "JitterStrategy": "FULL", "MaxDelaySeconds": 5}]
    # When it runs
    execution = bench.start({"Ask": bench.task(RAISE, Retry=retry, End=True)})
    # Then the function was asked three times before the execution failed
    assert bench.ended(execution)["error"] == "SampleError"
    history = bench.states.get_execution_history(executionArn=execution)["events"]
    assert [event["type"] for event in history].count("TaskFailed") == 3


def test_a_catch_counts_with_variables_of_the_execution(bench: Bench) -> None:
    # Given a loop that asks again after an error, until three polls have failed, one after the other
    again = {"ErrorEquals": ["States.ALL"], "Assign": {"troubles": "{% $troubles + 1 %}"}, "Next": "IsOutOfReach"}
    enough = {"Condition": "{% $troubles >= 3 %}", "Next": "Enough"}
    states = {
        "Begin": {"Type": "Pass", "Assign": {"troubles": 0}, "Next": "Ask"},
        "Ask": bench.task(RAISE, Catch=[again], Next="Enough"),
        "IsOutOfReach": {"Type": "Choice", "Choices": [enough], "Default": "Pause"},
        "Pause": {
            "Type": "Wait",
            "Seconds": "{% $exists($states.input.seconds) ? $states.input.seconds : 1 %}",
            "Next": "Ask",
        },
        "Enough": passing("{% $troubles %}"),
    }
    # When / Then
    assert bench.run(states)["output"] == 3


def test_entries_of_assign_see_the_old_values(bench: Bench) -> None:
    # Given an Assign whose second entry reads what the first one sets
    states = {
        "First": {"Type": "Pass", "Assign": {"polls": 1}, "Next": "Second"},
        "Second": {"Type": "Pass", "Assign": {"polls": "{% $polls + 1 %}", "before": "{% $polls %}"}, "Next": "Last"},
        "Last": passing("{% [$before, $polls] %}"),
    }
    # When it runs
    ended = bench.run(states)
    # Then the second entry saw the old value
    assert ended["output"] == [1, 2]


def test_a_distributed_map_evaluates_its_fields(bench: Bench) -> None:
    # Given a Distributed Map with JSONata in every field
    states = {
        "Plan": {"Type": "Pass", "Assign": {"shards": ["a", "b"], "run": "r1"}, "Next": "Shards"},
        "Shards": {
            "Type": "Map",
            "Label": "Shards",
            "Items": "{% $shards %}",
            "MaxConcurrency": 2,
            "ItemSelector": {"shard": "{% $states.context.Map.Item.Value %}", "run": "{% $run %}"},
            "ItemProcessor": {
                **DISTRIBUTED,
                "StartAt": "Answer",
                "States": {
                    "Answer": bench.task("{% $states.input %}", Output="{% $states.result.Payload.event %}", End=True)
                },
            },
            "Assign": {"answered": "{% $count($states.result) %}"},
            "Output": {"answers": "{% $states.result %}"},
            "Next": "Last",
        },
        "Last": passing({"answers": "{% $states.input.answers %}", "answered": "{% $answered %}"}),
    }
    # When it runs
    ended = bench.run(states)
    # Then children got what the selector made, in order, and Output and Assign saw their results
    assert ended["output"] == {
        "answers": [{"shard": "a", "run": "r1"}, {"shard": "b", "run": "r1"}],
        "answered": 2,
    }


def test_children_of_a_distributed_map_do_not_see_the_parents_variables(bench: Bench) -> None:
    # Given a child that reads a variable of its parent, which AWS refuses
    states = {
        "Plan": {"Type": "Pass", "Assign": {"secret": 1}, "Next": "Shards"},
        "Shards": {
            "Type": "Map",
            "Items": "{% [1] %}",
            "ItemProcessor": {**DISTRIBUTED, "StartAt": "Read", "States": {"Read": passing("{% $secret %}")}},
            "End": True,
        },
    }
    # When it runs
    ended = bench.run(states)
    # Then the child fails, and with it the map
    assert (ended["status"], ended["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")


@pytest.mark.parametrize(("failing", "status"), [(1, "SUCCEEDED"), (3, "FAILED")])
def test_a_distributed_map_tolerates_the_stated_share_of_failures(bench: Bench, failing: int, status: str) -> None:
    # Given four shards of which some fail, and half of them may
    task = bench.task({"do": "{% $states.input <= " + str(failing) + " ? 'raise' : 'nothing' %}"}, End=True)
    shards = {
        "Type": "Map",
        "Items": "{% [1, 2, 3, 4] %}",
        "ToleratedFailurePercentage": 50,
        "ItemProcessor": {**DISTRIBUTED, "StartAt": "Answer", "States": {"Answer": task}},
        "End": True,
    }
    # When it runs
    ended = bench.run({"Shards": shards})
    # Then the share decides
    assert ended["status"] == status


def test_the_machines_timeout_ends_the_execution(bench: Bench) -> None:
    # Given a machine that allows less time than its task takes, and catches everything
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
    states = {"Ask": bench.task({"do": "sleep", "seconds": 2}, Catch=catch, End=True), "Caught": passing("caught")}
    # When it runs
    started = time.monotonic()
    ended = bench.run(states, TimeoutSeconds=1)
    # Then it ends at its limit, past every catch
    assert ended["status"] == "TIMED_OUT"
    assert time.monotonic() - started < 2


def test_a_stopped_execution_does_nothing_more(bench: Bench) -> None:
    # Given an execution in a task that will fail and would be retried
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 3}]
    execution = bench.start(
        {"Ask": bench.task({"do": "sleep", "seconds": "late"}, Retry=retry, Next="Next"), "Next": passing(1)}
    )
    time.sleep(0.2)
    # When it is stopped
    bench.states.stop_execution(executionArn=execution, error="ByHand")
    time.sleep(0.8)
    # Then it stays stopped, and after that nothing was scheduled
    assert bench.ended(execution)["status"] == "ABORTED"
    types = [event["type"] for event in bench.states.get_execution_history(executionArn=execution)["events"]]
    assert "TaskScheduled" not in types[types.index("ExecutionAborted") :]
    assert "ExecutionFailed" not in types


def test_starting_a_running_execution_again_answers_the_same_execution(bench: Bench) -> None:
    # Given a running execution
    machine = bench.machine({"Wait": {"Type": "Wait", "Seconds": 60, "End": True}})
    first = bench.states.start_execution(stateMachineArn=machine, name="run-1", input='{"key": "a"}')
    # When it is started again with the same name, and the same or another input, running or ended
    again = bench.states.start_execution(stateMachineArn=machine, name="run-1", input='{"key": "a"}')
    refused = bench.states.exceptions.ExecutionAlreadyExists
    with pytest.raises(refused):
        bench.states.start_execution(stateMachineArn=machine, name="run-1", input='{"key": "b"}')
    bench.ended(first["executionArn"])
    with pytest.raises(refused):
        bench.states.start_execution(stateMachineArn=machine, name="run-1", input='{"key": "a"}')
    # Then only the running one with equal input is answered, with itself
    assert again["executionArn"] == first["executionArn"]


def test_a_failing_function_fails_the_task_that_waits_for_a_token(bench: Bench) -> None:
    # Given a task that waits for a token that its function never gives to anybody, because it raises
    catch = [{"ErrorEquals": ["SampleError"], "Next": "Caught"}]
    task = bench.task(RAISE, wait_for_token=True, TimeoutSeconds=600, Catch=catch, End=True)
    # When it runs
    ended = bench.run({"Ask": task, "Caught": passing("{% $states.input.Error %}")})
    # Then the task fails at once, under the exception's name
    assert ended["output"] == "SampleError"


def test_a_token_that_nobody_sends_times_out(bench: Bench) -> None:
    # Given a task that waits one second for its token
    catch = [{"ErrorEquals": ["States.Timeout"], "Next": "Expired"}]
    payload = {"token": "{% $states.context.Task.Token %}"}
    task = bench.task(payload, wait_for_token=True, TimeoutSeconds=1, Catch=catch, End=True)
    # When nobody answers
    ended = bench.run({"Ask": task, "Expired": passing("expired")})
    # Then it expires
    assert ended["output"] == "expired"
