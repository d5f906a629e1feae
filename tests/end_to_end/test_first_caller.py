"""The page for a first caller, as a newcomer types it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.account import Account, example_lines, lenient

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/first-caller.md"
BLOCK = re.compile(r"```(python|sh)\n(.*?)```", re.DOTALL)


def typed(code: str, folder: Path) -> str:
    """Run a command of the page in the embedded AWS of the tests."""
    words = shlex.split(code.replace("--local ", f"--local-dir {folder} "))
    done = subprocess.run(  # noqa: S603 - a command of this repository's page
        [sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_holds_what_it_says(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    # Given
    run = account.ended(account.upload("video-search-intent", example_lines()[:200], **lenient()).run_id)
    assert run.outcome == "PROMOTED", run.reason
    folder, said, names = account.aws.workdir, list[str](), dict[str, Any]()
    # When
    for language, code in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language == "sh":
            said.append(typed(code.replace("latest", run.run_id), folder))
            continue
        exec(code.replace('".local"', repr(str(folder))), names)  # noqa: S102 - the page's own code
        said.append(capsys.readouterr().out)
    # Then
    asked, killed, rolled_back, again = said
    assert '"Requests":1,"Escalated":0' in asked
    assert asked.splitlines()[-1].startswith("student True")
    assert '"Escalated":1' in killed
    assert '"EscalatedUnanswered":1' in killed
    assert killed.splitlines()[-1].startswith("fallback unanswered True ['ResourceNotFoundException'")
    assert f"Run {run.run_id} serves task video-search-intent again" in rolled_back
    assert again.splitlines()[-1] == "served again by student"
