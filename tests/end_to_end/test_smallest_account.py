"""The whole example in the smallest account: ten Lambdas, one request a second, a quota of the day that resets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.embedded_aws.deploy import ROOT


@pytest.mark.thorough
def test_the_example_is_promoted_in_the_smallest_account_slowly(tmp_path: Path) -> None:
    # When
    command = [sys.executable, "-m", "local.demo", "--account", "smallest", "--workdir", str(tmp_path / "demo")]
    finished = subprocess.run(  # noqa: S603 - our own command
        command, cwd=ROOT, capture_output=True, text=True, timeout=1_900, check=False
    )
    # Then it is promoted, and has waited for a quota of the day in the service's words
    *_, last = finished.stdout.strip().splitlines()
    assert last.startswith("PROMOTED "), finished.stdout[-3000:] + finished.stderr[-3000:]
    assert "Too many tokens per day" in finished.stdout
