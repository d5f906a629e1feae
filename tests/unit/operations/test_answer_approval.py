"""A word counts once, for the report that was read, the champion it names, and with everything that it must state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.caller_identity import Caller
from lambdas.domain.caller_proof import Binding
from lambdas.domain.errors import AnswerRefused, IdentityUnknown, ProofRefused, ReasonTooLong
from lambdas.gateways.registry.approvals import PendingApproval
from lambdas.gateways.registry.runs import Run
from lambdas.operations.answer_approval.stage import Word, answer
from tests.identities import APPROVER, UPLOADER, FakeSts, Person, answering, proof
from tests.unit.support.workshop import Workshop

HASH = "ab" * 32
REASONS = [
    {"name": "worse_than_champion", "sentence": "It may be worse"},
    {"name": "too_few_units", "sentence": "One unit is too few"},
]


class Waiting:
    """The approvals table and the waiting execution in one: its token is good once."""

    def __init__(self) -> None:
        self.pending: PendingApproval | None = None
        self.sent: list[str] = []
        self.over = False

    def find(self, _run_id: str) -> PendingApproval | None:
        return self.pending

    def delete(self, _run_id: str) -> None:
        self.pending = None

    def send_task_success(self, *, taskToken: str, output: str) -> None:  # noqa: N803 - the API's name
        assert taskToken == "token"
        if self.over:
            raise ClientError({"Error": {"Code": "TaskTimedOut", "Message": "too late"}}, "SendTaskSuccess")
        self.sent.append(output)


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture(autouse=True)
def sts(workshop: Workshop) -> Iterator[FakeSts]:
    with answering(FakeSts(), lambda: workshop.time) as found:
        yield found


def asked(workshop: Workshop, waiting: Waiting, **fields: Any) -> Run:
    run = workshop.run()
    workshop.pipeline.registry.record_report(run.run_id, "report.html", HASH)
    submitted_by(workshop, run, UPLOADER)
    known = {"run_id": run.run_id, "attempt": 1, "task_token": "token", "report_sha256": HASH, "expires": 0}
    waiting.pending = PendingApproval.from_item(known | fields)
    return run


def submitted_by(workshop: Workshop, run: Run, person: Person) -> None:
    caller: Caller = {"arn": person.arn, "account": person.account, "user_id": person.user_id, "at": workshop.now()}
    workshop.pipeline.registry.record_facts(run.run_id, submitter={"caller": caller})


def say(workshop: Workshop, waiting: Waiting, run: Run, *, person: Person = APPROVER, **said: Any) -> Any:
    event = {"run_id": run.run_id, "answer": "approved", "report_sha256": HASH, **said}
    verb = "reject" if event["answer"] == "rejected" else "approve"
    bound = Binding(
        environment="dev", registry="registry", verb=verb, subject=run.run_id, report_sha256=event["report_sha256"]
    )
    event.setdefault("proof", proof(person, bound, workshop.time))
    return answer(workshop.pipeline, cast("Any", waiting), cast("Any", waiting), Word.from_event(event))


@pytest.mark.parametrize(
    ("pending", "said", "why"),
    [
        ({}, {"answer": "perhaps"}, "allowed: approved, rejected"),
        ({"attempt": 2}, {}, "waits for no approval"),
        ({}, {"report_sha256": "cd" * 32}, "no longer the one you read"),
        ({"report_sha256": "cd" * 32}, {}, "no longer the one you read"),
        ({}, {"expected_champion": "other"}, "you named the champion of run other"),
        ({"expected_champion": "gone"}, {"expected_champion": "gone"}, "no champion serves task 'video' now"),
        ({"explicit": ["It does not pay"]}, {}, "explicit word: It does not pay"),  # as an earlier version asked
        ({"explicit_reasons": REASONS}, {}, "explicit word: It may be worse; One unit is too few"),
        ({"price_wanted": True}, {}, "approve with --hourly-price USD"),
        ({"price_wanted": True}, {"hourly_price": 0}, "above 0"),
        ({"price_wanted": True}, {"hourly_price": float("nan")}, "above 0"),
        ({}, {"hourly_price": 3.0}, "the price of an hour is known"),
        ({"price_wanted": True, "pays_up_to": 3.0}, {"hourly_price": 3.01}, "does not pay at the expected volume"),
    ],
)
def test_an_answer_that_does_not_count_changes_nothing(
    workshop: Workshop, waiting: Waiting, pending: dict[str, Any], said: dict[str, Any], why: str
) -> None:
    # Given
    run = asked(workshop, waiting, **pending)
    # When
    with pytest.raises(AnswerRefused, match=why):
        say(workshop, waiting, run, **said)
    # Then
    assert waiting.sent == []
    assert "approval" not in workshop.pipeline.registry.run(run.run_id).facts


def test_a_champion_that_was_promoted_meanwhile_refuses_approval_and_not_rejection(
    workshop: Workshop, waiting: Waiting
) -> None:
    # Given
    run = asked(workshop, waiting)
    workshop.crown("video-other", "arn:model", "arn:endpoint")
    # When / Then
    with pytest.raises(AnswerRefused, match="champion of run video-other serves"):
        say(workshop, waiting, run)
    say(workshop, waiting, run, answer="rejected")
    assert waiting.sent == ['{"answer": "rejected"}']


def test_an_answer_after_the_request_expired_says_so(workshop: Workshop, waiting: Waiting) -> None:
    # Given
    run = asked(workshop, waiting)
    waiting.over = True
    # When / Then
    with pytest.raises(AnswerRefused, match="the request expired"):
        say(workshop, waiting, run)


def test_a_second_answer_is_refused(workshop: Workshop, waiting: Waiting) -> None:
    # Given
    run = asked(workshop, waiting)
    say(workshop, waiting, run)
    # When / Then
    with pytest.raises(AnswerRefused, match="waits for no approval"):
        say(workshop, waiting, run)
    assert len(waiting.sent) == 1


@pytest.mark.parametrize(("price", "explicitly"), [(3.0, False), (20.0, True)])
def test_a_stated_price_that_pays_or_an_explicit_word_is_enough(
    workshop: Workshop, waiting: Waiting, price: float, *, explicitly: bool
) -> None:
    # Given
    run = asked(workshop, waiting, price_wanted=True, pays_up_to=3.0)
    # When
    say(workshop, waiting, run, hourly_price=price, explicitly=explicitly)
    # Then
    assert waiting.sent == ['{"answer": "approved"}']


def test_what_was_said_is_kept_with_the_price_and_the_report(workshop: Workshop, waiting: Waiting) -> None:
    # Given
    run = asked(workshop, waiting, price_wanted=True, pays_up_to=3.0, explicit_reasons=REASONS)
    # When
    say(workshop, waiting, run, hourly_price=12.5, explicitly=True, why="agreed with finance")
    # Then
    kept = workshop.pipeline.registry.run(run.run_id).facts["approval"]
    assert (kept["usd_per_unit_hour"], kept["explicitly"], kept["report_sha256"]) == (12.5, True, HASH)
    assert kept["why"] == "agreed with finance"
    # And each reason to which the person said yes, the one of the stated price too
    assert kept["accepted"][:2] == REASONS
    assert [one["name"] for one in kept["accepted"][2:]] == ["stated_price_does_not_pay"]


def test_of_two_answers_the_first_is_recorded_and_the_second_is_told_so(workshop: Workshop, waiting: Waiting) -> None:
    # Given a second person who read the request before the first one's answer was handed over
    run, pending = asked(workshop, waiting), waiting.pending
    say(workshop, waiting, run, answer="rejected", why="too slow")
    waiting.pending = pending
    # When
    with pytest.raises(AnswerRefused, match=r"was rejected at .* \(too slow\), and the first answer counts"):
        say(workshop, waiting, run, answer="approved", why="fine")
    # Then
    approval = workshop.pipeline.registry.run(run.run_id).facts["approval"]
    assert (approval["answer"], approval["why"]) == ("rejected", "too slow")
    assert waiting.sent == ['{"answer": "rejected"}']


def test_the_same_answer_again_is_handed_over_where_a_crash_came_before(workshop: Workshop, waiting: Waiting) -> None:
    # Given a Lambda that died between the record and the execution
    run = asked(workshop, waiting)
    workshop.pipeline.registry.claim_answer(
        run.run_id, 1, {"answer": "approved", "why": "good", "at": "earlier", "report_sha256": HASH}
    )
    # When
    say(workshop, waiting, run, why="again")
    # Then
    assert waiting.sent == ['{"answer": "approved"}']
    assert workshop.pipeline.registry.run(run.run_id).facts["approval"]["at"] == "earlier"


def test_a_reason_that_is_too_long_changes_nothing(workshop: Workshop, waiting: Waiting) -> None:
    run = asked(workshop, waiting)
    with pytest.raises(ReasonTooLong, match="501 characters and at most 500"):
        say(workshop, waiting, run, why="w" * 501)
    assert "approval" not in workshop.pipeline.registry.run(run.run_id).facts


# Who answers


def settings(workshop: Workshop, **changes: Any) -> None:
    environment = workshop.pipeline.environment
    changed = replace(environment, settings=replace(environment.settings, **changes))
    object.__setattr__(workshop.pipeline, "environment", changed)


def test_who_answered_and_why_is_kept(workshop: Workshop, waiting: Waiting) -> None:
    # Given
    run = asked(workshop, waiting)
    # When
    say(workshop, waiting, run, why="it is good")
    # Then
    kept = workshop.pipeline.registry.run(run.run_id).facts["approval"]
    assert (kept["by"]["arn"], kept["why"], kept["accepted"]) == (APPROVER.arn, "it is good", [])


@pytest.mark.parametrize("given", [None, {"url": "https://example.org/", "binding": "x"}])
@pytest.mark.parametrize("word", ["approved", "rejected"])
def test_an_answer_without_a_proof_changes_nothing(
    workshop: Workshop, waiting: Waiting, given: object, word: str
) -> None:
    # Given
    run = asked(workshop, waiting)
    # When
    with pytest.raises(ProofRefused):
        say(workshop, waiting, run, answer=word, explicitly=True, proof=given)
    # Then
    assert waiting.sent == []
    assert "approval" not in workshop.pipeline.registry.run(run.run_id).facts


def test_where_sts_is_out_of_reach_the_same_answer_counts_later(
    workshop: Workshop, waiting: Waiting, sts: FakeSts
) -> None:
    # Given
    run = asked(workshop, waiting)
    sts.status = 0
    with pytest.raises(IdentityUnknown, match="nothing is lost"):
        say(workshop, waiting, run)
    assert waiting.pending is not None
    assert "approval" not in workshop.pipeline.registry.run(run.run_id).facts
    # When
    sts.status = None
    say(workshop, waiting, run)
    # Then
    assert waiting.sent == ['{"answer": "approved"}']


SAME = Person(UPLOADER.arn.replace("/night", "/morning"), "ASIASAME")
"""The uploader's role under a session name that its bearer chose."""


@pytest.mark.parametrize(("rule", "explicitly", "why"), [
    (True, False, "The same identity submitted this run"),
    (True, True, None),
    ("always", True, "somebody else must approve"),
    (False, False, None),
])  # fmt: skip
@pytest.mark.parametrize("person", [UPLOADER, SAME])
def test_who_submitted_approves_only_explicitly_or_never(
    workshop: Workshop, waiting: Waiting, sts: FakeSts, person: Person, rule: Any, *, explicitly: bool, why: str | None
) -> None:
    # Given
    sts.people.append(SAME)
    run = asked(workshop, waiting)
    settings(workshop, separate_approver=rule)
    # When / Then
    if why is not None:
        with pytest.raises(AnswerRefused, match=why):
            say(workshop, waiting, run, person=person, explicitly=explicitly)
        assert waiting.sent == []
        return
    say(workshop, waiting, run, person=person, explicitly=explicitly)
    kept = workshop.pipeline.registry.run(run.run_id).facts["approval"]
    assert [one["name"] for one in kept["accepted"]] == (["same_submitter"] if rule else [])
    assert kept["by"]["arn"] == person.arn


@pytest.mark.parametrize("submitter", [None, {"unknown": "the upload has no proof"}])
def test_a_run_whose_submitter_is_not_known_is_approved_explicitly(
    workshop: Workshop, waiting: Waiting, submitter: Any
) -> None:
    # Given, say, one that an earlier version took and that waits over an upgrade
    run = asked(workshop, waiting)
    workshop.pipeline.registry.record_facts(run.run_id, submitter=cast("Any", submitter or {}))
    # When / Then
    with pytest.raises(AnswerRefused, match="It is not known who submitted this run"):
        say(workshop, waiting, run)
    say(workshop, waiting, run, explicitly=True)
    kept = workshop.pipeline.registry.run(run.run_id).facts["approval"]
    assert [one["name"] for one in kept["accepted"]] == ["unknown_submitter"]


def test_who_submitted_may_reject(workshop: Workshop, waiting: Waiting) -> None:
    run = asked(workshop, waiting)
    settings(workshop, separate_approver="always")
    say(workshop, waiting, run, person=UPLOADER, answer="rejected")
    assert waiting.sent == ['{"answer": "rejected"}']


def test_a_proof_that_answered_another_attempt_is_good_no_more(workshop: Workshop, waiting: Waiting) -> None:
    # Given an answer to a request that is put again, say by a retry with the same report
    run = asked(workshop, waiting)
    bound = Binding(environment="dev", registry="registry", verb="approve", subject=run.run_id, report_sha256=HASH)
    given = proof(APPROVER, bound, workshop.time)
    say(workshop, waiting, run, proof=given)
    waiting.pending = PendingApproval.from_item(
        {"run_id": run.run_id, "attempt": 1, "task_token": "token", "report_sha256": HASH, "expires": 0}
    )
    # When / Then
    with pytest.raises(ProofRefused, match="used before"):
        say(workshop, waiting, run, proof=given)
    assert len(waiting.sent) == 1
