"""The whole pipeline on this machine, from an upload to a promoted student: ``python -m local.demo``."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

import click

from cli.clean_console import CleanConsole, console
from cli.deployment import Deployment
from cli.errors import CHECK_FAILED, INTERRUPTED, OK, CliError, aws_problems_explained
from cli.identity_proof import signed_upload
from cli.reports import save_report
from cli.screen import print_report
from cli.simulated_task import simulated_task, tell_simulator
from cli.submission import check_folder, upload
from cli.watching import watch_run
from lambdas.domain.outcomes import PROMOTED
from lambdas.domain.text.plain_text import one_line
from lambdas.gateways.registry.runs import Run
from local.bedrock_simulator.subjects import NothingToLearnError, Subjects, TaskFacts, example_truths
from local.embedded_aws.deploy import ROOT, SMALLEST_LAMBDAS, SMALLEST_SETTINGS, deployed, smallest_account
from local.embedded_aws.processes import EmbeddedAwsError

EXAMPLE = ROOT / "examples" / "video-search-intent"
WORKDIR = ROOT / ".local"
ENVIRONMENT = "local"
_RUN_SECONDS = 1200.0
"""A run that takes longer hangs: the example takes half a minute, a large upload on a busy machine some minutes."""

_SMALL_RUN_SECONDS = 1_800.0
"""The same in the smallest account, where it takes some minutes."""


@click.command()
@click.option("--stay", is_flag=True, help="Leave everything running afterwards, until Ctrl-C.")
@click.option("--workdir", default=WORKDIR, type=click.Path(file_okay=False, path_type=Path), help="Logs and report.")
@click.option(
    "--task", default=EXAMPLE, type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the task."
)
@click.option(
    "--account",
    default="usual",
    type=click.Choice(["usual", "smallest"]),
    help="smallest: 10 Lambdas at once, one request a second, and a small quota of the day that is waited for.",
)
def main(stay: bool, workdir: Path, task: Path, account: str) -> None:
    """Deploy the real stacks into an embedded AWS, submit a task, watch the run, show the comparison.

    Every figure is simulated. The last line is the outcome; the exit code is 0 only if it is PROMOTED.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    screen = console()
    try:
        code = _demo(screen, workdir, task, account, stay=stay)
    except KeyboardInterrupt:
        click.echo("Interrupted; everything was stopped.", err=True)
        code = INTERRUPTED
    except (EmbeddedAwsError, CliError) as problem:
        click.echo(f"The demo failed: {problem}", err=True)
        code = CHECK_FAILED
    sys.exit(code)


def _demo(screen: CleanConsole, workdir: Path, task: Path, account: str, *, stay: bool) -> int:
    started, smallest = time.monotonic(), account == "smallest"
    limits: dict[str, Any] = {
        "lambdas_at_once": SMALLEST_LAMBDAS,
        "simulator_settings": smallest_account(),
        "settings": SMALLEST_SETTINGS,
    }

    def say(text: str) -> None:
        screen.say(f"[{time.monotonic() - started:5.1f} s] {text}")

    say("no AWS account is used and nothing is paid: every figure below is simulated")
    submission = check_folder(task, None)
    known = simulated_task(submission.beside.task, submission.beside.definition(), submission.dataset)
    say(f"what is right for this task is known from {_source(known)}")
    with deployed(workdir, progress=say, **(limits if smallest else {})), aws_problems_explained():
        deployment = Deployment.on_embedded_aws(ENVIRONMENT, workdir)
        tell_simulator(deployment.simulator, known)
        bucket = deployment.output("data", "UploadsBucket")
        proof = signed_upload(deployment, bucket, submission.key)
        made = upload(deployment.client("s3"), bucket, submission, proof)
        say(f"uploaded {made.key}: run {made.run_id}")
        run = watch_run(
            deployment,
            made.run_id,
            screen,
            as_json=False,
            deadline_seconds=_SMALL_RUN_SECONDS if smallest else _RUN_SECONDS,
        )
        if run.report_key:
            saved = save_report(deployment.runs, run, workdir / "report" / run.run_id)
            print_report(screen, saved.document, simulated=True)
            screen.say(f"Report: {saved.page}")
        say("the run has ended")
        if stay:
            _stay(screen, workdir)
    return _last_line(run)


def _source(known: dict[str, Any]) -> str:
    """Say from where the simulator will know what is right, before anything is started.

    Raises
    ------
    CliError
        Where it cannot know, with what is missing.
    """
    try:
        return Subjects(example_truths()).register(TaskFacts.from_document(known)).source
    except NothingToLearnError as problem:
        raise CliError(str(problem), CHECK_FAILED) from None


def _last_line(run: Run) -> int:
    if run.outcome == PROMOTED:
        click.echo(f"{PROMOTED} {run.endpoint_arn}")
        return OK
    click.echo(one_line(f"{run.outcome} {run.reason}"))
    return CHECK_FAILED


def _stay(screen: CleanConsole, workdir: Path) -> None:
    screen.say(f"The embedded AWS stays: try 'python -m cli --local-dir {workdir} runs'. Ctrl-C ends it.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        screen.say("Stopping.")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main(prog_name="python -m local.demo")
