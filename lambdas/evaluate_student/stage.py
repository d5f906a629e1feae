"""Ask every contestant about one shard of the holdout, check and time the answers, and let the judge score them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lambdas.domain.answer_repair import repaired
from lambdas.domain.answers import Answer, Asked, Question
from lambdas.domain.datasets import from_json_lines
from lambdas.domain.errors import ModelUnavailable
from lambdas.domain.judging import LOWEST, judge_question, read_verdict, verdict_problem
from lambdas.domain.measurements import CHAMPION, TEACHER, Measurement
from lambdas.domain.models import ModelChoice
from lambdas.domain.output_check import OutputChecker
from lambdas.domain.prompts import student_question, teacher_question
from lambdas.domain.records import Record
from lambdas.domain.task_definition import TaskDefinition
from lambdas.evaluate_student.teacher_latency import time_teacher
from lambdas.gateways.answerer import Answerer
from lambdas.gateways.open_asking import OpenAsking
from lambdas.gateways.till import ModelUse
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
        A model refuses the request for good; a champion that does is left out instead.
    RetryLater
        Throttled or out of time; measured answers are kept.
    """
    shard = str(stage.payload["shard"])
    files, runs = stage.run.files, stage.pipeline.runs
    members = from_json_lines(runs.read(files.shard("holdout", shard)))
    references = _references(stage, {record.id for record in members})
    records = [record for record in members if record.id in references.texts]
    answerer = stage.answerer()
    measurements = _measure(stage, answerer, records, references, shard) if records else []
    content = "".join(f"{measurement.to_json()}\n" for measurement in measurements).encode()
    runs.write(files.evaluation(stage.attempt, f"{shard}.jsonl"), content)
    stage.progress(shard=shard)
    return {"shard": shard, "records": len(records), "bought": answerer.bought}


@dataclass(frozen=True, slots=True)
class _References:
    """The references of one shard's records by id, and the number of records in all shards."""

    texts: dict[str, str]
    holdout: int


def _measure(
    stage: Stage, answerer: Answerer, records: Sequence[Record], references: _References, shard: str
) -> list[Measurement]:
    """Ask all contestants at once, since each has a quota of its own, and judge each answer as it comes.

    The judge is asked about every contestant's answers, so that its quota is what the evaluation waits for: it must not
    stand idle while contestants answer.
    """
    asked, rubric = contestants(stage), stage.task.judge_rubric
    by_id = {record.id: record for record in records}
    judge = ModelChoice.from_document(stage.plan["models"]).judge
    use = ModelUse(stage=stage.name, identity=judge, invoke_id=judge, price_model=judge)

    def about(record: Record, answer: str) -> Question:
        return judge_question(record, references.texts[record.id], answer, rubric)

    def ask(contestant: Contestant) -> _Answered | None:
        def judged(question: Question, answer: Answer) -> None:
            judging.put(about(by_id[question.record_id], answer.text))

        found = _ask(stage, answerer, contestant, records, shard, judged)
        if found is None:
            return None
        timed: dict[str, Answer] = {}
        if contestant.role == TEACHER:
            holdout = references.holdout
            timed = time_teacher(answerer, stage.task, contestant.use, records, found, shard=shard, holdout=holdout)
        return _Answered(contestant, found, references.texts, timed)

    with (
        answerer.open(about(records[0], ""), use, shard, unusable=verdict_problem) as judging,
        ThreadPoolExecutor(len(asked)) as executor,
    ):
        found = list(executor.map(ask, asked))
    checker = OutputChecker(stage.task.output_schema)
    return [
        _measurement(answered, record, about, judging, checker)
        for answered in found
        if answered is not None
        for record in records
    ]


def _references(stage: Stage, record_ids: set[str]) -> _References:
    """Read the references of one shard, line by line: the file has those of all shards."""
    found, holdout = {}, 0
    for line in stage.pipeline.runs.lines(stage.run.files.teacher_data("references.jsonl")):
        item = json.loads(line)
        if item["record_id"] in record_ids:
            found[item["record_id"]] = item["reference"]
        holdout += 1
    return _References(found, holdout)


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
        Contestant(role=TEACHER, use=use(models.teacher, models.teacher, models.teacher), ask=teacher_question),
        Contestant(role="baseline", use=use(models.baseline, models.baseline, models.baseline), ask=teacher_question),
    ]
    champion = stage.pipeline.tasks.state(stage.run.task).champion
    if champion is not None and champion.model_arn != model_arn:
        price = models.student if champion.mode == "on_demand" else None
        champion_use = use(champion.model_arn, champion.endpoint_arn, price)
        found.append(Contestant(role="champion", use=champion_use, ask=student_question))
    return found


@dataclass(frozen=True, slots=True)
class _Answered:
    """A contestant, what became of its questions, the references of the records, and answers asked for their times."""

    contestant: Contestant
    asked: Asked
    references: dict[str, str]
    timed: dict[str, Answer]


def _ask(
    stage: Stage,
    answerer: Answerer,
    contestant: Contestant,
    records: Sequence[Record],
    shard: str,
    then: Callable[[Question, Answer], None],
) -> Asked | None:
    """Ask a contestant; ``None`` for a champion whose own endpoint refuses.

    Somebody may have deleted that endpoint: it must not keep a new student from taking its place. It is written down,
    because a champion that some shards measured and others did not cannot be compared.
    """
    questions = [contestant.ask(record, stage.task) for record in records]
    try:
        return answerer.ask(questions, contestant.use, shard, then=then)
    except ModelUnavailable as refused:
        if contestant.role != CHAMPION:
            raise
        logger.warning("the champion does not answer and is left out", extra={"endpoint": contestant.use.invoke_id})
        note = {"role": CHAMPION, "model_id": contestant.use.invoke_id, "reason": str(refused)}
        stage.pipeline.runs.write_json(stage.run.files.evaluation(stage.attempt, f"left_out/{shard}.json"), note)
        return None


def _unanswered(answered: _Answered, record: Record) -> Measurement:
    """Count a question that got no answer against the contestant: as an answer with a problem and the lowest score."""
    reason = answered.asked.failed[record.id]
    return Measurement(
        record_id=record.id,
        role=answered.contestant.role,
        model=answered.contestant.use.invoke_id,
        question=record.turns[-1].text,
        reference=answered.references[record.id],
        answer="",
        problem=reason,
        repaired_problem=reason,
        answered=False,
        latency_ms=0.0,
        client_ms=0.0,
        input_tokens=0,
        output_tokens=0,
        score=LOWEST,
        explanation="",
        slices=record.slices,
    )


def _measurement(
    answered: _Answered,
    record: Record,
    about: Callable[[Record, str], Question],
    judging: OpenAsking,
    checker: OutputChecker,
) -> Measurement:
    answer = answered.asked.answers.get(record.id)
    if answer is None:
        return _unanswered(answered, record)
    asked, clock = about(record, answer.text), answered.timed.get(record.id, answer)
    verdict = judging.answer(asked)
    read = read_verdict(verdict) if verdict else None
    problem = checker.problem(answer.text)
    return Measurement(
        record_id=record.id,
        role=answered.contestant.role,
        model=answered.contestant.use.invoke_id,
        question=record.turns[-1].text,
        reference=answered.references[record.id],
        answer=answer.text,
        problem=problem,
        repaired_problem=problem and checker.problem(repaired(answer.text)),
        latency_ms=clock.latency_ms,
        client_ms=clock.client_ms,
        throttled=clock.throttled,
        batch=answer.batch,
        stop_reason=answer.stop_reason,
        timed_apart=record.id in answered.timed,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cache_read_tokens=answer.cache_read_tokens,
        cache_write_tokens=answer.cache_write_tokens,
        score=read.score if read else None,
        judge_problem=None if read else judging.failure(asked),
        explanation=read.explanation if read else "",
        slices=record.slices,
    )
