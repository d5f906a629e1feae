"""Where figures go: OpenTelemetry, embedded metrics on standard output, or nowhere. Never any text of a prompt."""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.util import find_spec
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bedrock_student.policy import Answer, Call

VARIABLE = "BEDROCK_STUDENT_METRICS"
"""Chooses: ``otel``, ``emf`` or ``none``."""

NAMESPACE = "BedrockStudent"
PROVIDER = "aws.bedrock"
"""Value of ``gen_ai.provider.name`` (OpenTelemetry semantic conventions for generative AI)."""


class Metrics:
    """Nowhere; what the others are told."""

    def called(self, task: str, call: Call) -> None:
        """Note one call of a model."""

    def answered(self, task: str, answer: Answer | None, seconds: float, *, capped: str) -> None:
        """Note one question.

        Parameters
        ----------
        task : str
        answer : Answer or None
            ``None`` where there is none.
        seconds : float
        capped : str
            Whose cap kept it from the fallback, that of ``quality`` or ``outage``; empty where none did.
        """


class Emf(Metrics):
    """CloudWatch's embedded metric format, one line a question, for whatever sends standard output to CloudWatch Logs.

    Its dimensions are environment and task: as many metrics as the application asks tasks, whatever they answer.
    """

    def __init__(self, environment: str, out: IO[str] | None = None) -> None:
        self._environment, self._out = environment, out

    def answered(self, task: str, answer: Answer | None, seconds: float, *, capped: str) -> None:
        """Write a line."""
        usd = answer.usd if answer else None
        escalated = answer is not None and answer.escalated and not capped  # the fallback may have done no better
        values: dict[str, float] = {
            "Requests": 1,
            "Escalated": int(escalated),
            "Invalid": int(answer is not None and not answer.valid),
            "Unanswered": int(answer is None),
            "Milliseconds": round(1000 * seconds, 3),
            **({} if usd is None else {"Usd": usd}),
        }
        if capped:
            values[f"Capped{capped.title()}"] = 1
        if answer is not None and answer.reason and escalated:
            values[f"Escalated{answer.reason.title().replace('_', '')}"] = 1
        units = {"Milliseconds": "Milliseconds", "Usd": "None"}
        metrics = [{"Name": name, "Unit": units.get(name, "Count")} for name in values]
        about = {"Namespace": NAMESPACE, "Dimensions": [["Environment", "Task"]], "Metrics": metrics}
        told = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [about]}, "Task": task, **values}
        if answer is not None:
            told |= {"Leg": answer.leg, "Reason": answer.reason, "Run": answer.run_id, "Variant": answer.variant}
        line = json.dumps({**told, "Environment": self._environment}, separators=(",", ":"))
        (self._out or sys.stdout).write(f"{line}\n")


class Otel(Metrics):
    """OpenTelemetry, named by its semantic conventions for generative AI.

    Parameters
    ----------
    meter : opentelemetry.metrics.Meter
    calls : bool, optional
        Whether calls are measured here; unless given, where no instrumentation of botocore measures the same ones.
    """

    def __init__(self, meter: Any, *, calls: bool | None = None) -> None:  # noqa: ANN401 - the package may not be there
        self._calls = calls
        self._seconds = meter.create_histogram("gen_ai.client.operation.duration", "s")
        self._tokens = meter.create_histogram("gen_ai.client.token.usage", "{token}")
        self._requests = meter.create_counter("bedrock_student.requests", "{request}")

    def called(self, task: str, call: Call) -> None:
        """Record duration and tokens."""
        if not (self._calls if self._calls is not None else not _botocore_is_instrumented()):
            return
        about = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": PROVIDER, "gen_ai.request.model": call.model}
        about |= {"bedrock_student.task": task, "bedrock_student.leg": call.leg}
        if call.error:
            self._seconds.record(call.latency_ms / 1000, {**about, "error.type": call.error})
            return
        self._seconds.record(call.latency_ms / 1000, about)
        for kind, tokens in (("input", call.input_tokens), ("output", call.output_tokens)):
            self._tokens.record(tokens, {**about, "gen_ai.token.type": kind})

    def answered(self, task: str, answer: Answer | None, seconds: float, *, capped: str) -> None:
        """Count the question by who answered it and why."""
        del seconds  # the application's own span has it
        leg, reason = (answer.leg, answer.reason or "none") if answer else ("none", "unanswered")
        about = {"bedrock_student.task": task, "bedrock_student.leg": leg, "bedrock_student.reason": reason}
        valid = bool(answer and answer.valid)
        about["bedrock_student.capped"] = capped or "none"
        self._requests.add(1, {**about, "bedrock_student.valid": valid})


def chosen_metrics(environment: str) -> Metrics:
    """Choose one way, so that nothing is counted twice: what is asked for, else OpenTelemetry, else a Lambda's log."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "otel" or (not wanted and find_spec("opentelemetry") and find_spec("opentelemetry.metrics")):
        from opentelemetry import metrics  # noqa: PLC0415 - an extra

        return Otel(metrics.get_meter("bedrock_student"))
    if wanted == "emf" or (not wanted and "AWS_LAMBDA_FUNCTION_NAME" in os.environ):
        return Emf(environment)
    return Metrics()


def _botocore_is_instrumented() -> bool:
    """Look at each call: an application may instrument after it has made its student, or stop.

    The instrumentor is its class's only instance, and is not made here: that would take its hooks from it.
    """
    module = sys.modules.get("opentelemetry.instrumentation.botocore")
    one = getattr(getattr(module, "BotocoreInstrumentor", None), "_instance", None)
    return bool(one and one.is_instrumented_by_opentelemetry)
