"""What was uploaded, and what became of its lines."""

from __future__ import annotations

from typing import Any

from lambdas.domain.report_page.figures import NOT_MEASURED, count, pick
from lambdas.domain.report_page.files import console_link
from lambdas.domain.report_page.sections import Fact, label
from lambdas.domain.report_page.texts import sentence, short

_HOLDOUTS = {"True": " (your own, trusted answers)", "False": " (held back from the upload)"}


def dataset_facts(report: dict[str, Any]) -> list[Fact]:
    """Say what was uploaded and what became of its lines."""
    dataset = pick(report, "dataset")
    if not isinstance(dataset, dict):
        return _source_facts(report)
    names = {
        "lines": "Lines uploaded",
        "rejected": "Rejected",
        "duplicates": "Duplicates merged",
        "train": "For training",
    }
    facts = [Fact(name, count(dataset.get(key))) for key, name in names.items()]
    rare = {
        "golden": "Golden answers",
        "leaked": "Kept out: the holdout asks the same",
        "secrets": "Rejected for a secret",
        "secrets_allowed": "Used in spite of a secret",
        "not_chosen": "Beyond the limits",
    }
    facts += [Fact(name, count(dataset.get(key))) for key, name in rare.items() if dataset.get(key)]
    if dataset.get("not_chosen"):
        facts.append(Fact("Rule of choice", sentence(short(dataset.get("choice_rule") or "", 400))))
    own = _HOLDOUTS.get(str(dataset.get("own_holdout")), "")
    holdout = count(dataset.get("holdout"))
    return [*facts, Fact("Holdout", holdout if holdout == NOT_MEASURED else holdout + own), *_source_facts(report)]


def _source_facts(report: dict[str, Any]) -> list[Fact]:
    source = pick(report, "source")
    if not isinstance(source, dict):
        return []
    uri = f"s3://{source.get('bucket') or ''}/{source.get('key') or ''}"
    link = console_link(uri, source.get("version")) if report.get("simulated") is not True else ""
    facts = [
        Fact("Prompts", label(uri, 500), is_code=True, link=link),
        Fact("Version", label(source.get("version"), 120), is_code=True),
    ]
    task = source.get("task_version")
    return [
        *facts,
        Fact("task.json", f"version {short(task, 120)}" if task else "none: the defaults apply", is_code=bool(task)),
    ]
