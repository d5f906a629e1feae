"""Who makes a call: verified by STS, once, for one act."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from lambdas.domain.caller_identity import Caller, identity_of
from lambdas.domain.caller_proof import Binding, CheckedProof, check_proof
from lambdas.domain.errors import ProofRefused
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.identity_check import IdentityCheck
from lambdas.workflow.stage import Pipeline, iso


@dataclass
class CallerCheck:
    """The proof of one call.

    Parameters
    ----------
    pipeline : Pipeline
    given : object
        The proof as it came.
    verb, subject, report_sha256 : str
        The act that it must be bound to (:class:`lambdas.domain.caller_proof.Binding`).
    used_as : str
        For an act that may be delivered twice: what makes it the same one.
    """

    pipeline: Pipeline
    given: object = field(repr=False)
    verb: str
    subject: str
    report_sha256: str = ""
    used_as: str = ""

    @cached_property
    def caller(self) -> Caller:
        """Who makes the call.

        Raises
        ------
        ProofRefused
            It is missing, of another form, for something else, used, expired, or not confirmed by STS; or it is of
            another account than the deployment's.
        IdentityUnknown
            STS did not answer; nothing was used up.
        """
        proof, account = self._checked, self.pipeline.environment.account
        used = self.pipeline.used_proofs.used_for(proof.proof_id)
        if used is not None and not (self.used_as and used == self._used_for):
            raise _used()
        caller = self._sts.ask(proof, iso(self.pipeline.now()))
        if account and caller["account"] != account:
            raise ProofRefused(
                f"the proof of identity is of account {caller['account']}, and this environment belongs to {account}: "
                "call with credentials of this account"
            )
        return caller

    def use(self) -> None:
        """Use the proof up, immediately before what it is for.

        Raises
        ------
        ProofRefused
            When it was used before.
        """
        proof = self._checked
        used = self.pipeline.used_proofs
        again = bool(self.used_as) and used.used_for(proof.proof_id) == self._used_for
        if not again and not used.use(proof.proof_id, self._used_for):
            raise _used()

    @cached_property
    def _checked(self) -> CheckedProof:
        of = self.pipeline.environment
        binding = Binding(
            environment=of.name,
            registry=of.registry_table,
            verb=self.verb,
            subject=self.subject,
            report_sha256=self.report_sha256,
        )
        return check_proof(
            self.given, binding, endpoint=self._sts.endpoint, region=self._sts.region, now=self.pipeline.now()
        )

    @cached_property
    def _sts(self) -> IdentityCheck:
        return IdentityCheck(clients.sts())

    @property
    def _used_for(self) -> str:
        return f"{self.verb}:{self.used_as or self.subject}"


def same_identity(pipeline: Pipeline, one: Caller, other: Caller) -> bool:
    """Tell whether two callers count as one person by the settings' rule."""
    trusted = pipeline.environment.settings.trusted_sessions
    return identity_of(one["arn"], trusted) == identity_of(other["arn"], trusted)


def _used() -> ProofRefused:
    return ProofRefused("the proof of identity was used before, and each is good once: call the command again")
