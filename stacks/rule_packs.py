"""The rule packs that stop a synthesis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from stacks.own_rules import OwnRules

if TYPE_CHECKING:
    from aws_cdk import App


def enforce_rule_packs(app: App) -> None:
    """Check every template against AwsSolutions, Serverless and our own rules when the app is synthesized.

    A finding without an acknowledgement is an error. NIST 800-53 is reported, not enforced: ``docs/nist-800-53.md``.
    """
    Validations.of(app).add_plugins(
        AwsSolutionsChecks(app, verbose=True), ServerlessChecks(app, verbose=True), OwnRules()
    )
