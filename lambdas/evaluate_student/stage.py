"""Ask every contestant about one shard of the holdout, check and time the answers, and let the judge score them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lambdas.domain.answers import Answer, Question
from lambdas.domain.datasets import from_json_lines
from lambdas.domain.errors import EvaluationIncomplete, ModelUnavailable
from lambdas.domain.evaluation import Measurement
from lambdas.domain.judging import LOWEST, InvalidVerdict, judge_question, read_verdict
from lambdas.domain.models import ModelChoice
from lambdas.domain.output_check import OutputChecker
from lambdas.domain.prompts import student_question, teacher_question
from lambdas.domain.records import Record
from lambdas.domain.task_definition import TaskDefinition
from lambdas.gateways.answerer import Answerer, ModelUse
from lambdas.pipeline import Result, Stage, logger

Asker = Callable[[Record, TaskDefinition], Question]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """A model in the evaluation and the way it is asked."""

    role: str
    use: ModelUse
    ask: Asker


def execute(stage: Stage) -> Result:
    """Measure one shard.

    Raises
    ------
    ModelUnavailable
        A model refuses the request for good.
    RetryLater
        Throttled, out of time, or a judge without a verdict; measured answers are kept.
    """
    shard = str(stage.payload["shard"])
    files, runs = stage.run.files, stage.pipeline.runs
    members = from_json_lines(runs.read(files.shard("holdout", shard)))
    references = _references(stage, {record.id for record in members})
    records = [record for record in members if record.id in references]
    answerer = stage.answerer()

    def measured(contestant: Contestant) -> list[Measurement]:
        try:
            return _measure(stage, answerer, contestant, records, references, shard)
        except ModelUnavailable:
            if contestant.role != "champion":
                raise
            # Somebody deleted the champion's endpoint: that must not keep a new student from taking its place.
            logger.warning("the champion does not answer and is left out", extra={"endpoint": contestant.use.invoke_id})
            return []

    asked = contestants(stage)
    # At once: each contestant has a quota of its own, and the judge is kept busy while others still answer.
    with ThreadPoolExecutor(len(asked)) as executor:
        measurements = [item for found in executor.map(measured, asked) for item in found]
    content = "".join(f"{measurement.to_json()}\n" for measurement in measurements).encode()
    runs.write(files.evaluation(stage.attempt, f"{shard}.jsonl"), content)
    stage.progress(shard=shard)
    return {"shard": shard, "records": len(records), "bought": answerer.bought}


def _references(stage: Stage, record_ids: set[str]) -> dict[str, str]:
    """Read the references of one shard, line by line: the file has those of all shards."""
    found = {}
    for line in stage.pipeline.runs.lines(stage.run.files.teacher_data("references.jsonl")):
        item = json.loads(line)
        if item["record_id"] in record_ids:
            found[item["record_id"]] = item["reference"]
    return found


def contestants(stage: Stage) -> list[Contestant]:
    """List who is measured: student, undistilled student, teacher, baseline, and the champion where there is one."""
    models = ModelChoice.from_document(stage.plan["models"])
    model_arn, deployment_arn = (str(stage.run.facts[name]) for name in ("custom_model_arn", "deployment_arn"))

    def use(identity: str, invoke_id: str, price_model: str | None) -> ModelUse:
        return ModelUse(stage=stage.name, identity=identity, invoke_id=invoke_id, price_model=price_model)

    found = [
        Contestant(role="student", use=use(model_arn, deployment_arn, models.student), ask=student_question),
        Contestant(
            role="undistilled_student", use=use(models.student, models.student, models.student), ask=student_question
        ),
        Contestant(role="teacher", use=use(models.teacher, models.teacher, models.teacher), ask=teacher_question),
        Contestant(role="baseline", use=use(models.baseline, models.baseline, models.baseline), ask=teacher_question),
    ]
    champion = stage.pipeline.tasks.state(stage.run.task).champion
    if champion is not None and champion.model_arn != model_arn:
        price = models.student if champion.mode == "on_demand" else None
        champion_use = use(champion.model_arn, champion.endpoint_arn, price)
        found.append(Contestant(role="champion", use=champion_use, ask=student_question))
    return found


def _measure(
    stage: Stage,
    answerer: Answerer,
    contestant: Contestant,
    records: Sequence[Record],
    references: dict[str, str],
    shard: str,
) -> list[Measurement]:
    task, checker = stage.task, OutputChecker(stage.task.output_schema)
    judge = ModelChoice.from_document(stage.plan["models"]).judge
    judge_use = ModelUse(stage=stage.name, identity=judge, invoke_id=judge, price_model=judge)
    asked = answerer.ask([contestant.ask(record, task) for record in records], contestant.use, shard)
    answers = asked.answers
    to_judge = [
        judge_question(record, references[record.id], answers[record.id].text, task.judge_rubric)
        for record in records
        if record.id in answers
    ]
    judged = answerer.ask(to_judge, judge_use, shard, unusable=_no_verdict)
    if judged.failed:
        record_id, reason = next(iter(judged.failed.items()))
        raise EvaluationIncomplete(
            f"{len(judged.failed)} answers of {contestant.role} in shard {shard} have no verdict, {record_id}: {reason}"
        )
    return [
        _measurement(contestant, record, references[record.id], answers[record.id], judged.answers[record.id], checker)
        if record.id in answers
        else _unanswered(contestant, record, references[record.id], asked.failed[record.id])
        for record in records
    ]


def _unanswered(contestant: Contestant, record: Record, reference: str, reason: str) -> Measurement:
    """Count a question that got no answer against the contestant: as an answer with a problem and the lowest score."""
    return Measurement(
        record_id=record.id,
        role=contestant.role,
        model=contestant.use.invoke_id,
        question=record.turns[-1].text,
        reference=reference,
        answer="",
        problem=reason,
        latency_ms=0.0,
        client_ms=0.0,
        input_tokens=0,
        output_tokens=0,
        score=LOWEST,
        explanation="",
        slices=record.slices,
    )


def _no_verdict(answer: Answer) -> str | None:
    try:
        read_verdict(answer)
    except InvalidVerdict as problem:
        return str(problem)
    return None


def _measurement(
    contestant: Contestant, record: Record, reference: str, answer: Answer, judged: Answer, checker: OutputChecker
) -> Measurement:
    verdict = read_verdict(judged)
    return Measurement(
        record_id=record.id,
        role=contestant.role,
        model=contestant.use.invoke_id,
        question=record.turns[-1].text,
        reference=reference,
        answer=answer.text,
        problem=checker.problem(answer.text),
        latency_ms=answer.latency_ms,
        client_ms=answer.client_ms,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        score=verdict.score,
        explanation=verdict.explanation,
        slices=record.slices,
    )
