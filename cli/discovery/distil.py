"""Make a found task's folder from the log, check and estimate it, and start the run when told to."""

from __future__ import annotations

import json
import shlex
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.ceilings import check_deployed
from cli.discovery.account_logs import FoundCalls, calls_of, metadata_key, wanted_of
from cli.discovery.found import latest, one
from cli.errors import CHECK_FAILED, CliError
from cli.estimation import print_estimate, run_to_come
from cli.first_task.draft import short_prompt
from cli.identity_proof import signed_upload
from cli.log_submission import LogSubmission, check_allowed, upload_request
from cli.screen import SIMULATED
from cli.session import Session, pass_session
from cli.simulated_task import simulated_task, tell_simulator
from cli.submission import Submission
from cli.task_folder import TASK_FILE, TaskFolder, check_key
from cli.validation import SHOWN_PROBLEMS, Validation, validate_files
from lambdas.domain.discovery.distil_folder import common_prompt, log_request, proposed_schema, serving_of
from lambdas.domain.discovery.model_levers import WANTED_RECORDS
from lambdas.domain.errors import InvalidTaskDefinition, InvalidUpload, PipelineError
from lambdas.domain.identity import task_slug
from lambdas.domain.report.figures import usd
from lambdas.domain.task.log_request import LogRequest
from lambdas.domain.task.task_definition import DEFAULT_RUBRIC, TaskDefinition

if TYPE_CHECKING:
    from lambdas.domain.discovery.opportunities import Opportunity

MOST_REQUEST_BYTES = 60_000
"""Bytes of a log request that a run reads, with some to spare."""


@dataclass(frozen=True, kw_only=True)
class DistilFolder:
    """A folder that was written, and the calls that it was made of."""

    submission: LogSubmission
    calls: FoundCalls
    schema: dict[str, Any] | None
    prompt: str | None


@click.command()
@click.argument("name", metavar="ID")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Where its folder goes.")
@click.option("--conversation", metavar="NAME", help="Request metadata that names a call's conversation.")
@click.option("--submit", "submitting", is_flag=True, help="Start the run where check and estimate allow it.")
@pass_session
def distil(session: Session, name: str, *, out: Path, conversation: str | None, submitting: bool) -> None:
    """Write the task folder of a found task from the logs, check it, estimate the run, and submit it when told to.

    The prompts stay in the log: the folder names the range and the task's rule, and the run reads them there. The
    long prompt, the answers' schema, the volume and its peak are those of the logs: look at task.json, then submit.
    """
    deployment = session.deployment
    ranked = latest(deployment)
    each = one(ranked, name)
    _check_lever(each)
    wanted = replace(wanted_of(deployment, ranked, each.task, WANTED_RECORDS), conversation=conversation)
    found = calls_of(deployment, wanted)
    seen = [(call.entry, call.body) for call in found.calls]
    plain = None if wanted.rule is None else wanted.rule.without_salt(wanted.salt, seen, found.left)
    request = log_request(
        each.task,
        found.source,
        found.start,
        rule=None if plain is None else plain.to_document(),
        metadata_key=metadata_key(deployment),
        conversation=conversation,
    )
    made = _written(out / task_slug(each.task.task), each, found, request)
    checked, fits, estimated = _checked(session, made)
    run_id = None
    if submitting and checked.refusal is None and fits:
        run_id = _submit(session, made)
    _tell(session, each.task.task, made, checked, estimated, run_id)
    if checked.refusal is not None or not fits:
        raise click.exceptions.Exit(CHECK_FAILED)


def _check_lever(each: Opportunity) -> None:
    """Refuse a task that distillation cannot help, and say what could be done instead."""
    stops = [
        block.text for lever in each.levers if lever.name == "distillation" for block in lever.blocks if block.stops
    ]
    if each.task.named_by == "none":
        stops = ["no rule takes these calls"]
    if stops:
        instead = f" Instead: {each.best.title}. {each.best.do}" if each.best.name != "nothing" else ""
        raise CliError(f"'{each.task.task}' cannot be distilled: {'; '.join(stops)}.{instead}", CHECK_FAILED)


def _written(folder: Path, each: Opportunity, found: FoundCalls, request: dict[str, Any]) -> DistilFolder:
    """Write ``task.json`` and the log request; what lies there already is not written over."""
    prompt = common_prompt([_system(call.record) for call in found.calls])
    answers = [call.answer.text for call in found.calls if call.answer is not None]
    schema = proposed_schema(answers) if answers else None
    known = {
        "teacher_system_prompt": prompt,
        "student_system_prompt": short_prompt(prompt, schema, answers) if prompt else None,
        "output_schema": schema,
        "judge_rubric": DEFAULT_RUBRIC,
        "serving": serving_of(each.task),
        "approval": "required",
        "budget_usd": 50,
    }
    text = json.dumps(request, indent=2, sort_keys=True)
    if len(text) > MOST_REQUEST_BYTES:
        raise CliError(f"The rule of '{each.task.task}' is too long for a log request.", CHECK_FAILED)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / TASK_FILE
        if not path.exists():
            task = {key: value for key, value in known.items() if value is not None}
            path.write_text(json.dumps(task, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        beside = TaskFolder.checked(folder)
        beside.definition()
        submission = LogSubmission(beside=beside, request=LogRequest.from_document(request))
        check_key(submission.key)
        (folder / Path(submission.key).name).write_text(text + "\n", encoding="utf-8")
    except (InvalidTaskDefinition, InvalidUpload) as problem:
        raise CliError(f"{folder}: {problem}", CHECK_FAILED) from None
    return DistilFolder(submission=submission, calls=found, schema=schema, prompt=prompt)


def _system(record: dict[str, Any]) -> str | None:
    return str(record["system"][0]["text"]) if record.get("system") else None


def _checked(session: Session, made: DistilFolder) -> tuple[Validation, bool, dict[str, Any] | None]:
    """Check the calls as a run would and estimate it; the prompts are in a file only for as long as that takes."""
    beside = made.submission.beside
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder) / "logged.jsonl"
        lines = (json.dumps(call.record, ensure_ascii=False) for call in made.calls.calls)
        prompts.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
        checked = validate_files(
            (prompts,), beside.task_file, beside.holdout_file, SHOWN_PROBLEMS, settings=session.deployment.settings
        )
        if checked.refusal is not None:
            return checked, False, None
        task = beside.definition()
        submission = Submission(beside=beside, prompts=prompts, dataset=checked.dataset)
        run, environment = run_to_come(session, submission, task, offline=False)
    lengths = [call.answer.output_tokens for call in made.calls.calls if call.answer and call.answer.output_tokens]
    run = replace(run, answer_tokens=lengths)
    try:
        estimate = run.estimate()
    except PipelineError as problem:
        raise CliError(f"A run would stop before it pays. {problem}", CHECK_FAILED) from None
    if not session.as_json:
        print_estimate(session, run, estimate, environment)
    document = {"usd": estimate.usd, "low_usd": estimate.low_usd, "high_usd": estimate.high_usd}
    return checked, estimate.usd <= task.budget_usd, document


def _submit(session: Session, made: DistilFolder) -> str:
    deployment, submission = session.deployment, made.submission
    definition: TaskDefinition = submission.beside.definition()
    check_allowed(submission, deployment.settings.allowed_logs())
    check_deployed(deployment, definition)
    if deployment.simulator:
        tell_simulator(deployment.simulator, simulated_task(submission.beside.task, definition, None))
    bucket = deployment.output("data", "UploadsBucket")
    proof = signed_upload(deployment, bucket, submission.key)
    return upload_request(deployment.client("s3"), bucket, submission, proof).run_id


def _tell(
    session: Session,
    name: str,
    made: DistilFolder,
    checked: Validation,
    estimated: dict[str, Any] | None,
    run_id: str | None,
) -> None:
    submission = made.submission
    folder = submission.beside.task
    if session.as_json:
        document = {"task": folder, "request": submission.key, "calls": len(made.calls.calls), "run_id": run_id}
        session.show({**document, "refusal": checked.refusal, "estimate": estimated, "schema": made.schema})
        return
    screen = session.screen
    screen.say(
        f"Folder {folder}: task.json and {Path(submission.key).name} ({len(made.calls.calls):,} calls were read)"
    )
    screen.say(
        "The long prompt is the system text of the calls."
        if made.prompt
        else "The calls have no system text in common: each prompt says itself what to do."
    )
    screen.say(
        "The schema was proposed from the answers: look at it."
        if made.schema
        else "The answers have no one JSON shape: any text counts as valid."
    )
    for line in checked.to_lines():
        screen.say(line)
    if run_id is not None:
        screen.say(f"Run {run_id}")
        screen.say(f"Watch it: {session.command} watch {run_id}")
    elif checked.refusal is None:
        total = f" for about {usd(estimated['usd'])}" if estimated else ""
        screen.say(f"Start it{total}: {session.command} distil {shlex.quote(name)} --submit")
    if session.deployment.local:
        screen.say(SIMULATED)
