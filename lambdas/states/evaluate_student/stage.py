"""Ask every contestant about one shard of the holdout, check and time the answers, and let the judge score them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lambdas.domain.dataset.builder import from_json_lines
from lambdas.domain.dataset.records import Record
from lambdas.domain.evaluation.judge import LOWEST, judge_question, read_verdict, verdict_problem
from lambdas.domain.evaluation.measurements import CHAMPION, STUDENT, Measurement
from lambdas.domain.questions.answers import Answer, Asked, Question
from lambdas.domain.text.answer_repair import repaired
from lambdas.domain.text.output_schema import OutputChecker
from lambdas.gateways.answering.answer_recorder import ModelUse
from lambdas.gateways.answering.answerer import Answerer
from lambdas.gateways.answering.streaming import OpenAsking
from lambdas.states.evaluate_student.batched_latency import TIMED_APART, time_batched
from lambdas.states.evaluate_student.contestants import (
    Contestant,
    ask_champion,
    champion_contestant,
    required_contestants,
)
from lambdas.workflow.stage import Result, Stage


def execute(stage: Stage) -> Result:
    """Measure one shard.

    Raises
    ------
    ModelUnavailable
        A model refuses the request for good; a champion is left out instead.
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
    return {"shard": shard, "records": len(records), "bought": answerer.paid}


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
    champion, rubric = champion_contestant(stage), stage.task.judge_rubric
    asked = [*required_contestants(stage), *([champion] if champion else [])]
    by_id = {record.id: record for record in records}
    timing = {contestant.use.invoke_id: threading.Lock() for contestant in asked}
    judge = stage.plan.models.judge
    use = ModelUse(stage=stage.name, identity=judge, invoke_id=judge, price_model=judge)

    def about(record: Record, answer: str) -> Question:
        return judge_question(record, references.texts[record.id], answer, rubric)

    def judged(question: Question, answer: Answer) -> None:
        judging.put(about(by_id[question.record_id], answer.text))

    def ask(contestant: Contestant) -> _Answered | None:
        questions = [contestant.ask(record) for record in records]
        if contestant.role == CHAMPION:
            found = ask_champion(stage, answerer, contestant, questions, shard, judged)
            return None if found is None else _Answered(contestant, found, references.texts, {})
        found = answerer.ask(questions, contestant.use, shard, then=judged)
        timed: dict[str, Answer] = {}
        if contestant.role in TIMED_APART:
            with timing[contestant.use.invoke_id]:  # teacher and baseline may be one model
                timed = time_batched(answerer, contestant, records, found, shard=shard, holdout=references.holdout)
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


@dataclass(frozen=True, slots=True)
class _Answered:
    """A contestant, what became of its questions, the references of the records, and answers asked for their times."""

    contestant: Contestant
    asked: Asked
    references: dict[str, str]
    timed: dict[str, Answer]


def _question(answered: _Answered, record: Record) -> str:
    """Give the question where the report may show it: five copies of long ones are more than a Lambda can hold."""
    return record.turns[-1].text if answered.contestant.role == STUDENT else ""


def _unanswered(answered: _Answered, record: Record) -> Measurement:
    """Count a question that got no answer against the contestant: as an answer with a problem and the lowest score."""
    reason = answered.asked.failed[record.id]
    return Measurement(
        record_id=record.id,
        role=answered.contestant.role,
        model=answered.contestant.use.invoke_id,
        question=_question(answered, record),
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
        group=record.group_id,
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
        question=_question(answered, record),
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
        group=record.group_id,
    )
