"""What a task may ask for: held against a folder before it is uploaded, and against what runs and serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cli.clean_console import console
from cli.errors import CHECK_FAILED, CliError
from lambdas.domain.errors import CeilingExceeded, InvalidTaskDefinition
from lambdas.domain.run_files import RunFiles
from lambdas.domain.task.ceilings import beyond, check_ceilings
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.gateways.aws.service_errors import AWS_ERRORS, in_words
from lambdas.gateways.registry.runs import RUNNING
from lambdas.gateways.registry.tasks import TaskBook

if TYPE_CHECKING:
    from cli.deployment import Deployment
    from lambdas.domain.task.settings import Settings
    from lambdas.gateways.registry.champions import Champion


def check_deployed(deployment: Deployment, task: TaskDefinition) -> None:
    """Refuse to upload a task that asks for more than the deployed settings allow; the run would stop unpaid.

    Whoever may upload need not be able to read the settings: then the run itself says it.

    Raises
    ------
    CliError
        With both values.
    """
    try:
        settings = deployment.settings
    except AWS_ERRORS as problem:
        console(stderr=True).say(
            f"Note: what the environment allows could not be read ({in_words(problem)}); the run checks it."
        )
        return
    try:
        check_ceilings(task, settings)
    except CeilingExceeded as problem:
        raise CliError(f"Nothing was uploaded. {problem}", CHECK_FAILED) from None


def champion_beyond(deployment: Deployment, settings: Settings, task: str, champion: Champion) -> list[str]:
    """Say in what a champion that serves is beyond the environment's settings: it was promoted under others.

    It goes on serving; the next student of its task is held against the settings.
    """
    said = []
    asked = champion.limits or _asked(deployment, RunFiles(task, champion.run_id))
    if asked is not None:
        said = [f"beyond the settings of today: {one}" for one in beyond(asked, settings)]
    if champion.base_model != settings.student_customization_model:
        said.append(
            f"its base model {champion.base_model} is not the one of the settings, "
            f"{settings.student_customization_model} ('student_customization_model')"
        )
    return said


def all_beyond(deployment: Deployment, settings: Settings) -> Iterator[str]:
    """Say the same of every champion, and of every run that is in progress."""
    book = TaskBook(deployment.table)
    for task in sorted(book.all_tasks()):
        champion = book.state(task).champion
        for said in champion_beyond(deployment, settings, task, champion) if champion else ():
            yield f"the champion of {task}: {said}"
    for run in deployment.registry.in_state(RUNNING):
        asked = _asked(deployment, run.files)
        for one in beyond(asked, settings) if asked else ():
            yield f"run {run.run_id}, in progress: {one}"


def _asked(deployment: Deployment, files: RunFiles) -> dict[str, Any] | None:
    """Read what a run asks for; ``None`` where it is not known yet, or not any more."""
    text = deployment.runs.find(files.task_definition)
    try:
        return None if text is None else asdict(TaskDefinition.from_text(text))
    except InvalidTaskDefinition:
        return None
