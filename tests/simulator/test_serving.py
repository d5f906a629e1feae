"""Deployments and provisioned throughput: states, refusals, and what answers when."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator import toy
from tests.simulator.conftest import (
    COMMITTED_UNITS,
    DEPLOYMENT_SECONDS,
    THROUGHPUT_SECONDS,
    UNITS,
    UPDATE_SECONDS,
    Account,
    refusal,
)


def second_model(account: Account) -> str:
    return account.train("2")


class TestDeployments:
    def test_it_answers_only_when_active(self, account: Account, trained: str) -> None:
        # Given a deployment that is being created
        arn = account.bedrock.create_custom_model_deployment(modelDeploymentName="candidate", modelArn=trained)[
            "customModelDeploymentArn"
        ]

        # When it is asked too early, then it is not ready, by the error that the SDK retries
        assert refusal(lambda: account.ask(arn, "drone over a beach"))[:2] == ("ModelNotReadyException", 429)

        # When it is active, then it answers
        account.clock.advance(DEPLOYMENT_SECONDS)
        assert account.bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=arn)["status"] == "Active"
        assert '"visual"' in account.text(arn, "drone over a beach")

    def test_it_cannot_be_deleted_while_it_is_created(self, account: Account, trained: str) -> None:
        # Given a deployment in Creating
        account.bedrock.create_custom_model_deployment(modelDeploymentName="candidate", modelArn=trained)

        # When / Then it is in a mutating state
        delete = account.bedrock.delete_custom_model_deployment
        code, _, message = refusal(lambda: delete(customModelDeploymentIdentifier="candidate"))
        assert (code, message) == ("ValidationException", "Custom model deployment is in a mutating state")

        # And afterwards it goes
        account.clock.advance(DEPLOYMENT_SECONDS)
        delete(customModelDeploymentIdentifier="candidate")
        assert account.control.resources().deployments == []

    def test_names_tokens_and_the_quota_of_two_in_creation(self, account: Account, trained: str) -> None:
        # Given a deployment made with a token
        create = account.bedrock.create_custom_model_deployment
        first = create(modelDeploymentName="a", modelArn=trained, clientRequestToken="t1")

        # When / Then the token gives it again, and refuses other parameters; no conflict is modelled here
        assert create(modelDeploymentName="a", modelArn=trained, clientRequestToken="t1")[
            "customModelDeploymentArn"
        ] == first["customModelDeploymentArn"]  # fmt: skip
        other = refusal(lambda: create(modelDeploymentName="b", modelArn=trained, clientRequestToken="t1"))
        assert other[0] == "ValidationException"

        # When / Then the name is taken
        assert "in use" in refusal(lambda: create(modelDeploymentName="a", modelArn=trained))[2]

        # When / Then the third in Creating is over the quota
        create(modelDeploymentName="b", modelArn=trained)
        third = refusal(lambda: create(modelDeploymentName="c", modelArn=trained))
        assert third[:2] == ("ServiceQuotaExceededException", 400)

    def test_another_model_moves_in_behind_the_same_arn(self, account: Account, trained: str) -> None:
        # Given an active deployment and a second model
        arn = account.deploy(trained)
        second = second_model(account)

        # When the deployment is updated
        account.bedrock.update_custom_model_deployment(customModelDeploymentIdentifier=arn, modelArn=second)
        during = account.bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=arn)
        assert account.text(arn, "a guitar song")

        # Then the old one serves until the new one is in place
        assert during["modelArn"] == trained
        assert during["updateDetails"] == {"modelArn": second, "updateStatus": "Updating"}
        account.clock.advance(UPDATE_SECONDS)
        after = account.bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=arn)
        assert (after["modelArn"], after["updateDetails"]["updateStatus"]) == (second, "UpdateCompleted")

    def test_an_update_that_fails_leaves_the_old_model(self, account: Account, trained: str) -> None:
        # Given an update that is ordered to fail
        arn = account.deploy(trained)
        second = second_model(account)
        account.control.order("fail_update", message="no capacity")

        # When it is tried
        account.bedrock.update_custom_model_deployment(customModelDeploymentIdentifier=arn, modelArn=second)
        account.clock.advance(UPDATE_SECONDS)

        # Then the old model still serves, and the failure is told
        after = account.bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=arn)
        assert (after["modelArn"], after["failureMessage"]) == (trained, "no capacity")
        assert account.text(arn, "a guitar song")

    def test_a_deployment_that_fails_never_answers(self, account: Account, trained: str) -> None:
        # Given a deployment that is ordered to fail
        account.control.order("fail_deployment")
        arn = account.deploy(trained)

        # When / Then it has failed and cannot be asked
        assert account.bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=arn)["status"] == "Failed"
        assert refusal(lambda: account.ask(arn, "hello"))[0] == "ValidationException"


class TestThroughput:
    def test_the_quota_is_zero_unless_raised(self, account: Account, trained: str) -> None:
        # Given the default quota
        account.control.change(quotas={UNITS: 0})
        assert account.quotas.get_service_quota(ServiceCode="bedrock", QuotaCode=UNITS)["Quota"]["Value"] == 0

        # When / Then one unit is one too many, in the service's words
        code, status, message = refusal(lambda: account.provision(trained))
        assert (code, status) == ("ServiceQuotaExceededException", 400)
        assert "does not currently have any no commitment model units reserved" in message
        assert account.control.resources().throughputs == []

    def test_it_answers_when_in_service_and_cannot_be_deleted_before(self, account: Account, trained: str) -> None:
        # Given a throughput in Creating
        arn = account.bedrock.create_provisioned_model_throughput(
            provisionedModelName="champion", modelId=trained, modelUnits=1
        )["provisionedModelArn"]

        # When / Then it neither answers nor goes
        delete = account.bedrock.delete_provisioned_model_throughput
        assert refusal(lambda: account.ask(arn, "hello"))[0] == "ModelNotReadyException"
        assert refusal(lambda: delete(provisionedModelId=arn))[:2] == ("ConflictException", 400)

        # When / Then it is in service
        account.clock.advance(THROUGHPUT_SECONDS)
        described = account.bedrock.get_provisioned_model_throughput(provisionedModelId="champion")
        assert described["status"] == "InService"
        assert described["foundationModelArn"].endswith("foundation-model/amazon.nova-micro-v1:0:128k")
        assert '"audio"' in account.text(arn, "a guitar song")
        delete(provisionedModelId=arn)
        assert refusal(lambda: account.ask(arn, "hello"))[:2] == ("ResourceNotFoundException", 404)

    def test_a_commitment_binds(self, account: Account, trained: str) -> None:
        # Given a throughput with a month's commitment
        account.control.change(quotas={COMMITTED_UNITS: 1})
        arn = account.provision(trained, commitmentDuration="OneMonth")

        # When / Then it cannot be released before, and can be after
        delete = account.bedrock.delete_provisioned_model_throughput
        assert "committed until" in refusal(lambda: delete(provisionedModelId=arn))[2]
        account.clock.advance(31 * 86_400)
        delete(provisionedModelId=arn)

    def test_the_champions_arn_survives_an_update(self, account: Account, trained: str) -> None:
        # Given a throughput in service and a second model
        arn = account.provision(trained)
        second = second_model(account)

        # When it is pointed at the second
        account.bedrock.update_provisioned_model_throughput(provisionedModelId=arn, desiredModelId=second)
        during = account.bedrock.get_provisioned_model_throughput(provisionedModelId=arn)

        # Then it goes on answering, refuses a further change, and changes over
        assert (during["status"], during["modelArn"], during["desiredModelArn"]) == ("Updating", trained, second)
        assert account.text(arn, "a guitar song")
        update = account.bedrock.update_provisioned_model_throughput
        assert refusal(lambda: update(provisionedModelId=arn, desiredModelId=trained))[0] == "ValidationException"
        account.clock.advance(UPDATE_SECONDS)
        after = account.bedrock.get_provisioned_model_throughput(provisionedModelId=arn)
        assert (after["status"], after["modelArn"]) == ("InService", second)

    def test_an_update_to_another_base_is_refused(self, account: Account, trained: str) -> None:
        # Given a throughput on a Micro and a model that came from a Lite
        arn = account.provision(trained)
        lite = account.train("lite", baseModelIdentifier="amazon.nova-lite-v1:0:300k")

        # When / Then it cannot move in
        update = account.bedrock.update_provisioned_model_throughput
        assert "same base" in refusal(lambda: update(provisionedModelId=arn, desiredModelId=lite))[2]

    def test_an_update_that_fails_keeps_the_old_model(self, account: Account, trained: str) -> None:
        # Given an update that is ordered to fail
        arn = account.provision(trained)
        second = second_model(account)
        account.control.order("fail_update")

        # When it is tried
        account.bedrock.update_provisioned_model_throughput(provisionedModelId=arn, desiredModelId=second)
        account.clock.advance(UPDATE_SECONDS)

        # Then the old one serves
        after = account.bedrock.get_provisioned_model_throughput(provisionedModelId=arn)
        assert (after["status"], after["modelArn"]) == ("InService", trained)
        assert "internal error" in after["failureMessage"]

    def test_a_token_gives_the_same_throughput_again(self, account: Account, trained: str) -> None:
        # Given a throughput made with a token
        request: dict[str, Any] = {"modelUnits": 1, "provisionedModelName": "champion", "modelId": trained}
        create = account.bedrock.create_provisioned_model_throughput
        first = create(**request, clientRequestToken="t1")["provisionedModelArn"]

        # When / Then it is the same one; with other units the token is refused
        assert create(**request, clientRequestToken="t1")["provisionedModelArn"] == first
        assert (
            refusal(lambda: create(**request | {"modelUnits": 2}, clientRequestToken="t1"))[0] == "ValidationException"
        )
        assert refusal(lambda: create(**request))[0] == "ValidationException"

    def test_not_for_a_model_that_is_legacy_or_on_demand_only(self, account: Account) -> None:
        # Given / When / Then
        assert "does not support" in refusal(lambda: account.provision("amazon.nova-pro-v1:0"))[2]
        account.control.change(models={"amazon.nova-micro-v1:0:128k": {"status": "LEGACY"}})
        assert "Legacy" in refusal(lambda: account.provision("amazon.nova-micro-v1:0:128k"))[2]


def test_a_model_in_use_cannot_be_deleted(account: Account, trained: str) -> None:
    # Given a model that a deployment serves
    account.deploy(trained)
    delete = account.bedrock.delete_custom_model

    # When / Then it stays until the deployment is gone
    assert refusal(lambda: delete(modelIdentifier="model-1"))[:2] == ("ConflictException", 400)
    account.bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier="candidate")
    delete(modelIdentifier="model-1")
    assert account.control.resources().models == []


def test_lists_are_filtered_by_name_status_and_model(account: Account, trained: str) -> None:
    # Given two deployments and a throughput
    account.deploy(trained, "task-a")
    account.bedrock.create_custom_model_deployment(modelDeploymentName="task-b", modelArn=trained)
    account.provision(trained, "task-c")
    account.bedrock.create_custom_model_deployment(modelDeploymentName="task-d", modelArn=trained)

    # When / Then
    listed = account.bedrock.list_custom_model_deployments
    names = [d["customModelDeploymentName"] for d in listed(nameContains="task")["modelDeploymentSummaries"]]
    assert names == ["task-d", "task-b", "task-a"]
    creating = listed(statusEquals="Creating")["modelDeploymentSummaries"]
    assert [d["customModelDeploymentName"] for d in creating] == ["task-d"]
    units = account.bedrock.list_provisioned_model_throughputs(modelArnEquals=trained)["provisionedModelSummaries"]
    assert [(t["provisionedModelName"], t["status"]) for t in units] == [("task-c", "InService")]


@pytest.mark.parametrize("kind", ["custom-model-deployment", "provisioned-model"])
def test_what_is_not_there_is_not_found(account: Account, kind: str) -> None:
    # Given / When / Then
    arn = f"arn:aws:bedrock:us-east-1:000000000000:{kind}/abcdefghijkl"
    assert refusal(lambda: account.ask(arn, "hello"))[:2] == ("ResourceNotFoundException", 404)


def test_a_custom_model_arn_is_no_endpoint(account: Account, trained: str) -> None:
    # Given a custom model
    # When its own ARN is asked, instead of a deployment's
    code, status, _ = refusal(lambda: account.ask(trained, toy.queries(1, "x")[0]))

    # Then Converse's own pattern refuses it
    assert (code, status) == ("ValidationException", 400)


def test_two_endpoints_of_one_model_measure_the_same(account: Account, trained: str) -> None:
    # Given two endpoints with different ids, asked by different runs
    first, second = account.deploy(trained), account.provision(trained)
    query = toy.queries(1, "same")[0]

    # When the same question is asked
    answers = [
        account.ask(first, query, requestMetadata={"run": "r1"}),
        account.ask(second, query, requestMetadata={"run": "r2"}),
    ]

    # Then text and simulated latency are the same, so that a repeated evaluation gives the same verdict
    assert answers[0]["output"] == answers[1]["output"]
    assert answers[0]["metrics"] == answers[1]["metrics"]
