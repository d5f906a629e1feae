"""Delete what a run holds: its files, its upload, its entries in the registry."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from cli.errors import CHECK_FAILED, CliError
from cli.identity_proof import signed_proof
from cli.run_ids import READ_AT_ONCE, resolve, run_ids
from cli.session import Session, pass_session, run_argument, why_option, yes_option
from lambdas.domain.errors import ItemDamaged
from lambdas.gateways.registry.resources import RELEASED, ResourceBook
from lambdas.gateways.registry.runs import ENDED, QUEUED, RUNNING, Run
from lambdas.gateways.registry.tasks import TaskBook

if TYPE_CHECKING:
    from cli.deployment import Deployment

OBJECTS_A_CALL = 1_000
"""Most objects that DeleteObjects takes (S3 API reference)."""

MOST_COUNTED = 3_000
"""Other runs of a task that are counted: what one query reads."""


@click.command()
@run_argument
@click.option("--answers", is_flag=True, help="Also the task's paid answers: the next run pays for them again.")
@why_option
@yes_option
@pass_session
def forget(session: Session, run: str, answers: bool, why: str, yes: bool) -> None:
    """Delete a run's data: every version of its files, its upload, its registry entries.

    Refused while the run runs, serves, is what a rollback returns to, or has Bedrock resources left. Answers are
    shared by the task's runs and stay unless --answers is given, which is refused while another run of the task runs.
    Who forgets it, and why, stays in the task's history.
    """
    deployment = session.deployment
    found = _known(deployment, run)
    if found is None:
        _forget_damaged(session, run, yes=yes)
        return
    _check(deployment, found, answers=answers)
    policies = f"policies/{found.task}/{found.run_id}/"
    prefixes = [f"{found.files.root}/", policies, *([f"answers/{found.task}/"] if answers else [])]
    if answers and (others := other_runs(deployment, found)):
        number = f"{len(others)} or more" if len(others) >= MOST_COUNTED else str(len(others))
        session.aside.say(f"Note: {number} other runs of task {found.task} lose their paid answers too.")
    if not yes:
        click.confirm(f"Delete everything of run {found.run_id}? This cannot be undone.", abort=True, err=True)
    _claim(deployment, found, why, answers=answers)
    s3, runs_bucket = deployment.client("s3"), deployment.output("data", "RunsBucket")
    deleted = sum(_delete_versions(s3, runs_bucket, _versions(s3, runs_bucket, prefix)) for prefix in prefixes)
    upload = {"Key": found.key, "VersionId": found.version}
    deleted += _delete_versions(s3, found.bucket, iter([upload]))
    TaskBook(deployment.table).forget_choice(found.task, found.run_id)
    # The registry goes last: where a call before failed, the run is still there to be forgotten.
    entries = deployment.registry.forget(found.run_id)
    session.show(
        {"run_id": found.run_id, "objects": deleted, "entries": entries},
        f"Run {found.run_id} is forgotten: {deleted} object versions and {entries} registry entries deleted.",
    )


def _known(deployment: Deployment, wanted: str) -> Run | None:
    """Find the run; nothing where only half of its item is left."""
    try:
        return resolve(deployment.registry, wanted)
    except ItemDamaged:
        return None


def _forget_damaged(session: Session, run_id: str, *, yes: bool) -> None:
    """Delete what is left in the registry of a run that nobody can read: it names no task and no files any more."""
    if not yes:
        click.confirm(f"Only half of run {run_id} is in the registry. Delete that?", abort=True, err=True)
    entries = session.deployment.registry.forget(run_id)
    session.show(
        {"run_id": run_id, "objects": 0, "entries": entries},
        f"What the registry had of run {run_id} is deleted: {entries} entries.",
    )


def _claim(deployment: Deployment, run: Run, why: str, *, answers: bool) -> None:
    """Make sure that the run is still as it was when it was checked, and keep it so while it is deleted.

    A colleague may have retried it while a person was asked, and what it made then may serve the task.
    """
    registry = deployment.registry
    proof = signed_proof(deployment, "forget", run.run_id)
    order = {"forget": run.run_id, "attempt": run.attempt, "why": why, "proof": proof}
    deployment.invoke("ReconcileFunction", order)
    try:
        _check(deployment, registry.run(run.run_id), answers=answers)
    except CliError:
        registry.keep_after_all(run.run_id)
        raise


def _check(deployment: Deployment, run: Run, *, answers: bool) -> None:
    if run.state != ENDED:
        message = f"Run '{run.run_id}' is {run.state}. Wait until it has ended, or stop its execution first."
        raise CliError(message, CHECK_FAILED)
    if run.run_id in deployment.registry.slots():
        message = f"Run '{run.run_id}' has just ended and is being closed. Try again in a minute."
        raise CliError(message, CHECK_FAILED)
    if answers and (at_work := _at_work(deployment, run)):
        message = (
            f"Run '{at_work.run_id}' of task {run.task} is {at_work.state} and uses these answers. Wait until it "
            "has ended, or forget the run without --answers."
        )
        raise CliError(message, CHECK_FAILED)
    state = TaskBook(deployment.table).state(run.task)
    former = [(one, "is what a rollback may return to") for one in state.former]
    for champion, word in ((state.champion, "serves the task"), *former):
        if champion is not None and champion.run_id == run.run_id:
            raise CliError(
                f"Run '{run.run_id}' {word} {run.task}: its prompt and report are still needed.", CHECK_FAILED
            )
    left = [item for item in ResourceBook(deployment.table).of_run(run.run_id) if item.state != RELEASED]
    if left:
        names = ", ".join(f"{item.kind} {item.name}" for item in left)
        message = f"Run '{run.run_id}' still has {names}. 'python -m cli reap --delete' takes away what nobody uses."
        raise CliError(message, CHECK_FAILED)


def _at_work(deployment: Deployment, run: Run) -> Run | None:
    states = (QUEUED, RUNNING)
    found = (one for state in states for one in deployment.registry.in_state(state, at_once=READ_AT_ONCE))
    return next((one for one in found if one.task == run.task), None)


def other_runs(deployment: Deployment, run: Run) -> list[str]:
    """Name other runs of the task: their ids begin with it, as those of a task with a longer name do."""
    beginning = run.run_id.rpartition("-")[0]
    names = run_ids(deployment.registry, f"{beginning}-", MOST_COUNTED + 1)
    return [name for name in names if name != run.run_id and name.rpartition("-")[0] == beginning]


def _versions(s3: Any, bucket: str, prefix: str) -> Iterator[dict[str, str]]:  # noqa: ANN401 - client made at run time
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield {"Key": item["Key"], "VersionId": item["VersionId"]}


def _delete_versions(s3: Any, bucket: str, versions: Iterator[dict[str, str]]) -> int:  # noqa: ANN401 - as above
    deleted = 0
    while some := list(islice(versions, OBJECTS_A_CALL)):
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
        if answer.get("Errors"):
            first = answer["Errors"][0]
            message = (
                f"{first.get('Key')} could not be deleted ({first.get('Code')}): {first.get('Message')}. Try again."
            )
            raise CliError(message, CHECK_FAILED)
        deleted += len(some)
    return deleted
