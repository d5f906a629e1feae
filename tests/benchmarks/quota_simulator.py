"""The Bedrock simulator with a latency and a quota of calls at once, model by model, for the benchmarks of asking.

``python -m tests.benchmarks.quota_simulator PORT_FILE SECONDS QUOTA``
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from local.bedrock_simulator import simulator
from local.bedrock_simulator.brains.base import Chance
from local.bedrock_simulator.errors import ServiceError
from local.bedrock_simulator.objects import MemoryObjectStore
from local.bedrock_simulator.operations.runtime import Runtime
from local.bedrock_simulator.server import SimulatorServer
from local.bedrock_simulator.settings import Settings
from local.bedrock_simulator.subjects import load_rules

RULES = "local.bedrock_simulator.rules.video_search_intent"
SPREAD = 0.2
"""Share by which a call may be faster or slower than the mean, evenly spread."""


def limited(seconds: float, quota: int) -> type[Runtime]:
    """Make a runtime whose models take some seconds a call and refuse more than ``quota`` calls at once."""
    free: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(quota))
    lock = threading.Lock()

    class LimitedRuntime(Runtime):
        def converse(self, call: Any) -> Any:
            began = time.monotonic()
            with lock:
                places = free[call.params["modelId"]]
            if not places.acquire(blocking=False):
                raise ServiceError("ThrottlingException", "Too many requests, please wait before trying again.")
            try:
                answer = super().converse(call)
                draw = Chance("quota", str(call.params["messages"])).uniform()
                takes = seconds * (1 + SPREAD * (2 * draw - 1))
                time.sleep(max(0.0, began + takes - time.monotonic()))
                return answer
            finally:
                places.release()

    return LimitedRuntime


def main() -> None:
    """Serve until the process is ended."""
    port_file, seconds, quota = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    vars(simulator)["Runtime"] = limited(seconds, quota)
    served = simulator.Simulator(objects=MemoryObjectStore(), subjects=load_rules(RULES), settings=Settings())
    server = SimulatorServer(served).start()
    unfinished = port_file.with_suffix(".part")
    unfinished.write_text(server.url, encoding="utf-8")
    unfinished.replace(port_file)
    signal.pause()


if __name__ == "__main__":
    main()
