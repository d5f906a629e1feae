"""``make faults``: strike every state with everything that can go wrong in it, and say what came of it."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from pathlib import Path

from local.embedded_aws.deploy import ENVIRONMENTS
from tests.faults.matrix import Matrix
from tests.faults.scenarios import LOG_SOURCE
from tests.faults.verdicts import Verdict
from tests.stacks.templates import Deployment, synthesize


def main() -> None:
    """Strike; exit with 1 unless each run ended, was finished by a retry, leaked nothing and paid nothing twice."""
    logging.disable(logging.CRITICAL)  # the emulator's own
    verdicts = Matrix(local_deployment(), tell=_tell).run()
    for verdict in verdicts:
        if not verdict.good:
            print(f"{verdict.fault}\n  {verdict.said()}")
    print(summary(verdicts))
    sys.exit(0 if all(verdict.good for verdict in verdicts) else 1)


def local_deployment() -> Deployment:
    """Synthesize the environment of the embedded AWS, with a place for production traffic."""
    environments = json.loads(ENVIRONMENTS.read_text())
    for settings in environments.values():
        settings["log_sources"] = [LOG_SOURCE]
    with tempfile.TemporaryDirectory() as folder:
        (deployment,) = synthesize(environments, Path(folder)).values()
    return deployment


def summary(verdicts: list[Verdict]) -> str:
    """Give the last line."""
    terminal = sum(verdict.terminal for verdict in verdicts)
    leaked = sum(bool(verdict.leaked) for verdict in verdicts)
    twice = sum(bool(verdict.paid_twice) for verdict in verdicts)
    return f"{len(verdicts)} faults: {terminal} terminal, {leaked} leaked, {twice} paid twice"


def _tell(verdict: Verdict) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{verdict.fault[:110]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
