"""Keep people's scores of a run's answers, and let the execution that waits for approval decide anew.

The scores are all that this Lambda writes: verdict and report are ScoreEvaluation's, to which the execution goes back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError

from lambdas.domain.caller_proof import proof_of
from lambdas.domain.errors import AnswerRefused, LabelsRefused
from lambdas.domain.evaluation.labels import KeptLabels, Label, check_new, labels_subject
from lambdas.domain.gate.evaluation_document import EVALUATION_FILE
from lambdas.domain.identity import digest
from lambdas.domain.run_facts import LABELLED_ANSWER, Approval
from lambdas.domain.task.settings import MOST_LABEL_CALLS
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.gateways.aws.service_errors import refusal
from lambdas.gateways.registry.runs import ENDED, Run
from lambdas.workflow.answer_labels import kept_labels, order_of_run
from lambdas.workflow.callers import CallerCheck
from lambdas.workflow.stage import Pipeline, Result, iso

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.gateways.registry.approvals import Approvals, PendingApproval

VERB = "label"
TOO_LATE = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")


@dataclass(frozen=True, kw_only=True, slots=True)
class GivenLabels:
    """What a person scored.

    Attributes
    ----------
    labels : tuple of Label
    proof : object
        Proves who the person is, and is bound to exactly these scores.
    """

    run_id: str
    labels: tuple[Label, ...]
    proof: object = field(default=None, repr=False)

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read the payload of the call.

        Raises
        ------
        LabelsRefused
            When it has no labels, or some that are not of the form.
        """
        given = event.get("labels")
        if not isinstance(given, list):
            raise LabelsRefused("the call has no list of labels: use 'python -m cli label'")
        labels = tuple(Label.from_document(one) for one in given)
        return cls(run_id=str(event["run_id"]), labels=labels, proof=proof_of(event))


def record(pipeline: Pipeline, approvals: Approvals, step_functions: SFNClient, given: GivenLabels) -> Result:
    """Keep labels, and let the execution that waits go back to its gate.

    Returns
    -------
    dict
        ``labels`` kept by this call, ``next``: ``decides_anew`` where the run waited for approval, else ``retry``.

    Raises
    ------
    LabelsRefused
        The labels are of no use, come too late, or come again; nothing was kept.
    ProofRefused, IdentityUnknown
        It is not shown who scored; nothing was kept.
    """
    run = pipeline.registry.run(given.run_id)
    pending = _waits(pipeline, run, approvals.find(run.run_id))
    files, runs = run.files, pipeline.runs
    reference = TaskDefinition.from_text(runs.read(files.task_definition)).gate.reference
    order, kept = order_of_run(runs, files, run.attempt, reference), kept_labels(runs, files)
    person = CallerCheck(pipeline, given.proof, VERB, labels_subject(run.run_id, given.labels))
    new = check_new(given.labels, order, kept, person.caller, pipeline.environment.settings.trusted_sessions)
    resent = not new and pending is not None and _is_claimed(run)
    if not new and not resent:
        raise LabelsRefused(
            f"these {len(given.labels)} labels of yours are kept already, and count: nothing was changed. "
            f"'python -m cli label {run.run_id} --after {len(given.labels)}' goes on behind them"
        )
    if new and len(kept) >= MOST_LABEL_CALLS:
        raise LabelsRefused(
            f"labels came in {len(kept)} calls already, and each is another look at the same records; a run takes "
            f"{MOST_LABEL_CALLS}. Upload the prompts again for a verdict on fresh answers"
        )
    person.use()
    if pending is not None:
        _claim(pipeline, run, pending, person)
    if new:
        pipeline.registry.add_labeller(run.run_id, person.caller)
        at = iso(pipeline.now())
        document = KeptLabels(
            run_id=run.run_id, attempt=run.attempt, at=at, by=person.caller, reference=reference, labels=tuple(new)
        ).to_document()
        runs.write_json(files.labels(f"{at.replace(':', '')}-{digest(document)}.json"), document)
    if pending is not None:
        _decide_anew(step_functions, approvals, pending)
    return {"run_id": run.run_id, "labels": len(new), "next": "retry" if pending is None else "decides_anew"}


def _waits(pipeline: Pipeline, run: Run, pending: PendingApproval | None) -> PendingApproval | None:
    """Give the request that the labels replace; ``None`` where the run has ended and a retry counts them.

    Raises
    ------
    LabelsRefused
        Where no label counts any more, or none yet.
    """
    if run.state == ENDED:
        evaluated = pipeline.runs.find(run.files.evaluation(run.attempt, EVALUATION_FILE)) is not None
        if not run.may_be_retried(str(run.outcome)):
            raise LabelsRefused(
                f"run '{run.run_id}' has ended as {run.outcome}, so that no label changes it; upload its prompts again "
                "and label that run"
            )
        if not evaluated:
            raise LabelsRefused(
                f"run '{run.run_id}' has ended as {run.outcome} before its answers were measured, so that there is "
                f"nothing to label; 'python -m cli retry {run.run_id}' goes on with it"
            )
        return None
    if pending is None or pending.attempt != run.attempt:
        raise LabelsRefused(
            f"run '{run.run_id}' waits for no approval; it is at {run.progress.get('stage', run.state)}. Labels count "
            f"while it waits ('python -m cli watch {run.run_id}'), and before a retry"
        )
    answered = run.facts.get("approval")
    if answered and answered.get("report_sha256") == run.report_sha256 and answered["answer"] != LABELLED_ANSWER:
        raise LabelsRefused(
            f"run '{run.run_id}' was {answered['answer']} at {answered['at']}, so that labels come too late; upload "
            "its prompts again and label that run"
        )
    until = run.facts.get("first_asked", {}).get("until")
    if until is not None and iso(pipeline.now()) >= until:
        raise LabelsRefused(
            f"labels of run '{run.run_id}' were taken until {until}, when its first request for approval would have "
            f"expired; approve or reject it. After it has expired, label again, and 'python -m cli retry {run.run_id}'"
        )
    return pending


def _is_claimed(run: Run) -> bool:
    """Tell whether labels have taken the place of an answer, and the execution does not know it yet."""
    stands = run.facts.get("approval", {})
    return stands.get("answer") == LABELLED_ANSWER and stands.get("report_sha256") == run.report_sha256


def _claim(pipeline: Pipeline, run: Run, pending: PendingApproval, person: CallerCheck) -> None:
    """Take the place of an answer to the present report, so that nobody approves what is being replaced."""
    claim: Approval = {
        "answer": LABELLED_ANSWER,
        "at": iso(pipeline.now()),
        "report_sha256": pending.report_sha256,
        "by": person.caller,
    }
    try:
        stands = pipeline.registry.claim_answer(run.run_id, run.attempt, claim)
    except AnswerRefused:
        raise LabelsRefused(
            f"somebody else labelled run '{run.run_id}' at the same time, and its report is being replaced; label "
            "again when it waits for approval"
        ) from None
    if stands["answer"] != LABELLED_ANSWER:
        raise LabelsRefused(f"run '{run.run_id}' was {stands['answer']} at {stands['at']}: labels come too late")


def _decide_anew(step_functions: SFNClient, approvals: Approvals, pending: PendingApproval) -> None:
    answer = json.dumps({"answer": LABELLED_ANSWER})
    try:
        step_functions.send_task_success(taskToken=pending.task_token, output=answer)
    except ClientError as problem:
        if refusal(problem) not in TOO_LATE:
            raise
        raise LabelsRefused(
            f"run '{pending.run_id}' no longer waits: its request expired, or somebody was faster. The labels are "
            f"kept, and 'python -m cli retry {pending.run_id}' counts them where it may be retried"
        ) from None
    approvals.delete_replaced(pending)
