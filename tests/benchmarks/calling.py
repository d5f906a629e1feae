"""What the client that applications install adds to a call: beside a bare ``converse``, and of processor time."""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.config import Config

sys.path.append(str(Path(__file__).resolve().parents[2] / "client"))  # a project of its own, which nobody installs here

from bedrock_student import Metrics, Student
from tests.benchmarks.asking import simulator

QUESTIONS, WARM, OWN_CALLS = 1_500, 50, 20_000
MODEL = "amazon.nova-lite-v1:0"
_SETTINGS = {"maxTokens": 1000, "temperature": 0.0}
_SCHEMA = {"type": "object", "properties": {"visual": {"type": "number"}}, "required": ["visual"]}
_ANSWER = '{"visual": 0.5, "audio": 0.2, "transcription": 0.2, "metadata": 0.1, "reasoning": "it names what is seen"}'


class Overhead(NamedTuple):
    """Milliseconds."""

    p50_ms: float
    own_p99_ms: float


class Parameters:
    """Systems Manager with a champion and its policy."""

    def get_parameters(self, *, Names: list[str]) -> dict[str, Any]:  # noqa: N803 - the API's name
        """Give both."""
        pointer = {"endpoint_arn": MODEL, "run_id": "r", "inference_parameters": _SETTINGS, "output_schema": _SCHEMA}
        fallback = {"model": "us.amazon.nova-pro-v1:0", "prompt": None, "inference_parameters": _SETTINGS}
        policy = {"for_run": "r", "version": "v", "mode": "student", "fallback": fallback, "escalate": {}}
        values = zip(Names, (pointer, policy), strict=True)
        return {"Parameters": [{"Name": name, "Value": json.dumps(value)} for name, value in values]}


class Immediate:
    """A runtime that answers at once."""

    def converse(self, **_request: Any) -> dict[str, Any]:
        """Answer."""
        content = {"message": {"content": [{"text": _ANSWER}]}}
        return {"output": content, "stopReason": "end_turn", "usage": {"inputTokens": 40, "outputTokens": 40}}


def measure_overhead(workdir: Path) -> Overhead:
    """Ask the same questions in turns, in an order that changes, so that nothing but the client differs."""
    workdir.mkdir(parents=True, exist_ok=True)
    with simulator(workdir, seconds=0.0, quota=1_000) as url:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        settings = Config(retries={"mode": "standard", "total_max_attempts": 1})
        runtime: Any = boto3.client("bedrock-runtime", endpoint_url=url, config=settings, **keys)  # type: ignore[call-overload]
        student = _student(runtime)

        def bare(text: str) -> str:
            messages = [{"role": "user", "content": [{"text": text}]}]
            given = runtime.converse(modelId=MODEL, messages=messages, inferenceConfig=_SETTINGS)
            return str(given["output"]["message"]["content"][0]["text"])

        differences = []
        for number in range(WARM + QUESTIONS):
            text = f"find the clip number {number}"
            ways = (bare, student.ask) if number % 2 else (student.ask, bare)
            seconds = {}
            for way in ways:
                begun = time.perf_counter()
                way(text)
                seconds[way] = time.perf_counter() - begun
            differences.append(seconds[student.ask] - seconds[bare])
    return Overhead(1000 * statistics.median(differences[WARM:]), _own())


def _own() -> float:
    student, taken = _student(Immediate()), []
    student.ask("red cats")
    gc.collect()
    for _ in range(OWN_CALLS):
        begun = time.thread_time_ns()
        student.ask("red cats")
        taken.append(time.thread_time_ns() - begun)
    return sorted(taken)[int(0.99 * OWN_CALLS)] / 1e6


def _student(runtime: object) -> Student:
    return Student("video", clients={"ssm": Parameters(), "bedrock-runtime": runtime}, metrics=Metrics())
