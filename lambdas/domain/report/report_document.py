"""``report.json``: what is known of a run, with one reader and one writer. Fields: docs/report.md.

The page reads it with less trust than this module does: it is drawn of any report, whatever is missing from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, cast

from lambdas.domain.caller_identity import Submitter
from lambdas.domain.evaluation.contestant_document import ContestantDocument
from lambdas.domain.explicit_reasons import ExplicitReason
from lambdas.domain.gate.evaluation_document import LeftOut
from lambdas.domain.gate.prompting_document import PromptingDocument
from lambdas.domain.gate.rule_result import RuleDocument
from lambdas.domain.run_facts import Approval, ChampionFact
from lambdas.domain.stored import REPORT_VERSION, check_schema_version


class ReportSource(TypedDict, total=False):
    """The upload that a run is made of, and the versions of the task's files that it is pinned to."""

    bucket: str
    key: str
    version: str
    task_version: str | None
    holdout_version: str | None
    calibration_version: str | None


class ReportError(TypedDict):
    """The error that ended a run."""

    name: str
    message: str


class ReportEndpoint(TypedDict, total=False):
    """What serves the student that a run promoted."""

    arn: str | None
    mode: str
    usd_per_hour: float | None


class ReportDocument(TypedDict, total=False):
    """``report.json``; what the run did not come to is ``None``."""

    schema_version: int
    run_id: str
    task: str
    environment: str
    attempt: int
    outcome: str | None
    decision: str | None
    reasons: list[str]
    simulated: bool
    source: ReportSource
    created_at: str
    ended_at: str | None
    error: ReportError | None
    models: Mapping[str, Any] | None
    dataset: Mapping[str, Any] | None
    training: Mapping[str, Any] | None
    judge: Mapping[str, Any] | None
    evaluation: Mapping[str, Any]
    prompting: PromptingDocument | None
    contestants: Sequence[ContestantDocument]
    gate: Sequence[RuleDocument]
    explicit_reasons: Sequence[ExplicitReason]
    needs_explicit_approval: Sequence[str]
    approval: Approval | None
    submitter: Submitter | None
    answer_until: str | None
    evidence: Mapping[str, Any] | None
    left_out: Sequence[LeftOut]
    worst_answers: Sequence[Mapping[str, Any]]
    ledger: Sequence[Mapping[str, Any]]
    total_usd: float
    estimate_usd: float | None
    estimate_low_usd: float | None
    estimate_high_usd: float | None
    reconciliation: Sequence[Mapping[str, Any]]
    budget_usd: float | None
    break_even: Mapping[str, Any] | None
    cascade: Mapping[str, Any] | None
    endpoint: ReportEndpoint | None
    champion_before: ChampionFact | None
    limits: Mapping[str, Any] | None
    resources: Sequence[Mapping[str, Any]]
    files: Mapping[str, str]


def report_text(report: ReportDocument) -> bytes:
    """Write ``report.json``: the bytes of which the registry keeps the SHA-256."""
    text = json.dumps(report, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    return text.encode("utf-8", "replace")


def read_report(text: bytes, run_id: str) -> ReportDocument:
    """Read ``report.json`` as this version or another wrote it.

    Raises
    ------
    DocumentTooNew
        When a later version wrote it in another way.
    """
    document = json.loads(text)
    check_schema_version(document, f"report.json of run '{run_id}'", REPORT_VERSION)
    return cast("ReportDocument", document)
