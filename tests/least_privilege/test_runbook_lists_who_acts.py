"""The runbook's list of everything that deletes, moves or pays is complete, by the rights of roles and by verbs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cli.main import cli
from tests.faults.__main__ import local_deployment
from tests.least_privilege.grants import Grants

RUNBOOK = Path("docs/runbook.md")
HEADING = "## What deletes, moves or pays"
ACTS = re.compile(
    r"bedrock:(Create|Delete|Update|Stop|InvokeModel)|ssm:PutParameter|s3:DeleteObject|dynamodb:DeleteItem|"
    r"states:(StartExecution|StopExecution|SendTask)"
)
"""Rights with which something is deleted, moved or paid for."""

READS = {
    "champions", "costs", "coverage", "doctor", "estimate", "init", "opportunities", "opportunity", "prices",
    "reconcile",
    "report", "runs", "showback", "validate", "watch",
}  # fmt: skip
"""Verbs that change nothing in an account."""


def listed() -> set[str]:
    """Give the names in the first column of the runbook's table."""
    table = RUNBOOK.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    return {name for cell in first for name in re.findall(r"[A-Z][A-Za-z]+|(?<=`)[a-z-]+(?=`)", cell)}


@pytest.fixture(scope="module")
def acting() -> set[str]:
    grants = Grants(local_deployment())
    return {
        "".join(word.title() for word in folder.split("_"))
        for folder in grants.folders()
        if any(ACTS.match(grant.action) for grant in grants.of_role(grants.role_of(folder)))
    }


def test_each_lambda_with_such_a_right_is_in_the_list(acting: set[str]) -> None:
    assert len(acting) > 10
    assert acting - listed() == set(), "add them to docs/runbook.md with what they check at the last moment"


def test_each_verb_is_in_the_list_or_changes_nothing() -> None:
    assert set(cli.commands) - listed() - READS == set(), "add them to docs/runbook.md, or to READS"
    assert READS & listed() == set()
    assert set(cli.commands) >= READS


def test_each_line_says_what_is_checked() -> None:
    table = RUNBOOK.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert all(len(line.split("|")[3].split()) >= 4 for line in lines)
