"""STS as it judges presigned requests: it knows some keys, and computes each signature anew from the whole request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, quote, urlsplit

import boto3
from botocore.awsrequest import AWSResponse

from lambdas.domain.caller_proof import BINDING_HEADER, LIFE_SECONDS, Binding, rollback_subject, serving_subject
from lambdas.domain.evaluation.labels import Label, labels_subject

ACCOUNT = "000000000000"
REGION = "us-east-1"
ENDPOINT = f"https://sts.{REGION}.amazonaws.com"
LIFE_OF_A_SIGNATURE = timedelta(minutes=15)


@dataclass(frozen=True)
class Person:
    """Credentials, and who STS says that their bearer is."""

    arn: str
    key: str
    secret: str = "a secret"
    token: str | None = None
    account: str = ACCOUNT

    @property
    def user_id(self) -> str:
        return f"AROATEST:{self.arn.rpartition('/')[2]}"


UPLOADER = Person(f"arn:aws:sts::{ACCOUNT}:assumed-role/uploader/night", "ASIAUPLOADER", token="t|o+k/e=n" * 20)
APPROVER = Person(f"arn:aws:sts::{ACCOUNT}:assumed-role/approver/day", "ASIAAPPROVER", token="token")
ROOT = Person(f"arn:aws:iam::{ACCOUNT}:root", "test", "test")


@dataclass
class FakeSts:
    """Answers GetCallerIdentity.

    Attributes
    ----------
    people : list of Person
        Who has keys.
    asked : list of str
        URLs that were asked.
    status : int or None
        Answers so, whatever is asked; 0: does not answer at all.
    """

    people: list[Person] = field(default_factory=lambda: [UPLOADER, APPROVER, ROOT])
    asked: list[str] = field(default_factory=list)
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, method: str, url: str, headers: dict[str, str], now: datetime) -> tuple[int, bytes]:
        """Give status and body."""
        self.asked.append(url)
        if self.status is not None:
            return self.status, b"<ErrorResponse><Error><Code>Broken</Code></Error></ErrorResponse>"
        parts = urlsplit(url)
        given = dict(parse_qsl(parts.query, keep_blank_values=True))
        key = given.get("X-Amz-Credential", "").split("/")[0]
        person = next((one for one in self.people if one.key == key), None)
        if person is None:
            return 403, _error("InvalidClientTokenId", "The security token included in the request is invalid")
        seen = {**{name.lower(): value for name, value in headers.items()}, "host": parts.netloc}
        expected = signature(method, given, seen, person.secret)
        if given.pop("X-Amz-Signature") != expected or given.get("X-Amz-Security-Token") != person.token:
            return 403, _error("SignatureDoesNotMatch", f"The Canonical String should have been {given}")
        signed_at = datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if now - signed_at > min(LIFE_OF_A_SIGNATURE, timedelta(seconds=int(given["X-Amz-Expires"]))):
            return 403, _error("SignatureDoesNotMatch", "Signature expired")
        return 200, (
            "<GetCallerIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><GetCallerIdentityResult>"
            f"<Arn>{person.arn}</Arn><UserId>{person.user_id}</UserId><Account>{person.account}</Account>"
            "</GetCallerIdentityResult></GetCallerIdentityResponse>"
        ).encode()

    def client(self, clock: Any) -> Any:
        """Make an unsigned client as the Lambdas have it, whose requests end here."""
        from botocore import UNSIGNED  # noqa: PLC0415 - beside its only use
        from botocore.config import Config  # noqa: PLC0415

        config = Config(signature_version=UNSIGNED, retries={"mode": "standard", "total_max_attempts": 1})
        client = boto3.client("sts", region_name=REGION, config=config)
        client.meta.events.register("before-send.sts", lambda request, **_: self._respond(request, clock()))
        return client

    def _respond(self, request: Any, now: datetime) -> AWSResponse:
        if self.status == 0:
            from botocore.exceptions import ConnectTimeoutError  # noqa: PLC0415

            raise ConnectTimeoutError(endpoint_url=request.url)
        headers = {name: _text(value) for name, value in request.headers.items()}
        status, body = self.answer(request.method, request.url, headers, now)
        raw: Any = mock.Mock(stream=lambda: iter([body]))
        answered: Any = self.headers
        return AWSResponse(request.url, status, answered, raw)


def signature(method: str, given: dict[str, str], seen: dict[str, str], secret: str) -> str:
    """Sign as Signature Version 4 says (IAM user guide), written apart from botocore's signer."""
    names = given["X-Amz-SignedHeaders"].split(";")
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in given.items()
                   if name != "X-Amz-Signature")  # fmt: skip
    canonical = "\n".join(
        [
            method,
            "/",
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{seen.get(name, '').strip()}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(b"").hexdigest(),
        ]
    )
    _, *scope = given["X-Amz-Credential"].split("/")
    text = "\n".join(
        [given["X-Amz-Algorithm"], given["X-Amz-Date"], "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def presigned(person: Person, header: str, now: datetime, *, endpoint: str = ENDPOINT, **changes: str) -> str:
    """Sign a URL by hand; ``changes`` are made before it is signed."""
    scope = f"{now:%Y%m%d}/{REGION}/sts/aws4_request"
    given = {
        "Action": "GetCallerIdentity",
        "Version": "2011-06-15",
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{person.key}/{scope}",
        "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
        "X-Amz-Expires": str(LIFE_SECONDS),
        "X-Amz-SignedHeaders": f"host;{BINDING_HEADER}",
        **({"X-Amz-Security-Token": person.token} if person.token else {}),
        **changes,
    }
    seen = {"host": urlsplit(endpoint).netloc, BINDING_HEADER: header}
    given["X-Amz-Signature"] = signature("GET", given, seen, person.secret)
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in given.items())
    return f"{endpoint}/?{query}"


def proof(person: Person, binding: Binding, now: datetime, **more: str) -> dict[str, str]:
    """Make a proof as the command line makes it."""
    return {"url": presigned(person, binding.digest(), now, **more), "binding": binding.digest()}


def proven_act(function: str, payload: dict[str, Any]) -> dict[str, str] | None:
    """Say what a call's proof is bound to, by the Lambda's folder; ``None`` where it needs none."""
    if function in ("answer_approval", "record_labels"):
        return _proven_of_run(payload)
    if function == "roll_back_champion" and {"serve", "route"} & payload.keys():
        verb = "serve" if "serve" in payload else "route"
        tested = " ".join([f"{payload.get('route', 0):g}", *filter(None, [payload.get("fresh")])])
        how = payload["serve"] if verb == "serve" else tested
        subject = serving_subject(payload["task"], payload["run_id"], how)
        return {"verb": verb, "subject": subject} if verb == "serve" or payload.get("adopt") else None
    if function == "roll_back_champion" and not payload.get("go_on"):
        return {"verb": "rollback", "subject": rollback_subject(payload["task"], payload.get("to"))}
    if function == "reconcile_runs" and "forget" in payload:
        return {"verb": "forget", "subject": payload["forget"]}
    if function == "reap_idle_throughput" and "confirm" in payload:
        return {"verb": "confirm", "subject": payload["run_id"]}
    return None


def _proven_of_run(payload: dict[str, Any]) -> dict[str, str]:
    if "labels" in payload:
        labels = [Label.from_document(one) for one in payload["labels"]]
        return {"verb": "label", "subject": labels_subject(payload["run_id"], labels)}
    verb = "reject" if payload["answer"] == "rejected" else "approve"
    return {"verb": verb, "subject": payload["run_id"], "report_sha256": payload["report_sha256"]}


@contextmanager
def answering(sts: FakeSts, clock: Any) -> Iterator[FakeSts]:
    """Let the Lambdas ask this STS."""
    from lambdas.gateways.aws import clients  # noqa: PLC0415 - its makers are patched here

    client = sts.client(clock)
    with mock.patch.object(clients, "sts", return_value=client):
        yield sts


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _error(code: str, message: str) -> bytes:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>".encode()
