"""The kinds of faults that can be ordered, and what each may carry beside ``kind``, ``count`` and ``skip``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

INTERNAL_ERROR = "Encountered an internal error when processing the request."
PHASES = ("validation", "dataProcessing", "training")
TRAINING_FAULTS = (
    "keep_records", "keep_fraction", "one_category_only", "remove_category", "permuted_labels", "label_noise",
)  # fmt: skip
JOB_FAULTS = ("drop_records", "stall_job", "fail_job", "no_outputs")
BATCH_FAULTS = ("end_batch", "stall_batch", "lose_records", "error_records", "duplicate_records", "cut_output")
BATCH_ENDINGS = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")
BATCH_PHASES = ("Submitted", "Validating", "Scheduled", "InProgress", "Stopping")

ENDINGS = (
    "content_filtered", "guardrail_intervened", "refusal", "max_tokens", "malformed_model_output", "malformed_tool_use",
    "model_context_window_exceeded", "thoughts",
)  # fmt: skip
JUDGEMENTS = (
    "error", "drift", "six", "no_tool_call", "two_calls", "other_tool", "words_beside", "malformed_call", "gullible",
)  # fmt: skip
ENDPOINT_ERRORS = (
    "InternalServerException", "ServiceUnavailableException", "ModelErrorException", "ModelTimeoutException",
    "ModelNotReadyException", "ThrottlingException",
)  # fmt: skip

STREAM_ERRORS = (
    "ModelStreamErrorException", "InternalServerException", "ValidationException", "ThrottlingException",
    "ServiceUnavailableException",
)  # fmt: skip


class FaultError(ValueError):
    """A fault that cannot be ordered; the message says what can."""


@dataclass(frozen=True)
class Option:
    """One option of a kind: ``...`` as default means that it is needed; ``allowed`` is said in words by ``says``."""

    default: Any
    allowed: Callable[[Any], bool]
    says: str


def whole(value: object, least: int) -> bool:
    """Whether a value is a whole number of at least ``least``."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _one_of(default: object, *values: str) -> Option:
    return Option(default, lambda value: value in values, f"one of {', '.join(values)}")


def _share(default: object, least: float | None = None) -> Option:
    if least is None:
        return Option(default, lambda v: _number(v) and 0 < v <= 1, "above 0 and at most 1")
    return Option(default, lambda v: _number(v) and least <= v <= 1, f"from {least:g} to 1")


def _whole(default: object, least: int = 0) -> Option:
    return Option(default, lambda value: whole(value, least), f"a whole number of {least} or more")


def _text(default: object) -> Option:
    return Option(default, lambda value: isinstance(value, str), "a text")


def _number_or_none() -> Option:
    return Option(
        None, lambda value: value is None or (_number(value) and value >= 0), "a number of 0 or more, or null"
    )


_MESSAGE, _SEED = _text(INTERNAL_ERROR), _whole(0)
_CATEGORY = Option(None, lambda value: value is None or isinstance(value, str), "a text or null for the most frequent")

OPTIONS: dict[str, dict[str, Option]] = {
    "error": {
        "operation": _text(...),
        "error": _text(...),
        "message": _text(""),
        "when": Option("before", lambda v: v in ("before", "after"), "'before' or 'after' the operation took effect"),
    },
    "keep_records": {"records": _whole(..., 1), "seed": _SEED},
    "keep_fraction": {"fraction": _share(...), "seed": _SEED},
    "one_category_only": {},
    "remove_category": {"category": _CATEGORY},
    "permuted_labels": {"seed": _SEED},
    "label_noise": {"fraction": _share(...), "seed": _SEED},
    "drop_records": {"fraction": _share(...), "seed": _SEED},
    # hours: how long it has hung already when it is first looked at, so that nobody need wait for a limit of hours.
    "stall_job": {"phase": _one_of("training", *PHASES), "hours": _whole(0)},
    "fail_job": {"phase": _one_of("training", *PHASES), "message": _MESSAGE},
    "no_outputs": {},
    # share: how much of the records was processed before a job ended in another way than Completed.
    "end_batch": {"status": _one_of(..., *BATCH_ENDINGS), "share": _share(0.5, 0), "message": _MESSAGE},
    "stall_batch": {"phase": _one_of("Scheduled", *BATCH_PHASES)},
    "lose_records": {"fraction": _share(...), "seed": _SEED},
    "error_records": {"fraction": _share(...), "seed": _SEED, "code": _whole(500, 400), "message": _MESSAGE},
    "duplicate_records": {"fraction": _share(...), "seed": _SEED},
    "cut_output": {"fraction": _share(0.5)},
    "fail_deployment": {"message": _MESSAGE},
    "fail_throughput": {"message": _MESSAGE},
    # status: where an update of a throughput ends; a deployment says UpdateFailed and goes on serving the old model.
    "fail_update": {"message": _MESSAGE, "status": _one_of("InService", "InService", "Failed")},
    "bad_ending": {"fraction": _share(...), "reason": _one_of(..., *ENDINGS), "model": _text(""), "seed": _SEED},
    "refuse_prompt": {
        "fraction": _share(1.0),
        "containing": _text(""),
        "message": _text("The prompt was refused by order of a test."),
        "model": _text(""),
        "seed": _SEED,
    },
    "wrong_judge": {"how": _one_of(..., *JUDGEMENTS), "fraction": _share(1.0), "seed": _SEED},
    "throttling_storm": {
        "fraction": _share(1.0),
        "seconds": _number_or_none(),
        "retry_after_seconds": _number_or_none(),
        "model": _text(""),
        "seed": _SEED,
    },
    # resource: a part of the ARN of the endpoint that is meant; empty for every deployment and throughput.
    "endpoint_errors": {
        "fraction": _share(1.0),
        "error": _one_of("InternalServerException", *ENDPOINT_ERRORS),
        "seconds": _number_or_none(),
        "resource": _text(""),
        "seed": _SEED,
    },
    # share: how much of the text comes before the error.
    "broken_stream": {
        "fraction": _share(1.0),
        "share": _share(0.5, 0),
        "error": _one_of("ModelStreamErrorException", *STREAM_ERRORS),
        "model": _text(""),
        "seed": _SEED,
    },
    "endpoint_latency": {
        "milliseconds": _whole(..., 1),
        "fraction": _share(1.0),
        "resource": _text(""),
        "seed": _SEED,
    },
}
KINDS = tuple(OPTIONS)


def parse(kind: object, request: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a kind with their defaults filled in.

    Raises
    ------
    FaultError
        Where the kind, an option or a value does not exist.
    """
    if kind not in OPTIONS:
        raise FaultError(f"there is no fault '{kind}'; allowed are {', '.join(KINDS)}")
    allowed = OPTIONS[str(kind)]
    for name in request:
        if name not in allowed:
            raise FaultError(f"the fault '{kind}' has no option '{name}'; allowed are {', '.join(allowed) or 'none'}")
    options = {name: request.get(name, option.default) for name, option in allowed.items()}
    missing = [name for name, value in options.items() if value is ...]
    if missing:
        raise FaultError(f"the fault '{kind}' needs {', '.join(missing)}")
    for name, option in allowed.items():
        if not option.allowed(options[name]):
            raise FaultError(f"{name} must be {option.says}; got {options[name]!r}")
    return options
