"""Sign a proof of who calls, for one act: see :mod:`lambdas.domain.caller_proof`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from botocore.exceptions import BotoCoreError

from lambdas.domain.caller_proof import BINDING_HEADER, LIFE_SECONDS, Binding, proof_metadata

if TYPE_CHECKING:
    from cli.deployment import Deployment

_SIGNING = "before-sign.sts.GetCallerIdentity"


def signed_proof(deployment: Deployment, verb: str, subject: str, report_sha256: str = "") -> dict[str, Any]:
    """Sign with the caller's own credentials; nothing is sent to STS.

    Parameters
    ----------
    deployment : Deployment
    verb, subject, report_sha256 : str
        As of :class:`lambdas.domain.caller_proof.Binding`.

    Returns
    -------
    dict
        ``url`` and ``binding``: a secret for the minutes in which it is good.
    """
    binding = Binding(
        environment=deployment.environment,
        registry=deployment.output("data", "RegistryTable"),
        verb=verb,
        subject=subject,
        report_sha256=report_sha256,
    ).digest()

    def bind(request: Any, **_: object) -> None:  # noqa: ANN401 - botocore's own
        request.headers[BINDING_HEADER] = binding

    client = deployment.client("sts")
    client.meta.events.register(_SIGNING, bind)
    try:
        url = client.generate_presigned_url("get_caller_identity", ExpiresIn=LIFE_SECONDS, HttpMethod="GET")
    finally:
        client.meta.events.unregister(_SIGNING, bind)
    return {"url": url, "binding": binding}


def signed_upload(deployment: Deployment, bucket: str, key: str) -> dict[str, str]:
    """Sign who uploads, as metadata of the prompts; where that is not possible the person is told what it means."""
    try:
        metadata = proof_metadata(signed_proof(deployment, "submit", f"{bucket}/{key}"))
    except BotoCoreError:
        metadata = {}
    if not metadata:
        click.echo(
            "Note: the upload cannot say who you are (no credentials that sign, or a session token that is too long); "
            "whoever approves its run must do so with --explicitly.",
            err=True,
        )
    return metadata
