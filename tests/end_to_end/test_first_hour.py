"""A newcomer's first hour on the embedded AWS: from a CSV with answers to a decision, by the command line alone."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lambdas.domain.outcomes import PROMOTED
from tests.end_to_end.account import Account, until

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "ticket-triage"
ROWS, MOST_COMMANDS, MOST_QUESTIONS, MOST_SECONDS = 600, 6, 8, 120.0


def application(folder: Path) -> list[str]:
    """Lay out what a team has, and give the answers of a person whom ``init`` asks."""
    task = json.loads((EXAMPLE / "task.json").read_text())
    lines = (EXAMPLE / "holdout.jsonl").read_text().splitlines()[:ROWS]
    with (folder / "tickets.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["id", "ticket", "answer"])
        for number, line in enumerate(lines):
            *turns, answer = [message["content"][0]["text"] for message in json.loads(line)["messages"]]
            out.writerow([number, "\n".join(turns), answer])
    (folder / "prompt.txt").write_text(task["teacher_system_prompt"], encoding="utf-8")
    (folder / "schema.json").write_text(json.dumps(task["output_schema"]), encoding="utf-8")
    return [
        str(folder / "tickets.csv"),
        "ticket",
        "",  # the column that was guessed by its name
        "people",
        str(folder / "prompt.txt"),
        str(folder / "schema.json"),
        task["student_system_prompt"],
        "400,000,000",
    ]


class Shell:
    """A person's shell: counts commands and seconds; each command must be one that could be pasted."""

    def __init__(self, workdir: Path) -> None:
        self.commands, self.began = 0, time.monotonic()
        self._words = [sys.executable, "-m", "cli", "--local-dir", str(workdir)]

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def begin(self, *words: str, **options: object) -> subprocess.Popen[str]:
        self.commands += 1
        return subprocess.Popen([*self._words, *words], cwd=ROOT, text=True, **options)  # type: ignore[call-overload,no-any-return]  # noqa: S603

    def run(self, *words: str) -> str:
        process = self.begin(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said, _ = process.communicate(timeout=MOST_SECONDS)
        assert process.returncode == 0, said
        return said

    def answer(self, answers: list[str], *words: str) -> str:
        """Run a command at a terminal where a person answers."""
        leader, follower = pty.openpty()
        process = self.begin(*words, stdin=follower, stdout=subprocess.PIPE, stderr=follower)
        os.close(follower)
        os.write(leader, "".join(f"{answer}\n" for answer in answers).encode())
        said, _ = process.communicate(timeout=MOST_SECONDS)
        asked = os.read(leader, 65_536).decode()
        os.close(leader)
        assert process.returncode == 0, said + asked
        return said


def test_from_a_csv_with_answers_to_a_promoted_student(account: Account, tmp_path: Path) -> None:
    # Given
    answers, folder = application(tmp_path), tmp_path / "first-hour"
    shell = Shell(account.aws.workdir)

    # When
    made = shell.answer(answers, "init", str(folder))
    checked = shell.run("validate", str(folder))
    foreseen = shell.run("estimate", str(folder))
    watching = shell.begin("submit", str(folder), "--watch", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def waits() -> str | None:
        slots = [account.registry.find(run_id) for run_id in account.registry.slots()]
        runs = [run for run in slots if run and run.task == "first-hour"]
        asked = [run for run in runs if run.progress.get("stage") == "RequestApproval" and run.report_sha256]
        return asked[0].run_id if asked else None

    run_id = until(waits, "the request for approval", MOST_SECONDS)
    shell.run("approve", run_id, "--yes")
    said, _ = watching.communicate(timeout=MOST_SECONDS)
    seconds = shell.seconds

    # Then
    run = account.registry.run(run_id)
    assert run.outcome == PROMOTED, (run.reason, said)
    assert watching.returncode == 0
    counted = re.search(rf"{ROWS} inputs read as csv: (\d+) to train, (\d+) to measure", made)
    assert counted, made
    trained, measured = map(int, counted.groups())
    # What the gate needs to let a good student through, and never more than a third.
    assert (trained + measured, measured) == (ROWS, ROWS // 3)
    assert "Usable." in checked
    assert "What follows, at 400,000,000 requests a month" in foreseen
    assert "PROMOTED" in said
    assert shell.commands <= MOST_COMMANDS
    assert len(answers) <= MOST_QUESTIONS
    assert seconds < MOST_SECONDS
    report = account.report(run)
    assert report["dataset"]["own_holdout"] is True
    assert report["endpoint"]["mode"] == "on_demand"


def test_doctor_finds_what_is_there_and_is_quick(account: Account) -> None:
    # Given
    words = [sys.executable, "-m", "cli", "--local-dir", str(account.aws.workdir), "--json"]

    def timed(verb: str) -> tuple[str, float]:
        began = time.monotonic()
        ended = subprocess.run([*words, verb], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
        return ended.stdout, time.monotonic() - began

    # When a verb that asks once says how fast this machine is at the moment
    said, seconds = timed("doctor")
    _, plain = timed("runs")
    # Then nothing is refused that the embedded AWS has, and each thing that is not well has its fix
    checks = json.loads(said)
    assert [check for check in checks if "could not be looked at" in check["found"] or "400" in check["found"]] == []
    assert [check for check in checks if check["state"] != "ok" and not check["fix"]] == []
    assert seconds < 5 * plain + 2, (seconds, plain)
