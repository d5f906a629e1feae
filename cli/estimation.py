"""Say what a run would cost before anything is uploaded, by the code with which CheckRun decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from cli.environment_files import read_settings
from cli.errors import CHECK_FAILED, CliError, NotDeployedError, aws_problems_explained
from cli.fitting_table import TableColumn, print_table
from cli.money_card import print_forecast
from cli.session import Session, pass_session
from cli.submission import Submission, check_folder
from lambdas.domain.costs.budget import WayToFit, ways_to_fit
from lambdas.domain.costs.estimate import ChampionToCome, Estimate, EstimatedLine, RunToCome, estimate_document
from lambdas.domain.costs.forecast import forecast
from lambdas.domain.costs.holdout_plan import evaluation_usd, plan_of_run
from lambdas.domain.errors import InvalidSettings, PipelineError
from lambdas.domain.evaluation.judge_calibration import read_calibration
from lambdas.domain.identity import Upload
from lambdas.domain.report.figures import usd
from lambdas.domain.task.ceilings import check_ceilings
from lambdas.domain.task.model_choice import ModelChoice, is_listed_pair
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.training.label_modes import check_mode
from lambdas.gateways.registry.looks import Looks
from lambdas.gateways.registry.tasks import TaskBook
from lambdas.workflow.model_catalog import ModelCatalog
from lambdas.workflow.stage import utc_now

if TYPE_CHECKING:
    from lambdas.domain.dataset.builder import Dataset
    from lambdas.domain.evaluation.judge_calibration import CalibrationCase
    from lambdas.domain.task.settings import Settings

NOT_IN_IT = (
    "Not in it: serving after a promotion (below), a few cents of AWS around Bedrock, and answers that an earlier run "
    "has paid for, which cost nothing again."
)


@dataclass(frozen=True)
class EstimateBasis:
    """What an estimate knows of the environment, and what it had to assume."""

    settings: Settings
    models: ModelChoice
    champion: ChampionToCome | None
    notes: list[str]
    spread: float | None = None


@click.command()
@click.argument("task_dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The prompts.")
@click.option(
    "--offline", is_flag=True, help="Call nothing: settings from cdk.json, the first model of each of its lists."
)
@pass_session
def estimate(session: Session, *, task_dir: Path, file: Path | None, offline: bool) -> None:
    """Say what a run of a task's folder would cost, stage by stage, before anything is uploaded or paid.

    It is the same estimate by which the pipeline stops a run over its budget. Without a deployment or credentials it
    assumes the first model of each list of the settings, and says so. Exit code 1 when the budget is exceeded.
    """
    submission = check_folder(task_dir, file)
    run, environment = run_to_come(session, submission, submission.beside.definition(), offline=offline)
    try:
        check_ceilings(run.task, environment.settings)
        check_mode(run.task, run.models.training, from_logs=False)
        found = run.estimate()
        follows = forecast(run, found.usd)
    except PipelineError as problem:
        raise CliError(f"A run would stop before it pays. {problem}") from None
    fits = found.usd <= run.task.budget_usd
    ways = [] if fits else ways_to_fit(run, found, run.models.usable())
    if session.as_json:
        document = _document(submission, run, found, ways, environment)
        session.show({**document, "serving": follows.to_document() if follows else None})
    else:
        print_estimate(session, run, found, environment, ways)
        if follows:
            print_forecast(session.screen, follows)
    if not fits:
        raise click.exceptions.Exit(CHECK_FAILED)


def run_to_come(
    session: Session, submission: Submission, task: TaskDefinition, *, offline: bool
) -> tuple[RunToCome, EstimateBasis]:
    """Gather what decides the cost of a run of a folder, and what had to be assumed."""
    environment = _environment(session, submission, task, offline=offline)
    if environment.spread is not None:  # then the split is another one
        submission = submission.planned_with(environment.spread)
    calibration = submission.beside.calibration_file
    cases = read_calibration(calibration.read_bytes()) if calibration else ()
    return _to_come(submission.dataset, task, environment, cases), environment


def assumed_evaluation_usd(dataset: Dataset, task: TaskDefinition, settings: Settings) -> float | None:
    """Say what the evaluation of a holdout costs with the first model of each list, in US dollars.

    ``None`` where the settings do not say: a price is missing, say.
    """
    if not dataset.holdout:
        return None
    try:
        return evaluation_usd(_to_come(dataset, task, _assumed(settings, task, "validate"), ()).estimate())
    except PipelineError:
        return None


def _to_come(
    dataset: Dataset, task: TaskDefinition, environment: EstimateBasis, cases: Sequence[CalibrationCase]
) -> RunToCome:
    return RunToCome(
        train=dataset.train,
        holdout=dataset.holdout,
        task=task,
        models=environment.models,
        prices=environment.settings.price_book().at_extended_access(environment.models.extended_access),
        champion=environment.champion,
        own_holdout=dataset.own_holdout,
        spread=environment.spread,
        cases=cases,
        factors=environment.settings.derived_factors,
    )


def _environment(session: Session, submission: Submission, task: TaskDefinition, *, offline: bool) -> EstimateBasis:
    """Ask the deployment and the account; what they cannot say is assumed, and the reason is noted."""
    if offline:
        return _assumed(_settings(session), task, "--offline")
    try:
        with aws_problems_explained():
            deployment = session.deployment
            notes: list[str] = []
            champion: ChampionToCome | None = None
            spread: float | None = None
            try:
                settings = deployment.settings
                name = Upload("-", submission.key, "-").task
                serving = TaskBook(deployment.table).state(name).champion
                spread = Looks(deployment.table).spread(name)
                # Its own prompt lies with its run; the task's is as long, give or take a word.
                champion = ChampionToCome(serving.model_arn, task) if serving else None
            except NotDeployedError as missing:
                settings = _settings(session)
                notes.append(f"{missing.said} The settings are those of the file that would be deployed.")
            catalog = ModelCatalog(deployment.client("bedrock"), deployment.client("service-quotas"))
            models = catalog.choose(settings, task.training, utc_now())
            return EstimateBasis(settings, models, champion, notes, spread)
    except PipelineError as problem:
        raise CliError(f"A run would stop before it pays. {problem}") from None
    except CliError as problem:
        return _assumed(_settings(session), task, str(problem.message))


def _assumed(settings: Settings, task: TaskDefinition, why: str) -> EstimateBasis:
    lists = settings.model_preferences()
    considered = [
        {"role": role, "model": model, "usable": True, "reason": "assumed"}
        for role, models in lists.items()
        for model in models
    ]
    models = ModelChoice(
        teacher=lists["teacher"][0],
        judge=lists["judge"][0],
        baseline=lists["baseline"][0],
        student=settings.student_model,
        student_customization=settings.student_customization_model,
        training=_assumed_training(settings, task),
        considered=considered,
    )
    note = (
        f"No account was asked ({why.rstrip('.')}): the first model of each list of the settings is assumed, whether "
        f"it is still offered or not, and {models.training.replace('_', '-')}."
    )
    return EstimateBasis(settings, models, champion=None, notes=[note])


def _assumed_training(settings: Settings, task: TaskDefinition) -> str:
    """Take the way that CheckRun would: of a teacher without a listed pair a student learns by fine-tuning."""
    listed = is_listed_pair(settings.teacher_models[0], settings.student_customization_model)
    if task.training == "fine_tuning" or (task.training == "auto" and not listed):
        return "fine_tuning"
    return "distillation"


def _settings(session: Session) -> Settings:
    try:
        return read_settings(session.environment, local=session.local)
    except InvalidSettings as problem:
        raise CliError(f"There is nothing to estimate with: {problem}") from None


def _document(
    submission: Submission, run: RunToCome, found: Estimate, ways: list[WayToFit], environment: EstimateBasis
) -> dict[str, Any]:
    budget = run.task.budget_usd
    roles = ("teacher", "student", "baseline", "judge", "training")
    return {
        "task": Upload("-", submission.key, "-").task,
        "train": len(run.train),
        "holdout": len(run.holdout),
        "models": {role: getattr(run.models, role) for role in roles},
        **estimate_document(found),
        "budget_usd": budget,
        "fits": found.usd <= budget,
        "ways": [{"change": way.change, "usd": way.usd, "fits": way.fits(budget)} for way in ways],
        "notes": environment.notes,
        "holdout_plan": plan_of_run(run, found),
        "simulated": environment.settings.simulated,
    }


def print_estimate(
    session: Session,
    run: RunToCome,
    found: Estimate,
    environment: EstimateBasis,
    ways: Sequence[WayToFit] | None = None,
) -> None:
    """Print an estimate line by line, and what must be known of it.

    Parameters
    ----------
    session : Session
    run : RunToCome
    found : Estimate
    environment : EstimateBasis
    ways : sequence of WayToFit, optional
        How it would fit its budget; without them they are looked for where it does not.
    """
    if ways is None:
        fits = found.usd <= run.task.budget_usd
        ways = [] if fits else ways_to_fit(run, found, run.models.usable())
    screen = session.screen
    print_table(screen, _COLUMNS, [_cells(line, run.models) for line in found.lines], total=_total(found))
    for line in _lines(run, found, ways, environment):
        screen.say(line)


_COLUMNS = (
    TableColumn("Stage"),
    TableColumn("What", rank=1),
    TableColumn("Model", rank=5),
    TableColumn("Calls", rank=4, right=True),
    TableColumn("Low", rank=3, right=True),
    TableColumn("Expected", right=True),
    TableColumn("High", rank=2, right=True),
)


def _cells(line: EstimatedLine, models: ModelChoice) -> tuple[str, ...]:
    asked = {f"custom:{models.student}": "student", models.student: "undistilled student", models.baseline: "baseline"}
    what = line.what
    if what == "answers to the holdout with the long prompt":
        what = "holdout answers, prompted base"
    if what == "answers to the holdout" and line.model in asked:
        what = f"holdout answers, {asked[line.model]}"  # the column with the model may be left out
    calls = f"{line.usage['calls']:,.0f}" if "calls" in line.usage else ""
    return line.stage, what, line.model, calls, usd(line.low_usd), usd(line.usd), usd(line.high_usd)


def _total(found: Estimate) -> tuple[Text, ...]:
    cells = ("Total", "", "", "", usd(found.low_usd), usd(found.usd), usd(found.high_usd))
    return tuple(Text(cell, style="bold") for cell in cells)


def _lines(run: RunToCome, found: Estimate, ways: Sequence[WayToFit], environment: EstimateBasis) -> Iterator[str]:
    size, budget = found.answer, run.task.budget_usd
    yield f"{len(run.train):,} training and {len(run.holdout):,} holdout records, {run.models.training}."
    yield f"Method: {found.method}."
    yield (
        f"Answers: {size.expected:.0f} tokens each ({size.low:.0f} to {size.high:.0f}), by {size.source}. "
        "Low and high take every count at its lowest or highest at once."
    )
    yield f"{plan_of_run(run, found)['text']}."
    yield NOT_IN_IT
    yield from (f"Note: {note}" for note in environment.notes)
    if environment.settings.simulated:
        yield "Simulated: the embedded AWS bills nothing; prices that its settings invent are in these figures."
    if not ways:
        yield f"It fits the budget of {usd(budget)} ('budget_usd')."
        return
    yield f"It does not fit the budget of {usd(budget)} ('budget_usd'): a run would stop before it pays. You can:"
    for way in ways:
        enough = "" if way.fits(budget) else ", which is not enough" if way.together else ", which alone is not enough"
        yield f"  - {way.change}" + (f": {usd(way.usd)}{enough}" if way.saves else "")
