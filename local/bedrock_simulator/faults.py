"""Faults to order: errors of an operation, and what may go wrong inside a job, a deployment or a throughput."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.bedrock_simulator import fault_kinds
from local.bedrock_simulator.fault_kinds import BATCH_FAULTS, JOB_FAULTS, TRAINING_FAULTS, FaultError, whole

GENERIC_ERROR = "ThrottlingException"


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
        return self.due("error", lambda fault: wanted.items() <= fault.options.items())

    def for_job(self) -> list[Fault]:
        """Return the faults that strike a new job."""
        return self._all_due(TRAINING_FAULTS + JOB_FAULTS)

    def for_batch(self) -> list[Fault]:
        """Return the faults that strike a new batch inference job."""
        return self._all_due(BATCH_FAULTS)

    def for_resource(self, kind: str) -> str | None:
        """Return the failure message that a new deployment, throughput or update must end with."""
        fault = self.due(kind)
        return str(fault.options["message"]) if fault else None

    def due(self, kind: str, concerns: Callable[[Fault], bool] = lambda _fault: True) -> Fault | None:
        """Return the fault of a kind that strikes now, if one does.

        The occasion is counted on the faults that it concerns, up to the first that strikes.
        """
        if not self._ordered:
            return None
        with self._lock:
            for fault in self._ordered:
                if fault.kind != kind or not concerns(fault):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                elif fault.count is None or fault.hits < fault.count:
                    fault.hits += 1
                    return fault
        return None

    def _all_due(self, kinds: Sequence[str]) -> list[Fault]:
        due = (self.due(kind) for kind in kinds)
        return [fault for fault in due if fault]

    def _parse(self, request: dict[str, Any]) -> Fault:
        kind = request.pop("kind", None)
        count, skip = request.pop("count", 1 if kind == "error" else None), request.pop("skip", 0)
        options = fault_kinds.parse(kind, request)
        if not (count is None or whole(count, 1)) or not whole(skip, 0):
            raise FaultError("count must be a whole number of 1 or more (or null for always), skip one of 0 or more")
        if kind == "error":
            self._check_error(options)
        return Fault(str(kind), options, count, skip)

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
