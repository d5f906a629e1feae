"""The rule packs that every template keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks

from stacks.access.own_rules import OwnRules

if TYPE_CHECKING:
    from aws_cdk import App


def enforce_rule_packs(app: App, *, in_full: bool = False) -> None:
    """Check every template when the app is synthesized; a finding without an acknowledgement is an error.

    NIST 800-53 is reported, not enforced: ``docs/nist-800-53.md``.

    Parameters
    ----------
    app : App
        The construct tree.
    in_full : bool
        Whether the pack Serverless is enforced too. The tests do it. It would make every synthesis a tenth longer.
    """
    plugins = Validations.of(app)
    plugins.add_plugins(AwsSolutionsChecks(app, verbose=True), OwnRules())
    if in_full:
        plugins.add_plugins(ServerlessChecks(app, verbose=True))
