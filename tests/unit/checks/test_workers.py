"""A module's tests stay on one worker, which makes its fixtures once: an embedded AWS takes ten seconds to deploy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

MAKEFILE = Path(__file__).resolve().parents[3] / "Makefile"


def test_no_module_is_split_between_workers(tmp_path: Path) -> None:
    # Given modules of which each test says on which worker it is, and the options of `make test`
    options = re.search(r"^PYTEST := \S+ -m pytest (.+)$", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert options
    text = """
import os, pathlib, pytest
@pytest.mark.parametrize("number", range(6))
def test_one(number):
    (pathlib.Path(__file__).parent / f"{pathlib.Path(__file__).stem}-{os.environ['PYTEST_XDIST_WORKER']}").touch()
"""
    for number in range(4):
        (tmp_path / f"test_{number}.py").write_text(text, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    # When
    done = subprocess.run(  # noqa: S603 - this interpreter, with tests made here
        [
            sys.executable,
            "-m",
            "pytest",
            *options[1].split(),
            "--numprocesses=2",
            "-p",
            "no:cacheprovider",
            str(tmp_path),
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    # Then
    assert done.returncode == 0, done.stdout + done.stderr
    workers = defaultdict(set)
    for file in tmp_path.glob("test_?-*"):
        module, worker = file.name.split("-")
        workers[module].add(worker)
    assert {module: len(found) for module, found in workers.items()} == {f"test_{number}": 1 for number in range(4)}
