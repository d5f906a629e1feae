"""Faults that can be ordered, settings, and the control API."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.bedrock_simulator.control import ControlError
from tests.simulator import toy
from tests.simulator.conftest import UNITS, Account, refusal

MICRO = "amazon.nova-micro-v1:0"


class TestOrderedErrors:
    @pytest.mark.parametrize(
        ("order", "said"),
        [
            ({"operation": "Converse", "error": "ConflictException"}, "its service model lists AccessDeniedException"),
            ({"operation": "CreateProvisionedModelThroughput", "error": "ConflictException"}, "cannot answer with"),
            ({"operation": "CreateGuardrail", "error": "ThrottlingException"}, "no operation 'CreateGuardrail'"),
            ({"operation": "Converse"}, "needs error"),
            ({"operation": "Converse", "error": "ThrottlingException", "when": "never"}, "'before' or 'after'"),
            ({"operation": "Converse", "error": "ThrottlingException", "count": 0}, "count must be"),
            ({"operation": "Converse", "error": "ThrottlingException", "sometimes": True}, "no option 'sometimes'"),
        ],
    )
    def test_what_the_operation_cannot_do_is_not_taken(
        self, account: Account, order: dict[str, Any], said: str
    ) -> None:
        # Given / When / Then
        with pytest.raises(ControlError, match=said):
            account.control.order("error", **order)
        assert account.control.faults() == []

    @pytest.mark.parametrize(
        ("kind", "options", "said"),
        [
            ("no_such", {}, "there is no fault 'no_such'"),
            ("keep_records", {}, "needs records"),
            ("keep_records", {"records": 0}, "records must be"),
            ("label_noise", {"fraction": 1.5}, "fraction must be"),
            ("stall_job", {"phase": "lunch"}, "phase must be one of validation"),
        ],
    )
    def test_nor_is_a_fault_that_makes_no_sense(
        self, account: Account, kind: str, options: dict[str, Any], said: str
    ) -> None:
        # Given / When / Then
        with pytest.raises(ControlError, match=said):
            account.control.order(kind, **options)

    def test_it_strikes_after_skip_for_count_times(self, account: Account) -> None:
        # Given two timeouts from the second call on
        account.control.order_error("Converse", "ModelTimeoutException", skip=1, count=2)

        # When five calls are made
        outcomes = []
        for _ in range(5):
            try:
                account.ask(MICRO, "hello")
                outcomes.append(200)
            except ClientError as error:
                outcomes.append(error.response["ResponseMetadata"]["HTTPStatusCode"])

        # Then the second and the third fail, with the modelled status
        assert outcomes == [200, 408, 408, 200, 200]
        assert account.control.faults()[0]["hits"] == 2

    def test_any_operation_can_be_throttled(self, account: Account) -> None:
        # Given throttling, which not every operation's model lists
        account.control.order_error("GetServiceQuota", "ThrottlingException", message="slow down")

        # When / Then it strikes once
        get = account.quotas.get_service_quota
        refused = refusal(lambda: get(ServiceCode="bedrock", QuotaCode=UNITS))
        assert refused[::2] == ("ThrottlingException", "slow down")
        assert get(ServiceCode="bedrock", QuotaCode=UNITS)["Quota"]["Value"] == 2

    def test_an_answer_can_be_lost_after_the_effect(self, account: Account) -> None:
        # Given a create call whose answer is lost
        account.put_training(toy.queries(120, "train"))
        account.control.order_error("CreateModelCustomizationJob", "InternalServerException", when="after")
        lost = refusal(lambda: account.create_job(clientRequestToken="run-1"))
        assert lost[:2] == ("InternalServerException", 500)

        # When it is repeated with its token
        arn = account.create_job(clientRequestToken="run-1")

        # Then it is the job that was made the first time
        assert [job["arn"] for job in account.control.resources().jobs] == [arn]

    def test_withdrawn_faults_do_not_strike(self, account: Account) -> None:
        # Given two faults
        first = account.control.order_error("Converse", "ThrottlingException", count=None)
        account.control.order("permuted_labels")

        # When they are withdrawn, one by its id and the rest together
        account.control.withdraw(first)
        assert [fault["kind"] for fault in account.control.faults()] == ["permuted_labels"]
        account.control.withdraw()

        # Then nothing happens, and an unknown id is an error
        account.ask(MICRO, "hello")
        with pytest.raises(ControlError, match="no DELETE faults"):
            account.control.withdraw(first)


class TestSettings:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"speed": 1}, "settings has no 'speed'; allowed are burst_requests, check_access"),
            ({"durations": {"lunch": 1}}, "durations has no 'lunch'"),
            ({"durations": {"job": -1}}, "durations.job must be a number of 0 or more"),
            ({"label_semantics": "guess"}, "regenerate, verbatim"),
            ({"latency_scale": "1"}, "latency_scale must be a number"),
            ({"quotas": {"L-1": 1}}, "there is no quota 'L-1'"),
            ({"models": {"no.model": {}}}, "there is no model 'no.model'"),
            ({"models": {MICRO: {"status": "DEAD"}}}, "must be ACTIVE or LEGACY"),
            ({"models": {MICRO: {"end_of_life": "soon"}}}, "ISO time"),
            ({"check_access": 1}, "true or false"),
        ],
    )
    def test_what_does_not_exist_cannot_be_set(self, account: Account, change: dict[str, Any], said: str) -> None:
        # Given the settings
        before = account.control.settings()

        # When / Then the message says what is allowed, and nothing changes
        with pytest.raises(ControlError, match=said):
            account.control.change(**change)
        assert account.control.settings() == before

    def test_maps_merge_by_key(self, account: Account) -> None:
        # Given / When two durations are set one after the other
        account.control.change(durations={"job": 7})
        account.control.change(durations={"deployment": 3})

        # Then both hold
        durations = account.control.settings()["durations"]
        assert (durations["job"], durations["deployment"]) == (7, 3)

    def test_latency_is_slept_in_scale(self, account: Account) -> None:
        # Given a hundredth of the simulated latency
        account.control.change(latency_scale=0.1)
        simulated = account.ask(MICRO, "hello")["metrics"]["latencyMs"]

        # When / Then a call really takes that long
        start = time.monotonic()
        account.ask(MICRO, "hello")
        assert time.monotonic() - start >= simulated / 1000 * 0.1


def test_the_call_log_has_every_call_but_no_prompt(account: Account) -> None:
    # Given two calls, one refused
    account.ask(MICRO, "my secret prompt", inferenceConfig={"maxTokens": 9}, requestMetadata={"run": "r1"})
    refusal(lambda: account.job("nothing"))

    # When the log is read
    converse, get = account.control.calls()

    # Then it names operation, parameters, status and error, and holds no text
    assert (converse.service, converse.operation, converse.status) == ("bedrock-runtime", "Converse", 200)
    assert converse.params["modelId"] == MICRO
    assert converse.params["requestMetadata"] == {"run": "r1"}
    assert "secret" not in str(converse)
    assert (get.operation, get.status, get.error) == ("GetModelCustomizationJob", 404, "ResourceNotFoundException")
    assert [call.operation for call in account.control.calls(operation="Converse")] == ["Converse"]
    assert account.control.calls(service="service-quotas") == []


def test_reset_forgets_resources_and_records_but_not_settings_unless_asked(account: Account, trained: str) -> None:
    # Given a used account
    account.deploy(trained)
    account.control.order("permuted_labels")

    # When it is reset
    account.control.reset()

    # Then nothing is left, the name is free again, and the settings hold
    assert account.control.resources().models == []
    assert (account.control.calls(), account.control.billing(), account.control.faults()) == ([], [], [])
    assert account.control.settings()["quotas"] == {UNITS: 2.0}
    assert account.create_job()
    account.control.reset(settings=True)
    assert account.control.settings()["quotas"] == {}


def test_an_unknown_control_path_is_an_error(account: Account) -> None:
    # Given / When / Then
    with pytest.raises(ControlError, match="no GET /_simulator/nothing"):
        account.control._ask("GET", "nothing")
    assert account.control.health()
