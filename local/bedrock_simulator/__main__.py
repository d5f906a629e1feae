"""Start the simulator: ``python -m local.bedrock_simulator --aws-endpoint http://127.0.0.1:4566``."""

from __future__ import annotations

import gc
import json
import signal
from pathlib import Path

import click

from local.bedrock_simulator.catalog import REGION
from local.bedrock_simulator.objects import S3ObjectStore
from local.bedrock_simulator.policies import IamPolicySource
from local.bedrock_simulator.runtime.metrics import CloudWatchSink
from local.bedrock_simulator.server import SimulatorServer
from local.bedrock_simulator.settings import Settings, SettingsError
from local.bedrock_simulator.simulator import Simulator
from local.bedrock_simulator.subjects import Subjects, example_truths, load_rules

_ENDS = {signal.SIGTERM, signal.SIGINT}


@click.command()
@click.option("--port", default=0, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--aws-endpoint", required=True, help="The embedded AWS: S3 for jobs, IAM for callers, CloudWatch.")
@click.option("--port-file", type=click.Path(path_type=Path), help="Written with the port once the simulator answers.")
@click.option("--rules", help="Module with answer(question), right for every request of no known task.")
@click.option("--settings", "changes", default="{}", help="Settings to begin with, as JSON.")
def main(port: int, aws_endpoint: str, port_file: Path | None, rules: str | None, changes: str) -> None:
    """Simulate Amazon Bedrock for the embedded AWS. Every figure it produces is simulated."""
    try:
        settings = Settings().changed(json.loads(changes))
        subjects = Subjects(example_truths(), load_rules(rules) if rules else None)
    except (ImportError, SettingsError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    # Held back in every thread, and taken from the queue below: an exception that a handler raises may strike where a
    # library swallows it or its own clean-up replaces it, and the process would go on.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    simulator = Simulator(
        objects=S3ObjectStore(aws_endpoint, REGION),
        subjects=subjects,
        policies=IamPolicySource(aws_endpoint),
        settings=settings,
        metrics=CloudWatchSink(aws_endpoint, REGION),
    )
    # What has been imported stays: to look through it for garbage again and again would take a fifth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    server = SimulatorServer(simulator, port).start()
    if port_file:
        unfinished = port_file.with_suffix(".part")
        unfinished.write_text(server.url.rsplit(":", 1)[1], encoding="utf-8")
        unfinished.replace(port_file)
    click.echo(f"bedrock simulator at {server.url}")
    signal.sigwait(_ENDS)
    server.close()


if __name__ == "__main__":
    main()
