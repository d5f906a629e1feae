"""May this person approve this run? Whoever submitted it is somebody else, or says explicitly that there is nobody."""

from __future__ import annotations

from lambdas.domain.caller_identity import Caller
from lambdas.domain.errors import AnswerRefused
from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason
from lambdas.gateways.registry.runs import Run
from lambdas.workflow.callers import same_identity
from lambdas.workflow.stage import Pipeline

NEVER_THE_SAME = "always"
_BEFORE = "an earlier version of the pipeline took the upload, or nobody's word came with it"


def separation_reasons(pipeline: Pipeline, run: Run, approver: Caller) -> list[ExplicitReason]:
    """Give what the approver must say explicitly because of who submitted the run.

    Raises
    ------
    AnswerRefused
        Where the settings say that who submitted never approves.
    """
    rule = pipeline.environment.settings.separate_approver
    if rule is False:
        return []
    submitter = run.facts.get("submitter", {})
    caller = submitter.get("caller")
    if caller is None:
        why = submitter.get("unknown") or _BEFORE
        return [explicit_reason("unknown_submitter", f"It is not known who submitted this run: {why}")]
    if not same_identity(pipeline, caller, approver):
        return []
    if rule == NEVER_THE_SAME:
        raise AnswerRefused(
            f"run '{run.run_id}' was submitted by the same identity, {caller['arn']}, and the settings say that "
            "somebody else must approve ('separate_approver')"
        )
    text = (
        f"The same identity submitted this run, as {caller['arn']}, and approves it, as {approver['arn']}; let "
        "somebody else approve, or say that there is nobody else"
    )
    return [explicit_reason("same_submitter", text)]
