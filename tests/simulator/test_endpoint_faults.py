"""Endpoints that go wrong after promotion, updates that fail, and the metrics that tell of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from local.bedrock_simulator.clock import ManualClock
from local.bedrock_simulator.runtime.metrics import CloudWatchSink, Metrics
from tests.simulator import toy
from tests.simulator.conftest import DEPLOYMENT_SECONDS, UPDATE_SECONDS, Account, MemorySink, refusal

MICRO = "amazon.nova-micro-v1:0"
QUERIES = toy.queries(40, "endpoint")


@pytest.fixture(params=["deploy", "provision"])
def endpoint(request: pytest.FixtureRequest, account: Account, trained: str) -> str:
    """A student behind each kind of endpoint."""
    make: Callable[[str], str] = getattr(account, request.param)
    return make(trained)


def statuses(account: Account, model_id: str) -> list[int]:
    found = []
    for query in QUERIES:
        try:
            account.ask(model_id, query)
            found.append(200)
        except ClientError as error:
            found.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return found


class TestEndpoints:
    def test_a_share_of_the_calls_fails(self, account: Account, endpoint: str) -> None:
        # Given
        account.control.order("endpoint_errors", fraction=0.5)

        # When
        found = statuses(account, endpoint)

        # Then by chance, not by prompt: asking again may help
        assert 8 < found.count(500) < 32
        assert statuses(account, endpoint) != found

        # And the foundation model is not concerned
        assert statuses(account, MICRO) == [200] * 40

    def test_one_endpoint_of_two(self, account: Account, trained: str) -> None:
        # Given
        good, bad = account.deploy(trained, "good"), account.deploy(trained, "bad")
        account.control.order("endpoint_errors", resource=bad, error="ServiceUnavailableException")

        # When / Then
        assert refusal(lambda: account.ask(bad, QUERIES[0]))[:2] == ("ServiceUnavailableException", 503)
        assert account.ask(good, QUERIES[0])

    def test_a_slow_endpoint(self, account: Account, endpoint: str) -> None:
        # Given
        usual = account.ask(endpoint, QUERIES[0])["metrics"]["latencyMs"]
        account.control.order("endpoint_latency", milliseconds=3000)

        # When / Then
        assert account.ask(endpoint, QUERIES[0])["metrics"]["latencyMs"] == usual + 3000


class TestUpdates:
    def test_a_deployment_keeps_its_model_and_says_update_failed(self, account: Account, trained: str) -> None:
        # Given a deployment and a second model
        second = account.train("2")
        arn = account.deploy(trained)
        account.control.order("fail_update", count=1, message="No capacity.")

        # When its update fails
        update = account.bedrock.update_custom_model_deployment
        update(modelArn=second, customModelDeploymentIdentifier=arn)
        account.clock.advance(UPDATE_SECONDS)
        deployment = account.bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=arn)

        # Then it serves on with the old one, and a second try works
        assert (deployment["status"], deployment["modelArn"]) == ("Active", trained)
        assert deployment["updateDetails"] == {"modelArn": second, "updateStatus": "UpdateFailed"}
        assert deployment["failureMessage"] == "No capacity."
        assert account.ask(arn, QUERIES[0])
        update(modelArn=second, customModelDeploymentIdentifier=arn)
        account.clock.advance(DEPLOYMENT_SECONDS)
        again = account.bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=arn)
        assert (again["modelArn"], again["updateDetails"]["updateStatus"]) == (second, "UpdateCompleted")

    @pytest.mark.parametrize("status", ["InService", "Failed"])
    def test_a_throughput_may_serve_on_or_fail_altogether(self, account: Account, trained: str, status: str) -> None:
        # Given a throughput and a second model
        second = account.train("2")
        arn = account.provision(trained)
        account.control.order("fail_update", status=status)

        # When its update fails
        account.bedrock.update_provisioned_model_throughput(provisionedModelId=arn, desiredModelId=second)
        account.clock.advance(UPDATE_SECONDS)
        throughput = account.bedrock.get_provisioned_model_throughput(provisionedModelId=arn)

        # Then
        assert (throughput["status"], throughput["modelArn"]) == (status, trained)
        assert throughput["failureMessage"]
        if status == "Failed":
            assert refusal(lambda: account.ask(arn, QUERIES[0]))[0] == "ValidationException"

        # And either bills until it is deleted
        account.clock.advance(3600)
        account.bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)
        (charge,) = (entry for entry in account.control.billing() if entry.kind == "provisioned_throughput")
        assert charge.end is not None
        assert sum(charge.usage.values()) > 1


class TestMetrics:
    def test_calls_are_counted_under_the_name_that_the_caller_used(self, account: Account, endpoint: str) -> None:
        # Given two good calls, one that is no good, one too many and one that breaks
        replies = [account.ask(endpoint, query) for query in QUERIES[:2]]
        refusal(lambda: account.ask(endpoint, " "))
        for error in ("ThrottlingException", "InternalServerException"):
            account.control.order_error("Converse", error)
            refusal(lambda: account.ask(endpoint, QUERIES[0]))

        # When / Then
        found = account.metrics(endpoint)
        assert found == {
            "Invocations": [1, 1],
            "InvocationLatency": [reply["metrics"]["latencyMs"] for reply in replies],
            "InputTokenCount": [reply["usage"]["inputTokens"] for reply in replies],
            "OutputTokenCount": [reply["usage"]["outputTokens"] for reply in replies],
            "InvocationClientErrors": [1],
            "InvocationThrottles": [1],
            "InvocationServerErrors": [1],
        }
        assert {entry["Timestamp"] for entry in account.sink.data} == {account.clock.now()}

    def test_many_values_are_put_in_pieces_that_the_service_takes(self) -> None:
        # Given four hundred calls in one second
        sink = MemorySink()
        metrics = Metrics(sink)
        now = ManualClock().now()
        for _ in range(400):
            metrics.answered("m", now, 5.0, {})

        # When
        metrics.close()

        # Then
        assert max(len(entry["Values"]) for entry in sink.data) <= 150
        assert sum(len(entry["Values"]) for entry in sink.data if entry["MetricName"] == "Invocations") == 400

    def test_a_cloudwatch_that_is_away_fails_no_call(self) -> None:
        # Given nobody who listens
        metrics = Metrics(CloudWatchSink("http://127.0.0.1:9", "us-east-1"))

        # When / Then
        metrics.answered("m", ManualClock().now(), 5.0, {})
        metrics.close()
