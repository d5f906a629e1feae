"""Who submitted a run is known where the upload proves it, and no upload waits or fails where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest

from lambdas.domain.caller_proof import Binding, proof_metadata
from lambdas.domain.identity import Upload
from lambdas.gateways.registry.runs import Run
from lambdas.operations.start_run.submitter import find_submitter
from lambdas.workflow.run_starter import claim_upload
from tests.identities import APPROVER, UPLOADER, FakeSts, Person, answering, proof
from tests.unit.support.workshop import MemoryBucket, Workshop

UPLOAD = Upload("uploads", "video/a.jsonl", "v1")


class ProvenBucket(MemoryBucket):
    """A bucket in which each version of the prompts has the same metadata: whoever copies an object copies it too."""

    kept: dict[str, str]

    def metadata(self, key: str, version: str) -> dict[str, str]:
        del key, version
        return self.kept


@pytest.fixture
def uploads(workshop: Workshop) -> ProvenBucket:
    made = ProvenBucket()
    made.kept = {}
    workshop.pipeline.__dict__["uploads"] = made
    return made


@pytest.fixture(autouse=True)
def sts(workshop: Workshop) -> Iterator[FakeSts]:
    with answering(FakeSts(), lambda: workshop.time) as found:
        yield found


def signed(workshop: Workshop, uploads: ProvenBucket, person: Person = UPLOADER, key: str = UPLOAD.key) -> None:
    bound = Binding(environment="dev", registry="registry", verb="submit", subject=f"uploads/{key}")
    uploads.kept = proof_metadata(proof(person, bound, workshop.time))


def claimed(workshop: Workshop, uploads: ProvenBucket) -> Run:
    pipeline = workshop.pipeline
    return claim_upload(pipeline.registry, uploads, UPLOAD, workshop.now(), partial(find_submitter, pipeline))


def test_who_signed_the_upload_is_kept_with_the_run(workshop: Workshop, uploads: ProvenBucket) -> None:
    # Given
    signed(workshop, uploads)
    # When its event comes, and comes again
    for _ in range(2):
        run = claimed(workshop, uploads)
    # Then
    assert run.facts["submitter"]["caller"]["arn"] == UPLOADER.arn


def test_two_events_at_once_know_the_same_person(workshop: Workshop, uploads: ProvenBucket) -> None:
    signed(workshop, uploads)
    found = [find_submitter(workshop.pipeline, UPLOAD) for _ in range(2)]
    assert [one["caller"]["arn"] for one in found] == [UPLOADER.arn] * 2


def test_an_upload_under_somebody_elses_proof_is_nobodys(workshop: Workshop, uploads: ProvenBucket) -> None:
    # Given the proof of a run, copied to another version or another key
    signed(workshop, uploads)
    assert "caller" in find_submitter(workshop.pipeline, UPLOAD)
    # When / Then
    for other in (Upload("uploads", UPLOAD.key, "v2"), Upload("uploads", "video/b.jsonl", "v1")):
        assert find_submitter(workshop.pipeline, other).keys() == {"unknown"}


@pytest.mark.parametrize("trouble", ["none", "forged", "old", "damaged", "out of reach", "another verb"])
def test_an_upload_that_proves_nothing_starts_all_the_same(
    workshop: Workshop, uploads: ProvenBucket, sts: FakeSts, trouble: str
) -> None:
    # Given
    if trouble == "forged":
        signed(workshop, uploads, Person(APPROVER.arn, APPROVER.key, secret="guessed", token=APPROVER.token))
    elif trouble == "old":
        signed(workshop, uploads)
        workshop.time += timedelta(hours=1)
    elif trouble == "damaged":
        uploads.kept = {"distillation-proof": "\x1b[2J|||"}
    elif trouble == "out of reach":
        signed(workshop, uploads)
        sts.status = 0
    elif trouble == "another verb":
        bound = Binding(environment="dev", registry="registry", verb="approve", subject="uploads/video/a.jsonl")
        uploads.kept = proof_metadata(proof(UPLOADER, bound, workshop.time))
    # When
    run = claimed(workshop, uploads)
    # Then
    assert run.facts["submitter"].keys() == {"unknown"}
    assert run.state == "QUEUED"
