"""Close an ended run for a person who wants it forgotten, and write down who that is before anything is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.domain.caller_proof import proof_of
from lambdas.domain.errors import ForgetRefused
from lambdas.domain.text.plain_text import stated_reason
from lambdas.gateways.registry.tasks import HISTORY_TO_BE_FORGOTTEN
from lambdas.workflow.callers import CallerCheck
from lambdas.workflow.stage import Pipeline, Result, iso


def begin_forgetting(pipeline: Pipeline, event: Mapping[str, Any]) -> Result:
    """Claim a run, so that it cannot be retried any more: ``{"forget": run_id, "attempt", "why"?, "proof"}``.

    The command line deletes then, object by object, with the rights of whoever calls it.

    Parameters
    ----------
    pipeline : Pipeline
    event : mapping
        ``attempt`` is that of the run as the person saw it.

    Raises
    ------
    ForgetRefused
        It has not ended, or is not as it was: retried, or forgotten by somebody else.
    ProofRefused, IdentityUnknown
        It is not shown who calls; nothing was done.
    """
    run, why = pipeline.registry.run(str(event["forget"])), stated_reason(event.get("why"))
    person = CallerCheck(pipeline, proof_of(event), "forget", run.run_id)
    arn, now = person.caller["arn"], iso(pipeline.now())
    person.use()
    if run.attempt != event.get("attempt") or not pipeline.registry.claim_forgetting(run, now):
        raise ForgetRefused(
            f"nothing was deleted: run '{run.run_id}' is not as it was when you were asked, because somebody retried "
            f"or forgot it. Look at it again: 'python -m cli watch {run.run_id}'"
        )
    pipeline.tasks.note(run.task, run.run_id, HISTORY_TO_BE_FORGOTTEN, now, why, {"answered_by": arn})
    return {"run_id": run.run_id, "forgetting_since": now, "by": arn}
