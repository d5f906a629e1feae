"""One shard through contestants and judge, the judge's calibration, and the decision, with scripted models."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lambdas.domain.errors import ModelUnavailable
from lambdas.domain.evaluation.labels import KeptLabels, Label
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.explicit_reasons import explicit_reasons, sentences
from lambdas.domain.run_facts import RunFacts
from lambdas.domain.run_files import RunFiles
from lambdas.gateways.answering import call_scheduler
from lambdas.gateways.aws import clients
from lambdas.gateways.registry.runs import Run
from lambdas.states.calibrate_judge.stage import execute as calibrate
from lambdas.states.evaluate_student.stage import execute as evaluate
from lambdas.states.score_evaluation.stage import execute as score
from lambdas.workflow.answer_labels import order_of_run
from lambdas.workflow.serving.pinned_champion import pin_champion
from tests.unit.gateways.fakes import converse_answer, refusal
from tests.unit.support.workshop import Workshop

SHARD = "00-15"
RECORDS = 60
CHAMPIONS_PROMPT = "as its callers ask it"
JUDGE = "us.anthropic.claude-sonnet-4-6"
Answerer = Callable[[dict[str, Any]], dict[str, Any] | Exception]


class Models:
    """Every model of the run: contestants repeat the question, the judge gives the scores that the test wants."""

    def __init__(self, judge: Callable[[str], Any]) -> None:
        self.judge, self.refusing, self.cut_off = judge, "", ""
        self.judge_calls: list[str] = []

    def converse(self, **request: Any) -> dict[str, Any]:
        model, text = request["modelId"], request["messages"][-1]["content"][0]["text"]
        if model == self.refusing:
            raise refusal("ResourceNotFoundException")
        if model != JUDGE:
            answer = converse_answer("the answer")
            answer["metrics"]["latencyMs"] = 900 if "haiku" in model else 321
            if model == self.cut_off and text.endswith("7"):
                answer["stopReason"] = "max_tokens"
            return answer
        self.judge_calls.append(text)
        given = self.judge(text)
        return converse_answer(tool={"score": given, "explanation": "because"})


def known_scores(text: str) -> int:
    """Agree with the calibration set below, and find every answer of the holdout good."""
    return int(text.rpartition("worth ")[2][0]) if "worth " in text else 4


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Models:
    found = Models(known_scores)
    monkeypatch.setattr(clients, "bedrock_runtime", lambda: found)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return found


def ready(workshop: Workshop, *, calibration: bool = True, champion: str | None = None, version: str = "1") -> Run:
    """Leave what earlier stages leave."""
    run = workshop.run(version)
    workshop.plan(run)
    workshop.bucket.write_json(run.files.task_definition, {"approval": "automatic"})
    counts = {"training_records": 900, "labelled_records": 900, "dropped": 0, "drop_reasons": {}, "drop_rate": 0.0}
    teacher_data = {**counts, "mode": "label", "batch": None}
    workshop.bucket.write_json(run.files.teacher_data("teacher_data.json"), teacher_data)
    records = [{"id": f"{number:016x}", "turns": [["user", f"question {number}"]]} for number in range(RECORDS)]
    lines = "\n".join(json.dumps(record) for record in records).encode()
    workshop.bucket.write(run.files.shard("holdout", SHARD), lines)
    workshop.bucket.write(run.files.dataset("holdout.jsonl"), lines)
    references = "\n".join(json.dumps({"record_id": record["id"], "reference": "the answer"}) for record in records)
    workshop.bucket.write(run.files.teacher_data("references.jsonl"), references.encode())
    if calibration:
        cases = [
            {"question": f"q{n}", "reference": "r", "answer": f"worth {1 + n % 5}", "expected_score": 1 + n % 5}
            for n in range(20)
        ]
        content = "\n".join(json.dumps(case) for case in cases).encode()
        workshop.bucket.write(run.files.dataset("calibration.jsonl"), content)
    facts: RunFacts = {"custom_model_arn": "arn:custom-model", "deployment_arn": "arn:deployment"}
    workshop.pipeline.registry.record_facts(run.run_id, **facts)
    if champion:
        workshop.crown("video-older", "arn:older", champion)
        its_task = {"student_system_prompt": CHAMPIONS_PROMPT, "approval": "automatic"}
        workshop.bucket.write_json(RunFiles(run.task, "video-older").task_definition, its_task)
    pin_champion(workshop.stage("DeployCandidate", run))
    return run


def measured(workshop: Workshop, run: Run) -> list[Measurement]:
    evaluate(workshop.stage("EvaluateStudent", run, shard=SHARD))
    return [
        Measurement.from_json(line)
        for line in workshop.bucket.read(run.files.evaluation(1, f"{SHARD}.jsonl")).splitlines()
    ]


def decided(workshop: Workshop, run: Run) -> dict[str, Any]:
    score(workshop.stage("ScoreEvaluation", run))
    found: dict[str, Any] = workshop.bucket.read_json(run.files.evaluation(1, "evaluation.json"))
    return found


def test_a_judge_that_refuses_ends_the_shard_and_is_not_taken_for_a_missing_champion(
    workshop: Workshop, models: Models
) -> None:
    # Given
    run = ready(workshop, champion="arn:champion-endpoint")
    models.refusing = JUDGE

    # When / Then
    with pytest.raises(ModelUnavailable):
        measured(workshop, run)


def test_a_judge_that_gives_six_is_asked_again_and_its_failures_are_counted(workshop: Workshop, models: Models) -> None:
    # Given a judge that gives 6 to the answers to every second question
    run = ready(workshop, calibration=False)
    models.judge = lambda text: 6 if int(text.split("</question>")[0][-1]) % 2 else 5

    # When
    found = measured(workshop, run)
    evaluation = decided(workshop, run)

    # Then
    unscored = [item for item in found if item.judged and item.score is None]
    assert all(item.judge_problem and "'6'" in item.judge_problem for item in unscored)
    assert len(models.judge_calls) > len(set(models.judge_calls))
    assert evaluation["decision"] == "INSUFFICIENT EVIDENCE"
    assert evaluation["judge"]["failures"] == len(unscored) == (3 * RECORDS + 30) // 2


def test_a_judge_none_of_whose_verdicts_can_be_used_is_given_up_early(workshop: Workshop, models: Models) -> None:
    # Given
    run = ready(workshop, calibration=False)
    models.judge = lambda _text: 6

    # When
    with pytest.raises(ModelUnavailable, match=r"none that can be used.*'6', not a whole number"):
        measured(workshop, run)

    # Then it was not paid for three tries of 240 answers
    assert len(models.judge_calls) < 60


def test_a_judge_that_fails_on_some_answers_is_counted_and_its_mean_is_not_taken_for_a_verdict(
    workshop: Workshop, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a judge whose calls fail each time for a tenth of the records
    monkeypatch.setattr(call_scheduler, "MAX_BROKEN", 2)  # more of them take seconds
    run = ready(workshop, calibration=False)
    tried: Counter[str] = Counter()

    def fails(text: str) -> int:
        if "9</question>" in text:
            tried[text] += 1
            raise refusal("ModelErrorException")
        return 5

    models.judge = fails

    # When
    found = measured(workshop, run)
    evaluation = decided(workshop, run)

    # Then each was tried again, none is guessed, and the best mean of the rest proves nothing
    assert set(tried.values()) == {2}
    unscored = [item for item in found if item.judged and item.score is None]
    assert len(unscored) == evaluation["judge"]["failures"] == (3 * RECORDS + 30) // 10
    assert all("no answer in 2 tries" in str(item.judge_problem) for item in unscored)
    assert {item.score for item in found} == {None, 5}
    assert evaluation["decision"] == "INSUFFICIENT EVIDENCE"
    assert any(reason.startswith("max_judge_failures") for reason in evaluation["reasons"])


def test_a_judge_that_is_lenient_is_not_believed_and_nothing_else_is_asked(workshop: Workshop, models: Models) -> None:
    # Given
    run = ready(workshop)
    models.judge = lambda _text: 5

    # When
    result = calibrate(workshop.stage("CalibrateJudge", run))

    # Then
    assert result == {"believed": False, "cases": 20}
    evaluation = workshop.bucket.read_json(run.files.evaluation(1, "evaluation.json"))
    assert evaluation["decision"] == "INSUFFICIENT EVIDENCE"
    assert {line["rule"] for line in evaluation["gate"] if not line["passed"]} == {
        "min_judge_agreement",
        "min_judge_correlation",
        "max_judge_error",
    }
    report = workshop.bucket.read_json(run.files.report(1, "report.json"))
    assert report["judge"]["calibration"]["cases"] == 20
    assert report["contestants"] == []
    # And another attempt may measure the judge again, as after every end for too little evidence
    ended = workshop.pipeline.registry.run(run.run_id)
    assert ended.facts["undecided"]
    assert ended.may_be_retried("REJECTED")


def test_a_judge_that_drifts_during_the_evaluation_proves_nothing(workshop: Workshop, models: Models) -> None:
    # Given a judge that agreed at the beginning and is two points stricter at the end
    run = ready(workshop)
    assert calibrate(workshop.stage("CalibrateJudge", run))["believed"]
    measured(workshop, run)
    models.judge = lambda text: max(1, known_scores(text) - 2)

    # When
    evaluation = decided(workshop, run)

    # Then
    assert evaluation["decision"] == "INSUFFICIENT EVIDENCE"
    assert evaluation["judge"]["calibration"]["drift"] == pytest.approx(1.4)
    assert [line["passed"] for line in evaluation["gate"] if line["rule"] == "max_judge_drift"] == [False]


def test_the_report_says_in_which_direction_the_judge_errs_and_what_its_set_cannot_show(
    workshop: Workshop, models: Models
) -> None:
    # Given a judge that is a point too kind to a fifth of the answers of which the score is known
    run = ready(workshop)
    models.judge = lambda text: min(5, known_scores(text) + ("<question>q" in text and "worth 2" in text))
    assert calibrate(workshop.stage("CalibrateJudge", run))["believed"]
    measured(workshop, run)

    # When
    decided(workshop, run)
    calibration = workshop.bucket.read_json(run.files.report(1, "report.json"))["judge"]["calibration"]

    # Then
    [error] = calibration["signed_errors"]
    assert (error["contestant"], error["cases"], error["mean"]) == ("all", 20, pytest.approx(0.2))
    assert error["low"] < error["mean"] < error["high"]
    assert any(text.startswith("20 cases leave the judge's error between") for text in calibration["cannot_show"])
    assert any("of the student and of the baseline" in text for text in calibration["cannot_show"])


def test_a_judge_that_cannot_be_measured_again_proves_nothing(workshop: Workshop, models: Models) -> None:
    # Given a judge that agreed at the beginning and gives no usable score any more when the evaluation is over
    run = ready(workshop)
    assert calibrate(workshop.stage("CalibrateJudge", run))["believed"]
    measured(workshop, run)
    models.judge = lambda _text: 6

    # When
    evaluation = decided(workshop, run)

    # Then
    assert evaluation["decision"] == "INSUFFICIENT EVIDENCE"
    assert evaluation["judge"]["calibration"]["drift"] == 4
    assert "max_judge_drift" in {line["rule"] for line in evaluation["gate"] if not line["passed"]}


def test_a_slice_of_the_holdout_that_the_teacher_never_answered_is_not_passed_over(
    workshop: Workshop, models: Models
) -> None:
    # Given a task with floors for languages, and one language without a reference
    run = ready(workshop, calibration=False)
    task = {"approval": "automatic", "gate": {"slices": {"language": 3.0}}}
    workshop.bucket.write_json(run.files.task_definition, task)
    records = [json.loads(line) for line in workshop.bucket.read(run.files.dataset("holdout.jsonl")).splitlines()]
    records = [{**record, "slices": {"language": "en"}} for record in records]
    records.append({"id": f"{RECORDS:016x}", "turns": [["user", "kysymys"]], "slices": {"language": "fi"}})
    lines = "\n".join(json.dumps(record) for record in records).encode()
    workshop.bucket.write(run.files.shard("holdout", SHARD), lines)
    workshop.bucket.write(run.files.dataset("holdout.jsonl"), lines)
    measured(workshop, run)

    # When
    evaluation = decided(workshop, run)

    # Then
    [line] = [line for line in evaluation["gate"] if line["rule"] == "slices.language=fi"]
    assert (line["measured"], line["passed"], line["undecided"]) == (None, False, True)
    assert "1 more have no reference" in line["explanation"]
    assert evaluation["decision"] == "PROMOTE"
    assert any("slices.language=fi" in sentence for sentence in sentences(explicit_reasons(evaluation)))
    assert models.judge_calls


@pytest.mark.usefixtures("models")
def test_another_run_on_the_same_records_is_another_look_and_the_same_run_is_none(workshop: Workshop) -> None:
    # Given
    first = ready(workshop, calibration=False)
    measured(workshop, first)

    # When
    once, again = decided(workshop, first)["evidence"], decided(workshop, first)["evidence"]
    second = ready(workshop, calibration=False, version="2")
    measured(workshop, second)
    other = decided(workshop, second)["evidence"]

    # Then
    assert once == again
    assert (once["look"], once["error"], once["error_spent"]) == (1, 0.05, pytest.approx(0.05))
    assert (other["look"], other["error"], other["error_spent"]) == (2, pytest.approx(0.1 / 6), pytest.approx(0.2 / 3))

    # And the next plan knows what the last verdict measured
    assert workshop.pipeline.looks.spread(second.task) == other["spread"] == 0.0


@pytest.mark.usefixtures("models")
def test_each_verdict_on_labels_is_a_look_to_the_runs_that_come_later(workshop: Workshop) -> None:
    # Given a run with two sendings of labels after its first verdict, and another run in between
    first, second, third = (ready(workshop, calibration=False, version=version) for version in "123")
    for run in (first, second, third):
        answered_otherwise(workshop, run)

    # When
    looks = [decided(workshop, first)["evidence"]["look"]]
    labelled(workshop, first, range(25))
    looks.append(decided(workshop, first)["evidence"]["look"])
    looks.append(decided(workshop, second)["evidence"]["look"])
    labelled(workshop, first, range(25, 50))
    again = [decided(workshop, first)["evidence"] for _ in range(2)]
    looks.append(decided(workshop, third)["evidence"]["look"])

    # Then
    assert looks == [1, 1, 2, 4]
    assert [found["look"] for found in again] == [3, 3]
    assert again[0]["comparison"] == "labelled"
    assert again[0]["error"] == pytest.approx(0.1 / 12)


def answered_otherwise(workshop: Workshop, run: Run) -> None:
    """Measure a run whose student answers in its own words."""
    items = [
        replace(item, answer=f"of {item.record_id}", score=4) if item.role == "student" else item
        for item in measured(workshop, run)
    ]
    lines = "\n".join(item.to_json() for item in items)
    workshop.bucket.write(run.files.evaluation(1, f"{SHARD}.jsonl"), lines.encode())


def labelled(workshop: Workshop, run: Run, which: range) -> None:
    """Keep one sending of labels in which people see no difference."""
    order = list(order_of_run(workshop.pipeline.runs, run.files, 1, "baseline").values())
    kept = KeptLabels(
        run_id=run.run_id,
        attempt=1,
        at=f"2026-01-01T00:00:{which.start:02}Z",
        by={"arn": "arn:aws:iam::000000000000:user/anna", "account": "000000000000", "user_id": "AIDA", "at": "now"},
        reference="baseline",
        labels=tuple(Label(order[place].record_id, order[place].answers, 4, 4) for place in which),
    )
    workshop.bucket.write_json(run.files.labels(f"{which.start}.json"), kept.to_document())


def test_without_known_scores_the_run_goes_on_and_says_so(workshop: Workshop, models: Models) -> None:
    # Given
    run = ready(workshop, calibration=False)

    # When
    result = calibrate(workshop.stage("CalibrateJudge", run))
    measured(workshop, run)

    # Then
    assert result == {"believed": True, "cases": 0}
    assert decided(workshop, run)["judge"]["calibration"] is None
    assert all("worth" not in text for text in models.judge_calls)


def test_calibration_is_measured_again_in_another_run_but_not_twice_in_one(workshop: Workshop, models: Models) -> None:
    # Given
    run = ready(workshop)
    calibrate(workshop.stage("CalibrateJudge", run))

    # When the same state is tried again
    calibrate(workshop.stage("CalibrateJudge", run))

    # Then
    assert len(models.judge_calls) == 20


def test_the_report_says_what_asking_the_student_first_would_bring(workshop: Workshop, models: Models) -> None:
    # Given a student of whose answers some are cut off
    run = ready(workshop)
    models.cut_off = "arn:deployment"
    measurements = measured(workshop, run)
    cut = [item for item in measurements if item.stop_reason == "max_tokens"]
    assert cut
    assert {item.role for item in cut} == {"student"}

    # When
    decided(workshop, run)
    report = workshop.bucket.read_json(run.files.report(1, "report.json"))

    # Then they are passed on, and the dollars are those of both
    cascade = report["cascade"]
    assert cascade["records"] == sum(item.role == "student" for item in measurements)
    assert cascade["reasons"]["truncated"] == cascade["escalated"] == len(cut)
    share = cascade["escalated_share"]
    extra = cascade["cascade"]["usd_per_1k_requests"] - cascade["student"]["usd_per_1k_requests"]
    assert extra == pytest.approx(share * cascade["teacher"]["usd_per_1k_requests"])
    assert cascade["usd_per_month"] is None
