"""Each question of a newcomer or an operator leads from the README to a heading under which it is answered."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from checks.links import anchors
from cli.main import cli

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
ROW = re.compile(r"^\| (?P<question>[^|]+?) \| \[[^\]]+\]\((?P<file>[\w-]+\.md)#(?P<anchor>[\w-]+)\) \|$", re.MULTILINE)
QUESTIONS = {row["question"]: (row["file"], row["anchor"]) for row in ROW.finditer((DOCS / "questions.md").read_text())}

ANSWERS = {
    "A run hangs. What now?": ["python -m cli watch RUN", "QUEUED", "LaunchDistillation"],
    "How do I stop everything now?": ["stop --all", "teardown", "what serves"],
    "How do I change the judge or the baseline?": ["judge_models", "baseline_models", "cdk deploy --all", "compared"],
    "Can I have two tasks?": ["A folder is a task", "max_running", "quotas"],
    "Who can approve?": ["AnswerApprovalFunction", "lambda:InvokeFunction", "doctor"],
    "What will it cost a month?": ["estimate", "730", "on demand", "$1.95"],
    "How do I upgrade?": ["cdk deploy --all", "Runs in progress", "replaced", "data, pipeline, operations"],
    "What does my application need?": [
        "/champion",
        "ssm:GetParameter",
        "bedrock:InvokeModel",
        "call_student.py",
        "access.md",
        "callers.md",
    ],
    "Why was my student refused?": ["min_judge_score", "max_quality_drop", "min_schema_validity", "worst answers"],
    "Is my data safe?": ["encrypted", "forget", "retention_days", "logs"],
    "How do I go back to the former student?": ["rollback TASK"],
    "How do I train it again with new prompts?": ["champion", "not paid for again"],
    "A model goes away. What now?": ["student_customization_model", "45 days"],
    "Can I trust the judge?": ["calibration.jsonl", "rank correlation"],
    "Can people score the answers instead of the judge?": ["waits for approval", "`retry` counts them", "--explicitly"],
    "How many prompts do I need?": ["at least", "100"],
    "Nobody was told. Why?": ["confirmed", "SNS"],
    "A throughput bills on. How do I end it?": ["delete-provisioned-model-throughput"],
    "How do I delete what a run knows?": ["forget RUN", "--answers"],
    "Why does the bill differ from the estimate?": ["Foreseen and spent", "derived"],
    "How do I tell teams apart on the bill?": ["Cost allocation tags", "task"],
}
"""What a person looks for under the heading."""


def section(file: str, anchor: str) -> str:
    """Give what stands under a heading, down to the next one of its level."""
    lines = (DOCS / file).read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("#") and anchor in anchors(line))
    depth = len(lines[at]) - len(lines[at].lstrip("#"))
    higher = re.compile(rf"#{{1,{depth}}} ")
    end = next((number for number in range(at + 1, len(lines)) if higher.match(lines[number])), len(lines))
    return "\n".join(lines[at + 1 : end])


def test_the_readme_leads_to_the_questions() -> None:
    assert "(docs/questions.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(QUESTIONS) >= 20


@pytest.mark.parametrize("question", ANSWERS)
def test_each_question_is_answered_under_its_heading(question: str) -> None:
    file, anchor = QUESTIONS[question]
    text = section(file, anchor)
    assert len(text) > 150
    assert [word for word in ANSWERS[question] if word not in " ".join(text.split())] == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_link_leads_to_a_heading_with_text(question: str) -> None:
    file, anchor = QUESTIONS[question]
    assert anchor in anchors((DOCS / file).read_text(encoding="utf-8"))
    assert section(file, anchor).strip()


@pytest.mark.parametrize("name", ["README.md", *sorted(f"docs/{path.name}" for path in DOCS.glob("*.md"))])
def test_every_command_of_a_document_is_one_of_the_command_line(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    for found in re.finditer(r"python -m cli((?: +[^\n`#|)]+)?)", text):
        words = [word for word in _words(found[1]) if word != "\\"]
        assert _unknown(cli, words) == [], (name, found[0])


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text.split(",", maxsplit=1)[0].split("; ", maxsplit=1)[0])
    except ValueError:
        return text.split()


def _unknown(command: click.Command, words: list[str]) -> list[str]:
    """Name the verb or the options that the command line does not know."""
    options = {option for parameter in command.params for option in parameter.opts} | {"-h", "--help"}
    if isinstance(command, click.Group):
        verbs = [word for word in words if word in command.commands]
        return _unknown(command.commands[verbs[0]], words) if verbs else []
    known = options | {option for parameter in cli.params for option in parameter.opts}
    said = {word.split("=")[0].strip("[].:") for word in words if word.startswith("--")}
    return sorted(said - known)
