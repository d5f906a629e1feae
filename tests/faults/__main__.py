"""``make faults``: strike every state with everything that can go wrong in it, and say what came of it.

One fault of each class (:mod:`tests.faults.classes`) unless ``--all`` is given; ``--only`` strikes those whose text has
a match, for whoever mends something.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from local.embedded_aws.deploy import ENVIRONMENTS
from tests.faults.classes import one_of_each_class
from tests.faults.matrix import Matrix
from tests.faults.races import races, races_summary
from tests.faults.scenarios import LOG_SOURCE
from tests.faults.strikes import Fault
from tests.faults.verdicts import Verdict
from tests.stacks.templates import Deployment, shared_deployment


def main() -> None:
    """Strike; exit with 1 unless each run ended, was finished by a retry, leaked nothing and paid nothing twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Strike every state of the machine.")
    parser.add_argument("--all", action="store_true", help="strike every fault, not one of each class")
    parser.add_argument("--only", metavar="REGEX", type=re.compile, help="strike the faults whose text has a match")
    parser.add_argument("--races", action="store_true", help="try the races of verbs and schedules, and no fault")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the emulator's own
    deployment = local_deployment()
    raced = races(deployment, tell=_tell)
    for race in raced:
        if race.problem:
            print(f"{race.fault}\n  {race.problem}")
    print(races_summary(raced))
    if given.races:
        sys.exit(any(race.problem for race in raced))
    choice = Choice(list if given.all else one_of_each_class(deployment), given.only)
    verdicts = Matrix(deployment, choice, tell=_tell).run()
    for verdict in verdicts:
        if not verdict.good:
            print(f"{verdict.fault}\n  {verdict.said()}")
    print(f"{summary(verdicts)} ({choice.said(everything=given.all)})")
    good = all(verdict.good for verdict in verdicts) and not any(race.problem for race in raced)
    sys.exit(0 if good else 1)


@dataclass
class Choice:
    """Which faults are struck, and of how many."""

    classes: Callable[[list[Fault]], Iterable[Fault]]
    only: re.Pattern[str] | None = None
    known: int = 0

    def __call__(self, faults: list[Fault]) -> list[Fault]:
        self.known += len(faults)
        return [fault for fault in self.classes(faults) if self.only is None or self.only.search(str(fault))]

    def said(self, *, everything: bool) -> str:
        """Say for the last line what was struck."""
        which = f"all of {self.known}" if everything else f"one of each class of {self.known}; --all strikes all"
        return which if self.only is None else f"{which}; only those like {self.only.pattern!r}"


def local_deployment() -> Deployment:
    """Synthesize the environment of the embedded AWS, with a place for production traffic."""
    environments = json.loads(ENVIRONMENTS.read_text())
    for settings in environments.values():
        settings["log_sources"] = [LOG_SOURCE]
    ((name, settings),) = environments.items()
    return shared_deployment(name, settings)


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
