"""``python -m tests.stored FILE``: play the busy days with the code that is checked out, and keep what it stored."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

from tests.faults.__main__ import local_deployment
from tests.stored.snapshot import listening, taken, write
from tests.stored.stories import busy_days, repeatable


def main(path: Path) -> None:
    """Play and keep."""
    logging.disable(logging.CRITICAL)  # the emulator's own
    began = time.monotonic()
    with repeatable(local_deployment()) as (world, ids), listening(world, ids) as asked:
        busy_days(world)
        write(taken(world, ids, asked), path)
    print(f"{path}: {path.stat().st_size:,} bytes in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
