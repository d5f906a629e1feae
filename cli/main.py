"""The verbs of the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from cli.approval import APPROVED, ApprovalAnswer, give_answer
from cli.ceilings import check_deployed
from cli.champions import champions, confirm, reap
from cli.clean_console import shown_after
from cli.costs import costs
from cli.discovery.coverage_verb import coverage
from cli.discovery.discover import discover
from cli.discovery.distil import distil
from cli.discovery.opportunities import opportunities, opportunity
from cli.doctor import doctor
from cli.environment_files import read_settings
from cli.errors import CHECK_FAILED, EXIT_CODES, INTERRUPTED, CliError, aws_problems_explained
from cli.estimation import estimate
from cli.first_task.init import init
from cli.forget import forget
from cli.global_options import GlobalOptions, global_options, remember, taken_after_the_verb
from cli.identity_proof import signed_upload
from cli.labelling.verb import label
from cli.log_submission import LogOptions, check_allowed, check_logs, upload_request
from cli.prices import prices
from cli.rebuild import rebuild_registry
from cli.reconcile import reconcile
from cli.reports import save_file, save_report
from cli.rollback import roll_back
from cli.routing import route, serve
from cli.run_ids import newest_runs, resolve
from cli.screen import print_json, print_report, print_runs, run_document
from cli.session import Session, pass_session, run_argument, why_option, yes_option
from cli.showback import showback
from cli.simulated_task import simulated_task, tell_simulator
from cli.stop import stop
from cli.submission import check_folder, check_instruction, rejection_lines, upload
from cli.task_folder import TASK_FILE, TaskFolder
from cli.teardown import teardown
from cli.validation import SHOWN_PROBLEMS, validate_files, validate_folder
from cli.watching import exit_code, print_outcome, watch_run
from lambdas.domain.dataset.builder import Dataset
from lambdas.domain.errors import InvalidSettings
from lambdas.domain.logs.log_entry import OPERATIONS
from lambdas.domain.task.settings import Settings


class Verbs(click.Group):
    """A group whose verbs explain what AWS says, and take the global options too."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a verb."""
        super().add_command(taken_after_the_verb(cmd), name)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - whatever a verb returns
        """Run a verb; an AWS error becomes a message with an exit code, and no message commands the terminal."""
        try:
            with aws_problems_explained():
                return super().invoke(ctx)
        except click.ClickException as problem:
            # click calls it final, and reads it when it shows the message.
            problem.message = shown_after("Error: ", problem.message)  # type: ignore[misc]
            raise


_PROMPTS = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
report_option = click.option(
    "--report-sha256",
    metavar="HASH",
    help="SHA-256 of the report.json that you read, or its first 12 digits or more.  [default: the present report]",
)


@click.group(cls=Verbs, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@global_options
@click.pass_context
def cli(ctx: click.Context, /, **said: Any) -> None:  # noqa: ANN401 - what GlobalOptions takes
    """Distil a small Bedrock model from a large one: submit prompts, watch the run, read the report, approve.

    RUN is a run's id, an unambiguous beginning of it, or "latest". The options below may also follow the verb.
    """
    remember(ctx, GlobalOptions(**said))


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
@click.option("--prompts-say-all", is_flag=True, help="Submit without any instruction: each prompt has its own.")
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
    prompts_say_all: bool,
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
    if not prompts_say_all and submission.beside.task_file is not None:
        check_instruction(submission)
    deployment = session.deployment
    client, bucket = deployment.client("s3"), deployment.output("data", "UploadsBucket")
    check_deployed(deployment, submission.beside.definition())
    left = submission.beside.left_from_before(client, bucket)
    if not prompts_say_all and TASK_FILE not in left:  # the one that lies there already may have an instruction
        check_instruction(submission)
    _tell_simulator(session, submission.beside, submission.dataset)
    _note_left(session, left, task_dir)
    made = upload(client, bucket, submission, signed_upload(deployment, bucket, submission.key))
    summary = submission.dataset.summary()
    counts = {name: summary[name] for name in ("train", "holdout", "rejected", "duplicates")}
    said = ", ".join(f"{value} {name}" for name, value in counts.items())
    session.show(
        {"run_id": made.run_id, "bucket": made.bucket, "key": made.key, "version": made.version, **counts},
        f"Run {made.run_id}",
        f"Uploaded {made.key} ({said})",
        *rejection_lines(submission.rejections),
        *(f"Warning: {warning}" for warning in submission.warnings),
    )
    _go_on(session, made.run_id, watching=watching)


@cli.command()
@click.argument(
    "files", metavar="TASK_DIR|FILE...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path)
)
@click.option("--task", "task_file", type=_PROMPTS, help="The task.json that goes with the prompts.")
@click.option(
    "--holdout", "holdout_file", type=_PROMPTS, help="The holdout.jsonl with trusted answers, if you have one."
)
@pass_session
def validate(session: Session, files: tuple[Path, ...], task_file: Path | None, holdout_file: Path | None) -> None:
    """Check a task's folder or prompts by the pipeline's own rules, without AWS; several files count as one upload.

    Exit code 0 when they are usable, 1 when not, 2 when a file cannot be read. --json names every rejected line.
    """
    keep = None if session.as_json else SHOWN_PROBLEMS
    folders = [path for path in files if path.is_dir()]
    if folders and (len(files) > 1 or task_file or holdout_file):
        raise click.UsageError("A task's folder stands alone: its files are found in it.")
    settings = _settings_to_come(session)
    if folders:
        found = validate_folder(folders[0], keep, settings=settings)
    else:
        found = validate_files(files, task_file, holdout_file, keep, settings=settings)
    if session.as_json:
        print_json(found.to_document())
    else:
        for line in found.to_lines():
            session.screen.say(line)
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
        print_runs(session.screen, found)
    else:
        session.screen.say("There is no run yet. 'python -m cli submit TASK_DIR' starts one.")


@cli.command()
@run_argument
@click.option("--open", "opening", is_flag=True, help="Open the page in a browser.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="[default: .local/report/<run>]")
@click.option(
    "--file", "name", metavar="NAME", help="Download this file of the run instead: dropped, rejected, plan ..."
)
@pass_session
def report(session: Session, *, run: str, opening: bool, out: Path | None, name: str | None) -> None:
    """Download the report of a run and show its verdict and comparison.

    --file takes a short name (dropped, rejected, training, references, train, holdout, calibration, dataset, task,
    plan, evaluation, report, page) or a path below the run's folder, and works while the run goes on.
    """
    deployment = session.deployment
    found = resolve(deployment.registry, run)
    if name is not None:
        path = save_file(deployment.runs, found, name, out)
        session.show({"run_id": found.run_id, "file": str(path)}, f"File: {path}")
        return
    saved = save_report(deployment.runs, found, out)
    if session.as_json:
        print_json({**saved.document, "page": str(saved.page)})
    else:
        print_report(session.screen, saved.document, simulated=deployment.local or bool(saved.document["simulated"]))
        session.screen.say(f"Page: {saved.page}")
        session.screen.say(f"SHA-256 of report.json: {found.report_sha256}")
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
    coverage,
    discover,
    distil,
    doctor,
    estimate,
    forget,
    init,
    label,
    opportunities,
    opportunity,
    prices,
    reap,
    rebuild_registry,
    reconcile,
    route,
    serve,
    showback,
    stop,
    teardown,
):
    cli.add_command(verb)


def _settings_to_come(session: Session) -> Settings | None:
    """Read what the environment would allow, of the file that is deployed; ``None`` where there is none here."""
    try:
        return read_settings(session.environment, local=session.local)
    except InvalidSettings:
        return None


def _submit_logs(session: Session, task_dir: Path, options: LogOptions, *, watching: bool) -> None:
    submission = check_logs(task_dir, options)
    deployment = session.deployment
    check_allowed(submission, deployment.settings.allowed_logs())
    check_deployed(deployment, submission.beside.definition())
    client, bucket = deployment.client("s3"), deployment.output("data", "UploadsBucket")
    _tell_simulator(session, submission.beside, None)
    _note_left(session, submission.beside.left_from_before(client, bucket), task_dir)
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
        session.aside.say(f"Simulated: what is right for this task is known from {source}.")


def _note_left(session: Session, left: list[str], task_dir: Path) -> None:
    for name in left:
        session.aside.say(f"Note: {task_dir} has no {name}; the one uploaded before counts for this run.")


def _go_on(session: Session, run_id: str, *, watching: bool) -> None:
    if watching:
        _watch(session, run_id)
    elif not session.as_json:
        session.screen.say(f"Watch it: {session.command} watch {run_id}")


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
