"""Moves jobs, deployments and throughput on with the clock, each time somebody looks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from local.bedrock_simulator import billing
from local.bedrock_simulator.brains.base import Brain
from local.bedrock_simulator.brains.confidence import Stating
from local.bedrock_simulator.catalog import arn
from local.bedrock_simulator.customization import work
from local.bedrock_simulator.customization.job import Job, Outcome
from local.bedrock_simulator.fault_kinds import INTERNAL_ERROR, PHASES
from local.bedrock_simulator.objects import ObjectMissingError, ObjectStore, split_uri
from local.bedrock_simulator.records import Payer
from local.bedrock_simulator.world import CustomModel, Deployment, Throughput, World

_UNDER_WAY = ("InProgress", "Stopping")


class Progress:
    """Advances the world's states; a job's real work runs on one thread of its own.

    Parameters
    ----------
    world : World
        What is advanced.
    objects : ObjectStore
        Where a job writes its output.
    teacher : Brain
        Answers for the teacher inside a DISTILLATION job.
    """

    def __init__(self, world: World, objects: ObjectStore, teacher: Brain) -> None:
        self._world = world
        self._objects = objects
        self._teacher = teacher
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="customization")
        self._settling = threading.Lock()

    def start(self, job: Job, body: bytes) -> None:
        """Begin the work of a new job."""
        job.work = self._pool.submit(work.perform, job, body, self._world.settings.label_semantics, self._teacher)

    def close(self) -> None:
        """End the working thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def settle(self) -> None:
        """Bring everything up to the clock; waits for the work of jobs that are due, but does not hold the lock."""
        with self._settling:
            now = self._world.clock.now()
            with self._world.lock:
                under_way = [job for job in self._world.jobs.values() if job.status in _UNDER_WAY]
            for job in under_way:
                self._settle_job(job, now)
        self.settle_endpoints()

    def settle_endpoints(self) -> None:
        """Bring deployments and throughput up to the clock; cheap, for every inference call."""
        now = self._world.clock.now()
        with self._world.lock:
            for deployment in self._world.deployments.values():
                _settle_deployment(deployment, now)
            for throughput in self._world.throughputs.values():
                _settle_throughput(throughput, now)

    def _settle_job(self, job: Job, now: datetime) -> None:
        if job.status == "Stopping" and job.stop_requested is not None:
            if now >= job.stop_requested + timedelta(seconds=job.durations.stop):
                self._stop(job, job.stop_requested)
            return
        stalled = job.stalls_in()
        failing = job.fault("fail_job")
        for phase in PHASES:
            if phase == stalled or now < job.finishes(phase):
                return
            outcome = self._outcome(job)
            if outcome.failed_phase == phase:
                self._fail(job, outcome.failure or INTERNAL_ERROR, phase, outcome)
                return
            if failing and failing.options["phase"] == phase:
                self._fail(job, str(failing.options["message"]), phase, outcome)
                return
        self._complete(job, self._outcome(job))

    def _outcome(self, job: Job) -> Outcome:
        error = job.work.exception()
        return Outcome(f"{INTERNAL_ERROR} ({error})", "training") if error else job.work.result()

    def _complete(self, job: Job, outcome: Outcome) -> None:
        if outcome.student is None:
            self._fail(job, outcome.failure or INTERNAL_ERROR, "training", outcome)
            return
        problem = self._write(job, outcome)
        if problem:
            self._fail(job, problem, "training", outcome)
            return
        with self._world.lock:
            ended = job.finishes("training")
            job.status, job.ended, job.modified, job.loss = "Completed", ended, ended, outcome.student.losses[-1]
            job.model_arn = arn("custom-model", f"{job.base.model_id}/{job.job_id}")
            student = Stating(outcome.student, lambda: self._world.settings)
            payer = Payer(job.model_arn, job.caller)
            self._bill(job, outcome, 1.0, 1.0)
            self._world.models[job.model_arn] = CustomModel(
                arn=job.model_arn, name=job.params["customModelName"], job=job, base=job.base, created=ended,
                brain=student, storage=billing.storage(self._world, payer, job.base, ended),
            )  # fmt: skip
            self._world.tags[job.model_arn] = {t["key"]: t["value"] for t in job.params.get("customModelTags", [])}

    def _fail(self, job: Job, failure: str, phase: str, outcome: Outcome) -> None:
        """End a job as failed: its training costs nothing, the teacher calls that were made do."""
        self._write(job, outcome)
        with self._world.lock:
            job.status, job.failure, job.failed_phase = "Failed", failure[:2048], phase
            job.ended = job.modified = job.finishes(phase)
            self._bill(job, outcome, 0.0 if phase == "validation" else 1.0, 0.0)

    def _stop(self, job: Job, asked: datetime) -> None:
        outcome = self._outcome(job)
        with self._world.lock:
            job.status, job.ended = "Stopped", asked + timedelta(seconds=job.durations.stop)
            job.modified = job.ended
            self._bill(job, outcome, job.progress("dataProcessing", asked), job.progress("training", asked))

    def _bill(self, job: Job, outcome: Outcome, asked: float, trained: float) -> None:
        payer = Payer(job.arn, job.caller)
        calls = outcome.teacher_tokens.share(asked)
        if job.teacher and calls.requests:
            billing.inference(
                self._world, payer, job.teacher.model, calls, kind="teacher_calls", profile=job.teacher.profile
            )
        tokens = round(outcome.trained_tokens * trained)
        if tokens:
            billing.training(self._world, payer, job.base, tokens)

    def _write(self, job: Job, outcome: Outcome) -> str | None:
        bucket, prefix = split_uri(job.params["outputDataConfig"]["s3Uri"])
        folder = "/".join(part for part in (prefix.strip("/"), f"model-customization-job-{job.job_id}") if part)
        try:
            for key, body in outcome.artifacts:
                self._objects.write(bucket, f"{folder}/{key}", body)
        except ObjectMissingError as error:
            return f"The output could not be written: {error}"
        return None


def _settle_deployment(deployment: Deployment, now: datetime) -> None:
    if deployment.status == "Creating" and now >= deployment.active_at:
        deployment.status = "Failed" if deployment.failure else "Active"
        deployment.updated = deployment.active_at
    update = deployment.update
    if update and update.status == "Updating" and now >= update.done_at:
        update.status = "UpdateFailed" if update.failure else "UpdateCompleted"
        deployment.updated = update.done_at
        if not update.failure:
            deployment.model_arn = update.model_arn


def _settle_throughput(throughput: Throughput, now: datetime) -> None:
    if throughput.status == "Creating" and now >= throughput.ready_at:
        throughput.status = "Failed" if throughput.failure else "InService"
        throughput.modified = throughput.ready_at
        if throughput.failure:
            throughput.billing.end = throughput.billing.start  # what never served costs nothing
    update = throughput.update
    if update and now >= update.done_at:
        throughput.update, throughput.modified = None, update.done_at
        throughput.failure, throughput.status = update.failure, update.ends
        if not update.failure:
            throughput.model_arn = update.model_arn
