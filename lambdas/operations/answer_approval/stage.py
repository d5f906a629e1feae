"""Check that the answer is for the report that was asked about, and hand it to the waiting execution."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError

from lambdas.domain.caller_proof import proof_of
from lambdas.domain.errors import AnswerRefused
from lambdas.domain.explicit_reasons import ExplicitReason, explicit_reason, sentences
from lambdas.domain.text.plain_text import stated_reason
from lambdas.gateways.aws.service_errors import refusal
from lambdas.operations.answer_approval.separation import separation_reasons
from lambdas.workflow.callers import CallerCheck
from lambdas.workflow.stage import Pipeline, Result, iso

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

    from lambdas.domain.run_facts import Approval
    from lambdas.gateways.registry.approvals import Approvals, PendingApproval

APPROVED = "approved"
ANSWERS = (APPROVED, "rejected")
VERBS = {APPROVED: "approve", "rejected": "reject"}
TOO_LATE = ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken")


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    """What a person said.

    Attributes
    ----------
    answer : {"approved", "rejected"}
    why : str
        Goes into the registry and the report.
    report_sha256 : str
        SHA-256 of the ``report.json`` that the person has read.
    expected_champion : str or None
        Run of the champion that this report names; ``None`` where it names none.
    hourly_price : float or None
        US dollars of one model-unit hour, where no price book has it.
    explicitly : bool
        Whether the person says yes to what needs an explicit word.
    proof : object
        Proves who the person is (:mod:`lambdas.domain.caller_proof`).
    """

    run_id: str
    answer: str
    why: str
    report_sha256: str
    expected_champion: str | None
    hourly_price: float | None
    explicitly: bool
    proof: object = field(default=None, repr=False)

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read the payload of the call."""
        champion, price = event.get("expected_champion"), event.get("hourly_price")
        return cls(
            run_id=str(event["run_id"]),
            answer=str(event["answer"]),
            why=stated_reason(event.get("why")),
            report_sha256=str(event["report_sha256"]),
            expected_champion=str(champion) if champion else None,
            hourly_price=None if price is None else float(price),
            explicitly=event.get("explicitly") is True,
            proof=proof_of(event),
        )


def answer(pipeline: Pipeline, approvals: Approvals, step_functions: SFNClient, word: Word) -> Result:
    """Answer a request for approval.

    Raises
    ------
    AnswerRefused
        Nothing waits, report or champion have changed, a price or an explicit word is missing, the person may not
        answer, or somebody answered before.
    ProofRefused, IdentityUnknown
        It is not shown who answers; nothing was done.
    """
    run = pipeline.registry.run(word.run_id)
    if word.answer not in ANSWERS:
        raise AnswerRefused(f"the answer is {word.answer[:20]!r}, allowed: {', '.join(ANSWERS)}")
    pending = approvals.find(word.run_id)
    if pending is None or pending.attempt != run.attempt:
        state = run.outcome or str(run.progress.get("stage", run.state))
        raise AnswerRefused(f"run '{word.run_id}' waits for no approval; it is at {state}")
    if pending.report_sha256 != word.report_sha256 or run.report_sha256 != word.report_sha256:
        message = f"the report of run '{word.run_id}' is no longer the one you read; read it again, then answer"
        raise AnswerRefused(message)
    person = CallerCheck(pipeline, word.proof, VERBS[word.answer], word.run_id, word.report_sha256)
    accepted: list[ExplicitReason] = []
    if word.answer == APPROVED:
        _check_champion(pipeline, run.task, word, pending)
        _check_price(word, pending)
        accepted = _accepted(word, pending, separation_reasons(pipeline, run, person.caller))
    approval: Approval = {
        "answer": word.answer,
        "why": word.why,
        "at": iso(pipeline.now()),
        "report_sha256": word.report_sha256,
        "explicitly": word.explicitly,
        "accepted": accepted,
        "by": person.caller,
        "usd_per_unit_hour": word.hourly_price if pending.price_wanted else None,
    }
    person.use()
    stands = pipeline.registry.claim_answer(word.run_id, run.attempt, approval)
    if stands["answer"] != word.answer:
        raise AnswerRefused(_answered_before(word.run_id, stands))
    try:
        step_functions.send_task_success(taskToken=pending.task_token, output=json.dumps({"answer": word.answer}))
    except ClientError as problem:
        if refusal(problem) not in TOO_LATE:
            raise
        message = f"run '{word.run_id}' no longer waits: it was answered before, or the request expired"
        raise AnswerRefused(message) from None
    approvals.delete(word.run_id)
    return {"run_id": word.run_id, "answer": word.answer}


def _answered_before(run_id: str, stands: Approval) -> str:
    said = f" ({stands['why']})" if stands.get("why") else ""
    return (
        f"run '{run_id}' was {stands['answer']} at {stands['at']}{said}, and the first answer counts; 'python -m cli "
        f"watch {run_id}' shows what comes of it. Where it goes on waiting, give the same answer once more"
    )


def _check_champion(pipeline: Pipeline, task: str, word: Word, pending: PendingApproval) -> None:
    champion = pipeline.tasks.state(task).champion
    serving = champion.run_id if champion else None
    if word.expected_champion == pending.expected_champion == serving:
        return
    message = (
        f"the report compares with {_champion(pending.expected_champion)}, you named "
        f"{_champion(word.expected_champion)}, and {_champion(serving)} serves task '{task}' now; reject the run and "
        "upload its prompts again to compare with the present champion"
    )
    raise AnswerRefused(message)


def _champion(run_id: str | None) -> str:
    return f"the champion of run {run_id}" if run_id else "no champion"


def _check_price(word: Word, pending: PendingApproval) -> None:
    price = word.hourly_price
    if price is None and pending.price_wanted:
        message = (
            "no price book has the price of a model-unit hour of this throughput. Read it on the Bedrock console "
            "(Provisioned Throughput, Purchase) or in your price agreement, then approve with --hourly-price USD"
        )
        raise AnswerRefused(message)
    if price is not None and not pending.price_wanted:
        message = "the price of an hour is known and stands in the report; change it in the settings ('prices')"
        raise AnswerRefused(message)
    if price is not None and not (math.isfinite(price) and price > 0):
        raise AnswerRefused(f"--hourly-price is {price:g}; it must be a number of dollars above 0")


def _accepted(word: Word, pending: PendingApproval, of_person: Sequence[ExplicitReason]) -> list[ExplicitReason]:
    """Give the reasons to which the person says yes: all that there are, or none of them counts."""
    needed, price, limit = [*pending.explicit_reasons, *of_person], word.hourly_price, pending.pays_up_to
    if price is not None and limit is not None and price > limit:
        text = (
            f"at ${price:,.2f} a model-unit hour provisioned throughput does not pay at the expected volume; it does "
            f"up to ${limit:,.4f}, and above the student on demand costs less"
        )
        needed.append(explicit_reason("stated_price_does_not_pay", text))
    if needed and not word.explicitly:
        said = "; ".join(sentences(needed))
        raise AnswerRefused(
            f"this needs your explicit word: {said}. Approve with --explicitly if that is what you want"
        )
    return needed
