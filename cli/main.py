"""The verbs of the command line."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from cli.approval import APPROVED, ApprovalAnswer, give_answer
from cli.ceilings import check_deployed
from cli.champions import champions, confirm, reap
from cli.costs import costs
from cli.deployment import DEFAULT_LOCAL_DIR, Deployment
from cli.doctor import doctor
from cli.environment_files import read_settings
from cli.errors import CHECK_FAILED, EXIT_CODES, INTERRUPTED, CliError, aws_problems_explained
from cli.estimation import estimate
from cli.forget import forget
from cli.identity_proof import signed_upload
from cli.log_submission import LogOptions, check_allowed, check_logs, upload_request
from cli.prices import prices
from cli.rebuild import rebuild_registry
from cli.reconcile import reconcile
from cli.reports import save_report
from cli.rollback import roll_back
from cli.run_ids import newest_runs, resolve
from cli.screen import print_json, print_report, run_document, runs_table
from cli.session import Session, pass_session, run_argument, why_option, yes_option
from cli.showback import showback
from cli.simulated_task import simulated_task, tell_simulator
from cli.stop import stop
from cli.submission import check_folder, rejection_lines, upload
from cli.task_folder import TaskFolder
from cli.teardown import teardown
from cli.validation import SHOWN_PROBLEMS, validate_files
from cli.watching import exit_code, print_outcome, watch_run
from lambdas.domain.dataset.builder import Dataset
from lambdas.domain.errors import InvalidSettings
from lambdas.domain.logs.log_entry import OPERATIONS
from lambdas.domain.task.settings import Settings
from lambdas.domain.text.plain_text import without_controls


class Verbs(click.Group):
    """A group whose verbs explain what AWS says."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever a verb returns
        """Run a verb; an AWS error becomes a message with an exit code, and no message commands the terminal."""
        try:
            with aws_problems_explained():
                return super().invoke(ctx)
        except click.ClickException as problem:
            # click calls it final, and reads it when it shows the message.
            problem.message = without_controls(problem.message, keep="\n")  # type: ignore[misc]
            raise


_PROMPTS = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
report_option = click.option(
    "--report-sha256",
    metavar="HASH",
    help="SHA-256 of the report.json that you read, or its first 12 digits or more.  [default: the present report]",
)


@click.group(cls=Verbs, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--environment", metavar="NAME", help="Which deployment.  [default: dev; with --local: local]")
@click.option("--region", help="AWS Region.  [default: that of the profile, else us-east-1]")
@click.option("--local", is_flag=True, help="The embedded AWS of this machine.")
@click.option(
    "--local-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the embedded AWS; implies --local.  [default: .local]",
)
@click.option("--json", "as_json", is_flag=True, help="Results as JSON, one document a line.")
@click.pass_context
def cli(
    ctx: click.Context, environment: str | None, region: str | None, local: bool, local_dir: Path | None, as_json: bool
) -> None:
    """Distil a small Bedrock model from a large one: submit prompts, watch the run, read the report, approve.

    RUN is a run's id, an unambiguous beginning of it, or "latest".
    """
    if ctx.obj is None:
        ctx.obj = _session(environment, region, local_dir or (DEFAULT_LOCAL_DIR if local else None), as_json)


@cli.command()
@click.argument("task_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The prompts.")
@click.option("--from-logs", metavar="s3://BUCKET/PREFIX", help="Instead of prompts: Bedrock's invocation logs there.")
@click.option("--from", "start", metavar="TIME", help="With --from-logs: first moment, ISO with time zone.")
@click.option("--to", "end", metavar="TIME", help="With --from-logs: first moment that is out.")
@click.option("--model", "models", multiple=True, help="With --from-logs: only calls of this model (repeatable).")
@click.option("--operation", "operations", multiple=True, type=click.Choice(OPERATIONS), help="Only these operations.")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Only calls with this request metadata.")
@click.option("--conversation", metavar="NAME", help="Request metadata that names a call's conversation.")
@click.option("--watch", "watching", is_flag=True, help="Show the run until it has ended.")
@pass_session
def submit(  # noqa: PLR0913 - one parameter an option
    session: Session,
    *,
    task_dir: Path,
    file: Path | None,
    from_logs: str | None,
    start: str | None,
    end: str | None,
    models: tuple[str, ...],
    operations: tuple[str, ...],
    metadata: tuple[str, ...],
    conversation: str | None,
    watching: bool,
) -> None:
    """Check a task's folder, upload it and so start a run.

    The folder's name is the task's name. It holds the prompts (.jsonl or .jsonl.gz) and, if you like, task.json,
    holdout.jsonl and calibration.jsonl. With --from-logs the prompts are a range of production traffic; the location
    must be one of the settings' log_sources.
    """
    if from_logs is not None:
        if file is not None:
            raise click.UsageError("--file and --from-logs exclude each other.")
        options = LogOptions(
            location=from_logs,
            start=start,
            end=end,
            models=models,
            operations=operations,
            metadata=metadata,
            conversation=conversation,
        )
        _submit_logs(session, task_dir, options, watching=watching)
        return
    if start or end or models or operations or metadata or conversation:
        raise click.UsageError("--from, --to, --model, --operation, --metadata and --conversation go with --from-logs.")
    submission = check_folder(task_dir, file)
    deployment = session.deployment
    client, bucket = deployment.client("s3"), deployment.output("data", "UploadsBucket")
    check_deployed(deployment, submission.beside.definition())
    _tell_simulator(session, submission.beside, submission.dataset)
    _note_left(client, bucket, submission.beside, task_dir)
    made = upload(client, bucket, submission, signed_upload(deployment, bucket, submission.key))
    summary = submission.dataset.summary()
    counts = {name: summary[name] for name in ("train", "holdout", "rejected", "duplicates")}
    said = ", ".join(f"{value} {name}" for name, value in counts.items())
    session.show(
        {"run_id": made.run_id, "bucket": made.bucket, "key": made.key, "version": made.version, **counts},
        f"Run {made.run_id}",
        f"Uploaded {made.key} ({said})",
        *rejection_lines(submission.rejections),
        *(f"Warning: {warning}" for warning in submission.dataset.warnings()),
    )
    _go_on(session, made.run_id, watching=watching)


@cli.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_PROMPTS)
@click.option("--task", "task_file", type=_PROMPTS, help="The task.json that goes with the prompts.")
@click.option(
    "--holdout", "holdout_file", type=_PROMPTS, help="The holdout.jsonl with trusted answers, if you have one."
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON, with every rejected line.")
@pass_session
def validate(
    session: Session, files: tuple[Path, ...], task_file: Path | None, holdout_file: Path | None, as_json: bool
) -> None:
    """Check prompts by the pipeline's own rules, without AWS; several files count as one upload.

    Exit code 0 when they are usable, 1 when not, 2 when a file cannot be read.
    """
    as_json = as_json or session.as_json
    settings = _settings_to_come(session)
    found = validate_files(files, task_file, holdout_file, None if as_json else SHOWN_PROBLEMS, settings=settings)
    if as_json:
        print_json(found.to_document())
    else:
        for line in found.to_lines():
            session.screen.print(line, soft_wrap=True)
    if found.refusal is not None:
        sys.exit(CHECK_FAILED)


@cli.command()
@run_argument
@pass_session
def watch(session: Session, run: str) -> None:
    """Show what a run is doing and waiting for, until it has ended."""
    _watch(session, resolve(session.deployment.registry, run).run_id)


@cli.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="The newest so many.")
@pass_session
def runs(session: Session, limit: int) -> None:
    """List the runs, newest first."""
    found = newest_runs(session.deployment.registry, limit)
    if session.as_json:
        print_json([run_document(run) for run in found])
    elif found:
        session.screen.print(runs_table(found))
    else:
        session.screen.print("There is no run yet. 'python -m cli submit TASK_DIR' starts one.")


@cli.command()
@run_argument
@click.option("--open", "opening", is_flag=True, help="Open the page in a browser.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="[default: .local/report/<run>]")
@pass_session
def report(session: Session, run: str, opening: bool, out: Path | None) -> None:
    """Download the report of a run and show its verdict and comparison."""
    deployment = session.deployment
    found = resolve(deployment.registry, run)
    saved = save_report(deployment.runs, found, out)
    if session.as_json:
        print_json({**saved.document, "page": str(saved.page)})
    else:
        print_report(session.screen, saved.document, simulated=deployment.local or bool(saved.document["simulated"]))
        session.screen.print(f"Page: {saved.page}", soft_wrap=True)
        session.screen.print(f"SHA-256 of report.json: {found.report_sha256}", soft_wrap=True)
    if opening and click.launch(saved.page.as_uri()) != 0:
        raise CliError(f"No browser could be opened; open {saved.page} yourself.", CHECK_FAILED)


@cli.command()
@run_argument
@why_option
@report_option
@click.option("--hourly-price", metavar="USD", type=float, help="Of one model-unit hour, where no price book has it.")
@click.option("--explicitly", is_flag=True, help="Say yes to what the report lists as needing an explicit word.")
@yes_option
@pass_session
def approve(
    session: Session,
    *,
    run: str,
    why: str,
    report_sha256: str | None,
    hourly_price: float | None,
    explicitly: bool,
    yes: bool,
) -> None:
    """Approve the promotion of a run's student: what serves it begins to bill.

    Where that bills by the hour it says how much, and what ends it, and asks. Without a terminal it needs --yes.
    """
    word = ApprovalAnswer(APPROVED, why, report_sha256, hourly_price, explicitly, yes)
    give_answer(session, resolve(session.deployment.registry, run), word)


@cli.command()
@run_argument
@why_option
@report_option
@pass_session
def reject(session: Session, run: str, why: str, report_sha256: str | None) -> None:
    """Refuse the promotion of a run's student: the run ends REJECTED and releases what it made."""
    give_answer(session, resolve(session.deployment.registry, run), ApprovalAnswer("rejected", why, report_sha256))


@cli.command()
@click.argument("task", metavar="TASK")
@click.option("--to", "to_run", metavar="RUN", help="Which champion.  [default: the one before the present]")
@why_option
@pass_session
def rollback(session: Session, task: str, to_run: str | None, why: str) -> None:
    """Bring the former champion of a task back: its endpoint serves it again, callers change nothing.

    May be called again while it lasts, and after it was interrupted: it goes on where it was. Called after it has
    ended it goes one champion further back, never forward. --to with the run that serves gives it another endpoint
    where its own has failed.
    """
    run_id = resolve(session.deployment.registry, to_run).run_id if to_run else None
    roll_back(session, task, run_id, why)


@cli.command()
@run_argument
@pass_session
def retry(session: Session, run: str) -> None:
    """Try a run again that FAILED, EXPIRED, was STOPPED or had too little evidence, and pay for nothing twice."""
    found = resolve(session.deployment.registry, run)
    given = session.deployment.invoke("StartRunFunction", {"retry": found.run_id})
    line = f"Attempt {given.get('attempt')} of run {found.run_id} is {given.get('state')}"
    session.show(given, line, f"Watch it: {session.command} watch {found.run_id}")


for verb in (
    champions,
    confirm,
    costs,
    doctor,
    estimate,
    forget,
    prices,
    reap,
    rebuild_registry,
    reconcile,
    showback,
    stop,
    teardown,
):
    cli.add_command(verb)


def _session(environment: str | None, region: str | None, local_dir: Path | None, as_json: bool) -> Session:
    if local_dir is not None and region:
        raise click.UsageError("--region has no meaning with --local: the embedded AWS has one Region.")
    given = {"--environment": environment, "--region": region}
    words = [word for option, value in given.items() if value for word in (option, value)]
    if local_dir is None:
        name = environment or "dev"
        return Session(lambda: Deployment.in_account(name, region), as_json, _command(*words), name)
    name, folder = environment or "local", local_dir
    place = ["--local"] if folder == DEFAULT_LOCAL_DIR else ["--local-dir", str(folder)]
    return Session(
        lambda: Deployment.on_embedded_aws(name, folder), as_json, _command(*place, *words), name, local=True
    )


def _settings_to_come(session: Session) -> Settings | None:
    """Read what the environment would allow, of the file that is deployed; ``None`` where there is none here."""
    try:
        return read_settings(session.environment, local=session.local)
    except InvalidSettings:
        return None


def _command(*options: str) -> str:
    return shlex.join(["python", "-m", "cli", *options])


def _submit_logs(session: Session, task_dir: Path, options: LogOptions, *, watching: bool) -> None:
    submission = check_logs(task_dir, options)
    deployment = session.deployment
    check_allowed(submission, deployment.settings.allowed_logs())
    check_deployed(deployment, submission.beside.definition())
    client, bucket = deployment.client("s3"), deployment.output("data", "UploadsBucket")
    _tell_simulator(session, submission.beside, None)
    _note_left(client, bucket, submission.beside, task_dir)
    made = upload_request(client, bucket, submission, signed_upload(deployment, bucket, submission.key))
    session.show(
        {"run_id": made.run_id, "bucket": made.bucket, "key": made.key, "version": made.version},
        f"Run {made.run_id}",
        f"Uploaded {made.key}: the run reads these logs before it pays for anything",
    )
    _go_on(session, made.run_id, watching=watching)


def _tell_simulator(session: Session, beside: TaskFolder, dataset: Dataset | None) -> None:
    """On the embedded AWS, make sure that somebody knows what is right for the task, before anything is uploaded."""
    simulator = session.deployment.simulator
    if not simulator:
        return
    source = tell_simulator(simulator, simulated_task(beside.task, beside.definition(), dataset))
    if not session.as_json:
        click.echo(f"Simulated: what is right for this task is known from {source}.", err=True)


def _note_left(client: Any, bucket: str, beside: TaskFolder, task_dir: Path) -> None:  # noqa: ANN401
    for name in beside.left_from_before(client, bucket):
        click.echo(f"Note: {task_dir} has no {name}; the one uploaded before counts for this run.", err=True)


def _go_on(session: Session, run_id: str, *, watching: bool) -> None:
    if watching:
        _watch(session, run_id)
    elif not session.as_json:
        session.screen.print(f"Watch it: {session.command} watch {run_id}", soft_wrap=True)


def _watch(session: Session, run_id: str) -> None:
    try:
        ended = watch_run(session.deployment, run_id, session.screen, as_json=session.as_json)
    except KeyboardInterrupt:
        message = (
            f"Stopped watching; the run goes on. Watch it again: {session.command} watch {run_id}. "
            f"End it: {session.command} stop {run_id}"
        )
        raise CliError(message, INTERRUPTED) from None
    if not session.as_json:
        print_outcome(session.screen, ended, session.command, simulated=session.deployment.local)
    sys.exit(exit_code(ended))
