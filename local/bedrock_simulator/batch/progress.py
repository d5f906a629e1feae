"""Moves batch inference jobs on with the clock, each time somebody looks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from local.bedrock_simulator import billing
from local.bedrock_simulator.batch import output, records
from local.bedrock_simulator.batch.answering import Answering
from local.bedrock_simulator.batch.job import UNDER_WAY, BatchJob, Counts
from local.bedrock_simulator.batch.output import Processed
from local.bedrock_simulator.batch.records import Answered, InputFile, InputProblem, Limits, Record
from local.bedrock_simulator.brains.base import Brain
from local.bedrock_simulator.fault_kinds import INTERNAL_ERROR
from local.bedrock_simulator.objects import ObjectMissingError, ObjectStore, split_uri
from local.bedrock_simulator.records import Payer
from local.bedrock_simulator.runtime.orders import Orders
from local.bedrock_simulator.world import World

_SUFFIX = ".jsonl"


class BatchProgress:
    """Advances batch jobs; their real work runs on one thread.

    Parameters
    ----------
    world : World
        What is advanced.
    objects : ObjectStore
        Where jobs read and write.
    orders : Orders
        What ordered faults do to single records.
    """

    def __init__(self, world: World, objects: ObjectStore, orders: Orders) -> None:
        self._orders = orders
        self._world = world
        self._objects = objects
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batch")
        self._settling = threading.Lock()

    def start(self, job: BatchJob, brain: Brain, limits: Limits) -> None:
        """Begin the work of a new job."""
        job.reading = self._pool.submit(self._read, job, limits)
        job.answering = self._pool.submit(self._answer, job, brain)

    def close(self) -> None:
        """End the working thread."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def settle(self) -> None:
        """Bring every job up to the clock; waits for the work of those that are due, but does not hold the lock."""
        with self._settling:
            now = self._world.clock.now()
            with self._world.lock:
                under_way = [job for job in self._world.batch_jobs.values() if job.status in UNDER_WAY]
            for job in under_way:
                self._settle(job, now)

    def _settle(self, job: BatchJob, now: datetime) -> None:
        if job.status == "Stopping":
            stopped = job.stop_requested
            if stopped and job.stalls_in() != "Stopping" and now >= stopped + timedelta(seconds=job.durations.stop):
                self._end(job, "Stopped", stopped + timedelta(seconds=job.durations.stop), job.progress(stopped))
            return
        until = min(now, job.expires)
        if until >= job.finishes("Validating") and job.stalls_in() not in ("Submitted", "Validating"):
            problem = job.refusal or _problem(job)
            if problem:
                self._end(job, "Failed", job.finishes("Validating"), 0.0, problem)
                return
        phase = job.phase_at(until)
        over = phase == "InProgress" and job.stalls_in() != phase and until >= job.finishes(phase)
        if over or (job.option("end_batch", "status") == "Expired" and phase == "InProgress"):
            self._end_as_ordered(job)
        elif now >= job.expires:
            # Sources of both: the states' descriptions in the service model.
            late = "PartiallyCompleted" if phase == "InProgress" else "Expired"
            self._end(job, late, job.expires, job.progress(job.expires))
        else:
            self._show(job, phase, until)

    def _end_as_ordered(self, job: BatchJob) -> None:
        status, at = job.option("end_batch", "status") or "Completed", job.finishes("InProgress")
        share = 1.0 if status == "Completed" else float(job.option("end_batch", "share"))
        if status == "Expired":
            self._end(job, status, job.begins("InProgress"), 0.0)
        else:
            self._end(job, status, at, share, job.option("end_batch", "message") if status == "Failed" else None)

    def _show(self, job: BatchJob, phase: str, now: datetime) -> None:
        """Show a job under way: its phase, and from its validation on its counts."""
        seen = _records_of(job) if phase in ("Scheduled", "InProgress") else None
        with self._world.lock:
            if job.status == "Stopping":  # somebody asked for it while this looked
                return
            if job.status != phase:
                job.status, job.modified = phase, max(job.begins(phase), job.created)
            if seen is None:
                return
            job.counts = Counts(total=len(seen))
            if phase == "InProgress" and job.answering.done():
                job.counts = output.process(job, job.answering.result(), job.progress(now)).counts

    def _end(self, job: BatchJob, status: str, at: datetime, share: float, message: str | None = None) -> None:
        """End a job: write what it has processed and bill it; a job that never began leaves nothing."""
        seen = job.status
        if share > 0:
            result = output.process(job, job.answering.result(), share)
        else:
            result = Processed(Counts(total=len(_records_of(job))))
        problem = self._write(job, output.objects_of(job, result))
        with self._world.lock:
            if job.status != seen:  # somebody asked to stop it while this worked: the next look ends it
                return
            job.status, job.ended, job.modified = ("Failed" if problem else status), at, at
            job.message, job.counts = problem or message, result.counts
            tokens = result.tokens
            if tokens.requests:
                payer = Payer(job.arn, job.caller)
                billing.inference(
                    self._world, payer, job.model, tokens, kind="batch", profile=job.profile, tier=billing.BATCH
                )

    def _read(self, job: BatchJob, limits: Limits) -> list[Record]:
        bucket, key = split_uri(job.params["inputDataConfig"]["s3InputDataConfig"]["s3Uri"])
        if key.endswith(_SUFFIX):
            keys, prefix = [key], key.rpartition("/")[0]
        else:
            keys, prefix = [name for name in self._objects.keys(bucket, key) if name.endswith(_SUFFIX)], key
        try:
            files = [
                InputFile(name.removeprefix(prefix).lstrip("/"), self._objects.read(bucket, name)) for name in keys
            ]
        except ObjectMissingError as error:
            raise InputProblem(f"The input could not be read: {error}") from None
        return records.read(files, limits)

    def _answer(self, job: BatchJob, brain: Brain) -> list[Answered]:
        answering = Answering(job.kind, job.model, brain, self._orders)
        return [answering.answer(record) for record in job.reading.result()]

    def _write(self, job: BatchJob, objects: Sequence[tuple[str, bytes]]) -> str | None:
        bucket, prefix = split_uri(job.params["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"])
        folder = "/".join(part for part in (prefix.strip("/"), job.job_id) if part)
        try:
            for name, body in objects:
                self._objects.write(bucket, f"{folder}/{name}", body)
        except ObjectMissingError as error:
            return f"The output could not be written: {error}"
        return None


def _problem(job: BatchJob) -> str | None:
    """Return why the input of a job is refused; waits until it is read."""
    error = job.reading.exception()
    if error is None:
        return None
    return str(error) if isinstance(error, InputProblem) else f"{INTERNAL_ERROR} ({error})"


def _records_of(job: BatchJob) -> Sequence[Record]:
    return [] if job.reading.exception() else job.reading.result()
