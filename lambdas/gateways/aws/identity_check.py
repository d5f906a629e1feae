"""Ask STS who signed a proof of identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lambdas.domain.errors import IdentityUnknown, ProofRefused
from lambdas.gateways.aws.service_errors import AWS_ERRORS, http_status, passes

if TYPE_CHECKING:
    from lambdas.domain.caller_identity import Caller
    from lambdas.domain.caller_proof import CheckedProof

_CREATED = "request-created.sts.GetCallerIdentity"
_CLIENT_ERRORS = range(400, 500)


class IdentityCheck:
    """STS of the deployment's Region.

    Parameters
    ----------
    client : STS client
        One that signs nothing: what is sent is what somebody else has signed.
    """

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - no stubs of STS are installed for one call
        self._client = client

    @property
    def endpoint(self) -> str:
        """The only address to which a proof is sent; botocore follows no redirect from there."""
        return str(self._client.meta.endpoint_url)

    @property
    def region(self) -> str:
        """The deployment's Region."""
        return str(self._client.meta.region_name)

    def ask(self, proof: CheckedProof, now: str) -> Caller:
        """Send the proof as it was signed.

        Parameters
        ----------
        proof : CheckedProof
            Its URL begins with :attr:`endpoint`.
        now : str
            ISO 8601.

        Raises
        ------
        ProofRefused
            STS knows no such signature, key or session. What it says is not repeated: it quotes the request.
        IdentityUnknown
            STS did not answer.
        """

        def as_it_was_signed(request: Any, **_: object) -> None:  # noqa: ANN401 - botocore's own
            request.method, request.url, request.data = "GET", proof.url, b""
            request.headers = type(request.headers)()
            for name, value in proof.headers.items():
                request.headers[name] = value

        events = self._client.meta.events
        events.register(_CREATED, as_it_was_signed)
        try:
            said = self._client.get_caller_identity()
        except AWS_ERRORS as problem:
            refused = isinstance(problem, ClientError) and http_status(problem) in _CLIENT_ERRORS
            if refused and not passes(problem):
                raise ProofRefused(
                    "STS does not confirm the proof of identity: it was changed, made for something else, or its "
                    "credentials have expired; call the command again, with credentials that are good"
                ) from None
            raise IdentityUnknown(
                "STS could not be asked who you are, so nothing was done and nothing is lost: call again in a minute. "
                "In a VPC the Lambdas need the interface endpoint of STS ('sts')"
            ) from None
        finally:
            events.unregister(_CREATED, as_it_was_signed)
        return {"arn": str(said["Arn"]), "account": str(said["Account"]), "user_id": str(said["UserId"]), "at": now}
