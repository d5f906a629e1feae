"""The emulator as a child process: ``python -m local.embedded_aws <socket>``.

The parent has bound the socket, so that no other process can take the port between choosing and serving it, and holds
this process's standard input: when the parent is gone, however it went, the whole group of processes ends. The emulator
reads its settings from the environment while it is imported.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

from local.embedded_aws.adapters import apply_all


def main() -> None:
    """Apply the adapters and serve the emulator on the inherited socket until told to stop."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    apply_all()
    # What has been imported stays: to look through it for garbage again and again would take a fifth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    config = Config()
    config.bind = [f"fd://{int(sys.argv[1])}"]
    # Longer than the pause between two calls of a client: a closed connection would cost it an error and a retry.
    config.keep_alive_timeout = 75
    # Nothing is kept: an end need not wait for clients that hold a connection.
    config.graceful_timeout = 0.1
    asyncio.run(serve(app, config))


def _end_with_parent() -> None:
    """End the group, simulator and Lambda workers included, once the parent's end of standard input is closed."""
    sys.stdin.buffer.read()
    os.killpg(os.getpgrp(), signal.SIGTERM)


if __name__ == "__main__":
    main()
