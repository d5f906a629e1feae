"""What travels between the stages of a run inside its registry item: small facts, each with one name and one type.

They are maps in the item, and maps here: what is stored is what is written below. A reader takes what it knows. A fact
may be missing, because its stage was not entered or because an earlier version did not write it, and it may have fields
that a later version added.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from lambdas.domain.caller_identity import Caller, SaidBy, Submitter
from lambdas.domain.explicit_reasons import ExplicitReason


class ChampionFact(TypedDict, total=False):
    """The champion that an attempt compares its student with; ``Champion`` reads it."""

    run_id: str
    model_arn: str
    base_model: str
    endpoint_arn: str
    endpoint_name: str
    mode: str
    promoted_at: str
    confirmed_at: str | None
    rolled_back_at: str | None
    limits: dict[str, Any] | None


class PointedEndpoint(ChampionFact, total=False):
    """The champion whose endpoint an attempt moved: ``asked`` once Bedrock has taken the request.

    ``asking_since`` (ISO 8601) stands while the request may be on its way.
    """

    attempt: int
    asked: bool
    asking_since: str


class PhaseFact(TypedDict):
    """One phase of a customization job; times are ISO 8601."""

    name: str
    status: str
    started_at: str | None
    ended_at: str | None


class JobFact(TypedDict, total=False):
    """The customization job that an attempt looks after; empty where it came to none."""

    attempt: int
    job_name: str
    job_arn: str
    phases: list[PhaseFact]
    adopted: bool


class FailedTry(TypedDict):
    """A customization job that failed, stalled, or was passed over; ``again`` where another name may be tried."""

    job_name: str
    job_arn: str
    attempt: int
    at: str
    reason: str
    again: bool
    passed_over: NotRequired[bool]
    phases: NotRequired[list[PhaseFact]]


class PairRefused(TypedDict):
    """What Bedrock said when it refused to distil the pair."""

    attempt: int
    message: str


class QuotaWait(TypedDict):
    """Since when (ISO 8601) an attempt's job has been waiting for jobs of others."""

    attempt: int
    since: str


class Approval(TypedDict, total=False):
    """A person's answer; ``usd_per_unit_hour`` where no price book has the price.

    ``accepted`` has the reasons to which the person said yes explicitly, ``by`` who it was, by the word of STS; earlier
    versions kept neither.
    """

    answer: str
    why: str
    at: str
    report_sha256: str
    explicitly: bool
    accepted: list[ExplicitReason]
    by: Caller
    usd_per_unit_hour: float | None


class FirstAsked(TypedDict):
    """Until when (ISO 8601) the first request for approval of an attempt can be answered; labels start a new one."""

    attempt: int
    until: str


class StopFact(TypedDict):
    """That a person stopped an attempt, why, and when (ISO 8601)."""

    why: str
    at: str


class Bake(TypedDict, total=False):
    """What callers met since the promotion, as it was read last."""

    served: int
    server_errors: int
    client_errors: int
    throttles: int
    latency_ms: float | None
    verdict: str
    at: str
    rolling_back: bool


class ShardFailure(TypedDict, total=False):
    """What a failed shard said."""

    name: str
    message: str
    stage: str
    shard: str


class RunFacts(TypedDict, total=False):
    """The facts of a run, by the name under which each is stored.

    ``labellers`` are the people whose scores the run has. ``undecided`` says that an evaluation had too little evidence
    for a verdict, say because the judge gave no scores.
    """

    approval: Approval
    bake: Bake
    budget_usd: float
    champion_before: ChampionFact | None
    custom_model_arn: str
    customization_job: JobFact
    deployment_arn: str
    endpoint_arn: str
    failed_tries: list[FailedTry]
    failure: ShardFailure
    first_asked: FirstAsked
    labellers: list[Caller]
    pair_refused: PairRefused
    pointed_endpoint: PointedEndpoint
    quota_wait: QuotaWait
    reminded: int
    stop: StopFact
    submitter: Submitter
    training: str
    undecided: bool


LABELLED_ANSWER = "labelled"
"""What takes the place of an answer while people's scores are counted: nobody has said yes or no."""


def given_answer(facts: RunFacts) -> Approval | None:
    """Give a person's yes or no, where there is one."""
    found = facts.get("approval")
    return None if found is None or found.get("answer") == LABELLED_ANSWER else found


def answerer(approval: Approval) -> SaidBy:
    """Say for a task's history whose word an approval is, and to what it said yes explicitly."""
    by, accepted = approval.get("by"), approval.get("accepted", [])
    return {"answered_by": by["arn"] if by else "", "accepted": [reason["name"] for reason in accepted]}


def stated_price(facts: RunFacts) -> float | None:
    """Give the US dollars of a model-unit hour that came with the approval, where no price book had them."""
    approval = facts.get("approval")
    return approval.get("usd_per_unit_hour") if approval else None
