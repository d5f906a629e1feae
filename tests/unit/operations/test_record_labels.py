"""Labels count while a run waits or may be retried, once, of its own answers, by whoever proves to have given them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.caller_proof import Binding
from lambdas.domain.errors import AnswerRefused, LabelsRefused, ProofRefused
from lambdas.domain.evaluation.labels import Label, labels_subject
from lambdas.gateways.registry.approvals import PendingApproval
from lambdas.gateways.registry.runs import Run
from lambdas.operations.answer_approval.stage import Word, answer
from lambdas.operations.record_labels.stage import GivenLabels, record
from lambdas.workflow.answer_labels import kept_labels, order_of_run
from tests.gate_simulation.populations import measurement
from tests.identities import APPROVER, UPLOADER, FakeSts, Person, answering, proof
from tests.unit.support.workshop import Workshop

RECORDS = 40
OLD, NEW = "ab" * 32, "cd" * 32
LABELLER = Person("arn:aws:sts::000000000000:assumed-role/labeller/day", "ASIALABELLER", token="token")


class Waiting:
    """The approvals table and the waiting execution in one: each token is good once."""

    def __init__(self) -> None:
        self.pending: PendingApproval | None = None
        self.sent: list[dict[str, str]] = []
        self.problem: str | None = None

    def ask(self, token: str, report_sha256: str, run_id: str) -> None:
        self.pending = PendingApproval(
            run_id=run_id, attempt=1, task_token=token, report_sha256=report_sha256, expires=0
        )

    def find(self, _run_id: str) -> PendingApproval | None:
        return self.pending

    def delete(self, _run_id: str) -> None:
        self.pending = None

    def delete_replaced(self, pending: PendingApproval) -> None:
        if self.pending == pending:
            self.pending = None

    def send_task_success(self, *, taskToken: str, output: str) -> None:  # noqa: N803 - the API's name
        assert self.pending is not None
        if self.problem:
            raise ClientError({"Error": {"Code": self.problem, "Message": "no"}}, "SendTaskSuccess")
        assert taskToken == self.pending.task_token
        self.sent.append(json.loads(output))


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture(autouse=True)
def sts(workshop: Workshop) -> Iterator[FakeSts]:
    with answering(FakeSts([UPLOADER, APPROVER, LABELLER]), lambda: workshop.time) as found:
        yield found


def measured(workshop: Workshop, reference: str = "baseline") -> Run:
    """Give a run whose answers are measured, in two shards, with a file beside them."""
    run = workshop.run()
    gate = {"gate": {"reference": reference}}
    workshop.bucket.write_json(run.files.task_definition, gate)
    for shard, numbers in (("00-31", range(20)), ("32-63", range(20, RECORDS))):
        items = [
            measurement(role, number, answer=f"{role} says {number}")
            for number in numbers
            for role in ("student", "baseline", "teacher")
        ]
        content = "".join(f"{item.to_json()}\n" for item in items).encode()
        workshop.bucket.write(run.files.evaluation(1, f"{shard}.jsonl"), content)
    workshop.bucket.write_json(run.files.evaluation(1, "evaluation.json"), {"decision": "PROMOTE"})
    workshop.pipeline.registry.record_progress(run.run_id, "RequestApproval", workshop.now())
    return run


def waits(workshop: Workshop, waiting: Waiting) -> Run:
    run = measured(workshop)
    workshop.pipeline.registry.record_report(run.run_id, "report.html", OLD)
    waiting.ask("token", OLD, run.run_id)
    return run


def scored(workshop: Workshop, run: Run, count: int = RECORDS, student: int = 4) -> list[Label]:
    order = order_of_run(workshop.pipeline.runs, run.files, 1, "baseline")
    return [Label(pair.record_id, pair.answers, student, 5) for pair in list(order.values())[:count]]


def send(workshop: Workshop, waiting: Waiting, run: Run, labels: list[Label], **said: Any) -> Any:
    person, proven = said.get("person", LABELLER), said.get("proven", labels)
    bound = Binding(environment="dev", registry="registry", verb="label", subject=labels_subject(run.run_id, proven))
    event = {
        "run_id": run.run_id,
        "labels": [label.to_document() for label in labels],
        "proof": proof(person, bound, workshop.time),
    }
    return record(workshop.pipeline, cast("Any", waiting), cast("Any", waiting), GivenLabels.from_event(event))


def approve(workshop: Workshop, waiting: Waiting, run: Run, report: str, *, explicitly: bool = True) -> Any:
    bound = Binding(environment="dev", registry="registry", verb="approve", subject=run.run_id, report_sha256=report)
    event = {
        "run_id": run.run_id,
        "answer": "approved",
        "report_sha256": report,
        "explicitly": explicitly,
        "proof": proof(APPROVER, bound, workshop.time),
    }
    return answer(workshop.pipeline, cast("Any", waiting), cast("Any", waiting), Word.from_event(event))


def published_anew(workshop: Workshop, waiting: Waiting, run: Run) -> None:
    """Do what ScoreEvaluation and RequestApproval do."""
    workshop.pipeline.registry.record_report(run.run_id, "report.html", NEW)
    waiting.ask("another token", NEW, run.run_id)


def kept(workshop: Workshop, run: Run) -> int:
    return sum(len(file.labels) for file in kept_labels(workshop.pipeline.runs, run.files))


def test_a_run_that_goes_on_takes_none_and_says_where_it_is(workshop: Workshop, waiting: Waiting) -> None:
    # Given
    run = measured(workshop)
    workshop.pipeline.registry.record_progress(run.run_id, "PromoteStudent", workshop.now())
    # When / Then
    with pytest.raises(LabelsRefused, match=r"it is at PromoteStudent\. Labels count while it waits"):
        send(workshop, waiting, run, scored(workshop, run))
    assert kept(workshop, run) == 0


@pytest.mark.parametrize(
    ("outcome", "undecided", "why"),
    [("REJECTED", False, "no label changes it"), ("PROMOTED", False, "no label changes it"), ("REJECTED", True, "")],
)
def test_a_run_that_is_over_takes_some_only_where_a_retry_would_count_them(
    workshop: Workshop, waiting: Waiting, outcome: str, why: str, *, undecided: bool
) -> None:
    # Given
    run = measured(workshop)
    if undecided:
        workshop.pipeline.registry.record_facts(run.run_id, undecided=True)
    workshop.pipeline.registry.end(run.run_id, 1, outcome, "why", workshop.now(), None)
    # When
    if why:
        with pytest.raises(LabelsRefused, match=why):
            send(workshop, waiting, run, scored(workshop, run))
    else:
        assert send(workshop, waiting, run, scored(workshop, run))["next"] == "retry"
    # Then
    assert kept(workshop, run) == (0 if why else RECORDS)
    assert waiting.sent == []


def test_a_run_that_failed_before_its_answers_were_measured_says_so(workshop: Workshop, waiting: Waiting) -> None:
    # Given
    run = measured(workshop)
    labels = scored(workshop, run)
    del workshop.bucket.objects[run.files.evaluation(1, "evaluation.json")]
    workshop.pipeline.registry.end(run.run_id, 1, "FAILED", "why", workshop.now(), None)
    # When / Then
    with pytest.raises(LabelsRefused, match="before its answers were measured"):
        send(workshop, waiting, run, labels)


def test_a_proof_for_other_scores_counts_for_nothing(workshop: Workshop, waiting: Waiting) -> None:
    # Given a proof that somebody has for scores that are not these
    run = waits(workshop, waiting)
    labels = scored(workshop, run)
    # When / Then
    with pytest.raises(ProofRefused):
        send(workshop, waiting, run, labels, proven=[replace(labels[0], student=1), *labels[1:]])
    assert (kept(workshop, run), waiting.sent) == (0, [])


@pytest.mark.parametrize("given", [None, {}, "text"])
def test_a_call_without_labels_is_refused(given: object) -> None:
    # Given / When / Then
    with pytest.raises(LabelsRefused, match="no list of labels"):
        GivenLabels.from_event({"run_id": "video-1", "labels": given})


def test_labels_replace_the_request_and_the_old_hash_approves_no_more(workshop: Workshop, waiting: Waiting) -> None:
    # Given
    run = waits(workshop, waiting)
    # When
    given = send(workshop, waiting, run, scored(workshop, run, 30))
    # Then the execution goes back to its gate, and nobody approves meanwhile
    assert given == {"run_id": run.run_id, "labels": 30, "next": "decides_anew"}
    assert waiting.sent == [{"answer": "labelled"}]
    with pytest.raises(AnswerRefused, match="waits for no approval"):
        approve(workshop, waiting, run, OLD)
    published_anew(workshop, waiting, run)
    with pytest.raises(AnswerRefused, match="no longer the one you read"):
        approve(workshop, waiting, run, OLD)
    assert approve(workshop, waiting, run, NEW)["answer"] == "approved"
    # And who scored, when, and of what is kept, without a text
    (file,) = kept_labels(workshop.pipeline.runs, run.files)
    assert (file.by["arn"], file.at, file.reference, len(file.labels)) == (LABELLER.arn, workshop.now(), "baseline", 30)
    assert "says" not in json.dumps(file.to_document())


def test_an_approval_that_is_on_its_way_when_labels_come_counts_for_nothing(
    workshop: Workshop, waiting: Waiting
) -> None:
    # Given an approver who has seen the request, and a labeller who is faster
    run = waits(workshop, waiting)
    seen = waiting.pending
    send(workshop, waiting, run, scored(workshop, run))
    waiting.pending = seen
    # When / Then the first word counts as long as the report is the old one
    with pytest.raises(AnswerRefused, match="was labelled at"):
        approve(workshop, waiting, run, OLD)
    # And a claim of the old report does not come between once there is another one
    published_anew(workshop, waiting, run)
    with pytest.raises(AnswerRefused, match="was replaced meanwhile"):
        workshop.pipeline.registry.claim_answer(run.run_id, 1, {"answer": "approved", "report_sha256": OLD})
    assert approve(workshop, waiting, run, NEW)["answer"] == "approved"


def test_labels_after_an_answer_come_too_late(workshop: Workshop, waiting: Waiting) -> None:
    # Given an approval that is claimed and has not reached the execution yet
    run = waits(workshop, waiting)
    claim: Any = {"answer": "approved", "at": workshop.now(), "report_sha256": OLD}
    workshop.pipeline.registry.claim_answer(run.run_id, 1, claim)
    # When / Then
    with pytest.raises(LabelsRefused, match=r"was approved at .* too late"):
        send(workshop, waiting, run, scored(workshop, run))
    assert (kept(workshop, run), waiting.sent) == (0, [])


def test_labels_after_the_first_request_would_have_expired_come_too_late(workshop: Workshop, waiting: Waiting) -> None:
    # Given
    run = waits(workshop, waiting)
    until: Any = {"attempt": 1, "until": workshop.now()}
    workshop.pipeline.registry.record_facts(run.run_id, first_asked=until)
    # When / Then
    with pytest.raises(LabelsRefused, match="were taken until"):
        send(workshop, waiting, run, scored(workshop, run))


def test_the_same_labels_again_are_refused_unless_they_did_not_reach_the_execution(
    workshop: Workshop, waiting: Waiting
) -> None:
    # Given a Lambda that ends before it has told the execution
    run = waits(workshop, waiting)
    waiting.problem = "InternalServerException"
    labels = scored(workshop, run)
    with pytest.raises(ClientError):
        send(workshop, waiting, run, labels)
    assert (kept(workshop, run), waiting.sent) == (RECORDS, [])
    waiting.problem = None
    workshop.pass_time(seconds=1)
    # When the same person sends the same
    given = send(workshop, waiting, run, labels)
    # Then it is told, and nothing is kept twice
    assert (given["labels"], kept(workshop, run), waiting.sent) == (0, RECORDS, [{"answer": "labelled"}])
    published_anew(workshop, waiting, run)
    workshop.pass_time(seconds=1)
    with pytest.raises(LabelsRefused, match="kept already"):
        send(workshop, waiting, run, labels)


def test_two_people_are_both_kept(workshop: Workshop, waiting: Waiting) -> None:
    # Given
    run = waits(workshop, waiting)
    send(workshop, waiting, run, scored(workshop, run, 30))
    published_anew(workshop, waiting, run)
    workshop.pass_time(seconds=1)
    # When
    send(workshop, waiting, run, scored(workshop, run, 20, student=3), person=UPLOADER)
    # Then
    assert kept(workshop, run) == 50
    labellers = workshop.pipeline.registry.run(run.run_id).facts["labellers"]
    assert [one["arn"] for one in labellers] == [LABELLER.arn, UPLOADER.arn]


def test_who_scored_approves_only_with_an_explicit_word(workshop: Workshop, waiting: Waiting) -> None:
    # Given an approver who scored the answers of a run that somebody else submitted
    run = waits(workshop, waiting)
    uploader: Any = {"arn": UPLOADER.arn, "account": UPLOADER.account, "user_id": "A", "at": ""}
    workshop.pipeline.registry.record_facts(run.run_id, submitter={"caller": uploader})
    send(workshop, waiting, run, scored(workshop, run), person=APPROVER)
    published_anew(workshop, waiting, run)
    # When / Then
    with pytest.raises(AnswerRefused, match="The same identity scored answers of this run"):
        approve(workshop, waiting, run, NEW, explicitly=False)
    approve(workshop, waiting, run, NEW)
    approval = workshop.pipeline.registry.run(run.run_id).facts["approval"]
    assert [reason["name"] for reason in approval["accepted"]] == ["same_labeller"]


def test_where_settings_say_so_who_scored_never_approves(workshop: Workshop, waiting: Waiting) -> None:
    # Given
    run = waits(workshop, waiting)
    known = workshop.pipeline.environment
    always = replace(known, settings=replace(known.settings, separate_approver="always"))
    object.__setattr__(workshop.pipeline, "environment", always)
    uploader: Any = {"arn": UPLOADER.arn, "account": UPLOADER.account, "user_id": "A", "at": ""}
    workshop.pipeline.registry.record_facts(run.run_id, submitter={"caller": uploader})
    send(workshop, waiting, run, scored(workshop, run), person=APPROVER)
    published_anew(workshop, waiting, run)
    # When / Then
    with pytest.raises(AnswerRefused, match="were scored by the same identity"):
        approve(workshop, waiting, run, NEW)


def test_so_many_looks_are_enough(workshop: Workshop, waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setattr("lambdas.operations.record_labels.stage.MOST_LABEL_CALLS", 1)
    run = waits(workshop, waiting)
    labels = scored(workshop, run)
    send(workshop, waiting, run, labels[:30])
    published_anew(workshop, waiting, run)
    # When / Then
    with pytest.raises(LabelsRefused, match="came in 1 calls already"):
        send(workshop, waiting, run, labels[30:])
    assert kept(workshop, run) == 30
