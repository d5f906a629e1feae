"""Write what is made of the templates anew: ``python -m review``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from stacks.node import use_bundled_node

use_bundled_node()

from review.files import write
from review.nist import findings, page, without_position
from review.snapshots import snapshots
from tests.stacks.templates import build, synthesize


def main() -> int:
    """Synthesize the environment ``dev`` with default settings, and write the files.

    Returns
    -------
    int
        1 where NIST 800-53 finds something on which nobody has taken a position.
    """
    with tempfile.TemporaryDirectory() as scratch:
        deployment = synthesize({"dev": {}}, Path(scratch) / "plain")["dev"]
        nist = Path(scratch) / "nist"
        found = findings(build({"dev": {}}, nist), nist)
    if missing := without_position(found):
        sys.stderr.write(f"take a position in review/nist.py on: {', '.join(missing)}\n")
        return 1
    changed = write(snapshots(deployment.templates) | page(found))
    sys.stdout.writelines(f"written: {path}\n" for path in changed or ["nothing, all is up to date"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
