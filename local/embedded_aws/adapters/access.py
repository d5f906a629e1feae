"""Identity: what IAM enforcement needs when the gateway speaks plain http on the loopback address."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any

from ministack import app as gateway
from ministack.services import sts


def loopback_counts_as_secure_transport() -> None:
    """Treat the loopback connection as TLS.

    ``aws:SecureTransport`` follows the ``X-Forwarded-Proto`` header, so over plain http every bucket, topic or key
    policy that denies insecure transport denies everything.
    """
    stock = gateway.pin_request_origin

    def pin_request_origin(source_ip: str, _secure_transport: bool) -> None:
        stock(source_ip, True)

    gateway.pin_request_origin = pin_request_origin


def simulator_learns_who_holds_an_access_key() -> None:
    """Tell the Bedrock simulator which role every new access key stands for.

    Only the emulator knows that a Lambda's temporary key belongs to its execution role, and the simulator has to know
    it to check a Bedrock call against that role's policies. Without a simulator there is nobody to tell.
    """
    simulator = os.environ.get("AWS_ENDPOINT_URL_BEDROCK")
    if simulator is None:
        return
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    stock = sts.register_session

    def register_session(access_key: str, session: dict[str, Any]) -> None:
        request = urllib.request.Request(  # noqa: S310 - the simulator's own http address
            f"{simulator}/_simulator/principals/{access_key}",
            data=json.dumps({"arn": session["Arn"]}).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT",
        )
        opener.open(request, timeout=10).close()
        stock(access_key, session)

    sts.register_session = register_session
