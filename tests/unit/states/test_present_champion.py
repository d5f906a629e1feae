"""The champion that a student would replace: compared as it serves, never passed over in silence, never overrun."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lambdas.domain.dataset.records import from_json_lines
from lambdas.domain.errors import ChampionChanged, RetryLater
from lambdas.domain.evaluation.measurements import REQUIRED
from lambdas.domain.explicit_reasons import ExplicitReason, sentences
from lambdas.domain.questions.answers import Answer
from lambdas.domain.questions.prompts import student_question
from lambdas.domain.run_files import RunFiles
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.gateways.answering import call_scheduler
from lambdas.gateways.answering.answer_store import AnswerStore
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.runs import Run
from lambdas.states.deploy_candidate.stage import execute as deploy
from lambdas.states.evaluate_student.contestants import CALLS_AT_ONCE
from lambdas.states.evaluate_student.stage import execute as evaluate
from lambdas.states.promote_student.stage import execute as promote
from lambdas.states.score_evaluation import stage as score_stage
from lambdas.states.score_evaluation.stage import execute as score
from lambdas.workflow.stage import iso
from tests.unit.gateways.fakes import converse_answer, refusal
from tests.unit.states.test_evaluate_student import CHAMPIONS_PROMPT, JUDGE, RECORDS, SHARD, decided, measured, ready
from tests.unit.support.workshop import Workshop

ENDPOINT = "arn:champion-endpoint"
LEFT_OUT = "Nothing shows how the student compares with the champion that it would replace, of run video-older: "


class Models:
    """Each answers at once, but the champion's endpoint, which may refuse, and shows who asks it."""

    def __init__(self) -> None:
        self.code: str | None = None
        self.prompts: Counter[str] = Counter()
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()

    def converse(self, **request: Any) -> dict[str, Any]:
        model = request["modelId"]
        if model == JUDGE:
            return converse_answer(tool={"score": 4, "explanation": "because"})
        if model != ENDPOINT:
            answer = converse_answer("the answer")
            answer["metrics"]["latencyMs"] = 900 if "haiku" in model else 321
            return answer
        if self.code:
            raise refusal(self.code)
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.prompts[request["system"][0]["text"]] += 1
        threading.Event().wait(0.002)
        with self._lock:
            self._now -= 1
        return converse_answer("the answer")


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    found = Models()
    monkeypatch.setattr(clients, "bedrock_runtime", lambda: found)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(call_scheduler, "MAX_STREAK", 1)  # more of them take minutes
    monkeypatch.setattr(call_scheduler, "MAX_BROKEN", 1)
    return found


def explicit(workshop: Workshop, run: Run) -> list[str]:
    return sentences(about_the_champion(decided(workshop, run)["explicit_reasons"]))


def about_the_champion(reasons: list[ExplicitReason]) -> list[ExplicitReason]:
    """Leave out what a throughput costs, of which these tests have no price."""
    return [one for one in reasons if one["name"] != "min_cost_reduction"]


# Left out, and never in silence


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ResourceNotFoundException", "refused"),
        ("ThrottlingException", "throttled"),
        ("ModelErrorException", "no answer"),
    ],
)
def test_a_champion_that_does_not_answer_holds_nothing_up_and_its_replacement_needs_a_word(
    workshop: Workshop, models: Models, code: str, said: str
) -> None:
    # Given an endpoint that is gone, kept busy by its own callers, or out of order
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    models.code = code

    # When
    roles = {item.role for item in measured(workshop, run)}
    evaluation = decided(workshop, run)
    result = score(workshop.stage("ScoreEvaluation", run))

    # Then
    assert roles == set(REQUIRED)
    [note] = evaluation["left_out"]
    assert (note["role"], note["model_id"]) == ("champion", ENDPOINT)
    assert said in note["reason"]
    assert evaluation["decision"] == "PROMOTE"
    assert about_the_champion(evaluation["explicit_reasons"]) == [
        {"name": "champion_not_compared", "sentence": LEFT_OUT + note["reason"].rstrip(".")}
    ]
    assert result["needs_a_person"]


def test_a_champion_that_one_shard_left_out_is_not_asked_by_the_others(workshop: Workshop, models: Models) -> None:
    # Given a shard that could not measure it
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    models.code = "ResourceNotFoundException"
    measured(workshop, run)

    # When its endpoint answers again
    models.code = None
    roles = {item.role for item in measured(workshop, run)}

    # Then
    assert roles == set(REQUIRED)
    assert not models.prompts
    assert explicit(workshop, run)


def test_a_champion_whose_prompt_is_lost_is_left_out(workshop: Workshop, models: Models) -> None:
    # Given that bucket rules have deleted the files of its run
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    del workshop.bucket.objects[RunFiles(run.task, "video-older").task_definition]

    # When
    measured(workshop, run)

    # Then
    assert not models.prompts
    compared, limits = explicit(workshop, run)
    assert "task.json of its run video-older" in compared
    assert "Nothing says under which limits" in limits


def test_a_champion_whose_endpoint_is_being_moved_is_left_out(workshop: Workshop, models: Models) -> None:
    # Given another run that holds the task's lease and points the endpoint at its own student
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    later = iso(workshop.time + timedelta(hours=1))
    workshop.pipeline.tasks.take_lease(run.task, "video-other-1", "video-older", workshop.now(), later)

    # When
    measured(workshop, run)

    # Then
    assert sum(models.prompts.values()) == RECORDS
    [text] = explicit(workshop, run)
    assert "being moved or replaced" in text


def test_a_lambda_whose_time_is_over_leaves_nobody_out(workshop: Workshop, models: Models) -> None:
    # Given
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    hurried = replace(workshop.stage("EvaluateStudent", run, shard=SHARD), seconds_left=lambda: 1.0)

    # When the next one has more
    with pytest.raises(RetryLater):
        evaluate(hurried)
    roles = {item.role for item in measured(workshop, run)}

    # Then
    assert roles == {*REQUIRED, "champion"}
    assert models.prompts


# One champion from the first shard to the promotion


def test_the_champion_is_pinned_when_the_candidate_answers(workshop: Workshop) -> None:
    # Given
    run = workshop.run()
    workshop.plan(run)
    model = "arn:aws:bedrock:us-east-1:000000000000:custom-model/amazon.nova-micro-v1:0:128k/abcdefghijkl"
    workshop.pipeline.registry.record_facts(run.run_id, custom_model_arn=model)
    workshop.crown("video-older", "arn:older", ENDPOINT)

    # When
    deploy(workshop.stage("DeployCandidate", run))
    for endpoint in workshop.client.endpoints.values():
        endpoint["status"] = "Active"
    assert deploy(workshop.stage("DeployCandidate", run))["status"] == "COMPLETED"

    # Then
    pinned = workshop.pipeline.registry.run(run.run_id).facts["champion_before"]
    assert pinned is not None
    assert pinned["run_id"] == "video-older"


@pytest.mark.parametrize("moment", ["while shards are measured", "before the verdict"])
@pytest.mark.parametrize("pinned", [True, False])
def test_a_champion_that_came_meanwhile_is_not_taken_for_the_one_that_was_measured(
    workshop: Workshop, models: Models, moment: str, *, pinned: bool
) -> None:
    # Given another run that is promoted during the evaluation
    run = ready(workshop, calibration=False, champion=ENDPOINT if pinned else None)
    if moment == "before the verdict":
        measured(workshop, run)
    workshop.crown("video-newer", "arn:newer", "arn:newer-endpoint")
    if moment != "before the verdict":
        measured(workshop, run)

    # When
    before = decided(workshop, run)["champion_before"]

    # Then the promotion, which expects that one, refuses
    assert (before and before["run_id"]) == ("video-older" if pinned else None)
    assert sum(models.prompts.values()) == (RECORDS if pinned else 0)
    with pytest.raises(ChampionChanged, match="served by run video-newer"):
        promote(workshop.stage("PromoteStudent", run))


def test_a_champion_that_got_another_endpoint_is_promoted_over_at_that_one(workshop: Workshop, models: Models) -> None:
    # Given the same champion behind a deployment, where the schedule has put it
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    measured(workshop, run)
    workshop.crown("video-older", "arn:older", "arn:its-deployment")

    # When / Then
    assert decided(workshop, run)["champion_before"]["endpoint_arn"] == "arn:its-deployment"
    assert models.prompts


# Compared as it serves


@pytest.mark.usefixtures("models")
def test_a_champion_that_answers_is_the_fifth_contestant_on_the_same_records(workshop: Workshop) -> None:
    # Given a champion on provisioned throughput, whose calls are not billed one by one
    run = ready(workshop, calibration=False, champion=ENDPOINT)

    # When
    measured(workshop, run)
    evaluation = decided(workshop, run)

    # Then
    assert [one["role"] for one in evaluation["contestants"]] == [*REQUIRED, "champion"]
    assert {one["records"] for one in evaluation["contestants"]} == {RECORDS}
    champion = evaluation["contestants"][-1]
    assert champion["model_id"] == ENDPOINT
    assert champion["usd_per_1k_requests"] > 0
    assert evaluation["champion_before"]["run_id"] == "video-older"
    assert ENDPOINT not in {entry.model for entry in workshop.pipeline.registry.ledger(run.run_id)}
    assert about_the_champion(evaluation["explicit_reasons"]) == []


def test_it_is_asked_with_the_prompt_that_its_callers_use_and_few_calls_at_once(
    workshop: Workshop, models: Models
) -> None:
    # Given a task whose short prompt was reworded since the champion was trained
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    task = {"approval": "automatic", "student_system_prompt": "reworded"}
    workshop.bucket.write_json(run.files.task_definition, task)

    # When
    measured(workshop, run)

    # Then
    assert models.prompts == {CHAMPIONS_PROMPT: RECORDS}
    assert models.most_at_once <= CALLS_AT_ONCE


def test_what_it_answered_as_a_student_is_known_and_what_its_endpoint_says_is_kept_for_one_attempt(
    workshop: Workshop, models: Models
) -> None:
    # Given a champion that its own run has asked about all records but ten
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    task = TaskDefinition.from_document({"student_system_prompt": CHAMPIONS_PROMPT})
    records = from_json_lines(workshop.bucket.read(run.files.dataset("holdout.jsonl")))
    questions = [student_question(record, task) for record in records[10:]]
    answers = [Answer.from_api(question, "arn:older", converse_answer("the answer"), 300.0) for question in questions]
    AnswerStore(workshop.bucket, run.task).save(questions[0].pool("arn:older"), SHARD, answers)

    # When the shard is measured, and once more after a crash
    measured(workshop, run)
    measured(workshop, run)

    # Then
    assert sum(models.prompts.values()) == 10

    # And the next attempt asks its endpoint again: another run may have moved it meanwhile
    again = workshop.fail_and_retry(run)
    workshop.plan(again)
    workshop.bucket.write_json(again.files.task_definition, {"approval": "automatic"})
    measured(workshop, again)
    assert sum(models.prompts.values()) == 20


# Compared on what neither has seen


def trained_on(workshop: Workshop, texts: list[str]) -> None:
    """Leave the training file of the champion's run."""
    lines = [
        json.dumps({"id": f"{number:016x}", "turns": [["user", text]]}) for number, text in enumerate(texts, 10**6)
    ]
    workshop.bucket.write(RunFiles("video", "video-older").dataset("train.jsonl"), "\n".join(lines).encode())


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("seen", [RECORDS, RECORDS // 2, 0])
def test_a_champion_is_compared_on_the_records_that_it_was_not_trained_on(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, seen: int
) -> None:
    # Given a champion that was trained on some records of the holdout, under another split rule, by their ids
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    lines = [json.dumps({"id": f"{number:016x}", "turns": [["user", "as it was"]]}) for number in range(seen)]
    workshop.bucket.write(RunFiles(run.task, "video-older").dataset("train.jsonl"), "\n".join(lines).encode())
    compared: list[int] = []

    def compare(grouped: Any, _rules: Any) -> list[Any]:
        compared.append(len(grouped["champion"]))
        return []

    monkeypatch.setattr(score_stage, "worse_than_champion", compare)

    # When
    measured(workshop, run)
    said = explicit(workshop, run)

    # Then on the others, and where none are left it is said
    if seen == RECORDS:
        assert said == [f"{LEFT_OUT}it was trained on every record of the holdout, or on near-duplicates of it"]
        assert not compared
    else:
        assert compared == [RECORDS - seen]


@pytest.mark.usefixtures("models")
def test_a_champion_that_has_seen_near_duplicates_is_not_compared_on_them(workshop: Workshop) -> None:
    # Given
    run = ready(workshop, calibration=False, champion=ENDPOINT)
    trained_on(workshop, ["where is order 17 of the chairs", "birds"])
    lines = [
        json.dumps({"id": f"{number:016x}", "turns": [["user", f"where is order {number} of the chairs"]]})
        for number in range(RECORDS)
    ]
    workshop.bucket.write(run.files.dataset("holdout.jsonl"), "\n".join(lines).encode())

    # When
    measured(workshop, run)

    # Then
    assert "near-duplicates of it" in explicit(workshop, run)[0]
