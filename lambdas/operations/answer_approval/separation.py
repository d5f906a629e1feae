"""May this person approve this run? Whoever submitted or scored is somebody else, or says that there is nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.errors import AnswerRefused
from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason
from lambdas.workflow.callers import same_identity

if TYPE_CHECKING:
    from lambdas.domain.caller_identity import Caller
    from lambdas.gateways.registry.runs import Run
    from lambdas.workflow.stage import Pipeline

NEVER_THE_SAME = "always"
_BEFORE = "an earlier version of the pipeline took the upload, or nobody's word came with it"


def separation_reasons(pipeline: Pipeline, run: Run, approver: Caller) -> list[ExplicitReason]:
    """Give what the approver must say explicitly because of who submitted the run, and who scored its answers.

    Whoever scores decides with the scores: the rule for who submits holds for them too.

    Raises
    ------
    AnswerRefused
        Where the settings say that who submitted or scored never approves.
    """
    if pipeline.environment.settings.separate_approver is False:
        return []
    return [*_of_submitter(pipeline, run, approver), *_of_labellers(pipeline, run, approver)]


def _of_submitter(pipeline: Pipeline, run: Run, approver: Caller) -> list[ExplicitReason]:
    submitter = run.facts.get("submitter", {})
    caller = submitter.get("caller")
    if caller is None:
        why = submitter.get("unknown") or _BEFORE
        return [explicit_reason("unknown_submitter", f"It is not known who submitted this run: {why}")]
    if not same_identity(pipeline, caller, approver):
        return []
    if pipeline.environment.settings.separate_approver == NEVER_THE_SAME:
        raise AnswerRefused(
            f"run '{run.run_id}' was submitted by the same identity, {caller['arn']}, and the settings say that "
            "somebody else must approve ('separate_approver')"
        )
    text = (
        f"The same identity submitted this run, as {caller['arn']}, and approves it, as {approver['arn']}; let "
        "somebody else approve, or say that there is nobody else"
    )
    return [explicit_reason("same_submitter", text)]


def _of_labellers(pipeline: Pipeline, run: Run, approver: Caller) -> list[ExplicitReason]:
    found = next((one for one in run.facts.get("labellers", []) if same_identity(pipeline, one, approver)), None)
    if found is None:
        return []
    if pipeline.environment.settings.separate_approver == NEVER_THE_SAME:
        raise AnswerRefused(
            f"answers of run '{run.run_id}' were scored by the same identity, {found['arn']}, and the settings say "
            "that somebody else must approve ('separate_approver')"
        )
    text = (
        f"The same identity scored answers of this run, as {found['arn']}, and approves it, as {approver['arn']}; let "
        "somebody else approve, or say that there is nobody else"
    )
    return [explicit_reason("same_labeller", text)]
