"""Bedrock, Systems Manager and S3 as far as the client asks them, in memory."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from bedrock_student import Metrics, Student

TASK, ENVIRONMENT = "video", "dev"
STUDENT_ARN = "arn:aws:bedrock:us-east-1:111122223333:provisioned-model/abcdefghijkl"
FALLBACK_MODEL = "us.amazon.nova-pro-v1:0"
PROMPT = "Answer as JSON with a, b and sure."
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "number"}, "sure": {"type": "number"}},
    "required": ["a"],
    "additionalProperties": False,
}
GOOD, BETTER = '{"a": 1}', '{"a": 2}'


def failure(code: str, status: int, message: str = "why") -> ClientError:
    """Make the error that botocore raises for a status."""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Converse")


def timeout() -> Exception:
    """Make the error of a model that stays silent."""
    return ReadTimeoutError(endpoint_url="https://bedrock-runtime")


def said(text: str, stop_reason: str = "end_turn") -> dict[str, Any]:
    """Make an answer of Converse."""
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": stop_reason,
        "usage": {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110},
    }


def pointer(**changes: Any) -> dict[str, Any]:
    """Make a champion's parameter."""
    return {
        "endpoint_arn": STUDENT_ARN,
        "model_arn": "arn:model",
        "run_id": "run-1",
        "promoted_at": "2026-11-29T12:00:00.000Z",
        "system_prompt": "Short.",
        "inference_parameters": {"maxTokens": 1000, "temperature": 0.0},
        "output_schema": SCHEMA,
        **changes,
    }


def policy(mode: str = "student", **escalate: Any) -> dict[str, Any]:
    """Make a policy's parameter: the fallback's prompt lies in S3."""
    return {
        "schema_version": 1,
        "version": "p1",
        "for_run": "run-1",
        "mode": mode,
        "student": {"usd_per_million_tokens": {"input": 1.0, "output": 2.0}},
        "fallback": {
            "model": FALLBACK_MODEL,
            "role": "teacher",
            "prompt": {"bucket": "runs", "key": "policies/p", "sha256": hashlib.sha256(PROMPT.encode()).hexdigest()},
            "inference_parameters": {"maxTokens": 1000, "temperature": 0.0},
            "usd_per_million_tokens": {"input": 10.0, "output": 20.0},
        },
        "escalate": {"on": [], "max_share": 0.2, "outage_share": 1.0, **escalate},
        "deadline_seconds": 30.0,
    }


class Service:
    """All three services; models answer by rules that tests change."""

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}
        self.objects: dict[tuple[str, str], bytes] = {("runs", "policies/p"): PROMPT.encode()}
        self.models: dict[str, Callable[[dict[str, Any]], Any]] = {
            STUDENT_ARN: lambda _: said(GOOD),
            FALLBACK_MODEL: lambda _: said(BETTER),
        }
        self.requests: list[dict[str, Any]] = []
        self.reads = 0
        self.ssm_problem: Exception | None = None
        self.stream_problem: Exception = failure("modelStreamErrorException", 200)
        self.in_flight: dict[str, int] = {}
        self.most_in_flight: dict[str, int] = {}
        self._lock = threading.Lock()
        self.publish(pointer(), policy())

    def publish(self, champion: object, rules: object = None) -> None:
        """Write the parameters as a promotion does."""
        root = f"/distillation/{ENVIRONMENT}/{TASK}"
        self.parameters = {f"{root}/champion": json.dumps(champion)} if champion else {}
        if rules:
            self.parameters[f"{root}/policy"] = rules if isinstance(rules, str) else json.dumps(rules)

    def says(self, text: str | Exception, model: str = STUDENT_ARN, stop_reason: str = "end_turn") -> None:
        """Let a model say this from now on."""
        self.models[model] = lambda _: text if isinstance(text, Exception) else said(text, stop_reason)

    def asked(self, model: str = STUDENT_ARN) -> int:
        """Count the calls of a model."""
        return sum(request["modelId"] == model for request in self.requests)

    def get_parameters(self, *, Names: list[str]) -> dict[str, Any]:  # noqa: N803 - the API's name
        self.reads += 1
        if self.ssm_problem:
            raise self.ssm_problem
        found = [{"Name": name, "Value": self.parameters[name]} for name in Names if name in self.parameters]
        return {"Parameters": found}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - the API's names
        if (Bucket, Key) not in self.objects:
            raise failure("NoSuchKey", 404)
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}

    def converse(self, **request: Any) -> dict[str, Any]:
        model = request["modelId"]
        with self._lock:
            self.requests.append(request)
            self.in_flight[model] = self.in_flight.get(model, 0) + 1
            self.most_in_flight[model] = max(self.most_in_flight.get(model, 0), self.in_flight[model])
        try:
            if model not in self.models:
                raise failure("ResourceNotFoundException", 404)
            given = self.models[model](request)
            if isinstance(given, Exception):
                raise given
            answer: dict[str, Any] = given
            return answer
        finally:
            with self._lock:
                self.in_flight[model] -= 1

    def converse_stream(self, **request: Any) -> dict[str, Any]:
        """Give the same text piece by piece; where a piece is BREAKS an error comes in its place."""
        answer = self.converse(**request)
        text = answer["output"]["message"]["content"][0]["text"]

        def events() -> Any:
            yield {"messageStart": {"role": "assistant"}}
            for piece in text.split("|"):
                if piece == "BREAKS":
                    raise self.stream_problem
                yield {"contentBlockDelta": {"delta": {"text": piece}}}
            yield {"messageStop": {"stopReason": answer["stopReason"]}}
            yield {"metadata": {"usage": answer["usage"]}}

        return {"stream": events()}

    def student(self, **more: Any) -> Student:
        """Make a client of these services."""
        clients = {"ssm": self, "bedrock-runtime": self, "s3": self}
        return Student(TASK, environment=ENVIRONMENT, clients=clients, **{"metrics": Metrics(), **more})
