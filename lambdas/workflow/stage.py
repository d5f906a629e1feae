"""What every stage is given: its run, the gateways, the time that is left. And the frame that all handlers share."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from lambdas.domain.bedrock_names import RUN_TAG
from lambdas.domain.costs.plan import Plan
from lambdas.domain.errors import AttemptSuperseded, DailyQuotaUsed, QuotaTooLow
from lambdas.domain.gate.evaluation_document import EVALUATION_FILE, Evaluation, read_evaluation
from lambdas.domain.gate.rule_result import INSUFFICIENT_EVIDENCE
from lambdas.domain.metrics import STAGE_SECONDS, STAGE_USD
from lambdas.domain.run_facts import ShardFailure
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.text.plain_text import escaped_controls
from lambdas.domain.training.teacher_data_document import TEACHER_DATA_FILE, TeacherData, read_teacher_data
from lambdas.gateways.answering.shared_limit import Limits
from lambdas.gateways.aws import clients
from lambdas.gateways.aws.bedrock import BedrockControl
from lambdas.gateways.aws.environment import Environment
from lambdas.gateways.aws.metric_writer import Meter
from lambdas.gateways.aws.storage import Bucket
from lambdas.gateways.registry.foreign_resources import ForeignResources
from lambdas.gateways.registry.intake import Intake
from lambdas.gateways.registry.looks import Looks
from lambdas.gateways.registry.monthly_budget import MonthlyBudget
from lambdas.gateways.registry.resources import CREATED, PLANNED, Resource, ResourceBook
from lambdas.gateways.registry.run_ledger import RunLedger
from lambdas.gateways.registry.runs import ENDED, RUNNING, Registry, Run
from lambdas.gateways.registry.shard_failures import ShardFailures
from lambdas.gateways.registry.table import Table
from lambdas.gateways.registry.tasks import TaskBook
from lambdas.gateways.registry.upload_cursor import UploadCursor
from lambdas.gateways.registry.used_proofs import UsedProofs

if TYPE_CHECKING:
    from lambdas.domain.prices.price_book import PriceBook

Result = dict[str, Any]

AFTER_THE_END = ("ReleaseResources", "PublishReport")
"""What may be called for a run that has ended; anything else came too late for a run that a person stopped."""


def _log_line(entry: Mapping[str, Any]) -> str:
    """Write an entry of the log: who reads it on a terminal is not commanded by it."""
    return escaped_controls(json.dumps(entry, default=str, separators=(",", ":"), ensure_ascii=False))


logger = Logger(json_serializer=_log_line)

SECONDS_KEPT_BACK = 15.0
"""A stage stops this long before its Lambda would be cut off, so that what was paid for is stored."""

LONGEST_FAILURE = 2_000
"""Characters of a failed shard's message that are kept: a run's facts share one item of at most 400 KB."""


LONGEST_WAITS_FOR = 500
"""Characters of what a stage waits for that travel in the state."""


def utc_now() -> datetime:
    """Give the time, aware, in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Write a time as the registry keeps it: ISO 8601 in UTC to the millisecond, so that it sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(earlier: str, later: str) -> float:
    """Subtract two times that :func:`iso` wrote."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """The gateways of one environment. Clients are made at first use, so that a stage pays only for its own."""

    environment: Environment
    now: Callable[[], datetime] = utc_now

    @cached_property
    def _table(self) -> Table:
        return Table(clients.dynamodb(), self.environment.registry_table)

    @cached_property
    def registry(self) -> Registry:
        """Runs, queue and ledger."""
        return Registry(self._table, lambda stage, usd: self.meter.emit(STAGE_USD, usd, stage))

    @cached_property
    def meter(self) -> Meter:
        """The environment's metrics."""
        return Meter(self.environment.name)

    @cached_property
    def intake(self) -> Intake:
        """Whether the environment takes runs."""
        return Intake(self._table)

    @cached_property
    def resources(self) -> ResourceBook:
        """Billable things."""
        return ResourceBook(self._table, self.intake.closed_since)

    @cached_property
    def monthly(self) -> MonthlyBudget:
        """What the runs of a calendar month may cost."""
        return MonthlyBudget(self._table)

    @cached_property
    def upload_cursor(self) -> UploadCursor:
        """How far the search for uploads without a run has come."""
        return UploadCursor(self._table)

    @cached_property
    def foreign(self) -> ForeignResources:
        """What of the account is other people's."""
        return ForeignResources(self.now, self._table)

    @cached_property
    def used_proofs(self) -> UsedProofs:
        """Proofs of identity that are good no more."""
        return UsedProofs(self._table)

    @cached_property
    def shard_failures(self) -> ShardFailures:
        """What failed shards said."""
        return ShardFailures(self._table)

    @cached_property
    def looks(self) -> Looks:
        """How often each holdout was looked at."""
        return Looks(self._table)

    @cached_property
    def tasks(self) -> TaskBook:
        """Champions and leases."""
        return TaskBook(self._table)

    @cached_property
    def uploads(self) -> Bucket:
        """What people uploaded."""
        return Bucket(clients.s3(), self.environment.uploads_bucket)

    @cached_property
    def runs(self) -> Bucket:
        """What the pipeline writes."""
        return Bucket(clients.s3(), self.environment.runs_bucket)

    @cached_property
    def bedrock(self) -> BedrockControl:
        """The Bedrock control plane."""
        return BedrockControl(clients.bedrock())

    @cached_property
    def limits(self) -> Limits:
        """Calls in progress, model by model; a warm Lambda keeps what it found out."""
        return Limits(self.environment.settings.calls_at_once)

    @cached_property
    def prices(self) -> PriceBook:
        """The environment's price book."""
        return self.environment.settings.price_book()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One call of one stage of one attempt.

    Attributes
    ----------
    name : str
        State name.
    payload : mapping
        What the state machine sent.
    seconds_left : callable
        Seconds until the Lambda must have returned.
    """

    name: str
    pipeline: Pipeline
    run: Run
    attempt: int
    payload: Mapping[str, Any] = field(default_factory=dict)
    seconds_left: Callable[[], float] = lambda: 900.0

    @cached_property
    def ledger(self) -> RunLedger:
        """The run's ledger."""
        in_progress = self.run.state == RUNNING
        return RunLedger(self.pipeline.registry, self.prices, self.run.run_id, self.now, in_progress)

    @cached_property
    def task(self) -> TaskDefinition:
        """The task's definition as pinned by the run."""
        return TaskDefinition.from_text(self.pipeline.runs.read(self.run.files.task_definition))

    @cached_property
    def plan(self) -> Plan:
        """What CheckRun decided for this attempt."""
        return Plan.from_document(self.pipeline.runs.read_json(self.run.files.plan(self.attempt)))

    def find_plan(self) -> Plan | None:
        """Give the plan, or ``None`` where the attempt did not come to one."""
        document = self.pipeline.runs.find_json(self.run.files.plan(self.attempt))
        return Plan.from_document(document) if document else None

    def teacher_data(self) -> TeacherData:
        """Read what the teacher's answers became; every attempt of the run shares it."""
        return read_teacher_data(self.pipeline.runs.read_json(self._teacher_data_key))

    def find_teacher_data(self) -> TeacherData | None:
        """Give what the teacher's answers became, or ``None`` where the run did not come to it."""
        document = self.pipeline.runs.find_json(self._teacher_data_key)
        return read_teacher_data(document) if document else None

    def write_teacher_data(self, teacher_data: TeacherData) -> None:
        """Keep what the teacher's answers became."""
        self.pipeline.runs.write_json(self._teacher_data_key, teacher_data)

    @property
    def _teacher_data_key(self) -> str:
        return self.run.files.teacher_data(TEACHER_DATA_FILE)

    def evaluation(self) -> Evaluation:
        """Read what the evaluation of this attempt came to."""
        return read_evaluation(self.pipeline.runs.read_json(self._evaluation_key))

    def find_evaluation(self) -> Evaluation:
        """Give what the evaluation came to; empty where the attempt did not come to one."""
        return read_evaluation(self.pipeline.runs.find_json(self._evaluation_key) or {})

    def write_evaluation(self, evaluation: Evaluation) -> None:
        """Keep what the evaluation came to; where evidence was wanting, note that the run may be retried."""
        self.pipeline.runs.write_json(self._evaluation_key, evaluation)
        if evaluation["decision"] == INSUFFICIENT_EVIDENCE:
            self.pipeline.registry.record_facts(self.run.run_id, undecided=True)

    @property
    def _evaluation_key(self) -> str:
        return self.run.files.evaluation(self.attempt, EVALUATION_FILE)

    def write_plan(self, plan: Plan) -> None:
        """Keep the attempt's plan."""
        self.pipeline.runs.write_json(self.run.files.plan(self.attempt), plan.to_document())

    @cached_property
    def prices(self) -> PriceBook:
        """The environment's price book, with the models that CheckRun found at extended access at those prices."""
        return self.pipeline.prices.at_extended_access(self.plan.models.extended_access)

    @property
    def owner(self) -> str:
        """Name of the attempt, for leases."""
        return f"{self.run.run_id}-{self.attempt}"

    def started(self, arn: str) -> bool:
        """Tell by its tags whether this run started a job; another run on the same content may have been faster."""
        return self.pipeline.bedrock.tags(arn).get(RUN_TAG) == self.run.run_id

    def now(self) -> str:
        """Give the time as the registry keeps it."""
        return iso(self.pipeline.now())

    def progress(self, **details: object) -> None:
        """Say what the stage is doing, for whoever watches the run; measure the stage before it."""
        now = self.now()
        left = self.pipeline.registry.record_progress(self.run.run_id, self.name, now, **details)
        # What is released of an ended run, days later, was in no stage until now.
        if left and self.run.state == RUNNING:
            self.pipeline.meter.emit(STAGE_SECONDS, seconds_between(left.since, now), left.name)

    def resource(self, kind: str, name: str, *, arn: str | None = None) -> Resource:
        """Describe a billable thing of this attempt: planned, or created where its ARN is known."""
        return Resource(
            run_id=self.run.run_id,
            attempt=self.attempt,
            task=self.run.task,
            kind=kind,
            name=name,
            state=PLANNED if arn is None else CREATED,
            created_at=self.now(),
            arn=arn,
        )


def waits_for_quota(stage: Stage, full: QuotaTooLow, **details: object) -> Result:
    """Say that a create call is refused while others hold the account's quota, and ask to be called again.

    The loop's deadline ends it; its message has ``waits_for``.
    """
    waits_for = str(full)[:LONGEST_WAITS_FOR]
    stage.progress(phase="quota", waits_for=waits_for, **details)
    return {"status": "IN_PROGRESS", "phase": "quota", "waits_for": waits_for, **details}


@cache
def deployed_pipeline() -> Pipeline:
    """Give the one pipeline of this Lambda's process."""
    if not gc.isenabled():  # the start is over: what was made until now stays, and is not looked at again
        gc.freeze()
        gc.enable()
    return Pipeline(environment=Environment.read())


@contextmanager
def _noted_failure(stage: Stage) -> Iterator[None]:
    """Keep what a shard says when it fails, until it goes through: its Distributed Map only counts failed children."""
    shard: str | None = stage.payload.get("shard")
    failures, run = stage.pipeline.shard_failures, stage.run
    try:
        yield
    except Exception as error:
        if shard is not None:
            message = str(error)[:LONGEST_FAILURE]
            failure = ShardFailure(name=type(error).__name__, message=message, stage=stage.name, shard=shard)
            failures.keep(run.run_id, stage.attempt, failure)
        raise
    noted = run.facts.get("failure")
    if noted and (noted.get("stage"), noted.get("shard")) == (stage.name, shard):
        failures.forget(run.run_id, noted)


def seconds_left_of(context: Any) -> Callable[[], float]:  # noqa: ANN401 - Lambda's context has no type
    """Give the clock of one call of a Lambda: the seconds until it must have stored what it has."""
    return lambda: float(context.get_remaining_time_in_millis()) / 1000 - SECONDS_KEPT_BACK


def stage_handler(name: str, execute: Callable[[Stage], Result]) -> Callable[[Mapping[str, Any], Any], Result]:
    """Frame a stage: parse the payload, find the run, say what is being done, log what came of it.

    Parameters
    ----------
    name : str
        State name.
    execute : callable
        The stage.

    Returns
    -------
    callable
        A Lambda handler.
    """

    def handler(event: Mapping[str, Any], context: Any) -> Result:  # noqa: ANN401 - Lambda's context has no type
        run_id, attempt = str(event["run_id"]), int(event["attempt"])
        logger.append_keys(run_id=run_id, attempt=attempt, stage=name)
        run = deployed_pipeline().registry.run(run_id)
        if run.attempt != attempt:
            raise AttemptSuperseded(f"attempt {attempt} of run '{run_id}' was superseded by attempt {run.attempt}")
        if run.state == ENDED and name not in AFTER_THE_END:
            raise AttemptSuperseded(f"run '{run_id}' has ended: it was {run.outcome} before this stage could begin")
        stage = Stage(
            name=name,
            pipeline=deployed_pipeline(),
            run=run,
            attempt=attempt,
            payload=event,
            seconds_left=seconds_left_of(context),
        )
        try:
            with _noted_failure(stage):
                result = execute(stage)
        except DailyQuotaUsed as used_up:
            stage.progress(phase="quota of the day", waits_for=str(used_up)[:LONGEST_WAITS_FOR])
            raise
        logger.info("stage finished", extra={"result": result})
        return result

    return handler
