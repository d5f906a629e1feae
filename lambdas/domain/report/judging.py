"""What the page says about the judge, about who was left out, and about the task's own measure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lambdas.domain.report.comparison import ROLE_NAMES, ComparisonRow
from lambdas.domain.report.figures import NOT_MEASURED, count, number, percent, pick, plain, rows_of, score
from lambdas.domain.report.sections import Fact, PageTable
from lambdas.domain.report.texts import sentence, short

_MEASURES: tuple[tuple[str, str, str, Callable[[object], str]], ...] = (
    ("numbers", "mean_absolute_error", "mean absolute error", plain),
    ("numbers", "largest_error", "largest error", plain),
    ("choices", "exact_match", "exact matches", percent),
)


def judge_facts(report: dict[str, Any]) -> list[Fact]:
    """Say who judged, by which prompt, and how far it agrees with known scores."""
    judge = pick(report, "judge")
    if not isinstance(judge, dict):
        return []
    version, digest = judge.get("prompt_version"), short(judge.get("prompt_sha256") or "", 80)
    facts = [
        *_shards(report),
        *(Fact(*told) for told in evidence_told(report)),
        Fact("Model", short(judge.get("model_id") or NOT_MEASURED, 160), is_code=True),
        Fact("Prompt", f"version {plain(version)}, SHA-256 {digest[:16]}"),
        Fact("Answers without a verdict", count(judge.get("failures"))),
    ]
    if judge.get("same_family_as_student") is True:
        facts.append(Fact("Family", "the student's own: it may favour the student"))
    found = judge.get("calibration")
    if not isinstance(found, dict):
        text = "none: the task has no calibration.jsonl, so nothing shows that this judge can be believed"
        return [*facts, Fact("Known scores", text)]
    agreement = (
        f"{percent(found.get('within_one'))} of {count(found.get('cases'))} within one point, "
        f"{score(found.get('mean_error'))} points off on average, rank correlation "
        f"{score(found.get('rank_correlation'))}"
    )
    facts.append(Fact("Known scores", agreement))
    facts += _signed_errors(found)
    if number(found.get("adversarial")):
        talking, lift = count(found.get("adversarial")), plain(found.get("adversarial_lift"))
        facts.append(Fact("Persuasion", f"{talking} answers that talk to the judge won {lift} points at most"))
    if found.get("drift") is not None:
        facts.append(Fact("Drift", f"{score(found.get('drift'))} points between begin and end of the evaluation"))
    return facts


def _signed_errors(calibration: dict[str, Any]) -> list[Fact]:
    """Say in which direction the judge errs, for whom, and what the calibration set cannot show."""
    said = []
    for line in rows_of(calibration.get("signed_errors"))[:6]:
        mean, low, high = (number(line.get(key)) for key in ("mean", "low", "high"))
        if mean is None or low is None or high is None:
            continue
        who = "all answers" if line.get("contestant") == "all" else short(line.get("contestant"), 40).replace("_", " ")
        said.append(f"{who} {mean:+.2f} ({low:+.2f} to {high:+.2f}, {count(line.get('cases'))} cases)")
    facts = [Fact("Too kind (+) or too strict (-), in points", "; ".join(said))] if said else []
    texts = calibration.get("cannot_show")
    cannot = [short(text, 400) for text in texts if text] if isinstance(texts, list) else []
    return [*facts, *(Fact("Not shown", sentence(text, ".")) for text in cannot[:6])]


def evidence_told(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Say on what the comparison and the scores rest, and how often these records were looked at, by label."""
    found = pick(report, "evidence")
    if not isinstance(found, dict):
        return []
    over = f"{count(found.get('records'))} records"
    if found.get("groups") not in (None, found.get("records")):
        over += f" in {count(found.get('groups'))} groups"
    kind, claim = (short(found.get(name) or NOT_MEASURED, 200) for name in ("comparison", "comparison_may_claim"))
    told = [("Evidence", f"{kind}: {claim}" + (f"; {over}" if number(found.get("records")) else ""))]
    pairs = found.get("pairs")
    if isinstance(pairs, dict):
        ended = (
            f"student better in {count(pairs.get('student'))}, other in {count(pairs.get('other'))}, ties "
            f"{count(pairs.get('tie'))}, equal texts {count(pairs.get('equal'))}, the order decided "
            f"{count(pairs.get('flip'))}"
        )
        told.append(("Pairs", ended))
    told.extend(_labels_told(found.get("labels")))
    scores, claim = (short(found.get(name) or NOT_MEASURED, 200) for name in ("scores", "scores_may_claim"))
    told.append(("Scores rest on", f"{scores}: {claim}"))
    alone = pick(report, "prompting", "sentence")
    if isinstance(alone, str) and alone:
        told.append(("Prompting alone", short(alone, 400)))
    ceiling = found.get("teacher_agrees_with_itself")
    if ceiling is not None:
        told.append(("Ceiling", f"the teacher's own second answers reach {score(ceiling)}"))
    if number(found.get("look")):
        told.append(
            (
                "Looks",
                f"run {count(found.get('look'))} on these records; {percent(found.get('error_spent'))} error spent",
            )
        )
    return told


def _labels_told(labels: object) -> list[tuple[str, str]]:
    """Say whose scores of how many records there are, whether they decide, and how far people agree."""
    if not isinstance(labels, dict):
        return []
    people = number(labels.get("people")) or 0
    said = (
        f"{count(labels.get('records'))} of {count(labels.get('drawn_from'))} records with two different answers, by "
    )
    said += f"{count(people)} {'person' if people == 1 else 'people'}"
    if (mean := number(labels.get("mean_difference"))) is not None:
        said += f": the student {mean:+.2f} points"
    said += "; they correct the judge" if labels.get("drop") is not None else "; they do not decide"
    if number(labels.get("outdated")):
        said += f"; {count(labels.get('outdated'))} of other answers do not count"
    told = [("Labels", said)]
    if number(labels.get("scored_twice")):
        apart = number(labels.get("apart"))
        far = "" if apart is None else f", {apart:.2f} points apart on average"
        twice = f"{percent(labels.get('agreeing'))} of {count(labels.get('scored_twice'))} answers scored alike{far}"
        told.append(("Two people", twice))
    return told


def _shards(report: dict[str, Any]) -> list[Fact]:
    """Say that every shard of the holdout was measured, and that the run would have ended without one."""
    measured, tolerated = (pick(report, "evaluation", name) for name in ("shards", "tolerated_failure_percent"))
    if measured is None:
        return []
    return [Fact("Shards of the holdout", f"{count(measured)}, all measured; {plain(tolerated)}% of them may fail")]


def holdout_records(rows: list[ComparisonRow]) -> str:
    """Count the records that every contestant answered; empty where that is not known or not the same."""
    measured = {row.records for row in rows}
    records = measured.pop() if len(measured) == 1 else None
    return "" if records is None else count(records)


def quality_note(report: dict[str, Any], rows: list[ComparisonRow]) -> str:
    """Say what the scores do not show: unanswered records, and that the teacher is compared with itself."""
    names = {row.role: row.name.lower() for row in rows}
    missing = [
        f"{names[str(contestant['role'])]} {count(contestant.get('unanswered'))}"
        for contestant in rows_of(report.get("contestants"))
        if number(contestant.get("unanswered")) and str(contestant.get("role")) in names
    ]
    parts = [f"Without an answer, and so with score 1: {', '.join(missing)}."] if missing else []
    if "teacher" in names and pick(report, "dataset", "own_holdout") is False:
        if number(pick(report, "dataset", "golden")):
            parts.append(
                "The references are the golden answers of the upload where a record brings one, else the teacher's own."
            )
            return " ".join(parts)
        parts.append(
            "The references are the teacher's own answers, so that its score is near 5 by construction: the others' "
            "scores say how close they come to the teacher."
        )
    return " ".join(parts)


def left_out(report: dict[str, Any]) -> list[str]:
    """Say which contestants are not compared, and why."""
    notes = rows_of(report.get("left_out"))[:4]
    return [
        f"{ROLE_NAMES.get(str(note.get('role')), short(note.get('role') or '', 60))} is left out: "
        f"{sentence(short(note.get('reason') or 'no reason was given', 300), '.')}"
        for note in notes
    ]


def task_measures(report: dict[str, Any], rows: list[ComparisonRow]) -> PageTable:
    """List the fields of the output schema as (field, measure, value of each contestant in the order of the rows)."""
    metrics = {
        str(contestant.get("role")): contestant.get("task_metric") for contestant in rows_of(report.get("contestants"))
    }
    found: list[tuple[str, str, list[str]]] = []
    for kind, key, name, text in _MEASURES:
        fields = {
            field: None
            for row in rows
            for field in (pick(metrics.get(row.role), kind) or {})
            if isinstance(pick(metrics.get(row.role), kind), dict)
        }
        for field in fields:
            values = [number(pick(metrics.get(row.role), kind, field, key)) for row in rows]
            if any(value is not None for value in values):
                found.append((short(field, 80), name, [text(_rounded(value)) for value in values]))
    return PageTable.of(sorted(found, key=lambda row: row[0]))


def _rounded(value: float | None) -> float | None:
    """Show four decimals at most: the rest of a mean of binary fractions is noise."""
    return None if value is None else round(value, 4)
