"""``python -m tests.mutants``: put each seeded defect into a copy of the repository and see whether its tests fail.

First the tests run without a defect: what fails then shows nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from tests.mutants.defects import FAILED, PASSED, copy_of_the_repository, defects, outcome, seeded


def main() -> None:
    """Try all; exit with 1 unless each is caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Are seeded defects caught?")
    parser.add_argument("--only", metavar="REGEX", default="", help="try those whose file or reason has a match")
    only = re.compile(parser.parse_args().only)
    chosen = [defect for defect in defects() if only.search(f"{defect.file} {defect.why}")]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = copy_of_the_repository(Path(folder))
        tests = sorted({test for defect in chosen for test in defect.caught})
        code, said = outcome(copy, tests)
        if code != PASSED:
            sys.exit(f"the tests fail without any defect: {said}")
        for defect in chosen:
            with seeded(copy, defect):
                code, said = outcome(copy, defect.caught)
            caught = code == FAILED
            missed += not caught
            print(f"{'caught' if caught else 'MISSED'}  {defect.file}: {defect.why}\n        {said[:200]}", flush=True)
    print(f"{len(chosen)} defects: {len(chosen) - missed} caught, {missed} missed")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
