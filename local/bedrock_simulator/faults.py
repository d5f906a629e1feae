"""Faults to order: errors of an operation, and what may go wrong inside a job, a deployment or a throughput."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

GENERIC_ERROR = "ThrottlingException"
TRAINING_FAULTS = (
    "keep_records", "keep_fraction", "one_category_only", "remove_category", "permuted_labels", "label_noise",
)  # fmt: skip
JOB_FAULTS = ("drop_records", "stall_job", "fail_job", "no_outputs")
PHASES = ("validation", "dataProcessing", "training")
INTERNAL_ERROR = "Encountered an internal error when processing the request."

# What each kind may carry beside kind, count and skip, with the value it takes when absent (... = required).
_OPTIONS: dict[str, dict[str, Any]] = {
    "error": {"operation": ..., "error": ..., "message": "", "when": "before"},
    "keep_records": {"records": ..., "seed": 0},
    "keep_fraction": {"fraction": ..., "seed": 0},
    "one_category_only": {},
    "remove_category": {"category": None},
    "permuted_labels": {"seed": 0},
    "label_noise": {"fraction": ..., "seed": 0},
    "drop_records": {"fraction": ..., "seed": 0},
    "stall_job": {"phase": "training"},
    "fail_job": {"phase": "training", "message": INTERNAL_ERROR},
    "no_outputs": {},
    "fail_deployment": {"message": INTERNAL_ERROR},
    "fail_throughput": {"message": INTERNAL_ERROR},
    "fail_update": {"message": INTERNAL_ERROR},
}
KINDS = tuple(_OPTIONS)


class FaultError(ValueError):
    """A fault that cannot be ordered; the message says what can."""


@dataclass
class Fault:
    """One ordered fault: it lets ``skip`` occasions pass, then happens ``count`` times (``None`` = always)."""

    kind: str
    options: dict[str, Any]
    count: int | None
    skip: int
    fault_id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    hits: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the fault as the control API shows it."""
        shown = {"id": self.fault_id, "kind": self.kind, "count": self.count, "skip": self.skip, "hits": self.hits}
        return shown | self.options


class Faults:
    """The ordered faults.

    Parameters
    ----------
    modelled_errors : Callable[[str], list[str] | None]
        Gives the modelled error list of an operation, ``None`` where this simulator has no such operation.
    """

    def __init__(self, modelled_errors: Callable[[str], list[str] | None]) -> None:
        self._modelled_errors = modelled_errors
        self._ordered: list[Fault] = []
        self._lock = threading.Lock()

    def order(self, request: dict[str, Any]) -> Fault:
        """Order a fault.

        Raises
        ------
        FaultError
            Where kind, option, operation or error do not exist; an error must be in the operation's modelled list.
        """
        fault = self._parse(dict(request))
        with self._lock:
            self._ordered.append(fault)
        return fault

    def withdraw(self, fault_id: str | None = None) -> int:
        """Take back one fault, or all; return how many."""
        with self._lock:
            kept = [fault for fault in self._ordered if fault_id not in (None, fault.fault_id)]
            withdrawn = len(self._ordered) - len(kept)
            self._ordered = kept
        return withdrawn

    def listed(self) -> list[dict[str, Any]]:
        """Return the ordered faults as JSON."""
        with self._lock:
            return [fault.to_json() for fault in self._ordered]

    def error_for(self, operation: str, when: str) -> Fault | None:
        """Return the error that ``operation`` must answer with now, before or after it took effect."""
        wanted = {"operation": operation, "when": when}
        return self._due("error", lambda options: wanted.items() <= options.items())

    def for_job(self) -> list[Fault]:
        """Return the faults that strike a new job."""
        due = (self._due(kind) for kind in TRAINING_FAULTS + JOB_FAULTS)
        return [fault for fault in due if fault]

    def for_resource(self, kind: str) -> str | None:
        """Return the failure message that a new deployment, throughput or update must end with."""
        fault = self._due(kind)
        return str(fault.options["message"]) if fault else None

    def _due(self, kind: str, concerns: Callable[[dict[str, Any]], bool] = lambda _options: True) -> Fault | None:
        """Count this occasion on the faults that it concerns, up to the first that strikes."""
        with self._lock:
            for fault in self._ordered:
                if fault.kind != kind or not concerns(fault.options):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                elif fault.count is None or fault.hits < fault.count:
                    fault.hits += 1
                    return fault
        return None

    def _parse(self, request: dict[str, Any]) -> Fault:
        kind = request.pop("kind", None)
        if kind not in _OPTIONS:
            raise FaultError(f"there is no fault '{kind}'; allowed are {', '.join(KINDS)}")
        count, skip = request.pop("count", 1 if kind == "error" else None), request.pop("skip", 0)
        if not (count is None or _whole(count, 1)) or not _whole(skip, 0):
            raise FaultError("count must be a whole number of 1 or more (or null for always), skip one of 0 or more")
        allowed = _OPTIONS[kind]
        for name in request:
            if name not in allowed:
                raise FaultError(
                    f"the fault '{kind}' has no option '{name}'; allowed are {', '.join(allowed) or 'none'}"
                )
        options = {name: request.get(name, default) for name, default in allowed.items()}
        missing = [name for name, value in options.items() if value is ...]
        if missing:
            raise FaultError(f"the fault '{kind}' needs {', '.join(missing)}")
        self._check(kind, options)
        return Fault(kind, options, count, skip)

    def _check(self, kind: str, options: dict[str, Any]) -> None:
        if kind == "error":
            self._check_error(options)
        if "fraction" in options and not (
            isinstance(options["fraction"], int | float) and 0 < options["fraction"] <= 1
        ):
            raise FaultError(f"fraction must be above 0 and at most 1; got {options['fraction']!r}")
        if "records" in options and not _whole(options["records"], 1):
            raise FaultError(f"records must be a whole number of 1 or more; got {options['records']!r}")
        if options.get("category") is not None and not isinstance(options["category"], str):
            raise FaultError(f"category must be a text or null for the most frequent; got {options['category']!r}")
        if "phase" in options and options["phase"] not in PHASES:
            raise FaultError(f"phase must be one of {', '.join(PHASES)}; got {options['phase']!r}")

    def _check_error(self, options: dict[str, Any]) -> None:
        operation, error = options["operation"], options["error"]
        modelled = self._modelled_errors(operation)
        if modelled is None:
            raise FaultError(f"this simulator has no operation '{operation}'")
        if error not in [*modelled, GENERIC_ERROR]:
            raise FaultError(
                f"{operation} cannot answer with {error}: its service model lists {', '.join(modelled)} "
                f"(and {GENERIC_ERROR} is always possible)"
            )
        if options["when"] not in ("before", "after"):
            raise FaultError(f"when must be 'before' or 'after' the operation took effect; got {options['when']!r}")


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
