"""What of an ARN is somebody: never what its bearer could choose, unless the deployment trusts it."""

from __future__ import annotations

import pytest

from lambdas.domain.caller_identity import identity_of

A = "123456789012"
SSO = f"arn:aws:sts::{A}:assumed-role/AWSReservedSSO_Admin_0123456789abcdef"
OTHER_SSO = f"arn:aws:sts::{A}:assumed-role/AWSReservedSSO_Dev_fedcba9876543210"
LIKE_SSO = f"arn:aws:sts::{A}:assumed-role/x-AWSReservedSSO_a"
TRUSTED = ["AWSReservedSSO_*"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        # A session's name is the choice of whoever takes the role
        (f"arn:aws:sts::{A}:assumed-role/ops/alice", f"arn:aws:sts::{A}:assumed-role/ops/bob", True),
        (f"arn:aws:sts::{A}:assumed-role/ops/alice", f"arn:aws:sts::{A}:assumed-role/dev/alice", False),
        (f"arn:aws:sts::{A}:assumed-role/ops/alice", "arn:aws:sts::999999999999:assumed-role/ops/alice", False),
        # IAM Identity Center names the session after the person, in each permission set
        (f"{SSO}/alice@example.org", f"{SSO}/bob@example.org", False),
        (f"{SSO}/alice@example.org", f"{OTHER_SSO}/Alice@Example.org", True),
        # A role that only begins like one
        (f"{LIKE_SSO}/alice", f"{LIKE_SSO}/bob", True),
        # Users, root, and what a user made up
        (f"arn:aws:iam::{A}:user/team/alice", f"arn:aws:iam::{A}:user/team/alice", True),
        (f"arn:aws:iam::{A}:user/team/alice", f"arn:aws:iam::{A}:user/bob", False),
        (f"arn:aws:iam::{A}:root", f"arn:aws:iam::{A}:root", True),
        (f"arn:aws:iam::{A}:root", f"arn:aws:iam::{A}:user/root", False),
        (f"arn:aws:sts::{A}:federated-user/alice", f"arn:aws:sts::{A}:federated-user/bob", True),
        # Other partitions
        (f"arn:aws-cn:sts::{A}:assumed-role/ops/a", f"arn:aws-cn:sts::{A}:assumed-role/ops/b", True),
    ],
)  # fmt: skip
def test_who_counts_as_one_person(one: str, other: str, *, same: bool) -> None:
    assert (identity_of(one, TRUSTED) == identity_of(other, TRUSTED)) is same


@pytest.mark.parametrize("pattern", ["ops", "o*s", "*", "ops*"])
def test_a_deployment_may_trust_the_sessions_of_a_role(pattern: str) -> None:
    one, other = (identity_of(f"arn:aws:sts::{A}:assumed-role/ops/{name}", [pattern]) for name in ("alice", "bob"))
    assert one != other


def test_a_pattern_is_not_a_regular_expression() -> None:
    one, other = (identity_of(f"arn:aws:sts::{A}:assumed-role/opps/{name}", ["op+s", "o.ps"]) for name in ("a", "b"))
    assert one == other


def test_what_is_not_an_arn_is_only_itself() -> None:
    assert identity_of("whoever", TRUSTED) == "whoever"
