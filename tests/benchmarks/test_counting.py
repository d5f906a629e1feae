"""What the figures are made of: medians, clients read from roles, states counted along a chain."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from tests.benchmarks.imports import clients_by_handler
from tests.benchmarks.measuring import interleaved
from tests.benchmarks.transitions import states_of_chain


def template(*actions: str | list[str]) -> dict[str, Any]:
    statements = [{"Effect": "Allow", "Action": action, "Resource": "*"} for action in actions]
    role = {"Policies": [{"PolicyName": "Stage", "PolicyDocument": {"Statement": statements}}]}
    function = {"Handler": "lambdas.states.check_run.handler.handler", "Role": {"Fn::GetAtt": ["Role", "Arn"]}}
    return {
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
        }
    }


def test_a_processor_that_branches_is_not_guessed_at() -> None:
    # Given a state that only a catch leads to
    states = {"Ask": {"Type": "Task", "Catch": [{"Next": "Mend"}]}, "Mend": {"Type": "Pass", "Next": "Ask"}}
    # When, Then
    with pytest.raises(LookupError, match="starts at Ask branches"):
        states_of_chain({"StartAt": "Ask", "States": states})


def test_a_chain_is_counted_to_its_end() -> None:
    states = {"One": {"Next": "Two"}, "Two": {"Next": "Three"}, "Three": {"End": True}}
    assert states_of_chain({"StartAt": "One", "States": states}) == 3


def test_a_service_without_a_known_client_is_an_error_that_names_it() -> None:
    with pytest.raises(LookupError, match="athena"):
        clients_by_handler(template("s3:GetObject", ["athena:StartQueryExecution"]))


def test_the_clients_of_a_handler_are_those_that_its_role_needs() -> None:
    # Given
    actions = ["bedrock:InvokeModel", "bedrock:GetFoundationModel"], "states:StartExecution", "kms:Decrypt"
    # When, Then
    assert clients_by_handler(template(*actions)) == {"check_run": ["bedrock", "bedrock_runtime", "step_functions"]}


def test_repetitions_are_interleaved_and_the_first_round_does_not_count() -> None:
    # Given
    order: list[str] = []

    def measure(name: str, values: list[float]) -> Callable[[], float]:
        calls = count()

        def next_value() -> float:
            order.append(name)
            return values[next(calls)]

        return next_value

    # When
    medians = interleaved({"a": measure("a", [99, 1, 3, 2]), "b": measure("b", [99, 30, 10, 20])}, repetitions=3)
    # Then
    assert medians == {"a": 2, "b": 20}
    assert order == ["a", "b"] * 4
