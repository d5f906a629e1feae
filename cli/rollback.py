"""Bring a former champion back, and stay until it serves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cli.errors import CHECK_FAILED, INTERRUPTED, CliError
from cli.identity_proof import signed_proof
from cli.screen import SIMULATED
from lambdas.domain.caller_proof import rollback_subject
from lambdas.domain.identity import task_slug

if TYPE_CHECKING:
    from cli.session import Session

_EVERY_SECONDS, _EVERY_SECONDS_LOCAL = 15.0, 0.5


def roll_back(session: Session, task: str, to_run: str | None, why: str) -> None:
    """Order a rollback and call again until it has ended; the schedule goes on with it where this is cut off.

    Raises
    ------
    CliError
        When it is refused, fails (the present champion then goes on serving), or is interrupted.
    """
    every = _EVERY_SECONDS_LOCAL if session.deployment.local else _EVERY_SECONDS
    payload = {"task": task_slug(task), "to": to_run, "why": why}
    try:
        given = _step(session, payload)
        while given.get("status") == "IN_PROGRESS":
            if not session.as_json:
                session.screen.say(f"Moving from run {given['from_run']} to run {given['to_run']} ...")
            payload["to"] = given["to_run"]  # a call that is repeated must mean the same champion
            time.sleep(every)
            given = _step(session, payload)
    except KeyboardInterrupt:
        message = "Stopped waiting; the schedule goes on with the rollback. Call it again to see how it ends."
        raise CliError(message, INTERRUPTED) from None
    if given.get("status") != "COMPLETED":
        raise CliError(f"The rollback failed: {given.get('reason')}", CHECK_FAILED)
    session.show(
        given,
        f"Run {given['to_run']} serves task {task} again at {given['endpoint_arn']}.",
        *([f"Run {given['from_run']} is a former champion now; its model is kept."] if given["from_run"] else []),
        *([SIMULATED] if session.deployment.local else []),
    )


def _step(session: Session, payload: dict[str, Any]) -> dict[str, Any]:
    subject = rollback_subject(payload["task"], payload["to"])
    proof = signed_proof(session.deployment, "rollback", subject)
    return session.deployment.invoke("RollbackFunction", {**payload, "proof": proof})
