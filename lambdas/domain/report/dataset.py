"""What was uploaded, and what became of its lines."""

from __future__ import annotations

from typing import Any

from lambdas.domain.report.figures import NOT_MEASURED, count, pick
from lambdas.domain.report.files import console_link
from lambdas.domain.report.sections import Fact, label
from lambdas.domain.report.texts import sentence, short

_MOST_SENTENCES = 6
_ALWAYS = {
    "lines": "Lines uploaded",
    "rejected": "Rejected",
    "duplicates": "Duplicates merged",
    "train": "For training",
}
_RARE = {
    "golden": "Golden answers",
    "leaked": "Kept out: the holdout asks the same",
    "near_duplicates": "Kept out: nearly the same as a held-out record",
    "secrets": "Rejected for a secret",
    "secrets_allowed": "Used in spite of a secret",
    "not_chosen": "Beyond the limits",
}
_LEFT_OUT = {
    "rejected": "rejected",
    "damaged": "of them no text or no JSON",
    "secrets": "with a secret",
    "secrets_allowed": "used in spite of a secret",
    "duplicates": "merged as duplicates",
    "not_chosen": "beyond the limit",
}
_TOLD_BY_WARNINGS = frozenset(("leaked", "near_duplicates", "secrets", "secrets_allowed"))
_TOLD_BY_ADVICE = frozenset(("golden",))
_HOLDOUTS = {"True": " (your own, trusted answers)", "False": " (held back from the upload)"}


def dataset_facts(report: dict[str, Any]) -> list[Fact]:
    """Say what was uploaded and what became of its lines."""
    dataset = pick(report, "dataset")
    if not isinstance(dataset, dict):
        return _source_facts(report)
    warnings, advice = _sentences(dataset.get("warnings")), _sentences(dataset.get("advice"))
    # Warnings and advice name these counts themselves: beside them they would be said twice.
    told = (_TOLD_BY_WARNINGS if warnings else frozenset()) | (_TOLD_BY_ADVICE if advice else frozenset())
    facts = [Fact(name, count(dataset.get(key)) + _in_groups(dataset, key)) for key, name in _ALWAYS.items()]
    facts += [Fact(name, count(dataset[key])) for key, name in _RARE.items() if dataset.get(key) and key not in told]
    if dataset.get("not_chosen"):
        facts.append(Fact("Rule of choice", sentence(short(dataset.get("choice_rule") or "", 400))))
    own = _HOLDOUTS.get(str(dataset.get("own_holdout")), "")
    holdout = count(dataset.get("holdout")) + _in_groups(dataset, "holdout")
    facts.append(Fact("Holdout", holdout if holdout == NOT_MEASURED else holdout + own))
    facts += _holdout_file(dataset.get("holdout_file"), is_told=bool(warnings))
    return [*facts, *_said("To mend", warnings), *_said("Advice", advice), *_source_facts(report)]


def _in_groups(dataset: dict[str, Any], part: str) -> str:
    """Say how many groups the records of a part are, where that is fewer."""
    records, groups = dataset.get(part), dataset.get(f"{part}_groups")
    fewer = isinstance(records, int) and isinstance(groups, int) and groups < records
    return f" in {count(groups)} groups" if fewer else ""


def _holdout_file(counts: object, *, is_told: bool) -> list[Fact]:
    """Count the lines of the task's own holdout; a warning has already said what became of them where there is one."""
    if not isinstance(counts, dict):
        return []
    left = {key: name for key, name in _LEFT_OUT.items() if counts.get(key) and not (is_told and key != "damaged")}
    named = [f"{count(counts[key])} {name}" for key, name in left.items()]
    return [Fact("Lines of holdout.jsonl", "; ".join([count(counts.get("lines")), *named]))]


def _sentences(texts: object) -> list[str]:
    """Give the sentences that are there, fit for the page."""
    found = [short(text, 400) for text in texts if text] if isinstance(texts, list) else []
    return [sentence(text, ".") for text in found if text]


def _said(name: str, sentences: list[str]) -> list[Fact]:
    facts = [Fact(name, text) for text in sentences[:_MOST_SENTENCES]]
    left = len(sentences) - len(facts)
    return [*facts, Fact(name, f"and {count(left)} more in report.json")] if left else facts


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
