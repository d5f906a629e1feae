"""What the templates take of a processor, against an app with one bucket."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from local.embedded_aws.lifecycle import clean_environment
from tests.benchmarks.layer import REPOSITORY
from tests.benchmarks.measuring import interleaved

if TYPE_CHECKING:
    from collections.abc import Mapping

REPETITIONS = 5
_APPS = {"ours": ("app.py",), "one bucket": ("-m", "tests.benchmarks.one_bucket")}


def synthesis_ratio(workdir: Path, repetitions: int = REPETITIONS) -> float:
    """Measure the whole process of either app, without the layer's installation.

    Parameters
    ----------
    workdir : Path
        Empty folder for both assemblies.
    repetitions : int
        Rounds, of which the median counts.

    Returns
    -------
    float
        Processor seconds of ours to those of the app with one bucket.
    """
    folders = {name: workdir / name.replace(" ", "-") for name in _APPS}
    seconds = interleaved({name: partial(_seconds, _APPS[name], folders[name]) for name in _APPS}, repetitions)
    return seconds["ours"] / seconds["one bucket"]


def _seconds(arguments: tuple[str, ...], folder: Path) -> float:
    # What the CDK command line hands over, which is not part of what is measured: it is the same for both.
    context = json.loads((REPOSITORY / "cdk.json").read_text())["context"] | {"aws:cdk:bundling-stacks": []}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(  # noqa: S603 - this interpreter, with code of this repository
        [sys.executable, *arguments],
        cwd=REPOSITORY,
        env=_environment(context, folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        message = f"{' '.join(arguments)} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)
    # Of the processor, Node's included: what else runs on the machine is no property of a template.
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _environment(context: Mapping[str, object], folder: Path) -> dict[str, str]:
    """Give each app what a person's shell would; what this process tuned for its own Node must not help the other."""
    kept = {name: value for name, value in clean_environment().items() if name != "NODE_OPTIONS"}
    return kept | {"CDK_CONTEXT_JSON": json.dumps(context), "CDK_OUTDIR": str(folder)}
