"""A person scores blinded answers here or on a page; what is scored stays, and what is sent is the beginning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.labelling.scores import FOLDER, Scores
from cli.main import cli
from cli.session import Session
from lambdas.domain.evaluation.labels import AnswerPair, label_order
from lambdas.domain.evaluation.measurements import Measurement
from tests.gate_simulation.populations import measurement
from tests.unit.cli.conftest import FakeAws, ended, make_run

RUN = "greetings-aaaa11112222"
ROOT = f"runs/greetings/{RUN}"
RECORDS = 30
NASTY = "</script><script>alert(1)</script> \x1b[31mred"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def measured() -> tuple[list[Measurement], list[Measurement]]:
    student = [
        measurement("student", number, record_id=f"{number:016x}", answer=f"A{number} {NASTY}")
        for number in range(RECORDS)
    ]
    baseline = [
        measurement("baseline", number, record_id=f"{number:016x}", answer=f"B{number}") for number in range(RECORDS)
    ]
    return student, baseline


def pairs() -> list[AnswerPair]:
    return list(label_order(RUN, *measured()).values())


def waits(aws: FakeAws, *, texts: bool = True, **changes: Any) -> None:
    """Answer what the verb reads, in its order."""
    aws.outputs["pipeline"]["RecordLabelsFunction"] = "record-labels"
    fields: dict[str, Any] = {"progress": {"stage": "RequestApproval"}, **changes}
    aws.run_in_registry(make_run(**fields))
    aws.object_in_runs(f"{ROOT}/task.json", b'{"teacher_system_prompt": "Greet."}')
    prefix = f"{ROOT}/attempts/1/evaluation/"
    listed = {"Contents": [{"Key": f"{prefix}00-63.jsonl"}, {"Key": f"{prefix}evaluation.json"}]}
    aws.stub("s3").add_response("list_objects_v2", listed, {"Bucket": "runs", "Prefix": prefix})
    lines = "".join(f"{item.to_json()}\n" for side in measured() for item in side)
    aws.object_in_runs(f"{prefix}00-63.jsonl", lines.encode())
    if texts:
        asked = [{"id": f"{number:016x}", "turns": [["user", f"question {number}"]]} for number in range(RECORDS)]
        aws.object_in_runs(f"{ROOT}/dataset/holdout.jsonl", "\n".join(map(json.dumps, asked)).encode())


def kept(aws: FakeAws, labels: list[dict[str, Any]], then: str = "decides_anew") -> None:
    answer = {"run_id": RUN, "labels": len(labels), "next": then}
    aws.function_answers("record-labels", {"run_id": RUN, "labels": labels}, answer)


def labels(first: int, second: int, count: int = RECORDS, start: int = 0) -> list[dict[str, Any]]:
    """Give what is sent where each first and each second answer has the same score."""
    return [
        {
            "record_id": pair.record_id,
            "answers": pair.answers,
            "student": first if pair.student_first else second,
            "reference": second if pair.student_first else first,
        }
        for pair in pairs()[start : start + count]
    ]


def typed(aws: FakeAws, text: str, *arguments: str) -> Result:
    session = Session(aws.deployment, as_json=False)
    return CliRunner().invoke(cli, ["label", RUN, *arguments], obj=session, input=text)


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (make_run(progress={"stage": "EvaluateStudent"}), "is at EvaluateStudent; labels count while it waits"),
        (make_run(state="QUEUED"), "is at QUEUED"),
        (ended("REJECTED"), "has ended as REJECTED, so that no label changes it"),
        (ended("PROMOTED"), "has ended as PROMOTED"),
    ],
)
def test_nobody_works_for_a_run_that_takes_no_labels(
    aws: FakeAws, call: Callable[..., Result], run: dict[str, Any], why: str
) -> None:
    # Given
    aws.run_in_registry(run)
    # When
    result = call("label", RUN)
    # Then
    assert result.exit_code == 1
    assert why in result.stderr


def test_what_is_scored_stays_when_somebody_leaves_and_goes_on(aws: FakeAws) -> None:
    # Given somebody who scores 21 records and leaves in the middle of the next one
    waits(aws)
    result = typed(aws, "4\n5\n" * 21 + "3\nq\nn\n")
    assert result.exit_code == 1
    assert len(Scores.read(RUN).by_record) == 21
    # When the others are scored
    waits(aws)
    kept(aws, labels(4, 5, 21) + labels(2, 2, 9, start=21))
    result = typed(aws, "2\n2\n" * 9)
    # Then all are sent, and each was asked about once
    assert result.exit_code == 0, result.output
    assert "9 of 30 records to score" in result.stderr
    assert "The gate decides anew" in result.stdout
    assert Scores.read(RUN).sent == RECORDS


def test_a_few_scores_are_not_sent(aws: FakeAws) -> None:
    # Given
    waits(aws)
    # When
    result = typed(aws, "4\n5\n" * 5 + "q\n")
    # Then
    assert result.exit_code == 1
    assert "has 5 of the first 30 records; fewer than 20 correct nothing" in result.stderr
    assert "Nothing was sent" in result.stderr


def test_neither_names_nor_control_characters_are_shown(aws: FakeAws) -> None:
    # Given
    waits(aws)
    # When
    result = typed(aws, "9\n4\n5\nq\n")
    # Then a score that there is not is asked for again
    assert "question" in result.stderr
    assert "'9' is not one of" in result.output
    assert "student" not in result.stderr.lower()
    assert "baseline" not in result.stderr.lower()
    assert "\x1b" not in result.output


def test_the_page_is_blinded_and_its_texts_cannot_act(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    waits(aws)
    # When
    result = call("label", RUN, "--page", "score.html")
    # Then
    text = Path("score.html").read_text()
    assert result.exit_code == 0, result.output
    assert Path("score.html").stat().st_mode & 0o077 == 0
    assert "<script>alert" not in text
    assert text.count("<script") == 2
    assert not {"http:", "https:", "//cdn"} & set(text.split('"'))
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    assert [one["record_id"] for one in data["records"]] == [pair.record_id for pair in pairs()]
    assert {"student", "reference", "baseline"} & set(data["records"][0]) == set()
    assert data["records"][0]["turns"][0]["who"] == "user"
    firsts = {one["first"][0] for one in data["records"]}
    assert firsts == {"A", "B"}


def test_a_page_replaces_no_file(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    Path("score.html").write_text("mine")
    waits(aws)
    # When
    result = call("label", RUN, "--page", "score.html")
    # Then
    assert (result.exit_code, Path("score.html").read_text()) == (1, "mine")


def exported(**changes: Any) -> Path:
    scores = [{"record_id": pair.record_id, "answers": pair.answers, "first": 3, "second": 5} for pair in pairs()]
    path = Path("export.json")
    path.write_text(json.dumps({"version": 1, "run_id": RUN, "scores": scores, **changes}))
    return path


def test_an_export_is_sent_with_a_proof(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given a run that has ended for want of evidence
    waits(aws, texts=False, **ended("REJECTED", facts={"undecided": True}))
    kept(aws, labels(3, 5), then="retry")
    # When
    result = call("label", RUN, "--import", str(exported()))
    # Then
    assert result.exit_code == 0, result.output
    assert f"retry {RUN}" in result.stdout


@pytest.mark.parametrize(
    "changes",
    [
        {"run_id": "another"},
        {"version": 2},
        {"scores": [{"record_id": "r", "answers": "a", "first": 6, "second": 1}]},
        {"scores": [{"record_id": "r", "answers": "a", "first": "4", "second": 1}]},
        {"scores": [{"record_id": "r"}]},
        {"scores": None},
    ],
)
def test_what_is_no_export_of_this_run_is_refused(
    aws: FakeAws, call: Callable[..., Result], changes: dict[str, Any]
) -> None:
    # Given
    waits(aws, texts=False)
    # When
    result = call("label", RUN, "--import", str(exported(**changes)))
    # Then
    assert result.exit_code == 1
    assert "is not what the page of run" in result.stderr


def test_labels_go_on_behind_those_that_the_run_has(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given 20 labels that another machine has sent
    waits(aws, texts=False)
    kept(aws, labels(3, 5, 10, start=20))
    # When
    result = call("label", RUN, "--import", str(exported()), "--after", "20")
    # Then
    assert result.exit_code == 0, result.output
    assert Scores.read(RUN).sent == RECORDS


def test_a_refusal_is_told_and_nothing_counts_as_sent(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    waits(aws, texts=False)
    refused = {"errorType": "LabelsRefused", "errorMessage": "too late"}
    aws.function_answers("record-labels", {"run_id": RUN, "labels": labels(3, 5)}, refused, error=True)
    # When
    result = call("label", RUN, "--import", str(exported()))
    # Then
    assert (result.exit_code, Scores.read(RUN).sent) == (1, 0)
    assert "LabelsRefused: too late" in result.stderr


def test_a_damaged_file_of_scores_says_what_to_do(aws: FakeAws, call: Callable[..., Result]) -> None:
    # Given
    FOLDER.mkdir(parents=True)
    (FOLDER / f"{RUN}.json").write_text("{")
    waits(aws, texts=False)
    # When
    result = call("label", RUN)
    # Then
    assert result.exit_code == 1
    assert "Delete it to score anew" in result.stderr
