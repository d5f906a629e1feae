"""Figures are counted once, with bounded dimensions, and never hold what people asked."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bedrock_student import Emf, Metrics, Otel, StudentError
from bedrock_student.metrics import VARIABLE, chosen_metrics
from tests.unit.client.service import FALLBACK_MODEL, GOOD, STUDENT_ARN, Service, pointer, policy, timeout

CLIENT = Path(__file__).resolve().parents[3] / "client"
SECRET = "my credit card"


class Meter:
    """OpenTelemetry's meter as far as it is asked: keeps what each instrument is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float, dict[str, Any]]] = []

    def create_histogram(self, name: str, _unit: str) -> Any:
        told = self.told

        class Instrument:
            def record(self, value: float, about: dict[str, Any]) -> None:
                told.append((name, value, about))

            add = record

        return Instrument()

    create_counter = create_histogram


def lines(service: Service, questions: int = 3) -> list[dict[str, Any]]:
    out = io.StringIO()
    student = service.student(metrics=Emf("dev", out))
    for _ in range(questions):
        student.ask(SECRET)
    assert SECRET not in out.getvalue()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_counts_a_question_once_whoever_was_asked() -> None:
    # Given
    service = Service()
    service.says(timeout())
    # When
    told = lines(service)
    # Then
    assert [(line["Requests"], line["Escalated"], line["Unanswered"]) for line in told] == [(1, 1, 0)] * 3
    assert {(line["Leg"], line["Reason"]) for line in told} == {("fallback", "unanswered")}
    [about] = told[0]["_aws"]["CloudWatchMetrics"]
    assert about["Dimensions"] == [["Environment", "Task"]]
    assert {one["Name"] for one in about["Metrics"]} <= told[0].keys()
    assert all(isinstance(told[0][one["Name"]], int | float) for one in about["Metrics"])


def test_a_question_without_an_answer_is_counted_too() -> None:
    service, out = Service(), io.StringIO()
    service.says(timeout())
    service.says(timeout(), FALLBACK_MODEL)
    with pytest.raises(StudentError):
        service.student(metrics=Emf("dev", out)).ask(SECRET)
    [line] = map(json.loads, out.getvalue().splitlines())
    assert (line["Requests"], line["Unanswered"], line["Escalated"]) == (1, 1, 0)


def test_a_cap_that_held_is_told_with_what_it_caps() -> None:
    # Given a share of quality that leaves no room
    service = Service()
    service.publish(pointer(), policy("cascade", on=["breaks_schema"], max_share=0.0))
    service.says("no JSON")
    # Then
    told = lines(service)
    assert [(line["CappedQuality"], line["Invalid"], line["Escalated"]) for line in told] == [(1, 1, 0)] * 3
    assert not any("CappedOutage" in line or "EscalatedBreaksSchema" in line for line in told)
    # Given one of outages that leaves none
    service.publish(pointer(), policy(outage_share=0.0))
    service.says(timeout())
    out = io.StringIO()
    with pytest.raises(StudentError):
        service.student(metrics=Emf("dev", out)).ask(SECRET)
    # Then
    [line] = map(json.loads, out.getvalue().splitlines())
    assert (line["CappedOutage"], "CappedQuality" in line) == (1, False)
    assert {one["Name"] for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]} >= {"CappedOutage"}


def test_a_question_that_met_a_rule_is_counted_whoever_answered() -> None:
    # Given a fallback that is cut off too, and then one whose breaker is open
    service = Service()
    service.publish(pointer(), policy("cascade", on=["truncated"], max_share=1.0))
    service.says(GOOD, stop_reason="max_tokens")
    service.says(GOOD, FALLBACK_MODEL, stop_reason="max_tokens")
    told = lines(service)
    service.says(timeout(), FALLBACK_MODEL)
    told += lines(service, 5)
    # Then
    assert [(line["Leg"], line["Escalated"], line["EscalatedTruncated"]) for line in told] == [("student", 1, 1)] * 8
    assert service.asked(FALLBACK_MODEL) < 8


def test_opentelemetry_is_told_by_its_conventions() -> None:
    # Given
    service, meter = Service(), Meter()
    service.says(timeout())
    # When
    service.student(metrics=Otel(meter)).ask(SECRET)
    # Then
    assert SECRET not in repr(meter.told)
    durations = [about for name, _, about in meter.told if name == "gen_ai.client.operation.duration"]
    assert [(one["gen_ai.request.model"], one.get("error.type")) for one in durations] == [
        (STUDENT_ARN, "ReadTimeoutError"),
        (FALLBACK_MODEL, None),
    ]
    assert {(one["gen_ai.operation.name"], one["gen_ai.provider.name"]) for one in durations} == {
        ("chat", "aws.bedrock")
    }
    tokens = {
        about["gen_ai.token.type"]: value for name, value, about in meter.told if name == "gen_ai.client.token.usage"
    }
    assert tokens == {"input": 100, "output": 10}
    [request] = [about for name, _, about in meter.told if name == "bedrock_student.requests"]
    assert (request["bedrock_student.leg"], request["bedrock_student.reason"]) == ("fallback", "unanswered")


def test_calls_that_an_instrumentation_measures_are_not_measured_twice() -> None:
    service, meter = Service(), Meter()
    service.student(metrics=Otel(meter, calls=False)).ask("red cats")
    assert {name for name, _, _ in meter.told} == {"bedrock_student.requests"}


@pytest.mark.parametrize(
    ("variables", "chosen"),
    [({VARIABLE: "none"}, Metrics), ({VARIABLE: "emf"}, Emf), ({}, Metrics), ({"AWS_LAMBDA_FUNCTION_NAME": "f"}, Emf)],
    ids=["none", "asked for", "elsewhere", "in a Lambda"],
)
def test_one_way_is_chosen(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], chosen: type) -> None:
    monkeypatch.setattr("bedrock_student.metrics.find_spec", lambda _: None)
    for name in (VARIABLE, "AWS_LAMBDA_FUNCTION_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert type(chosen_metrics("dev")) is chosen


def test_opentelemetry_is_taken_where_it_is(tmp_path: Path) -> None:
    # Given a package that looks like OpenTelemetry's API, and an instrumentation of botocore
    for name, code in {
        "opentelemetry/metrics.py": "class H:\n def __init__(s, name, *a): s.name = name\n"
        " def record(s, *a): print(s.name)\nclass M:\n create_histogram = create_counter = H\n"
        "def get_meter(name): return M()",
        "opentelemetry/instrumentation/botocore.py": "class BotocoreInstrumentor:\n _instance = None\n"
        " is_instrumented_by_opentelemetry = False\n def __init__(s): type(s)._instance = s; s.hook = None",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code)
    code = (
        "from bedrock_student.metrics import chosen_metrics\nfrom bedrock_student.policy import Call\n"
        "one, call = chosen_metrics('dev'), Call('student', 'arn', 1.0, error='Why')\n"
        "print(type(one).__name__)\none.called('t', call)\n"
        "from opentelemetry.instrumentation.botocore import BotocoreInstrumentor\none.called('t', call)\n"
        "made = BotocoreInstrumentor()\nmade.hook, made.is_instrumented_by_opentelemetry = 'kept', True\n"
        "one.called('t', call)\nprint(made.hook)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{CLIENT}:{tmp_path}", "AWS_LAMBDA_FUNCTION_NAME": "f"}
    environment.pop(VARIABLE, None)
    # When
    done = subprocess.run(  # noqa: S603 - Python itself, with code of this file
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    # Then a call is measured until the application instruments botocore, which is left as it is
    duration = "gen_ai.client.operation.duration"
    assert done.stdout.split() == ["Otel", duration, duration, "kept"]
