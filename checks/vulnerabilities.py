"""Known vulnerabilities of what the lock files name: pip-audit and npm audit.

Both ask a service, so their answer changes without any change here, and there may be no service to ask: a machine that
reaches a package mirror alone gets no answer. So findings and silence are said aloud everywhere, and are an error only
where ``AUDIT=enforce``: in continuous integration, and before a release.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checks.files import REPOSITORY

ACCEPTED: dict[str, str] = {}
"""Findings that do not reach us, by id, each with the reason."""

SECONDS_TO_ANSWER = "5"

Run = Callable[[Sequence[str]], str]


@dataclass(frozen=True, slots=True)
class Audit:
    """What a service says.

    Attributes
    ----------
    asked : int
        Packages about which it knows.
    """

    service: str
    asked: int = 0
    findings: list[str] = field(default_factory=list)


def audit_python(run: Run | None = None) -> Audit:
    """Ask about every package of ``requirements-dev.lock``, which names those of the other lock files too."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", "requirements-dev.lock", "--disable-pip"]
    command += ["--require-hashes", "--format=json", "--progress-spinner=off", f"--timeout={SECONDS_TO_ANSWER}"]
    answer = _parsed((run or _output)([*command, *(f"--ignore-vuln={known}" for known in ACCEPTED)]))
    packages = [package for package in answer.get("dependencies", []) if "vulns" in package]
    findings = [_told(package, known) for package in packages for known in package["vulns"]]
    return Audit("pip-audit", len(packages), findings)


def audit_node(run: Run | None = None) -> Audit:
    """Ask about every package of ``package-lock.json``."""
    npm = shutil.which("npm", path=str(Path(sys.executable).parent)) or "npm"
    answer = _parsed((run or _output)([npm, "audit", "--json", "--fetch-retries=0"]))
    if "vulnerabilities" not in answer:
        return Audit("npm audit")
    findings = [f"{name}: {known['severity']}, {known['range']}" for name, known in answer["vulnerabilities"].items()]
    return Audit("npm audit", answer["metadata"]["dependencies"]["total"], findings)


def judged(audits: Sequence[Audit], *, enforce: bool) -> tuple[list[str], list[str]]:
    """Sort what the services say.

    Returns
    -------
    tuple
        Problems that fail the check, and lines that are only said.
    """
    said: list[str] = []
    problems: list[str] = []
    for audit in audits:
        if audit.asked:
            said.append(f"{audit.service}: {audit.asked} packages asked, {len(audit.findings)} known vulnerabilities")
        else:
            silence = f"{audit.service}: SKIPPED, no vulnerability service answers from here"
            (problems if enforce else said).append(silence)
        (problems if enforce else said).extend(f"VULNERABLE {finding}" for finding in audit.findings)
    return problems, said


def check() -> list[str]:
    """Ask both services, say what they answer, and return what fails the check."""
    problems, said = judged([audit_python(), audit_node()], enforce=os.environ.get("AUDIT") == "enforce")
    sys.stdout.writelines(f"  {line}\n" for line in said)
    return problems


def _told(package: Mapping[str, str], known: Mapping[str, Any]) -> str:
    mended = ", ".join(known["fix_versions"]) or "no version"
    return f"{package['name']} {package['version']}: {known['id']}, fixed in {mended}"


def _output(command: Sequence[str]) -> str:
    # A finding and a service that does not answer both end with an exit code; what was printed tells them apart.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603 - fixed arguments
        command, capture_output=True, text=True, check=False, cwd=REPOSITORY, env={**os.environ, "PATH": path}
    )
    return done.stdout


def _parsed(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
