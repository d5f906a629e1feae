"""Choose models, check quotas and budget, and write the plan of the attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.costs.budget import check_budget
from lambdas.domain.costs.estimate import ChampionToCome, Estimate, RunToCome, estimate_document
from lambdas.domain.costs.holdout_plan import plan_of_run
from lambdas.domain.costs.ledger import total_usd
from lambdas.domain.costs.model_quotas import ModelQuota, needs
from lambdas.domain.costs.plan import Plan
from lambdas.domain.dataset.records import WHOLE_RANGE, Record, from_json_lines
from lambdas.domain.errors import InvalidTaskDefinition, QuotaTooLow
from lambdas.domain.evaluation.judge import judge_question
from lambdas.domain.evaluation.judge_calibration import read_calibration
from lambdas.domain.evaluation.latency_sample import identity_for_timing
from lambdas.domain.questions.answers import Answer, Question
from lambdas.domain.questions.prompts import student_question, teacher_question
from lambdas.domain.serving.break_even import throughput_usage
from lambdas.domain.task.ceilings import check_ceilings
from lambdas.domain.task.model_unit_quotas import how_to_ask
from lambdas.domain.task.sample_bounds import sample_bounds
from lambdas.domain.training.label_modes import check_logged, check_mode
from lambdas.gateways.answering.answer_store import AnswerStore
from lambdas.gateways.aws import clients
from lambdas.states.check_run.questions import Refusals, ask_chosen, check_teacher
from lambdas.workflow.late_files import check_late_files
from lambdas.workflow.logs import known_from_logs
from lambdas.workflow.model_catalog import ModelCatalog
from lambdas.workflow.serving.pinned_champion import serving_task
from lambdas.workflow.serving.pointer import MAX_BYTES, longest_pointer

if TYPE_CHECKING:
    from lambdas.domain.task.model_choice import ModelChoice
    from lambdas.domain.task.settings import Settings
    from lambdas.domain.task.task_definition import TaskDefinition
    from lambdas.workflow.stage import Result, Stage

Answers = dict[str, Answer]
"""By content key."""


def execute(stage: Stage) -> Result:
    """Check a run before anything is paid but one question to each chosen model.

    Raises
    ------
    CeilingExceeded, InvalidUpload, ModelUnavailable, QuotaTooLow, PriceMissing, BudgetExceeded, MonthlyLimitExceeded,
    InvalidTaskDefinition, DatasetRefused
        Nothing was paid, or no more than those questions.
    TeacherDataRefused
        None of the teacher's first answers can be learnt from.
    RetryLater
        A model is throttled, or its quota of the day is used up.
    """
    stage.progress()
    check_late_files(stage)
    settings, task = stage.pipeline.environment.settings, stage.task
    check_ceilings(task, settings)
    catalog = ModelCatalog(clients.bedrock(), clients.service_quotas())
    _check_pointer(stage)
    _check_serving(catalog, settings, task, stage)
    quotas = catalog.model_quotas(settings)
    refused: Refusals = {
        (role, model): never
        for role, models in {**settings.model_preferences(), "student": [settings.student_model]}.items()
        for model in models
        if (never := quotas[model].never)
    }
    asked: set[tuple[str, str]] = set()
    while True:
        models = catalog.choose(settings, task.training, stage.pipeline.now(), refused)
        check_mode(task, models.training, from_logs=stage.run.upload.from_logs)
        to_come = _run_to_come(stage, models)
        estimate = to_come.estimate()
        hour = to_come.prices.find(settings.student_model, throughput_usage(task.serving.commitment))
        plan = Plan.of(models, estimate_document(estimate), task.budget_usd, hour.usd if hour else None)
        stage.write_plan(replace(plan, holdout=plan_of_run(to_come, estimate)))
        stage.pipeline.registry.record_facts(stage.run.run_id, budget_usd=task.budget_usd)
        check_budget(to_come, estimate, models.usable())
        _check_quotas(estimate, quotas, settings.quota_wait_hours)
        _reserve(stage, estimate)
        found = ask_chosen(stage, models, to_come.holdout, asked)
        if not found:
            break
        refused |= found  # the next of each list is chosen, priced and asked
    check_teacher(stage, models, to_come.holdout, [] if task.teacher_data.mode == "logged" else to_come.train)
    stage.progress(estimate_usd=round(estimate.usd, 2), holdout_plan=plan_of_run(to_come, estimate)["text"])
    return {
        "teacher": models.teacher,
        "student": models.student,
        "baseline": models.baseline,
        "judge": models.judge,
        "training": models.training,
        "estimate_usd": round(estimate.usd, 4),
        "approval": task.approval,
    }


def _reserve(stage: Stage, estimate: Estimate) -> None:
    """Count what the run may come to against the month of the environment, with what its attempts have cost already."""
    spent = total_usd(stage.pipeline.registry.ledger(stage.run.run_id))
    limit = stage.pipeline.environment.settings.max_monthly_usd
    stage.pipeline.monthly.reserve(
        stage.run.run_id, stage.attempt, spent + estimate.high_usd, limit, stage.pipeline.now()
    )


def _check_serving(catalog: ModelCatalog, settings: Settings, task: TaskDefinition, stage: Stage) -> None:
    """Stop before anything is paid where the promotion at the end could only fail."""
    if task.serving.mode != "provisioned_throughput":
        return
    usage = throughput_usage(task.serving.commitment)
    if task.approval == "automatic":
        stage.pipeline.prices.line(settings.student_model, usage)
    champion = stage.pipeline.tasks.state(stage.run.task).champion
    if champion is None and task.serving.commitment == "none":
        allowed = catalog.no_commitment_units()
        if allowed is not None and allowed < task.serving.model_units:
            message = (
                f"the account may have {allowed:g} model units without commitment across custom models, the task wants "
                f"{task.serving.model_units}. Nothing was paid. "
                f"{how_to_ask(task.serving.model_units, task.serving.commitment, settings.region)}. "
                "Or set 'serving.mode' to \"on_demand\" in task.json and upload again"
            )
            raise QuotaTooLow(message)


def _check_quotas(estimate: Estimate, quotas: Mapping[str, ModelQuota], wait_hours: float) -> None:
    """Stop before anything is paid where a model's quotas of the day or the minute let the run not get through."""
    found = [(need, quotas[need.model]) for need in needs(estimate.lines, quotas) if need.model in quotas]
    problems = [said for need, quota in found if (said := need.problem(quota, wait_hours))]
    if problems:
        message = (
            f"{'; '.join(problems)}. Nothing was paid. Ask for more in Service Quotas (Amazon Bedrock), or AWS Support "
            "where a quota is not adjustable; or upload fewer prompts, or raise 'quota_wait_hours' in the settings"
        )
        raise QuotaTooLow(message)


def _check_pointer(stage: Stage) -> None:
    size = longest_pointer(stage.task, stage.run.run_id)
    if size > MAX_BYTES:
        message = (
            f"task.json: 'student_system_prompt' and 'output_schema' make the champion's pointer {size:,} bytes long; "
            f"callers read them from an SSM parameter, which takes {MAX_BYTES:,}. Each '{{{{' counts 5 more, which SSM "
            "does not take as it is. Shorten them and upload again: students take short prompts"
        )
        raise InvalidTaskDefinition(message)


def _run_to_come(stage: Stage, models: ModelChoice) -> RunToCome:
    files, runs = stage.run.files, stage.pipeline.runs
    calibration = runs.find(files.dataset("calibration.jsonl"))
    train = from_json_lines(runs.read(files.dataset("train.jsonl")))
    holdout = from_json_lines(runs.read(files.dataset("holdout.jsonl")))
    logged = known_from_logs(stage, models.teacher, train)
    if stage.task.teacher_data.mode == "logged":
        least = sample_bounds(models.student_customization, models.training).least
        check_logged(len(logged), len(train), models.teacher, stage.task, least)
        train = [record for record in train if record.id in logged]
    champion = _champion(stage)
    answers, verdicts, others = _paid(stage, models, champion, holdout[0])
    summary = runs.read_json(files.dataset("dataset.json"))
    planned = summary.get("planned_holdout", {})  # an earlier version planned nothing
    free = [*answers.values(), *(item.answer for item in logged.values())]
    return RunToCome(
        train=train,
        holdout=holdout,
        task=stage.task,
        models=models,
        prices=stage.pipeline.prices.at_extended_access(models.extended_access),
        champion=champion,
        own_holdout=bool(summary["own_holdout"]),
        spread=planned.get("spread") if planned.get("measured_spread") else None,
        cases=() if calibration is None else read_calibration(calibration),
        paid={answer.key: answer.text for answer in [*free, *verdicts.values(), *others.values()]},
        answer_tokens=[answer.output_tokens for answer in free],
        verdict_tokens=[verdict.output_tokens for verdict in verdicts.values()],
        factors=stage.pipeline.environment.settings.derived_factors,
    )


def _champion(stage: Stage) -> ChampionToCome | None:
    """Give the champion that the evaluation will measure; one whose prompt is lost is left out of it."""
    champion = stage.pipeline.tasks.state(stage.run.task).champion
    task = serving_task(stage, champion) if champion else None
    return ChampionToCome(champion.model_arn, task) if champion and task else None


def _paid(
    stage: Stage, models: ModelChoice, champion: ChampionToCome | None, sample: Record
) -> tuple[Answers, Answers, Answers]:
    """Find what the task's runs have paid for: the teacher's answers, the judge's verdicts, and the others' answers."""
    store, task = AnswerStore(stage.pipeline.runs, stage.run.task), stage.task

    def found(question: Question, model: str) -> Answers:
        return store.load(question.pool(model), WHOLE_RANGE)

    long, short = teacher_question(sample, task), student_question(sample, task)
    others = {**found(long, models.baseline), **found(short, models.student)}
    others |= found(long, identity_for_timing(models.teacher))
    if champion:
        others |= found(student_question(sample, champion.task), champion.model_arn)
    return found(long, models.teacher), found(judge_question(sample, "", "", task.judge_rubric), models.judge), others
