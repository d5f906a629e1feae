"""Who somebody is: what of an ARN names a person or a role, and what only its bearer chose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypedDict

_ARN = re.compile(r"arn:aws[a-z-]*:(iam|sts)::(\d{12}):(.+)", re.DOTALL)


class Caller(TypedDict):
    """Who STS says that somebody is, as stored; ``at`` (ISO 8601) is when it said so.

    ``user_id`` is unique where a name may be given again: ``AIDA…`` of a user, ``AROA…:session`` of a role.
    """

    arn: str
    account: str
    user_id: str
    at: str


class SaidBy(TypedDict, total=False):
    """Whose word a line of a task's history is: the ARN, and names of the reasons that were accepted explicitly."""

    answered_by: str
    accepted: list[str]


class Submitter(TypedDict, total=False):
    """Who uploaded the prompts of a run; ``unknown`` says why that is not known."""

    caller: Caller
    unknown: str


def identity_of(arn: str, trusted_sessions: Sequence[str]) -> str:
    """Say what of an ARN is an identity: two callers with the same one count as one person.

    Parameters
    ----------
    arn : str
        As STS gives it.
    trusted_sessions : sequence of str
        Names of roles, ``*`` for any characters, whose session names their bearer cannot choose: those of IAM Identity
        Center, or roles whose trust policy demands ``sts:RoleSessionName``. There the session's name is the person,
        whichever of these roles they use. The session name of any other role is its caller's choice, so all callers of
        that role are one identity.

    Returns
    -------
    str
        A user's ARN; ``<account>:root``; the account with the role or the session; for federated users, whose name the
        IAM user who made them chose, one identity an account.
    """
    found = _ARN.fullmatch(arn)
    if found is None:
        return arn
    service, account, resource = found.groups()
    kind, _, rest = resource.partition("/")
    if service == "sts" and kind == "assumed-role":
        role, _, session = rest.partition("/")
        if any(_matches(role, pattern) for pattern in trusted_sessions):
            return f"{account}:session/{session.casefold()}"
        return f"{account}:role/{role}"
    if service == "sts" and kind == "federated-user":
        return f"{account}:federated-user"
    return f"{account}:{resource}"


def _matches(role: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), role) is not None
