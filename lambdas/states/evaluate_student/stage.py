"""Ask every contestant about one shard of the holdout, check and time the answers, and let the judge score them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lambdas.domain.dataset.records import from_json_lines
from lambdas.domain.evaluation.evidence_kinds import PAIRWISE, is_trusted, rests_on
from lambdas.domain.evaluation.judge import LOWEST, judge_question, read_verdict, verdict_problem
from lambdas.domain.evaluation.latency_sample import teacher_sample
from lambdas.domain.evaluation.measurements import CHAMPION, PROMPTED, STUDENT, TEACHER, UNDISTILLED, Measurement
from lambdas.domain.text.answer_repair import repaired
from lambdas.domain.text.output_schema import OutputChecker
from lambdas.gateways.answering.answer_recorder import ModelUse
from lambdas.states.evaluate_student.batched_latency import TIMED_APART, time_batched
from lambdas.states.evaluate_student.contestants import (
    Contestant,
    ask_champion,
    ask_prompted,
    champion_contestant,
    prompted_contestant,
    required_contestants,
)
from lambdas.states.evaluate_student.pairs import judge_pairs
from lambdas.workflow.answerer_of_run import answerer_of

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.evaluation.pairs import Pair
    from lambdas.domain.questions.answers import Answer, Asked, Question
    from lambdas.gateways.answering.answerer import Answerer
    from lambdas.gateways.answering.streaming import OpenAsking
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
    answerer = answerer_of(stage)
    measurements = _measure(stage, answerer, records, references, shard) if records else []
    content = "".join(f"{measurement.to_json()}\n" for measurement in measurements).encode()
    runs.write(files.evaluation(stage.attempt, f"{shard}.jsonl"), content)
    stage.progress(shard=shard)
    return {"shard": shard, "records": len(records), "bought": answerer.paid}


@dataclass(frozen=True, slots=True)
class _References:
    """The references of one shard's records, and what is decided over those of all shards.

    Attributes
    ----------
    texts : dict of str to str
        By record id.
    holdout : int
        Records of all shards.
    pairs : bool
        Whether the comparison with the reference model rests on pairs.
    trusted : set of str
        Records whose reference is the user's own answer.
    own : set of str
        Some of the others, whose reference is the teacher's answer: there the judge is asked about its second one.
    """

    texts: dict[str, str]
    holdout: int
    pairs: bool
    trusted: frozenset[str]
    own: frozenset[str]

    def is_judged(self, role: str, record_id: str) -> bool:
        """Whether the judge is asked about a contestant's answer."""
        return role != TEACHER or record_id in self.trusted or record_id in self.own

    def is_second(self, role: str, record_id: str) -> bool:
        """Whether the judge is asked about a second answer, where there is one."""
        return role == TEACHER and record_id in self.own


def _measure(
    stage: Stage, answerer: Answerer, records: Sequence[Record], references: _References, shard: str
) -> list[Measurement]:
    """Ask all contestants at once, since each has a quota of its own, and judge each answer as it comes.

    The judge is asked about every contestant's answers, so that its quota is what the evaluation waits for: it must not
    stand idle while contestants answer.
    """
    rubric, optional = stage.task.judge_rubric, (prompted_contestant(stage), champion_contestant(stage))
    asked = [*required_contestants(stage), *(one for one in optional if one)]
    base_asked = threading.Event()
    may_be_missing: dict[str, Callable[..., Asked | None]] = {
        CHAMPION: ask_champion,
        PROMPTED: partial(ask_prompted, after=base_asked),
    }
    by_id = {record.id: record for record in records}
    timing = {contestant.use.invoke_id: threading.Lock() for contestant in asked}
    judge = stage.plan.models.judge
    use = ModelUse(stage=stage.name, identity=judge, invoke_id=judge, price_model=judge)

    def about(record: Record, answer: str) -> Question:
        return judge_question(record, references.texts[record.id], answer, rubric)

    def judged(role: str, question: Question, answer: Answer) -> None:
        record_id = question.record_id
        if references.is_judged(role, record_id) and not references.is_second(role, record_id):
            judging.put(about(by_id[record_id], answer.text))

    def ask(contestant: Contestant) -> _Answered | None:
        questions, then = [contestant.ask(record) for record in records], partial(judged, contestant.role)
        if contestant.role in may_be_missing:
            found = may_be_missing[contestant.role](stage, answerer, contestant, questions, shard, then)
            return None if found is None else _Answered(contestant, found, references.texts, {})
        try:
            found = answerer.ask(questions, contestant.use, shard, then=then)
        finally:
            if contestant.role == UNDISTILLED:
                base_asked.set()
        timed: dict[str, Answer] = {}
        if contestant.role in TIMED_APART:
            with timing[contestant.use.invoke_id]:  # teacher and baseline may be one model
                timed = time_batched(answerer, contestant, records, found, shard=shard, holdout=references.holdout)
        for record_id, answer in _second_answers(contestant, found, timed, references).items():
            judging.put(about(by_id[record_id], answer.text))
        return _Answered(contestant, found, references.texts, timed)

    with (
        answerer.open(about(records[0], ""), use, shard, unusable=verdict_problem) as judging,
        ThreadPoolExecutor(len(asked)) as executor,
    ):
        found = [answered for answered in executor.map(ask, asked) if answered is not None]
    pairs: dict[str, Pair] = {}
    if references.pairs:
        against = {answered.contestant.role: answered.asked for answered in found}
        reference = stage.task.gate.reference
        pairs = judge_pairs(stage, answerer, records, against[STUDENT], reference, against[reference], shard)
    reading = _Reading(about, judging, OutputChecker(stage.task.output_schema), pairs, references)
    return [_measurement(answered, record, reading) for answered in found for record in records]


def _second_answers(
    contestant: Contestant, found: Asked, timed: dict[str, Answer], references: _References
) -> dict[str, Answer]:
    """Give what is judged once the contestant has been timed: second answers, or first ones where there is no other."""
    return {
        record_id: timed.get(record_id, answer)
        for record_id, answer in found.answers.items()
        if references.is_second(contestant.role, record_id)
    }


def _references(stage: Stage, record_ids: set[str]) -> _References:
    """Read the references of one shard, line by line: the file has those of all shards."""
    found, trusted, others = {}, set[str](), list[str]()
    for line in stage.pipeline.runs.lines(stage.run.files.teacher_data("references.jsonl")):
        item = json.loads(line)
        if item["record_id"] in record_ids:
            found[item["record_id"]] = item["reference"]
        if is_trusted(item):
            trusted.add(item["record_id"])
        else:
            others.append(item["record_id"])
    holdout = len(trusted) + len(others)
    pairs = rests_on(len(trusted), holdout, stage.task.gate) == PAIRWISE
    return _References(found, holdout, pairs, frozenset(trusted), frozenset(teacher_sample(others)))


@dataclass(frozen=True, slots=True)
class _Answered:
    """A contestant, what became of its questions, the references of the records, and answers asked for their times."""

    contestant: Contestant
    asked: Asked
    references: dict[str, str]
    timed: dict[str, Answer]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What turns an answer into a measurement; ``pairs`` by record id."""

    about: Callable[[Record, str], Question]
    judging: OpenAsking
    checker: OutputChecker
    pairs: dict[str, Pair]
    references: _References

    def pair(self, answered: _Answered, record: Record) -> dict[str, Any] | None:
        """Give the pair of a record on the student's measurement."""
        found = self.pairs.get(record.id) if answered.contestant.role == STUDENT else None
        return found.to_document() if found else None


def _question(answered: _Answered, record: Record) -> str:
    """Give the question where the report may show it: five copies of long ones are more than a Lambda can hold."""
    return record.turns[-1].text if answered.contestant.role == STUDENT else ""


def _unanswered(answered: _Answered, record: Record, reading: _Reading) -> Measurement:
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
        pair=reading.pair(answered, record),
    )


def _measurement(answered: _Answered, record: Record, reading: _Reading) -> Measurement:
    answer = answered.asked.answers.get(record.id)
    if answer is None:
        return _unanswered(answered, record, reading)
    role, clock = answered.contestant.role, answered.timed.get(record.id, answer)
    judged = reading.references.is_judged(role, record.id)
    second = reading.references.is_second(role, record.id)
    asked = reading.about(record, (clock if second else answer).text)
    verdict = reading.judging.answer(asked) if judged else None
    read = read_verdict(verdict) if verdict else None
    problem = reading.checker.problem(answer.text)
    return Measurement(
        record_id=record.id,
        role=answered.contestant.role,
        model=answered.contestant.use.invoke_id,
        question=_question(answered, record),
        reference=answered.references[record.id],
        answer=answer.text,
        problem=problem,
        repaired_problem=problem and reading.checker.problem(repaired(answer.text)),
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
        judge_problem=None if read or not judged else reading.judging.failure(asked),
        explanation=read.explanation if read else "",
        slices=record.slices,
        group=record.group_id,
        judged=judged,
        pair=reading.pair(answered, record),
    )
