"""Nothing is bought that may not be, an undone move is noticed at once, and the champion goes on serving."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from lambdas.domain.errors import HourlyLimitExceeded, PriceMissing, PromotionFailed, QuotaTooLow, RollbackRefused
from lambdas.domain.run_facts import Approval, RunFacts
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.resources import THROUGHPUT, Resource
from lambdas.gateways.registry.runs import Run
from lambdas.states.promote_student.stage import execute
from lambdas.workflow.serving.rollback import roll_back
from tests.unit.gateways.fakes import converse_answer
from tests.unit.support.fake_bedrock import ACCOUNT
from tests.unit.support.workshop import Workshop

RECORD = {"id": "0" * 16, "turns": [["user", "red cats"]]}


class Students:
    """The runtime: every endpoint answers, but for those that are told what to say."""

    def __init__(self) -> None:
        self.says: dict[str, str] = {}
        self.asked: list[str] = []

    def converse(self, *, modelId: str, **_question: Any) -> dict[str, Any]:  # noqa: N803 - the API's name
        self.asked.append(modelId)
        return converse_answer(self.says.get(modelId, "cats"))


class Parameters:
    """Systems Manager as far as the pointer goes."""

    def __init__(self) -> None:
        self.pointer: dict[str, Any] = {}

    def put_parameter(self, **request: Any) -> None:
        self.pointer = json.loads(request["Value"])


@pytest.fixture
def students(monkeypatch: pytest.MonkeyPatch) -> Students:
    made = Students()
    monkeypatch.setattr(clients, "bedrock_runtime", lambda: made)
    return made


@pytest.fixture
def parameters(monkeypatch: pytest.MonkeyPatch) -> Parameters:
    made = Parameters()
    monkeypatch.setattr(clients, "ssm", lambda: made)
    return made


def evaluated(workshop: Workshop, version: str, *, price: float | None = 2.0, **serving: Any) -> Run:
    """Leave what the stages before leave: a model, its evaluation with one known answer, an approval with a price."""
    run = workshop.run(version)
    workshop.plan(run)
    files, bucket, state = run.files, workshop.bucket, workshop.pipeline.tasks.state("video")
    model_arn = f"{ACCOUNT}:custom-model/amazon.nova-micro-v1:0:128k/{version:0>12}"
    model = {"modelArn": model_arn, "modelName": f"dev-video-{version}", "modelStatus": "Active"}
    workshop.client.models[f"dev-video-{version}"] = model
    bucket.write_json(files.task_definition, {"serving": serving, "approval": "required"})
    bucket.write(files.dataset("holdout.jsonl"), json.dumps(RECORD).encode())
    known = {"record_id": RECORD["id"], "role": "student", "answer": "cats", "reference": "cats", "problem": None}
    bucket.write(files.evaluation(1, "00-15.jsonl"), json.dumps(known).encode())
    before = state.champion.to_document() if state.champion else None
    evaluation = {"contestants": [{"role": "student", "latency_ms": {"p95": 1000.0}}], "champion_before": before}
    bucket.write_json(files.evaluation(1, "evaluation.json"), evaluation)
    deployment = workshop.client.add_deployment(f"dev-video-{version}-candidate", model_arn)
    approval: Approval = {"usd_per_unit_hour": price}
    facts: RunFacts = {"custom_model_arn": model_arn, "deployment_arn": deployment, "approval": approval}
    workshop.pipeline.registry.record_facts(run.run_id, **facts)
    return run


def promote(workshop: Workshop, run: Run) -> dict[str, Any]:
    return execute(workshop.stage("PromoteStudent", run))


def promoted(workshop: Workshop, version: str, **serving: Any) -> Run:
    """Promote to the end."""
    run = evaluated(workshop, version, **serving)
    promote(workshop, run)
    for endpoint in workshop.client.endpoints.values():
        endpoint["status"] = "InService"
    assert promote(workshop, run)["status"] == "COMPLETED"
    return run


def champion(workshop: Workshop) -> tuple[str, str]:
    found = workshop.pipeline.tasks.state("video").champion
    assert found is not None
    return found.run_id, workshop.client.endpoints[found.endpoint_arn]["modelArn"]


def ends_at_look(workshop: Workshop, arn: str, look: int, how: str) -> None:
    """Let an endpoint fail, or be deleted by somebody, just before it is looked at for the nth time."""
    client, looks = workshop.client, itertools.count(1)
    get = client.get_provisioned_model_throughput

    def looked_at(provisionedModelId: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        if provisionedModelId == arn and next(looks) == look:
            if how == "deleted":
                del client.endpoints[arn]
            else:
                client.endpoints[arn].update(status="Failed", failureMessage="internal error")
        return get(provisionedModelId)

    client.get_provisioned_model_throughput = looked_at  # type: ignore[method-assign]


def settle(workshop: Workshop) -> None:
    """Bring everything that is created or moved to its end."""
    for endpoint in workshop.client.endpoints.values():
        if endpoint["status"] in ("Creating", "Updating"):
            endpoint["status"] = "InService"


@pytest.mark.usefixtures("students", "parameters")
class TestPromotion:
    """One step a call."""

    def test_a_price_that_nobody_stated_buys_nothing(self, workshop: Workshop) -> None:
        run = evaluated(workshop, "1", price=None)
        with pytest.raises(PriceMissing, match="--hourly-price"):
            promote(workshop, run)
        assert workshop.client.called("CreateProvisionedModelThroughput") == []

    def test_more_dollars_an_hour_than_the_setting_allows_buy_nothing(self, workshop: Workshop) -> None:
        run = evaluated(workshop, "1", price=60.0, model_units=2)
        with pytest.raises(HourlyLimitExceeded, match=r"\$120.00 more would exceed 'max_hourly_usd' \(100\)"):
            promote(workshop, run)
        assert workshop.client.called("CreateProvisionedModelThroughput") == []

    def test_a_throughput_is_written_down_with_its_units_and_their_commitment(self, workshop: Workshop) -> None:
        run = evaluated(workshop, "1", price=8.0, model_units=2)
        promote(workshop, run)
        (made,) = [one for one in workshop.pipeline.resources.of_run(run.run_id) if one.kind == THROUGHPUT]
        assert (made.usd_per_hour, made.model_units, made.commitment) == (16.0, 2, "none")

    def test_a_quota_of_zero_names_the_quota_and_the_request(self, workshop: Workshop) -> None:
        run = evaluated(workshop, "1")
        workshop.client.refuses["CreateProvisionedModelThroughput"] = "ServiceQuotaExceededException"
        with pytest.raises(QuotaTooLow, match="--quota-code L-BE77399C --desired-value 1 --region us-east-1"):
            promote(workshop, run)

    def test_an_endpoint_that_fails_is_said_at_once(self, workshop: Workshop) -> None:
        run = evaluated(workshop, "1")
        promote(workshop, run)
        for endpoint in workshop.client.endpoints.values():
            endpoint.update(status="Failed", failureMessage="no capacity")
        with pytest.raises(PromotionFailed, match="no capacity"):
            promote(workshop, run)

    def test_a_commitment_is_not_bought_before_the_candidate_has_answered(
        self, workshop: Workshop, students: Students
    ) -> None:
        # Given
        run = evaluated(workshop, "1", commitment="OneMonth")
        candidate = workshop.pipeline.registry.run(run.run_id).facts["deployment_arn"]
        students.says[candidate] = "dogs"
        # When / Then
        with pytest.raises(PromotionFailed, match="does not seem to serve that student"):
            promote(workshop, run)
        assert students.asked == [candidate]
        assert workshop.client.called("CreateProvisionedModelThroughput") == []
        # When it answers what it answered in the evaluation
        students.says.clear()
        promote(workshop, run)
        # Then
        [request] = workshop.client.called("CreateProvisionedModelThroughput")
        assert request["commitmentDuration"] == "OneMonth"

    def test_a_second_student_takes_over_the_endpoint(self, workshop: Workshop, parameters: Parameters) -> None:
        # Given
        first = promoted(workshop, "1")
        arn = parameters.pointer["endpoint_arn"]
        # When
        second = promoted(workshop, "2")
        # Then
        assert len(workshop.client.called("CreateProvisionedModelThroughput")) == 1
        assert (parameters.pointer["endpoint_arn"], parameters.pointer["run_id"]) == (arn, second.run_id)
        assert [one.run_id for one in workshop.pipeline.tasks.state("video").former] == [first.run_id]

    def test_a_move_that_bedrock_undoes_fails_without_another_try(self, workshop: Workshop) -> None:
        # Given
        first = promoted(workshop, "1")
        run, (_, model) = evaluated(workshop, "2"), champion(workshop)
        assert promote(workshop, run)["status"] == "IN_PROGRESS"
        for endpoint in workshop.client.endpoints.values():
            endpoint.update(status="InService", modelArn=model, failureMessage="internal error")
        # When / Then
        with pytest.raises(PromotionFailed, match=f"internal error. The champion of run {first.run_id} goes on"):
            promote(workshop, run)
        assert len(workshop.client.called("UpdateProvisionedModelThroughput")) == 1
        assert champion(workshop) == (first.run_id, model)

    @pytest.mark.parametrize("how", ["failed", "deleted"])
    @pytest.mark.parametrize("look", [1, 2, 3, 4])
    def test_a_champion_endpoint_that_ends_under_the_move_is_replaced_whenever_it_ends(
        self, workshop: Workshop, parameters: Parameters, look: int, how: str
    ) -> None:
        # Given a champion whose endpoint ends before the nth look of the next promotion
        promoted(workshop, "1")
        arn = parameters.pointer["endpoint_arn"]
        run = evaluated(workshop, "2")
        ends_at_look(workshop, arn, look, how)
        # When
        results = []
        for _ in range(4):
            results.append(promote(workshop, run)["status"])
            settle(workshop)
            if results[-1] == "COMPLETED":
                break
        # Then another endpoint serves the student, and callers find it by the pointer
        assert results[-1] == "COMPLETED"
        assert champion(workshop) == (run.run_id, workshop.client.models["dev-video-2"]["modelArn"])
        ended_in_time = workshop.client.endpoints.get(arn, {}).get("status") != "InService"
        assert (parameters.pointer["endpoint_arn"] != arn) == ended_in_time


@pytest.mark.usefixtures("students", "parameters")
class TestRollback:
    """By hand; the schedule takes the same steps."""

    def settle(self, workshop: Workshop) -> None:
        for endpoint in workshop.client.endpoints.values():
            endpoint["status"] = "InService"

    @pytest.mark.parametrize("how", ["failed", "deleted"])
    @pytest.mark.parametrize("look", [1, 2, 3, 4])
    def test_a_champion_endpoint_that_ends_under_the_rollback_is_replaced_whenever_it_ends(
        self, workshop: Workshop, parameters: Parameters, look: int, how: str
    ) -> None:
        # Given two champions, and the present one's endpoint ends before the nth look of the rollback
        first, _ = promoted(workshop, "1"), promoted(workshop, "2")
        arn = parameters.pointer["endpoint_arn"]
        ends_at_look(workshop, arn, look, how)
        # When
        results = []
        for _ in range(4):
            results.append(roll_back(workshop.pipeline, "video", first.run_id, ""))
            settle(workshop)
            if results[-1]["status"] != "IN_PROGRESS":
                break
        # Then the former champion serves
        assert results[-1]["status"] == "COMPLETED", results
        assert champion(workshop) == (first.run_id, workshop.client.models["dev-video-1"]["modelArn"])

    def test_the_former_champion_comes_back_on_the_same_endpoint(
        self, workshop: Workshop, parameters: Parameters
    ) -> None:
        # Given
        first, second = promoted(workshop, "1"), promoted(workshop, "2")
        arn = parameters.pointer["endpoint_arn"]
        # When
        begun = roll_back(workshop.pipeline, "video", None, "worse on names")
        self.settle(workshop)
        ended = roll_back(workshop.pipeline, "video", first.run_id, "")
        again = roll_back(workshop.pipeline, "video", first.run_id, "")
        # Then
        assert begun == {"status": "IN_PROGRESS", "from_run": second.run_id, "to_run": first.run_id}
        assert (ended["status"], ended["endpoint_arn"], again["status"]) == ("COMPLETED", arn, "COMPLETED")
        assert champion(workshop) == (first.run_id, workshop.client.models["dev-video-1"]["modelArn"])
        state = workshop.pipeline.tasks.state("video")
        assert [one.run_id for one in state.former] == [second.run_id]
        assert (state.lease_owner, state.rollback) == (None, None)
        [back] = [entry for entry in workshop.pipeline.tasks.history("video") if entry["action"] == "rolled back"]
        assert (back["run_id"], back["why"]) == (first.run_id, "worse on names")
        assert parameters.pointer["run_id"] == first.run_id

    def test_a_repeated_rollback_goes_further_back_and_never_forward(self, workshop: Workshop) -> None:
        # Given three champions
        first, second, third = (promoted(workshop, version) for version in "123")

        def back(to_run: str | None = None) -> str:
            roll_back(workshop.pipeline, "video", to_run, "")
            self.settle(workshop)
            return str(roll_back(workshop.pipeline, "video", None, "")["to_run"])

        # When, Then
        assert back() == second.run_id
        assert back() == first.run_id
        with pytest.raises(RollbackRefused, match=f"{second.run_id}, {third.run_id}. To serve one of them again"):
            roll_back(workshop.pipeline, "video", None, "")
        # When a person names one that was rolled back from
        assert back(third.run_id) == third.run_id
        # Then it is a champion like any other
        state = workshop.pipeline.tasks.state("video")
        assert [(one.run_id, one.rolled_back_at is None) for one in state.former] == [
            (first.run_id, False),
            (second.run_id, False),
        ]
        assert state.champion is not None
        assert state.champion.rolled_back_at is None
        # And after the next promotion a rollback returns to it
        promoted(workshop, "4")
        assert back() == third.run_id

    def test_an_unknown_run_is_refused_with_those_that_are_possible(self, workshop: Workshop) -> None:
        first = promoted(workshop, "1")
        promoted(workshop, "2")
        with pytest.raises(RollbackRefused, match=f"run other is no former champion .* possible are {first.run_id}"):
            roll_back(workshop.pipeline, "video", "other", "")

    @pytest.mark.parametrize("undone", [True, False])
    def test_a_former_champion_that_cannot_serve_leaves_the_present_one_serving(
        self, workshop: Workshop, students: Students, parameters: Parameters, undone: bool
    ) -> None:
        # Given
        promoted(workshop, "1")
        second = promoted(workshop, "2")
        _, model = champion(workshop)
        arn = parameters.pointer["endpoint_arn"]
        # When Bedrock undoes the move, or the endpoint does not answer as the former champion did
        roll_back(workshop.pipeline, "video", None, "")
        self.settle(workshop)
        if undone:
            workshop.client.endpoints[arn]["modelArn"] = model
        else:
            students.says[arn] = "dogs"
        results = []
        for _ in range(4):
            results.append(roll_back(workshop.pipeline, "video", None, ""))
            self.settle(workshop)
            if results[-1]["status"] != "IN_PROGRESS":
                break
        # Then
        assert results[-1]["status"] == "FAILED"
        assert f"the champion of run {second.run_id} goes on serving" in results[-1]["reason"]
        assert champion(workshop) == (second.run_id, model)
        assert workshop.pipeline.tasks.state("video").lease_owner is None


def test_each_of_two_promotions_at_once_counts_the_other(workshop: Workshop) -> None:
    # Given two endpoints of 60 dollars each, and a limit of 100
    book = workshop.pipeline.resources
    items = [
        Resource(
            run_id=f"run{number}",
            attempt=1,
            task="video",
            kind=THROUGHPUT,
            name=f"endpoint-{number}",
            state="PLANNED",
            created_at=workshop.now(),
            usd_per_hour=60.0,
        )
        for number in range(2)
    ]
    for item in items:
        book.plan(item)
    # When
    book.reserve(items[0], 100.0)
    book.reserve(items[0], 100.0)  # a repeated step counts once
    with pytest.raises(HourlyLimitExceeded, match=r"costs \$60.00 an hour"):
        book.reserve(items[1], 100.0)
    book.released(items[0], workshop.now())
    # Then what is released makes room
    book.reserve(items[1], 100.0)
