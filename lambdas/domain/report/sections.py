"""Tables and facts of the page, read from the report and bounded in length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lambdas.domain.report.figures import (
    NOT_MEASURED,
    count,
    moment,
    number,
    percent,
    pick,
    plain,
    rows_of,
    score,
)
from lambdas.domain.report.texts import ShownText, sentence, short, shown

MOST_ROWS = 30
"""Longest table; what is left out is counted under it and is in report.json."""

MOST_WORST_ANSWERS = 10

_RULES: dict[str, tuple[str, Callable[[object], str]]] = {
    "min_judge_score": ("Judge score at least", score),
    "max_quality_drop": ("Points below the reference at most", score),
    "min_schema_validity": ("Valid answers at least", percent),
    "min_cost_reduction": ("Cheaper by at least", percent),
    "min_latency_reduction": ("Faster by at least", percent),
    "holdout_records": ("Holdout records at least", count),
    "labelled_records": ("Labelled records at least", count),
    "max_judge_failures": ("Answers without a verdict at most", percent),
    "min_judge_agreement": ("Judge within one point at least", percent),
    "min_judge_correlation": ("Judge orders answers at least", score),
    "max_judge_error": ("Judge off by at most", score),
    "max_adversarial_lift": ("Points for talking to the judge at most", score),
    "max_judge_drift": ("Judge moved by at most", score),
}
_ROLES = ("teacher", "student", "baseline", "judge")


@dataclass(frozen=True, slots=True)
class PageTable:
    """Rows that fit the page, and how many more there are."""

    rows: list[Any] = field(default_factory=list)
    left_out: int = 0

    @classmethod
    def of(cls, rows: list[Any], most: int = MOST_ROWS) -> PageTable:
        """Keep the first rows."""
        return cls(rows[:most], max(len(rows) - most, 0))


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule of the gate."""

    rule: str
    name: str
    threshold: str
    measured: str
    bound: str
    passed: bool | None
    undecided: bool
    explanation: str


@dataclass(frozen=True, slots=True)
class WorstAnswer:
    """One of the student's worst answers with what it should have been."""

    record_id: str
    score: str
    problem: str
    question: ShownText | None
    reference: ShownText | None
    answer: ShownText | None
    explanation: ShownText | None


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value; ``is_code`` for identifiers, ``link`` where a browser can open it, ``note`` after it."""

    label: str
    value: str
    is_code: bool = False
    link: str = ""
    note: str = ""

    @property
    def is_missing(self) -> bool:
        """Whether the run did not get that far."""
        return self.value == NOT_MEASURED


def gate_lines(report: dict[str, Any]) -> PageTable:
    """Read the rules of the gate, what was not passed first: the last rows may not fit the page."""
    return PageTable.of(sorted(_gate(report), key=lambda line: (line.passed is True, line.undecided)))


def gate_summary(report: dict[str, Any]) -> str:
    """Count what passed, failed and was not shown, over all rules."""
    lines = _gate(report)
    passed = sum(line.passed is True for line in lines)
    failed = sum(line.passed is False and not line.undecided for line in lines)
    parts = [f"{count(passed)} of {count(len(lines))} rules passed"]
    parts += [f"{count(failed)} failed"] if failed else []
    left = len(lines) - passed - failed
    return ", ".join([*parts, f"{count(left)} not shown"] if left else parts)


def worst_answers(report: dict[str, Any]) -> PageTable:
    """Read the student's worst answers."""
    answers = [
        WorstAnswer(
            record_id=label(answer.get("record_id"), 80),
            score=plain(answer.get("score")),
            problem=sentence(short(answer.get("problem") or "", 300)),
            question=shown(answer.get("question")),
            reference=shown(answer.get("reference")),
            answer=shown(answer.get("answer")),
            explanation=shown(answer.get("explanation"), 600, 1_000),
        )
        for answer in rows_of(report.get("worst_answers"))[: MOST_WORST_ANSWERS + 1]
    ]
    return PageTable(
        answers[:MOST_WORST_ANSWERS], max(len(rows_of(report.get("worst_answers"))) - MOST_WORST_ANSWERS, 0)
    )


def chosen_models(report: dict[str, Any]) -> list[Fact]:
    """Name the model chosen for each role."""
    models = pick(report, "models")
    if not isinstance(models, dict):
        return []
    facts = [Fact(role.capitalize(), label(models.get(role), 160), is_code=True) for role in _ROLES]
    arn = models.get("student_custom_model_arn")
    facts += [Fact("Custom model", label(arn, 250), is_code=True)] if arn else []
    warnings = models.get("warnings")
    facts += (
        [Fact("To know", sentence(short(text, 400), ".")) for text in warnings] if isinstance(warnings, list) else []
    )
    return facts + _prompt_caches(models.get("prompt_caching"))


def _prompt_caches(caching: object) -> list[Fact]:
    """Say for which roles the service keeps the shared prompt, and for the others why not."""
    decisions = caching if isinstance(caching, dict) else {}
    found = [(role, decisions.get(role)) for role in _ROLES]
    return [
        Fact(f"Prompt cache, {role}", ("used: " if item.get("point") is True else "not used: ") + label(reason, 200))
        for role, item in found
        if isinstance(item, dict) and (reason := item.get("reason"))
    ]


def models_considered(report: dict[str, Any]) -> PageTable:
    """List every model that was considered as (role, model, usable, reason)."""
    return PageTable.of(
        [
            (
                label(model.get("role"), 40),
                label(model.get("model"), 160),
                model.get("usable"),
                short(model.get("reason") or ""),
            )
            for model in rows_of(pick(report, "models", "considered"))
        ]
    )


def run_facts(report: dict[str, Any]) -> list[Fact]:
    """Say which run this is, when it was and whom the student would replace."""
    facts = [
        Fact("Run", label(report.get("run_id"), 120), is_code=True),
        Fact("Attempt", count(report.get("attempt"))),
        Fact("Began", moment(short(report.get("created_at") or "", 60))),
    ]
    if report.get("ended_at"):
        facts.append(Fact("Ended", moment(short(report.get("ended_at"), 60))))
    if report.get("environment"):
        facts.insert(1, Fact("Environment", label(report.get("environment"), 40)))
    previous = pick(report, "champion_before", "run_id")
    return [*facts, Fact("Champion before", label(previous, 120), is_code=True)] if previous else facts


def _gate(report: dict[str, Any]) -> list[RuleRow]:
    return [_rule_row(line) for line in rows_of(report.get("gate"))]


def _rule_row(line: dict[str, Any]) -> RuleRow:
    rule = label(line.get("rule"), 200)
    group, _, of_group = rule.partition(".")
    named = {
        "slices": f"Slice {of_group} at least",
        "slice_drop": f"Slice {of_group} below the reference at most",
        "recall": f"Finds {of_group} in at least",
    }
    unknown = named.get(group, rule.replace("_", " ")) if of_group else rule.replace("_", " ")
    name, text = _RULES.get(rule, (unknown, _guess(rule)))
    passed = line.get("passed")
    return RuleRow(
        rule=rule,
        name=name,
        threshold=text(line.get("threshold")),
        measured=_apart(line.get("measured"), line.get("threshold"), text),
        bound=_apart(line.get("bound"), line.get("threshold"), text) if line.get("bound") is not None else "",
        passed=passed if isinstance(passed, bool) else None,
        undecided=line.get("undecided") is True,
        explanation=sentence(short(line.get("explanation") or "", 500)),
    )


def _apart(figure: object, threshold: object, text: Callable[[object], str]) -> str:
    """Write a figure so that rounding never makes it equal to a threshold that it misses or passes."""
    value, limit, written = number(figure), number(threshold), text(figure)
    if value is None or limit is None or value == limit or written != text(threshold):
        return written
    return f"just {'below' if value < limit else 'above'} {written}"


def _guess(rule: str) -> Callable[[object], str]:
    """Choose a form for a rule that this page does not know by the quantity in its name."""
    if "score" in rule or "slice" in rule:
        return score
    return percent if any(word in rule for word in ("validity", "reduction", "share", "rate", "recall")) else plain


def label(value: object, characters: int) -> str:
    """Prepare the value of a fact, which may be missing."""
    return NOT_MEASURED if value is None or value == "" else short(value, characters)
