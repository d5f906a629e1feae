"""The seeded defects of ``defects.toml``, and how one is put into a copy of the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("defects.toml")
LONGEST_SECONDS = 900
"""A defect may make a test wait for ever: that counts as caught."""

FAILED, PASSED = 1, 0
"""pytest's exit codes; any other says that the tests could not be run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Defect:
    """One change of one file.

    Attributes
    ----------
    why : str
        What a user would suffer.
    file, find, put : str
        Path in the repository; a text that is in it once; what stands there instead.
    caught : tuple of str
        Tests of which one must fail.
    """

    why: str
    file: str
    find: str
    put: str
    caught: tuple[str, ...]

    def changed(self, text: str) -> str:
        """Put the defect into the text of its file.

        Raises
        ------
        ValueError
            Where the text to be changed is not in it exactly once.
        """
        times = text.count(self.find)
        if times != 1:
            raise ValueError(f"{LIST.name}: {self.file} has {times} times, and not once: {self.find!r} ({self.why})")
        return text.replace(self.find, self.put)


def defects() -> list[Defect]:
    """Read the list."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))["defect"]
    return [Defect(**{**one, "caught": tuple(one["caught"])}) for one in listed]


@contextmanager
def seeded(copy: Path, defect: Defect) -> Iterator[None]:
    """Let a copy of the repository have the defect."""
    file = copy / defect.file
    sound = file.read_text(encoding="utf-8")
    file.write_text(defect.changed(sound), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(sound, encoding="utf-8")


def copy_of_the_repository(folder: Path) -> Path:
    """Copy what git knows of, changes included; what was installed is used where it is."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    for name in listed.stdout.splitlines():
        source, target = ROOT / name, folder / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for installed in (".venv", "node_modules"):
        if (ROOT / installed).exists():
            (folder / installed).symlink_to((ROOT / installed).resolve())
    return folder


def outcome(copy: Path, tests: tuple[str, ...] | list[str]) -> tuple[int, str]:
    """Run tests in a copy, up to the first that fails; pytest's exit code and the end of what it said."""
    # Bytecode of a file is believed by its time and size, which a defect of the same length would not change.
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-header", *tests]
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, tests of this repository
            command, cwd=copy, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return FAILED, f"did not end within {LONGEST_SECONDS} s"
    said = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, " ".join(said) or done.stdout[-300:] or done.stderr[-300:]
