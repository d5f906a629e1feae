"""Log groups: encrypted, and kept as long as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms
    from constructs import Construct


def log_group(scope: Construct, *, key: kms.IKey, retention_days: int) -> logs.LogGroup:
    """Make the log group of a construct; it goes with the stack, since it holds no data of a run."""
    group = logs.LogGroup(scope, "Logs", encryption_key=key, removal_policy=RemovalPolicy.DESTROY)
    # The L2 takes an enumeration; the settings allow the same numbers of days.
    cast("logs.CfnLogGroup", group.node.default_child).retention_in_days = retention_days
    return group
