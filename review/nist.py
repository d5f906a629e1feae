"""The position on each finding of the pack NIST 800-53 r5: reported, not enforced."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Validations
from cdk_nag import NIST80053R5Checks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import App

PAGE = "docs/nist-800-53.md"

POSITIONS = {
    "S3BucketReplicationEnabled": "Not followed. Uploads can be uploaded again and answers be bought again; "
    "versioning and retention guard against a deletion. A copy in another Region would hold the prompts there too, "
    "which the owner of the data has to decide: replication can be added to the retained buckets "
    "without touching the pipeline.",
    "S3DefaultEncryptionKMS": "Not possible here. S3's log delivery writes only into a bucket with the bucket's own "
    "encryption (S3 user guide, server access logging). The bucket holds who read which key, never a prompt.",
    "DynamoDBInBackupPlan": "Followed by other means: point-in-time recovery of 35 days, deletion protection and "
    "retention. A backup plan belongs to the account, not to one pipeline; an account that has one selects by tag.",
    "IAMNoInlinePolicy": "Not followed. Each policy belongs to one role and to nothing else. Inline, it is created, "
    "changed and deleted with its role and cannot be attached to another; reuse is what must not happen.",
    "LambdaConcurrency": "Not followed. Reserved concurrency takes its share from the whole account, whose quota may "
    "be 10. What runs at once is bounded where it is decided: max_running, shards_at_once and calls_at_once.",
    "LambdaDLQ": "Followed for every Lambda that events invoke. The others are asked by a caller that waits and gets "
    "the error; Lambda uses a dead letter queue for events alone.",
    "LambdaInsideVPC": "Not followed. The Lambdas listen to nothing and call AWS services alone, through "
    "TLS and under their roles. A VPC needs endpoints that cost by the hour while nothing runs.",
}
"""By rule, without the pack's prefix."""

_PREFIX = "NIST.800.53.R5-"
_HEAD = """# NIST 800-53 r5

What cdk-nag's pack `NIST80053R5Checks` finds in the templates, and our position on it. Made by `make snapshots` of
`review/nist.py`. A test fails on a finding without a position, and on a page that is not up to date.
"""


def findings(app: App, folder: Path) -> dict[str, list[str]]:
    """Synthesize with the pack and read what it finds.

    Parameters
    ----------
    app : App
        The construct tree, not yet synthesized.
    folder : Path
        Where it is synthesized to.

    Returns
    -------
    dict
        Paths of constructs by rule.
    """
    Validations.of(app).add_plugins(NIST80053R5Checks(app))
    try:
        app.synth()
    except RuntimeError as failure:
        if "ValidationFailed" not in str(failure):
            raise
    report = json.loads((folder / "validation-report.json").read_text())
    found: defaultdict[str, list[str]] = defaultdict(list)
    for pack in report["pluginReports"]:
        for violation in pack["violations"]:
            rule = violation["ruleName"].removeprefix(_PREFIX)
            paths = [construct["constructPath"] for construct in violation["violatingConstructs"]]
            found[rule] += [path.partition("/")[2].removesuffix("/Resource") for path in paths]
    return {rule: sorted(set(paths)) for rule, paths in sorted(found.items())}


def without_position(found: Mapping[str, list[str]]) -> list[str]:
    """Name rules that found something on which nobody has taken a position."""
    return [rule for rule in found if rule not in POSITIONS]


def page(found: Mapping[str, list[str]]) -> dict[str, str]:
    """Write the page: each rule that finds something, our position, and on which constructs."""
    lines = [_HEAD]
    for rule, paths in found.items():
        lines += [
            f"## {rule}",
            "",
            POSITIONS[rule],
            "",
            f"On {len(paths)}: {', '.join(f'`{path}`' for path in paths)}.",
            "",
        ]
    return {PAGE: "\n".join(lines)}
