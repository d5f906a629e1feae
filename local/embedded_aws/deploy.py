"""Synthesize the app and deploy it into an embedded AWS, with the real CDK command line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdas.domain.documents import parse_document
from local.embedded_aws.lifecycle import ACCOUNT, REGION, EmbeddedAws, clean_environment
from local.embedded_aws.processes import EmbeddedAwsError, tail
from stacks.node import bundled_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / "local" / "environments.json"
# "Model units no-commitment Provisioned Throughputs across custom models" of Amazon Bedrock.
_MODEL_UNITS_QUOTA = "L-BE77399C"


def local_context(settings: Mapping[str, Any]) -> dict[str, str]:
    """Give the context of the local environments, each with these settings in place of its own."""
    environments = parse_document(ENVIRONMENTS.read_bytes(), f"{ENVIRONMENTS.name} is ")
    changed = {name: {**own, **settings} for name, own in environments.items()}
    return {"environments": json.dumps(changed, separators=(",", ":"))}


def synthesize(assembly: Path, *, app: Path = ROOT, context: Mapping[str, str] | None = None) -> float:
    """Synthesize an app; needs neither credentials nor a running embedded AWS.

    Parameters
    ----------
    assembly : Path
        Folder to write the cloud assembly to.
    app : Path
        Folder of the app's ``cdk.json``.
    context : mapping, optional
        Context values; the settings of the local environments unless given.

    Returns
    -------
    float
        Seconds it took.

    Raises
    ------
    EmbeddedAwsError
        If the synthesis fails; with the end of its output.
    """
    arguments = [
        part for name, value in (context or local_context({})).items() for part in ("--context", f"{name}={value}")
    ]
    return _cdk(["synth", "--quiet", "--output", str(assembly), *arguments], clean_environment(), app)


def deploy(aws: EmbeddedAws, assembly: Path) -> dict[str, dict[str, str]]:
    """Bootstrap the embedded account and deploy every stack of a cloud assembly.

    Parameters
    ----------
    aws : EmbeddedAws
        Where to; its ``embedded-aws.json`` tells the outputs afterwards.
    assembly : Path
        A cloud assembly from :func:`synthesize`.

    Returns
    -------
    dict
        Outputs by stack name.

    Raises
    ------
    EmbeddedAwsError
        If a command fails; with the end of its output.
    """
    environment = aws.environment()
    outputs = aws.workdir / "outputs.json"
    # Without --app these commands would synthesize again, and `bootstrap` does so without bundling the layer.
    app = ["--app", str(assembly)]
    _cdk(["bootstrap", f"aws://{ACCOUNT}/{REGION}", *app], environment, ROOT)
    options = ["--require-approval", "never", "--concurrency", "4", "--method", "direct", "--progress", "events"]
    _cdk(["deploy", "--all", *app, *options, "--outputs-file", str(outputs)], environment, ROOT)
    found: dict[str, dict[str, str]] = json.loads(outputs.read_text())
    aws.describe(found)
    return found


def simulated_account() -> dict[str, Any]:
    """Give the simulator's settings for an account that may promote.

    Returns
    -------
    dict
        A quota of two model units, where every account begins with none, and the price of a model-unit hour that the
        local environment's settings state: the simulator bills what the pipeline calculates with.
    """
    (environment,) = json.loads(ENVIRONMENTS.read_text()).values()
    (hour,) = (line["usd"] for line in environment["prices"] if line["usage"] == "throughput")
    return {"quotas": {_MODEL_UNITS_QUOTA: 2}, "throughput_usd_per_unit_hour": hour}


SMALLEST_LAMBDAS = 10
"""Lambdas that a new account runs at once (Lambda quotas)."""
SMALLEST_SETTINGS = {"quota_wait_hours": 96, "distillation_poll_seconds": 120}
"""The judge of the example takes four days of so small a quota, and CheckRun refuses what would wait for longer.
The events of so long a wait leave the execution's history room for half of the usual polls."""


def smallest_account() -> dict[str, Any]:
    """Give the simulator's settings for an account as new ones are: one request a second, and little in a day.

    Its time runs ten times as fast as ours: a minute takes six seconds. A day takes a minute and a half, so that a
    quota of the day is used up and reset while one looks on.

    Returns
    -------
    dict
        What differs from :func:`simulated_account`, but for the quotas that are in both.
    """
    models = ("NovaMicro", "NovaPro", "ClaudeHaiku4-5", "ClaudeSonnet4-6")
    quotas = simulated_account()["quotas"] | {f"SIM-TPD-{model}": 400_000 for model in models}
    return {"quotas": quotas, "requests_per_minute": 600, "burst_requests": 10, "day_seconds": 90.0}


@contextlib.contextmanager
def deployed(
    workdir: Path,
    *,
    assembly: Path | None = None,
    wait_scale: float = 0.01,
    lambdas_at_once: int | None = None,
    simulator_settings: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda _step: None,
) -> Iterator[EmbeddedAws]:
    """Start an embedded AWS with the stacks of the local environments in it; everything ends with the context.

    Parameters
    ----------
    workdir : Path
        Folder of the instance, as for :meth:`EmbeddedAws.start`.
    assembly : Path, optional
        A cloud assembly that exists. Without it the app is synthesized into ``<workdir>/cdk.out``: never into the
        repository's own ``cdk.out``, which belongs to ``make synth``.
    wait_scale : float
        Factor on Wait states and retry intervals.
    lambdas_at_once : int, optional
        As for :meth:`EmbeddedAws.start`.
    simulator_settings : mapping, optional
        What differs from :func:`simulated_account`, as the simulator's settings name it.
    settings : mapping, optional
        What differs in the settings of the local environments, where no assembly is given.
    progress : callable
        Told what is being done, before it is done.

    Yields
    ------
    EmbeddedAws
        Running, with its outputs.

    Raises
    ------
    EmbeddedAwsError
        If anything of it fails.
    """
    progress("starting the embedded AWS")
    # Started first, although the synthesis does not need it: it takes the lock on the folder that both write to.
    simulated = json.dumps(simulated_account() | dict(simulator_settings or {}))
    with EmbeddedAws.start(
        workdir,
        wait_scale=wait_scale,
        lambdas_at_once=lambdas_at_once,
        simulator_options=["--settings", simulated],
    ) as aws:
        if assembly is None:
            assembly = aws.workdir / "cdk.out"
            progress("synthesizing the stacks")
            synthesize(assembly, context=local_context(settings or {}))
        progress("deploying the stacks")
        deploy(aws, assembly)
        yield aws


def _cdk(arguments: list[str], environment: Mapping[str, str], folder: Path) -> float:
    """Run the CDK command line of this project on the Node of this environment; give the seconds it took."""
    node, command = bundled_node(), ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"
    if node is None or not command.is_file():
        message = "The CDK command line or its Node is not installed. Run `make setup`."
        raise EmbeddedAwsError(message)
    # cdk.json says `python3 app.py`: let that be the interpreter that runs this.
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
    quiet = {"CDK_DISABLE_CLI_TELEMETRY": "true", "NO_COLOR": "1"}
    started = time.monotonic()
    finished = subprocess.run(
        [str(node), str(command), *arguments, "--no-notices"],
        cwd=folder,
        env={**environment, **quiet, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        message = (
            f"`cdk {arguments[0]}` failed with exit code {finished.returncode}. "
            f"The end of its output:\n{tail(finished.stdout)}"
        )
        raise EmbeddedAwsError(message)
    return time.monotonic() - started
