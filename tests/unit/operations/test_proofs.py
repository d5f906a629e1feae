"""Who answered is known: by a proof that is good for one act, once, for minutes, and that only STS can confirm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as whatever
from hypothesis import strategies as st

from lambdas.domain.caller_proof import (
    BINDING_HEADER,
    Binding,
    check_proof,
    proof_metadata,
    proof_of_metadata,
)
from lambdas.domain.errors import IdentityUnknown, ProofRefused
from lambdas.workflow.callers import CallerCheck
from tests.identities import (
    ACCOUNT,
    APPROVER,
    ENDPOINT,
    REGION,
    ROOT,
    UPLOADER,
    FakeSts,
    Person,
    answering,
    presigned,
    proof,
)
from tests.unit.support.fake_bedrock import START
from tests.unit.support.workshop import Workshop

HASH = "ab" * 32
HERE = Binding(environment="dev", registry="registry", verb="approve", subject="video-1", report_sha256=HASH)


@pytest.fixture
def sts(workshop: Workshop) -> Iterator[FakeSts]:
    with answering(FakeSts(), lambda: workshop.time) as found:
        yield found


def check(workshop: Workshop, given: object) -> CallerCheck:
    return CallerCheck(workshop.pipeline, given, "approve", "video-1", HASH)


def test_sts_says_who_it_is_and_is_asked_with_what_was_signed(workshop: Workshop, sts: FakeSts) -> None:
    # Given
    given = proof(APPROVER, HERE, workshop.time)
    # When
    caller = check(workshop, given).caller
    # Then
    assert caller["arn"] == APPROVER.arn
    assert (caller["account"], caller["user_id"], caller["at"]) == (ACCOUNT, APPROVER.user_id, workshop.now())
    [asked] = sts.asked
    assert asked.startswith(f"{ENDPOINT}/?Action=GetCallerIdentity")


@pytest.mark.parametrize(
    "other",
    [
        Binding(environment="prod", registry="registry", verb="approve", subject="video-1", report_sha256=HASH),
        Binding(environment="dev", registry="another", verb="approve", subject="video-1", report_sha256=HASH),
        Binding(environment="dev", registry="registry", verb="reject", subject="video-1", report_sha256=HASH),
        Binding(environment="dev", registry="registry", verb="approve", subject="video-2", report_sha256=HASH),
        Binding(environment="dev", registry="registry", verb="approve", subject="video-1", report_sha256="cd" * 32),
    ],
)
def test_a_proof_for_anything_else_is_refused_whatever_it_says_of_itself(
    workshop: Workshop, sts: FakeSts, other: Binding
) -> None:
    # Given a proof that somebody else may have been shown
    given = proof(APPROVER, other, workshop.time)
    # When / Then: as it is, and said to be for this
    with pytest.raises(ProofRefused, match="made for something else"):
        _ = check(workshop, given).caller
    assert sts.asked == []
    with pytest.raises(ProofRefused, match="STS does not confirm"):
        _ = check(workshop, given | {"binding": HERE.digest()}).caller


@pytest.mark.usefixtures("sts")
def test_the_same_proof_twice_is_refused(workshop: Workshop) -> None:
    # Given
    given = proof(APPROVER, HERE, workshop.time)
    first, second = check(workshop, given), check(workshop, given)
    assert first.caller == second.caller  # both were checked before either was used
    # When
    first.use()
    # Then
    with pytest.raises(ProofRefused, match="used before"):
        second.use()
    with pytest.raises(ProofRefused, match="used before"):
        _ = check(workshop, given).caller


@pytest.mark.parametrize(("age", "why"), [(299, None), (300, "has expired"), (901, "has expired"), (-299, None),
                                          (-301, "in the future")])  # fmt: skip
def test_a_proof_is_good_for_minutes(workshop: Workshop, sts: FakeSts, age: int, why: str | None) -> None:
    given = proof(APPROVER, HERE, workshop.time - timedelta(seconds=age))
    if why is None:
        assert check(workshop, given).caller["arn"] == APPROVER.arn
        return
    with pytest.raises(ProofRefused, match=why):
        _ = check(workshop, given).caller
    assert sts.asked == []


@pytest.mark.usefixtures("sts")
def test_no_proof_makes_itself_good_for_hours(workshop: Workshop) -> None:
    # Given one that says so and is signed for it
    signed_at = workshop.time - timedelta(seconds=901)
    url = presigned(APPROVER, HERE.digest(), signed_at, **{"X-Amz-Expires": "9999"})
    # When / Then
    with pytest.raises(ProofRefused, match="has expired"):
        _ = check(workshop, {"url": url, "binding": HERE.digest()}).caller


@pytest.mark.parametrize(
    "address",
    [
        "https://sts.amazonaws.com",
        "https://sts.eu-west-1.amazonaws.com",
        "http://sts.us-east-1.amazonaws.com",
        "https://sts.us-east-1.amazonaws.com:8443",
        "https://sts.us-east-1.amazonaws.com.example.org",
        "https://user@sts.us-east-1.amazonaws.com",
        "https://sts.us-east-1.amazonaws.com@example.org",
        "https://example.org",
        "https://169.254.169.254",
        "file://sts.us-east-1.amazonaws.com",
    ],
)
def test_nothing_is_sent_anywhere_but_to_sts(workshop: Workshop, sts: FakeSts, address: str) -> None:
    given = {"url": presigned(APPROVER, HERE.digest(), workshop.time, endpoint=address), "binding": HERE.digest()}
    with pytest.raises(ProofRefused, match=r"is not for sts\.us-east-1\.amazonaws\.com"):
        _ = check(workshop, given).caller
    assert sts.asked == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"Action": "AssumeRole"}, "something else than GetCallerIdentity"),
        ({"RoleArn": "arn:aws:iam::000000000000:role/admin"}, "something else than GetCallerIdentity"),
        ({"Version": "2010-01-01"}, "something else than GetCallerIdentity"),
        ({"X-Amz-Algorithm": "AWS4-ECDSA-P256-SHA256"}, "something else than GetCallerIdentity"),
        ({"X-Amz-SignedHeaders": "host"}, "must sign the headers"),
        ({"X-Amz-SignedHeaders": f"host;x-other;{BINDING_HEADER}"}, "must sign the headers"),
        ({"X-Amz-Credential": "ASIAAPPROVER/20261124/eu-west-1/sts/aws4_request"}, "Region eu-west-1"),
        ({"X-Amz-Credential": "ASIAAPPROVER/20261124/us-east-1/s3/aws4_request"}, "not signed for STS"),
        ({"X-Amz-Credential": "ASIAAPPROVER/20251124/us-east-1/sts/aws4_request"}, "not signed for STS"),
        ({"X-Amz-Date": "yesterday"}, "from when to when"),
        ({"X-Amz-Date": "20261399T000000Z"}, "from when to when"),
        ({"X-Amz-Expires": "0"}, "from when to when"),
        ({"X-Amz-Expires": "1e9"}, "from when to when"),
    ],
)
def test_a_request_that_asks_or_signs_something_else_is_refused(
    workshop: Workshop, sts: FakeSts, changes: dict[str, str], why: str
) -> None:
    # Given a clock at the day of the credentials
    workshop.time = workshop.time.replace(year=2026, month=11, day=24)
    url = presigned(APPROVER, HERE.digest(), workshop.time, **changes)
    # When / Then
    with pytest.raises(ProofRefused, match=why):
        _ = check(workshop, {"url": url, "binding": HERE.digest()}).caller
    assert sts.asked == []


@pytest.mark.parametrize("more", ["&Action=GetCallerIdentity", "&X-Amz-Expires=9", "#fragment", "&a", "&=b", "\n", "ä"])
def test_a_parameter_twice_or_beside_is_refused(workshop: Workshop, sts: FakeSts, more: str) -> None:
    url = presigned(APPROVER, HERE.digest(), workshop.time) + more
    with pytest.raises(ProofRefused):
        _ = check(workshop, {"url": url, "binding": HERE.digest()}).caller
    assert sts.asked == []


@pytest.mark.parametrize(
    "given", [None, {}, "url", [], 7, {"url": 1, "binding": 2}, {"url": "x"}, {"url": None, "binding": None}]
)
def test_a_call_without_a_proof_of_the_right_form_is_refused(workshop: Workshop, sts: FakeSts, given: object) -> None:
    with pytest.raises(ProofRefused, match="proof"):
        _ = check(workshop, given).caller
    assert sts.asked == []


@pytest.mark.usefixtures("sts")
@pytest.mark.parametrize(
    "forger",
    [
        Person(APPROVER.arn, APPROVER.key, secret="guessed", token=APPROVER.token),
        Person(APPROVER.arn, APPROVER.key, token="another session"),
        Person(APPROVER.arn, "ASIANOBODY"),
    ],
)
def test_a_forged_signature_is_not_confirmed_and_what_sts_says_is_not_repeated(
    workshop: Workshop, forger: Person
) -> None:
    with pytest.raises(ProofRefused, match="STS does not confirm") as refused:
        _ = check(workshop, proof(forger, HERE, workshop.time)).caller
    assert "Canonical" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_proof_of_another_account_is_refused(workshop: Workshop, sts: FakeSts) -> None:
    # Given somebody with an account of their own
    stranger = Person("arn:aws:iam::999999999999:root", "AKIASTRANGER", account="999999999999")
    sts.people.append(stranger)
    # When / Then
    with pytest.raises(ProofRefused, match=f"of account 999999999999, and this environment belongs to {ACCOUNT}"):
        _ = check(workshop, proof(stranger, HERE, workshop.time)).caller


@pytest.mark.parametrize("status", [0, 500, 503, 429, 302])
def test_where_sts_does_not_answer_nothing_is_lost(workshop: Workshop, sts: FakeSts, status: int) -> None:
    # Given
    given = proof(APPROVER, HERE, workshop.time)
    sts.status, sts.headers = status, {"location": "https://example.org/"}
    # When
    with pytest.raises(IdentityUnknown, match="nothing is lost: call again"):
        _ = check(workshop, given).caller
    assert all(url.startswith(ENDPOINT) for url in sts.asked)
    # Then the same proof is good as soon as it does
    sts.status = None
    found = check(workshop, given)
    assert found.caller["arn"] == APPROVER.arn
    found.use()


def test_no_error_quotes_any_part_of_a_proof(workshop: Workshop, sts: FakeSts) -> None:
    # Given every kind of refusal
    good = proof(APPROVER, HERE, workshop.time)
    secrets = [good["url"], good["url"].rpartition("=")[2], "SECRET-TOKEN"]
    bad = Person(APPROVER.arn, APPROVER.key, token="SECRET-TOKEN")
    sts.people = [ROOT]
    tried: list[object] = [
        proof(bad, HERE, workshop.time),
        proof(bad, HERE, workshop.time - timedelta(hours=1)),
        {"url": good["url"].replace("sts.", "other."), "binding": HERE.digest()},
        {"url": good["url"] + "&Action=x", "binding": HERE.digest()},
        good | {"binding": "SECRET-TOKEN"},
    ]
    # When / Then
    for given in tried:
        found = check(workshop, given)
        with pytest.raises(ProofRefused) as refused:
            _ = found.caller
        assert not [secret for secret in secrets if secret in str(refused.value)]
        assert not [secret for secret in secrets if secret in repr(found)]


_NAMES = st.sampled_from(["Action", "Version", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Credential", "X-Amz-Signature",
                          "X-Amz-SignedHeaders", "X-Amz-Algorithm", "X-Amz-Security-Token", "Other"])  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@whatever(st.one_of(st.text(), st.lists(st.tuples(_NAMES, st.text(max_size=40)), max_size=12)))
def test_whatever_comes_is_refused_in_words(workshop: Workshop, text: Any) -> None:
    url = text if isinstance(text, str) else f"{ENDPOINT}/?{urlencode(text, errors='replace')}"
    with pytest.raises(ProofRefused):
        check_proof({"url": url, "binding": HERE.digest()}, HERE, endpoint=ENDPOINT, region=REGION, now=workshop.time)


@pytest.mark.usefixtures("sts")
@pytest.mark.parametrize("person", [UPLOADER, APPROVER, ROOT])
def test_a_proof_travels_with_an_upload(workshop: Workshop, person: Person) -> None:
    # Given
    given = proof(person, HERE, workshop.time)
    # When
    metadata = proof_metadata(given)
    # Then
    assert sum(map(len, [*metadata, *metadata.values()])) < 2_048
    assert check(workshop, proof_of_metadata(metadata, ENDPOINT)).caller["arn"] == person.arn


def test_a_session_token_that_is_too_long_for_metadata_is_left_out() -> None:
    person = Person(APPROVER.arn, APPROVER.key, token="t" * 1_900)
    assert proof_metadata(proof(person, HERE, START)) == {}
    assert proof_of_metadata({}, ENDPOINT) is None


@pytest.mark.parametrize("text", ["", "|", "a|b|c|d|e|f", "|||||", json.dumps({})])
def test_damaged_metadata_is_a_proof_that_is_refused(workshop: Workshop, sts: FakeSts, text: str) -> None:
    with pytest.raises(ProofRefused):
        _ = check(workshop, proof_of_metadata({"distillation-proof": text}, ENDPOINT)).caller
    assert sts.asked == []
