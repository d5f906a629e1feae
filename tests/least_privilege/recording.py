"""Record what every walk needs: each is walked in a copy of this process, as many at once as there are processors."""

from __future__ import annotations

import gc
import os
import pickle
import sys
import tempfile
import traceback
from pathlib import Path

from tests.faults.world import deployed
from tests.least_privilege.needs import Needs
from tests.least_privilege.scene import Scene, Walk
from tests.least_privilege.walks import WALKS
from tests.stacks.templates import Deployment


def record(deployment: Deployment) -> Needs:
    """Walk all walks.

    Raises
    ------
    AssertionError
        With what those that did not come where they should have said.
    """
    needs = Needs()
    with tempfile.TemporaryDirectory() as name:
        walkers = Walkers(Path(name))
        for beginning, walks in WALKS:
            with deployed(deployment) as world:
                needs.listen(world)
                scene = Scene(world)
                beginning(scene)
                gc.freeze()
                for walk in walks:
                    walkers.send(walk, scene, needs)
        walkers.wait_for_all()
        for path in sorted(Path(name).glob("*.pickle")):
            needs.add(pickle.loads(path.read_bytes()))  # noqa: S301 - written here
        told = [path.read_text() for path in sorted(Path(name).glob("*.txt"))]
    assert not told, "\n".join(told)
    return needs


class Walkers:
    """Copies of this process that are on their way."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._sent, self._at_once = folder, 0, os.cpu_count() or 1
        self._on_their_way: set[int] = set()

    def send(self, walk: Walk, scene: Scene, needs: Needs) -> None:
        """Let a copy walk, as soon as one may go."""
        while len(self._on_their_way) >= self._at_once:
            self._wait()
        self._sent += 1
        path = self._folder / f"{self._sent:03d}"
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _walk(walk, scene, needs, path)
        self._on_their_way.add(child)

    def wait_for_all(self) -> None:
        while self._on_their_way:
            self._wait()

    def _wait(self) -> None:
        child, status = os.wait()
        self._on_their_way.discard(child)
        if status:
            (self._folder / f"{child}.txt").write_text(f"a copy of this process ended with {status}")


def _walk(walk: Walk, scene: Scene, needs: Needs, path: Path) -> None:
    """Walk, write down what came of it, and end this copy without what the original would do at its end."""
    try:
        walk(scene)
        path.with_suffix(".pickle").write_bytes(pickle.dumps(needs.recorded()))
    except BaseException:  # noqa: BLE001 - whatever it is, it is told
        path.with_suffix(".txt").write_text(f"{walk.__qualname__}:\n{traceback.format_exc()}")
    finally:
        os._exit(0)
