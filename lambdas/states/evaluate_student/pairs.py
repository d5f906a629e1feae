"""Let the judge compare the student's answers with the reference model's, blinded and in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lambdas.domain.evaluation.pairs import (
    PAIR_CALLS,
    Pair,
    judged_pair,
    pair_question,
    pair_verdict_problem,
    read_pair_verdict,
)
from lambdas.gateways.answering.answer_recorder import ModelUse

if TYPE_CHECKING:
    from lambdas.domain.dataset.records import Record
    from lambdas.domain.questions.answers import Asked
    from lambdas.gateways.answering.answerer import Answerer
    from lambdas.workflow.stage import Stage


def judge_pairs(
    stage: Stage,
    answerer: Answerer,
    records: Sequence[Record],
    student: Asked,
    role: str,
    reference: Asked,
    shard: str,
) -> dict[str, Pair]:
    """Judge each record's pair.

    Equal texts are not asked about, since neither can be better. Where one of them gave no answer there is nothing to
    judge: a student that gave none is as bad as can be, and what the reference would have answered nobody knows.

    Parameters
    ----------
    stage : Stage
    answerer : Answerer
    records : sequence of Record
        Of the shard.
    student, reference : Asked
        What became of their questions.
    role : str
        The reference's.
    shard : str

    Returns
    -------
    dict of str to Pair
        By record id.

    Raises
    ------
    ModelUnavailable, RetryLater
        As :meth:`Answerer.ask`; what was paid for is kept.
    """
    ours, theirs, pairs = student.answers, reference.answers, {}
    to_ask = []
    for record in records:
        if record.id not in ours or record.id not in theirs:
            missing = "the student" if record.id not in ours else f"the {role}"
            pairs[record.id] = _without(role, "unanswered", f"{missing} gave no answer")
        elif ours[record.id].text == theirs[record.id].text:
            pairs[record.id] = Pair(against=role, difference=0.0, outcome="equal")
        else:
            to_ask.append(record)
    judge = stage.plan.models.judge
    use = ModelUse(stage=stage.name, identity=judge, invoke_id=judge, price_model=judge, counted_as=PAIR_CALLS)
    forward, backward = (
        [pair_question(record, first[record.id].text, second[record.id].text, stage.task) for record in to_ask]
        for first, second in ((ours, theirs), (theirs, ours))
    )
    with ThreadPoolExecutor(2) as executor:
        asked = list(
            executor.map(lambda them: answerer.ask(them, use, shard, pair_verdict_problem), (forward, backward))
        )
    for record in to_ask:
        pairs[record.id] = _read(record.id, role, *asked)
    return pairs


def _read(record_id: str, role: str, forward: Asked, backward: Asked) -> Pair:
    for asked in (forward, backward):
        if record_id not in asked.answers:
            return _without(role, "no_verdict", asked.failed.get(record_id, "no answer"))
    first, second = (read_pair_verdict(asked.answers[record_id]) for asked in (forward, backward))
    return judged_pair(role, first, second)


def _without(role: str, outcome: str, problem: str) -> Pair:
    return Pair(against=role, difference=None, outcome=outcome, problem=problem)
