"""Start the customization job, or adopt the one that trains on the same content, and look after it until it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from lambdas.domain.bedrock_names import content_name
from lambdas.domain.errors import DistillationFailed, QuotaTooLow, RetryLater
from lambdas.domain.identity import digest
from lambdas.domain.task.task_definition import ANSWER_TOKENS
from lambdas.gateways.aws.bedrock import JOB_ENDED, Found, JobRefused
from lambdas.gateways.registry.resources import CUSTOM_MODEL, CUSTOMIZATION_JOB
from lambdas.states.launch_distillation.job_output import keep_output, loss_of_records, read_output, refuse_student
from lambdas.states.launch_distillation.job_request import job_request, trains_on_logs
from lambdas.states.launch_distillation.second_try import (
    TRIES,
    failed_tries,
    forget_failure,
    judge_failure,
    pass_over,
    stop_when_stalled,
)
from lambdas.workflow.stage import Result, Stage, seconds_between, waits_for_quota
from lambdas.workflow.training.customization_job import job_phases, model_may_come, record_job
from lambdas.workflow.training.job_costs import record_costs
from lambdas.workflow.training.training_method import explain_error, models_now, take_the_other_way

if TYPE_CHECKING:
    from lambdas.domain.task.model_choice import ModelChoice

LEFT_FOR_TRAINING = 0.5
"""Share of the deadline that a job must have before it: one that began later would be stopped half-way, and paid."""

LONGEST_TRIES = 9
"""Names for one content: a job name is never freed, so a job that failed or was stopped needs the next one."""


def execute(stage: Stage) -> Result:
    """Bring the customization job one step further.

    Returns
    -------
    dict
        ``status`` IN_PROGRESS or COMPLETED, the job's ``phase`` and ``job_name``, and what it ``waits_for`` where it
        may not be created yet.

    Raises
    ------
    DistillationFailed
        The job of this attempt failed or stalled and a second one would not help or did not; Bedrock refused the
        request; or the job took fewer records than were sent.
    QuotaTooLow
        Jobs of others held the quota for half of the deadline.
    """
    models = models_now(stage)
    content = _content(stage, models)
    resources = stage.pipeline.resources.of_run(stage.run.run_id)
    ours = {resource.name: resource.attempt for resource in resources if resource.kind == CUSTOMIZATION_JOB}
    lossy: list[str] = []
    useless: list[str] = []
    for suffix in ["", *map(str, range(2, LONGEST_TRIES + 1))]:
        name = content_name(stage.pipeline.environment.name, stage.run.task, content, suffix)
        job = stage.pipeline.bedrock.find_job(name)
        if job is None:
            return _launch(stage, models, name)
        launched_in = ours.get(name) if stage.started(job.arn) else None
        result = _look_after(stage, models, job, launched_in=launched_in, lossy=lossy)
        if result is not None:
            if result["status"] == "COMPLETED":
                _stop_others(stage, [other for other in ours if other != name])
            return result
        if launched_in is not None and job.status == "Completed":
            useless.append(name)
            _check_tries(useless)
    message = (
        f"{LONGEST_TRIES} jobs for the same training file failed or were stopped, and no name is left for another. "
        "Mend what their failure messages in Bedrock name, change the prompts and upload them again: another training "
        "file has names of its own"
    )
    raise DistillationFailed(message)


def _content(stage: Stage, models: ModelChoice) -> str:
    facts = stage.teacher_data()
    teacher = models.teacher if models.training == "distillation" else None
    # The same pairs as a training file make another student: Bedrock asks its teacher again.
    from_logs = ["invocation logs"] if trains_on_logs(stage, models) else []
    # And so does another token limit, where Bedrock asks; the default has no part in names, as before it was a field.
    tokens = stage.task.max_answer_tokens
    limit = [tokens] if teacher and tokens != ANSWER_TOKENS else []
    return digest(
        facts["training_sha256"], teacher, models.student_customization, models.training, *from_logs, *limit, length=16
    )


def _launch(stage: Stage, models: ModelChoice, name: str) -> Result:
    """Write job and model down, then create: a crash in between leaves a trace, a repetition adopts."""
    job, model = (stage.resource(kind, name) for kind in (CUSTOMIZATION_JOB, CUSTOM_MODEL))
    stage.pipeline.resources.plan(model)
    stage.pipeline.resources.plan(job)
    try:
        arn = stage.pipeline.bedrock.create_job(job_request(stage, models, name))
    except JobRefused as refusal:
        stage.pipeline.resources.released(job, stage.now())  # a refused request makes nothing, now or later
        take_the_other_way(stage, models, str(refusal))
        return {"status": "IN_PROGRESS", "phase": "refused", "job_name": name}
    except QuotaTooLow as full:
        # Jobs of others hold the quota, and what was paid for this one is kept: the next polls ask again.
        stage.pipeline.resources.released(job, stage.now())
        return _wait_for_room(stage, full, name)
    except RetryLater as passing:
        raise RetryLater(explain_error(models, str(passing))) from passing
    stage.pipeline.resources.created(job, arn)
    if not stage.started(arn):
        # Another run on the same content was faster: this one waits for its job, but must neither stop nor pay it.
        stage.pipeline.resources.released(job, stage.now())
    stage.progress(job_name=name, phase="submitted")
    return {"status": "IN_PROGRESS", "phase": "submitted", "job_name": name}


def _look_after(
    stage: Stage, models: ModelChoice, job: Found, *, launched_in: int | None, lossy: list[str]
) -> Result | None:
    """Judge a job's state; ``None`` when it is of no use and the next name must be tried.

    ``launched_in`` is the attempt of this run that launched it. Another run's job (``None``) and its model are waited
    for, but neither stopped nor paid here, and its failure only means the next name. ``lossy`` collects the jobs that
    lost too many records: the first of an earlier attempt or another run is passed over, a second one is the run's
    failure.
    """
    mine = launched_in == stage.attempt
    if job.status not in JOB_ENDED:
        if launched_in is not None and not mine:
            stage.pipeline.resources.plan(stage.resource(CUSTOMIZATION_JOB, job.name, arn=job.arn))
        record_job(stage, job, ours=launched_in is not None)
        return _under_way(stage, job, stopped=launched_in is not None and stop_when_stalled(stage, job))
    if job.status == "Completed":
        return _take_model(stage, models, job, launched_in=launched_in, lossy=lossy)
    if mine:
        judge_failure(stage, models, job)
    return None


def _take_model(
    stage: Stage, models: ModelChoice, job: Found, *, launched_in: int | None, lossy: list[str]
) -> Result | None:
    """Take the student of a completed job, or wait for it; parameters and result as of :func:`_look_after`."""
    mine, ours = launched_in == stage.attempt, launched_in is not None
    if ours:
        record_costs(stage, models, job)
    model = stage.pipeline.bedrock.find_model(job.name)
    if model.status == "Creating" if model else model_may_come(stage, job):
        record_job(stage, job, ours=ours)
        stage.progress(job_name=job.name, phase="model")
        return {"status": "IN_PROGRESS", "phase": "model", "job_name": job.name}
    is_active = model is not None and model.status == "Active"
    if mine and not is_active:
        record_job(stage, job, ours=True)
        _refuse_without_model(job, model)
    document = read_output(stage, job)
    loss = loss_of_records(stage, document)
    if model is not None and is_active and (mine or loss is None):
        keep_output(stage, document)
        _completed(stage, models, job, model.arn, ours=ours)
        if loss is not None:
            refuse_student(loss, earlier=lossy)
        stage.progress(job_name=job.name, phase="completed")
        return {"status": "COMPLETED", "phase": "completed", "job_name": job.name}
    if loss is not None:
        _pass_over(stage, job, loss, lossy=lossy)
    return None  # no student to adopt: it lost too many records, or its model has been deleted since


def _refuse_without_model(job: Found, model: Found | None) -> NoReturn:
    """Fail where the model of a job of this attempt did not come: another training is for a person to order.

    Raises
    ------
    DistillationFailed
        Always.
    """
    state = f"is {model.status}: {model.failure or 'Bedrock gives no reason'}" if model else "is not there"
    message = f"job {job.name} is Completed and paid, but its model of the same name {state}. Look for it in Bedrock"
    raise DistillationFailed(f"{message}: a retry takes it where it is Active, and else trains anew")


def _stop_others(stage: Stage, names: list[str]) -> None:
    """Stop what this run trains beside the student that it has now; ReleaseResources writes down what that cost.

    A model may come later than it was waited for, and a lossy one may be adopted once the setting is raised.
    """
    for name in names:
        job = stage.pipeline.bedrock.find_job(name)
        if job is not None and job.status not in (*JOB_ENDED, "Stopping") and stage.started(job.arn):
            stage.pipeline.bedrock.stop_job(job.arn)


def _check_tries(useless: list[str]) -> None:
    """End a run that has paid for as many trainings as it may without having a model of them."""
    if len(useless) < TRIES:
        return
    message = f"{TRIES} trainings of this run are Completed and paid, and there is no model of them to use"
    raise DistillationFailed(f"{message} ({', '.join(useless)}). Look for them in Bedrock; upload again to train anew")


def _under_way(stage: Stage, job: Found, *, stopped: bool) -> Result:
    """Wait; also for a job that stops, so that two are never paid at once."""
    phases = job_phases(job.details)
    stopping = stopped or job.status == "Stopping"
    current = next((phase["name"] for phase in phases if phase["status"] == "InProgress"), "waiting")
    phase = "stopping" if stopping else current
    before = [item for item in failed_tries(stage) if item["job_name"] != job.name]
    stage.progress(job_name=job.name, phase=phase, phases=phases, failed_tries=len(before))
    return {"status": "IN_PROGRESS", "phase": phase, "job_name": job.name}


def _pass_over(stage: Stage, job: Found, loss: str, *, lossy: list[str]) -> None:
    """Go on to the next name after a lossy job, once: what Bedrock drops twice it would drop again, for money."""
    pass_over(stage, job, loss)
    if lossy:
        refuse_student(loss, earlier=lossy)
    lossy.append(job.name)


def _completed(stage: Stage, models: ModelChoice, job: Found, model_arn: str, *, ours: bool) -> None:
    """Write down the model and the facts of the job."""
    forget_failure(stage, job)
    model = stage.resource(CUSTOM_MODEL, job.name, arn=model_arn)
    stage.pipeline.resources.plan(model)
    stage.pipeline.resources.created(model, model_arn)
    stage.pipeline.registry.record_facts(stage.run.run_id, custom_model_arn=model_arn, training=models.training)
    record_job(stage, job, ours=ours)


def _wait_for_room(stage: Stage, full: QuotaTooLow, job_name: str) -> Result:
    """Ask to be called again while enough of the deadline would be left for the training.

    Raises
    ------
    QuotaTooLow
        When it would not: no training was paid.
    """
    now, kept = stage.now(), stage.run.facts.get("quota_wait")
    if kept is None or kept["attempt"] != stage.attempt:
        kept = {"attempt": stage.attempt, "since": now}
        stage.pipeline.registry.record_facts(stage.run.run_id, quota_wait=kept)
    hours, waited = stage.pipeline.environment.settings.distillation_deadline_hours, seconds_between(kept["since"], now)
    if waited <= (1 - LEFT_FOR_TRAINING) * hours * 3600:
        return waits_for_quota(stage, full, job_name=job_name)
    so_long = f"{waited / 3600:.0f} of the {hours} hours of 'distillation_deadline_hours'"
    raise QuotaTooLow(
        f"{str(full).rstrip('.')}. That was so for {so_long}, and a training that began now would be stopped at the "
        "deadline. None was paid; retry when there is room"
    )
