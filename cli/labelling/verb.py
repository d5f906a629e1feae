"""The verb ``label``: which records, where they are scored, and when the scores are sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.errors import CHECK_FAILED, CliError
from cli.identity_proof import signed_proof
from cli.labelling.page import write_page
from cli.labelling.questions import questions
from cli.labelling.scores import FOLDER, Scores, read_export
from cli.run_ids import resolve
from cli.screen import SIMULATED
from cli.session import pass_session, run_argument, yes_option
from lambdas.domain.evaluation.judge import HIGHEST, LOWEST
from lambdas.domain.evaluation.labelled import FEWEST_LABELS
from lambdas.domain.evaluation.labels import MOST_AT_ONCE, AnswerPair, Label, labels_subject
from lambdas.domain.evaluation.pairs import ANSWER_SCALE
from lambdas.domain.task.task_definition import DEFAULT_RUBRIC, TaskDefinition
from lambdas.gateways.registry.runs import ENDED, Run
from lambdas.workflow.answer_labels import order_of_run

if TYPE_CHECKING:
    from cli.session import Session

DEFAULT_RECORDS = 50
_LEAVE = "q"
_PAGE_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)
_EXPORT_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
_RECORDS = click.IntRange(1, MOST_AT_ONCE)


@dataclass(frozen=True)
class _Work:
    """The records to score in one call, the first of which is number ``start`` in the order of the run."""

    run: Run
    task: TaskDefinition
    pairs: list[AnswerPair]
    scores: Scores
    start: int


@click.command()
@run_argument
@click.option("--records", default=DEFAULT_RECORDS, show_default=True, type=_RECORDS, help="How many to score.")
@click.option("--after", type=click.IntRange(min=0), help="Your labels that the run has.  [default: sent from here]")
@click.option("--page", type=_PAGE_FILE, help="Write a page to score on instead of asking here.")
@click.option("--import", "imported", type=_EXPORT_FILE, help="Send what a page has exported.")
@yes_option
@pass_session
def label(
    session: Session, *, run: str, records: int, after: int | None, page: Path | None, imported: Path | None, yes: bool
) -> None:
    """Score answers of student and reference model, blinded, so that the verdict rests on people too.

    The records are a random sample, in an order of the run's own. What you score stays on this machine until all are
    scored; then it is sent, and the gate decides anew: the report that waits for approval is replaced. Each sending is
    another look at the same records, so score as many as you will before you send.
    """
    if page is not None and imported is not None:
        raise click.UsageError("--page and --import exclude each other.")
    found = resolve(session.deployment.registry, run)
    _check_open(session, found)
    work = _work(session, found, records, after)
    if page is not None:
        asked = questions(session.deployment.runs, found.files, work.pairs)
        write_page(page, found.run_id, asked, work.task.teacher_system_prompt or "", _rubric(work.task))
        session.show(
            {"run_id": found.run_id, "page": str(page), "records": len(asked)},
            f"{page} has {len(asked)} records. It shows prompts and answers: treat it like the uploads.",
            f"Open it, score, export, then: {session.command} label {found.run_id} --import FILE",
        )
        return
    if imported is not None:
        read_export(imported, work.scores)
        work.scores.write()
    else:
        _score(session, work)
    labels = work.scores.labels(work.pairs)
    _check_enough(labels, work, imported)
    if not yes and len(labels) < len(work.pairs):
        click.confirm(f"{len(labels)} of {len(work.pairs)} are scored. Send these now?", abort=True, err=True)
    _send(session, work, labels)


def _check_open(session: Session, run: Run) -> None:
    """Refuse before anybody has worked for nothing; the Lambda checks again.

    Raises
    ------
    CliError
        When labels of the run count no more, or not yet.
    """
    if run.state == ENDED:
        if not run.may_be_retried(str(run.outcome)):
            message = f"Run '{run.run_id}' has ended as {run.outcome}, so that no label changes it."
            raise CliError(f"{message} Upload its prompts again and label that run.", CHECK_FAILED)
    elif run.progress.get("stage") != "RequestApproval":
        at = run.progress.get("stage", run.state)
        message = f"Run '{run.run_id}' is at {at}; labels count while it waits for approval."
        raise CliError(f"{message} Watch it: {session.command} watch {run.run_id}", CHECK_FAILED)


def _work(session: Session, run: Run, records: int, after: int | None) -> _Work:
    runs = session.deployment.runs
    task = TaskDefinition.from_text(runs.read(run.files.task_definition))
    order = list(order_of_run(runs, run.files, run.attempt, task.gate.reference).values())
    scores = Scores.read(run.run_id)
    start = scores.sent if after is None else after
    pairs = order[start : start + records]
    if not pairs:
        why = "no record has two different answers"
        if order:
            why = f"all {len(order)} records with two different answers are labelled"
        raise CliError(f"There is nothing to score in run '{run.run_id}': {why}.", CHECK_FAILED)
    return _Work(run, task, pairs, scores, start)


def _rubric(task: TaskDefinition) -> str:
    """Say what the scores mean: as to the judge of pairs, and with the task's own rubric where it has one."""
    own = "" if task.judge_rubric == DEFAULT_RUBRIC else f"\n\nThe rubric of the task:\n{task.judge_rubric}"
    return f"{ANSWER_SCALE}{own}"


def _score(session: Session, work: _Work) -> None:
    """Ask about each record that was not scored yet; what is scored stays."""
    screen, pairs = session.aside, work.pairs
    left = [pair for pair in pairs if not work.scores.has(pair)]
    if not left:
        return
    if work.task.teacher_system_prompt:
        screen.say("What both were told:", style="bold")
        screen.say(work.task.teacher_system_prompt)
    screen.say("How to score:", style="bold")
    screen.say(_rubric(work.task))
    screen.say(f"{len(left)} of {len(pairs)} records to score; '{_LEAVE}' leaves, and the same call goes on.")
    for asked in questions(session.deployment.runs, work.run.files, left):
        screen.say(f"Record {pairs.index(asked.pair) + 1} of {len(pairs)}", style="bold")
        for who, text in asked.turns:
            screen.say(f"{who}: {text}")
        for name, text in zip(("First answer", "Second answer"), asked.answers, strict=True):
            screen.say(f"{name}:", style="bold")
            screen.say(text)
        first = _ask("First answer")
        second = None if first is None else _ask("Second answer")
        if first is None or second is None:
            return
        work.scores.add(asked.pair, first, second)


def _ask(what: str) -> int | None:
    """Ask for a score; ``None`` where the person leaves."""
    allowed = [*map(str, range(LOWEST, HIGHEST + 1)), _LEAVE]
    said = click.prompt(f"{what}, {LOWEST} to {HIGHEST}", type=click.Choice(allowed), show_choices=False, err=True)
    return None if said == _LEAVE else int(said)


def _check_enough(labels: Sequence[Label], work: _Work, imported: Path | None) -> None:
    """Refuse to send what corrects nothing.

    Raises
    ------
    CliError
        With how many are there, and what to do.
    """
    fewest = min(FEWEST_LABELS, len(work.pairs)) if work.scores.sent == 0 else 1
    if len(labels) >= fewest:
        return
    where = f"{imported} has" if imported else f"{FOLDER / work.run.run_id}.json has"
    message = (
        f"{where} {len(labels)} of the first {len(work.pairs)} records; fewer than {fewest} correct nothing. What is "
        f"scored stays: call again to go on. Nothing was sent."
    )
    raise CliError(message, CHECK_FAILED)


def _send(session: Session, work: _Work, labels: Sequence[Label]) -> None:
    run_id = work.run.run_id
    payload = {
        "run_id": run_id,
        "labels": [one.to_document() for one in labels],
        "proof": signed_proof(session.deployment, "label", labels_subject(run_id, labels)),
    }
    kept = session.deployment.invoke("RecordLabelsFunction", payload)
    work.scores.sent = work.start + len(labels)
    work.scores.write()
    anew = kept.get("next") == "decides_anew"
    session.show(
        kept,
        f"{kept.get('labels')} labels of run {run_id} are kept.",
        f"The gate decides anew, and the report is replaced: {session.command} watch {run_id}"
        if anew
        else f"They count at the next try, which pays for no answer again: {session.command} retry {run_id}",
        *([SIMULATED] if session.deployment.local else []),
    )
