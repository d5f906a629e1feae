"""Checks each call against the role that made it, as Bedrock does.

The embedded AWS registers which principal holds an access key. Calls with the emulator's root key pass. As soon as
any principal is registered, the embedded AWS is enforcing IAM, and a key that nobody registered is refused.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence

from local.bedrock_simulator.catalog import ACCOUNT
from local.bedrock_simulator.errors import ServiceError, access_denied, validation
from local.bedrock_simulator.objects import split_uri
from local.bedrock_simulator.policies import Permission, PolicySource, RolePolicies, allows, trusts_bedrock

_CREDENTIAL = re.compile(r"Credential=([^/\s]+)/")
_ASSUMED_ROLE = re.compile(r"arn:aws:sts::\d{12}:assumed-role/([^/]+)/.+")
_ROLE = re.compile(r"arn:aws[^:]*:iam::\d{0,12}:role/(?:.*/)?([^/]+)")
_ROOT_KEY = re.compile(r"test|\d{12}")


class Access:
    """Knows who holds which access key, and what their roles allow.

    Parameters
    ----------
    source : PolicySource or None
        Where policies come from; ``None`` switches every check off.
    """

    def __init__(self, source: PolicySource | None) -> None:
        self._source = source
        self._principals: dict[str, str] = {}
        self._lock = threading.Lock()
        self.enabled = True

    def register(self, access_key: str, principal_arn: str) -> None:
        """Learn who holds an access key."""
        with self._lock:
            self._principals[access_key] = principal_arn

    def caller(self, headers: Mapping[str, str]) -> str | None:
        """Return the principal that signed a request; ``None`` for root.

        Raises
        ------
        ServiceError
            ``UnrecognizedClientException`` for a key that nobody registered while others are.
        """
        found = _CREDENTIAL.search(headers.get("authorization") or "")
        key = found[1] if found else "test"
        with self._lock:
            principal = self._principals.get(key)
            enforcing = self.enabled and self._source is not None and bool(self._principals)
        if principal is None and enforcing and not _ROOT_KEY.fullmatch(key):
            raise ServiceError("UnrecognizedClientException", "The security token included in the request is invalid.")
        return principal

    def require(self, caller: str | None, permissions: Sequence[Permission]) -> None:
        """Raise ``AccessDeniedException`` unless the caller may do everything that is asked."""
        policies = self._policies_of(caller)
        if policies is None or caller is None:
            return
        for permission in permissions:
            if not allows(policies, caller, permission):
                raise access_denied(
                    f"User: {caller} is not authorized to perform: {permission.action} on resource: "
                    f"{permission.resource} because no identity-based policy allows the {permission.action} action"
                )

    def require_job_role(self, caller: str | None, role_arn: str, source_arn: str, needs: Sequence[Permission]) -> None:
        """Raise ``ValidationException`` unless Bedrock may assume a role and the role may do what the job needs."""
        if self._source is None or not self.enabled or caller is None:
            return
        found = _ROLE.fullmatch(role_arn)
        policies = self._source.role(found[1]) if found else None
        if policies is None or not trusts_bedrock(policies, role_arn, source_arn):
            raise validation(
                f"Could not assume provided IAM role {role_arn}. It must exist and trust bedrock.amazonaws.com "
                f"for {source_arn}."
            )
        for need in needs:
            if not allows(policies, role_arn, need):
                raise validation(
                    f"The provided IAM role {role_arn} lacks the permission {need.action} on {need.resource}."
                )

    def _policies_of(self, caller: str | None) -> RolePolicies | None:
        if caller is None or self._source is None or not self.enabled:
            return None
        found = _ASSUMED_ROLE.fullmatch(caller)
        return (self._source.role(found[1]) if found else None) or RolePolicies(identity=[])


def pass_role(role_arn: str) -> Permission:
    """Return the permission to hand a role to Bedrock."""
    return Permission("iam:PassRole", role_arn, {"iam:PassedToService": "bedrock.amazonaws.com"})


def job_role_needs(
    training_uri: str, output_uri: str, teacher: Sequence[Permission], *, listed: bool = False
) -> list[Permission]:
    """Return what a customization role needs: its data, its output folder, and the teacher behind a profile.

    ``listed`` where the data are whatever lies under a prefix.
    """
    bucket, key = split_uri(training_uri)
    output, prefix = split_uri(output_uri)
    folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    same_account = {"aws:ResourceAccount": ACCOUNT}
    lists = Permission("s3:ListBucket", f"arn:aws:s3:::{bucket}", same_account | {"s3:prefix": key})
    return [
        *([lists] if listed else []),
        Permission("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", same_account),
        Permission("s3:PutObject", f"arn:aws:s3:::{output}/{folder}model-customization-job-output", same_account),
        *teacher,
    ]


def batch_role_needs(input_uri: str, output_uri: str, model: Sequence[Permission]) -> list[Permission]:
    """Return what a batch role needs: to list and read its input, to write its output, and to ask the model.

    Source: the user guide on the service role of batch inference (batch-iam-sr).
    """
    bucket, key = split_uri(input_uri)
    output, prefix = split_uri(output_uri)
    folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    same_account = {"aws:ResourceAccount": ACCOUNT}
    file = key if key.endswith(".jsonl") else f"{key.rstrip('/')}/input.jsonl".lstrip("/")
    return [
        Permission("s3:ListBucket", f"arn:aws:s3:::{bucket}", same_account | {"s3:prefix": key}),
        Permission("s3:GetObject", f"arn:aws:s3:::{bucket}/{file}", same_account),
        Permission("s3:PutObject", f"arn:aws:s3:::{output}/{folder}job/manifest.json.out", same_account),
        *model,
    ]
