"""How a person proves to a Lambda who they are: a presigned request that only they could sign, for one act alone.

The command line signs STS GetCallerIdentity as a URL and does not send it. A signed header binds it to the environment,
the verb, what the verb is about and the report that was read; so it is good for nothing else. The Lambda checks its
form here and hands it to the STS endpoint of its own Region, which alone can tell who signed it. The pattern is that of
the AWS auth method of HashiCorp Vault and of aws-iam-authenticator.

A proof is a secret while it lasts: no message here quotes any part of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from lambdas.domain.errors import ProofRefused

BINDING_HEADER = "x-distillation-binding"
"""Signed beside the host: the hash of a :class:`Binding`."""

LIFE_SECONDS = 300
"""How long the command line lets a proof be good: a Lambda starts within seconds, and clocks differ."""

LONGEST_LIFE = timedelta(seconds=900)
"""Oldest proof that is taken, whatever it says of itself; STS takes none that is older (IAM user guide, SigV4)."""

FAST_CLOCK = timedelta(minutes=5)
"""How far the clock of who signed may be ahead, as for any signed request to AWS (IAM user guide, SigV4)."""

_LONGEST = 8_192
_FIXED = {"Action": "GetCallerIdentity", "Version": "2011-06-15", "X-Amz-Algorithm": "AWS4-HMAC-SHA256"}
_SIGNED = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")
_TOKEN = "X-Amz-Security-Token"  # noqa: S105 - a parameter's name
_CREDENTIAL = re.compile(r"[A-Z0-9a-z]{4,128}/(\d{8})/([a-z0-9-]{1,32})/sts/aws4_request")
_MOMENT = re.compile(r"\d{8}T\d{6}Z")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_HOW = "call the command again: it makes a new proof"


@dataclass(frozen=True, kw_only=True, slots=True)
class Binding:
    """The one act that a proof is good for.

    Attributes
    ----------
    environment : str
        Name of the environment.
    registry : str
        Name of its registry table, which tells environments of one name in two accounts or Regions apart.
    verb : str
        approve, reject, label, confirm, rollback, forget or submit.
    subject : str
        Run, task or uploaded key that it is about.
    report_sha256 : str
        SHA-256 of the report that was read; empty where the verb has none.
    """

    environment: str
    registry: str
    verb: str
    subject: str
    report_sha256: str = ""

    def digest(self) -> str:
        """Hash it: 64 hexadecimal digits (SHA-256 over canonical JSON)."""
        parts = ["v1", self.environment, self.registry, self.verb, self.subject, self.report_sha256]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CheckedProof:
    """A proof whose form is right: what to send to STS, and by what it is known again."""

    url: str
    headers: Mapping[str, str]
    proof_id: str


def check_proof(given: object, binding: Binding, *, endpoint: str, region: str, now: datetime) -> CheckedProof:
    """Check everything of a proof that can be told without STS.

    Parameters
    ----------
    given : object
        ``{"url", "binding"}`` as it came with the call.
    binding : Binding
        The act that it is given for.
    endpoint : str
        STS endpoint of the deployment, for example ``https://sts.us-east-1.amazonaws.com``.
    region : str
        The deployment's Region.
    now : datetime

    Returns
    -------
    CheckedProof
        Its URL is written anew from the checked parts: nothing of the given one reaches the network unread.

    Raises
    ------
    ProofRefused
        Says what is wrong, and never quotes the proof.
    """
    if given is None:
        raise ProofRefused(
            "the call has no proof of who makes it: update the checkout of the command line, and use it instead of "
            "invoking the Lambda by hand"
        )
    if not isinstance(given, Mapping) or not all(isinstance(given.get(name), str) for name in ("url", "binding")):
        raise ProofRefused(f"the proof of identity is not of the form that the command line gives it; {_HOW}")
    if given["binding"] != binding.digest():
        raise ProofRefused(
            f"the proof of identity was made for something else than to {binding.verb} '{binding.subject[:120]}' in "
            f"environment '{binding.environment}' (verb, run, report and environment must be the same); {_HOW}"
        )
    parameters = _parameters(given["url"], endpoint)
    signed_at = _signed_at(parameters, now)
    credential = _CREDENTIAL.fullmatch(parameters["X-Amz-Credential"])
    if credential is None or credential[1] != f"{signed_at:%Y%m%d}":
        raise ProofRefused(f"the proof of identity is not signed for STS; {_HOW}")
    if credential[2] != region:
        raise ProofRefused(f"the proof of identity is signed for Region {credential[2]}, not for {region}; {_HOW}")
    if parameters["X-Amz-SignedHeaders"] != f"host;{BINDING_HEADER}":
        raise ProofRefused(f"the proof of identity must sign the headers host and {BINDING_HEADER} and no others")
    if not _SIGNATURE.fullmatch(parameters["X-Amz-Signature"]):
        raise ProofRefused(f"the proof of identity has no signature; {_HOW}")
    return CheckedProof(
        url=f"{endpoint.rstrip('/')}/?{urlencode(parameters)}",
        headers={BINDING_HEADER: given["binding"]},
        proof_id=hashlib.sha256(parameters["X-Amz-Signature"].encode()).hexdigest(),
    )


def _parameters(url: str, endpoint: str) -> dict[str, str]:
    """Take the URL apart: it goes to this endpoint, and asks nothing but who signed it."""
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable():
        raise ProofRefused(f"the proof of identity is not a URL; {_HOW}")
    try:
        parts, here = urlsplit(url), urlsplit(endpoint)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True, max_num_fields=16)
    except ValueError:
        raise ProofRefused(f"the proof of identity cannot be read as a URL; {_HOW}") from None
    if (parts.scheme, parts.netloc) != (here.scheme, here.netloc):
        raise ProofRefused(
            f"the proof of identity is not for {here.netloc}, the STS endpoint of this deployment, and is sent nowhere "
            "else; unset AWS_ENDPOINT_URL_STS, AWS_USE_FIPS_ENDPOINT and AWS_STS_REGIONAL_ENDPOINTS, and call again"
        )
    names = [name for name, _ in pairs]
    expected = {*_FIXED, *_SIGNED}
    if parts.path not in ("", "/") or parts.fragment or len(names) != len(set(names)) or expected - set(names):
        raise ProofRefused(f"the proof of identity is not a presigned GetCallerIdentity; {_HOW}")
    parameters = dict(pairs)
    if set(names) - expected - {_TOKEN} or any(parameters[name] != value for name, value in _FIXED.items()):
        raise ProofRefused(f"the proof of identity asks STS for something else than GetCallerIdentity; {_HOW}")
    return parameters


def _signed_at(parameters: Mapping[str, str], now: datetime) -> datetime:
    """Give when it was signed; it must be good now."""
    said, expires = parameters["X-Amz-Date"], parameters["X-Amz-Expires"]
    try:
        if not _MOMENT.fullmatch(said) or not re.fullmatch(r"[1-9]\d{0,3}", expires):
            raise ValueError(said)
        signed_at = datetime.strptime(said, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ProofRefused(f"the proof of identity does not say from when to when it is good; {_HOW}") from None
    good_until = signed_at + min(timedelta(seconds=int(expires)), LONGEST_LIFE)
    if now >= good_until:
        raise ProofRefused(
            f"the proof of identity has expired: it was made {(now - signed_at).total_seconds():,.0f} s ago; {_HOW}. "
            "Where a new one has expired too, set this machine's clock"
        )
    if signed_at - now > FAST_CLOCK:
        raise ProofRefused("the proof of identity was made in the future: set this machine's clock, and call again")
    return signed_at


def rollback_subject(task: str, to_run: str | None) -> str:
    """Name what a rollback is about: the task, and the run to return to where one is named."""
    return f"{task} to {to_run}" if to_run else task


def serving_subject(task: str, run_id: str, how: str) -> str:
    """Name what a choice of who answers is about: the task, the run that serves it, and the mode or the share."""
    return f"{task} {run_id} {how}"


def proof_of(event: Mapping[str, Any]) -> object:
    """Give the proof that came with a call, whatever it is."""
    return event.get("proof")


# With an upload: S3 keeps it beside the version of the object, in 2 KB of metadata.

PROOF_METADATA, BINDING_METADATA = "distillation-proof", "distillation-binding"
"""Names of the upload's metadata."""

LONGEST_METADATA = 2_048 - 128
"""Bytes that a proof may take of the 2 KB of user-defined metadata that S3 keeps with an object (S3 user guide)."""


def proof_metadata(proof: Mapping[str, str]) -> dict[str, str]:
    """Write a proof as metadata of an upload; empty where the credentials' session token is too long for that."""
    parameters = dict(parse_qsl(urlsplit(proof["url"]).query))
    kept = [parameters.get(name, "") for name in (*_KEPT, _TOKEN)]
    metadata = {PROOF_METADATA: "|".join(kept), BINDING_METADATA: proof["binding"]}
    long = sum(len(name) + len(value) for name, value in metadata.items()) > LONGEST_METADATA
    return {} if long else metadata


def proof_of_metadata(metadata: Mapping[str, str], endpoint: str) -> dict[str, str] | None:
    """Read what :func:`proof_metadata` wrote; ``None`` where nothing was written."""
    text = metadata.get(PROOF_METADATA)
    if text is None:
        return None
    kept = dict(zip((*_KEPT, _TOKEN), text.split("|", len(_KEPT)), strict=False))
    parameters = {**_FIXED, "X-Amz-SignedHeaders": f"host;{BINDING_HEADER}", **kept}
    url = f"{endpoint.rstrip('/')}/?{urlencode({name: value for name, value in parameters.items() if value})}"
    return {"url": url, "binding": metadata.get(BINDING_METADATA, "")}


_KEPT = ("X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature")
