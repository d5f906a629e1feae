"""An estimate says low and high by stage, stops before the first paid call, and works out what would make it fit."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.costs.budget import check_budget, ways_to_fit
from lambdas.domain.costs.estimate import ChampionToCome, RunToCome, estimate_document
from lambdas.domain.costs.token_estimate import answer_size, question_tokens
from lambdas.domain.dataset.records import parse_line
from lambdas.domain.errors import BudgetExceeded, PriceMissing
from lambdas.domain.evaluation.judge import judge_question
from lambdas.domain.evaluation.judge_calibration import CalibrationCase
from lambdas.domain.evaluation.latency_sample import identity_for_timing
from lambdas.domain.questions.prompts import student_question, teacher_question
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.samples import BOOK, HAIKU, MICRO, models, records

LONG_PROMPT = "be thorough " * 100
RECORDS = records(2_000)


def to_come(train: int = 2_000, holdout: int = 150, *, changes: dict[str, Any] | None = None, **task: Any) -> RunToCome:
    run = RunToCome(
        train=RECORDS[:train],
        holdout=RECORDS[:holdout],
        task=TaskDefinition.from_document({"teacher_system_prompt": LONG_PROMPT, **task}),
        models=models(),
        prices=BOOK,
    )
    return replace(run, **(changes or {}))


def test_an_estimate_needs_every_price() -> None:
    # Given a judge without a price / When / Then
    with pytest.raises(PriceMissing, match=r"acme\.judge"):
        to_come(2, 2, changes={"models": models(judge="acme.judge")}).estimate()


def test_an_estimate_counts_what_bedrock_asks_the_teacher_itself_only_when_it_does() -> None:
    # Given
    distilled, tuned = to_come(), to_come(changes={"models": models(training="fine_tuning")})

    # When
    own = [line for line in distilled.estimate().lines if line.what == "Bedrock's own calls to the teacher"]

    # Then
    assert [line.usage["calls"] for line in own] == [2_000]
    assert distilled.estimate().usd - tuned.estimate().usd == pytest.approx(own[0].usd)


def test_what_the_bill_has_shown_is_in_the_estimate_and_says_so() -> None:
    # Given
    plain, factors = to_come().estimate(), {"training": 1.5, "own_teacher_calls": 0.8}

    # When
    corrected = to_come(changes={"factors": factors}).estimate()

    # Then
    pairs = [(a, b) for a, b in zip(plain.lines, corrected.lines, strict=True) if a != b]
    assert [(b.what, b.usd / a.usd, b.low_usd / a.low_usd, b.high_usd / a.high_usd) for a, b in pairs] == [
        ("Bedrock's own calls to the teacher, times 0.8 as billed", *[pytest.approx(0.8)] * 3),
        ("training, 2 epochs, times 1.5 as billed", *[pytest.approx(1.5)] * 3),
    ]
    assert pairs[0][1].usage["calls"] == pairs[0][0].usage["calls"]
    assert pairs[1][1].usage["training_tokens"] == pytest.approx(1.5 * pairs[1][0].usage["training_tokens"])
    said = "tokens of the training times 1.5, as the bill has shown (setting 'derived_factors')"
    assert estimate_document(corrected)["estimate_method"].endswith(said)
    assert "derived_factors" not in estimate_document(plain)["estimate_method"]


def test_a_calibration_set_is_judged_twice() -> None:
    # Given
    case = CalibrationCase(question="q", reference="r" * 40, answer="a" * 40, expected_score=4, adversarial=False)

    # When
    lines = to_come(changes={"cases": [case] * 30}).estimate().lines

    # Then
    assert [line.stage for line in lines if "calibration" in line.what] == ["CalibrateJudge", "ScoreEvaluation"]


def test_a_champion_is_one_contestant_more() -> None:
    # Given / When
    with_it = to_come(changes={"champion": ChampionToCome("arn:champion", TaskDefinition.default())}).estimate()

    # Then
    verdicts = next(line for line in with_it.lines if line.what == "verdicts on the holdout")
    assert verdicts.usage["calls"] == 5 * 150 + 30
    pairs = next(line for line in with_it.lines if line.what == "verdicts on pairs, in both orders")
    assert pairs.usage["calls"] == 2 * 150


@pytest.mark.parametrize(("trusted", "of_teacher"), [(0, 30), (50, 50 + 30), (140, 140 + 10), (150, 150)])
def test_the_teachers_own_answers_are_judged_for_thirty_references_of_its_own_at_most(
    trusted: int, of_teacher: int
) -> None:
    # Given a holdout of 150 records, some of which bring a trusted answer
    run = to_come()
    holdout = [
        record._replace(golden="yes") if number < trusted else record for number, record in enumerate(run.holdout)
    ]

    # When
    lines = replace(run, holdout=holdout).estimate().lines

    # Then
    [verdicts] = [line for line in lines if line.what == "verdicts on the holdout"]
    assert verdicts.usage["calls"] == 4 * 150 + of_teacher


@pytest.mark.parametrize(
    ("deadline_hours", "paid", "expected"), [(24, 0, [100]), (24, 70, [30]), (24, 150, []), (0.5, 0, [])]
)
def test_the_teacher_is_timed_on_a_sample_where_a_batch_answers(
    deadline_hours: float, paid: int, expected: list[int]
) -> None:
    # Given answers of an earlier run that were asked for their time
    run = to_come(teacher_data={"deadline_hours": deadline_hours})
    timed = identity_for_timing(run.models.teacher)
    keys = {teacher_question(record, run.task).key(timed): "known" for record in run.holdout[:paid]}

    # When
    lines = replace(run, paid=keys).estimate().lines

    # Then
    found = [line for line in lines if line.what == "answers asked for the teacher's latency"]
    assert [line.usage["calls"] for line in found] == expected
    assert {(line.stage, line.model) for line in found} <= {("EvaluateStudent", run.models.teacher)}


def test_a_prompt_that_the_model_keeps_is_read_from_the_cache() -> None:
    # Given a long prompt of 1,500 tokens, and too little time for a batch
    task: dict[str, Any] = {"teacher_system_prompt": "be thorough " * 500, "teacher_data": {"deadline_hours": 0.5}}

    # When
    line = next(line for line in to_come(**task).estimate().lines if line.stage == "GenerateTeacherData")

    # Then: a quarter of the input price for what is read again, and at worst none is
    assert line.usage["cache_read_tokens"] == pytest.approx(1_500 * (line.usage["calls"] - 1))
    assert line.high_usd > 2 * line.usd


@given(st.integers(100, 300), st.integers(0, 80), st.integers(0, 200))
def test_low_expected_and_high_are_in_order_in_every_line(train: int, holdout: int, prompt: int) -> None:
    # Given any size / When
    run = to_come(train, holdout, teacher_system_prompt="word " * (prompt + 1))
    estimate = run.estimate()

    # Then
    assert all(line.low_usd <= line.usd <= line.high_usd for line in estimate.lines)
    assert estimate.usd == pytest.approx(sum(usd for _, usd, _ in estimate.by_stage().values()))


def test_the_length_of_answers_comes_from_the_best_that_is_known() -> None:
    # Given golden answers, references of the calibration set, a schema, or nothing
    prompt = [{"role": "user", "content": [{"text": "cats"}]}]
    golden = [
        parse_line(
            json.dumps(
                {
                    "schemaVersion": "bedrock-conversation-2024",
                    "messages": [*prompt, {"role": "assistant", "content": [{"text": "x" * 400}]}],
                }
            ).encode()
        )
    ] * 5
    case = CalibrationCase(question="q", reference="r" * 200, answer="a", expected_score=4, adversarial=False)
    schema = {"type": "object", "properties": {"intent": {"enum": ["visual", "audio!"]}}}

    # When / Then
    assert (answer_size(golden, [case] * 5, schema).expected, answer_size([], [case] * 5, schema).expected) == (100, 50)
    by_schema = answer_size([], [], schema)
    assert by_schema.expected == pytest.approx(len('{"intent": "visual"}') / 4, rel=0.2)
    assert by_schema.low < by_schema.expected < by_schema.high
    assert "guess" in answer_size([], [], None).source


def test_a_schema_that_contains_itself_has_a_length() -> None:
    # Given
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    schema["properties"]["child"] = schema

    # When / Then
    assert 0 < answer_size([], [], schema).expected < 100


def test_a_budget_below_the_estimate_stops_the_run_with_what_would_make_it_fit() -> None:
    # Given
    run = to_come(changes={"models": models(considered=considered())})
    estimate = run.estimate()
    tight = replace(run, task=replace(run.task, budget_usd=estimate.usd / 4))

    # When
    with pytest.raises(BudgetExceeded) as stopped:
        check_budget(tight, estimate, tight.models.usable())

    # Then
    message = str(stopped.value)
    assert all(stage in message for stage in ("RunTeacherBatch $", "LaunchDistillation $", "EvaluateStudent $"))
    assert "Nothing was paid" in message
    needed = float(re.split(r"[;.] ", message.split("at least ")[1])[0])
    assert 0 <= needed - estimate.usd <= 0.01
    check_budget(replace(run, task=replace(run.task, budget_usd=needed)), estimate, {})
    # And what is expected decides, not the best case
    assert estimate.low_usd < estimate.usd - 0.01
    with pytest.raises(BudgetExceeded):
        check_budget(replace(run, task=replace(run.task, budget_usd=estimate.usd - 0.01)), estimate, {})
    assert "all of these together" in message


def test_each_way_costs_what_it_says() -> None:
    # Given a budget of two thirds
    run = to_come(changes={"models": models(considered=considered())}, teacher_data={"deadline_hours": 0.5})
    estimate = run.estimate()
    tight = replace(run, task=replace(run.task, budget_usd=estimate.usd * 0.67))

    # When
    raised, fewer, *savings = ways_to_fit(tight, estimate, tight.models.usable())

    # Then fewer prompts fit, by no more than the next prompt would cost
    assert not raised.saves
    assert tight.task.budget_usd * 0.98 < fewer.usd <= tight.task.budget_usd
    assert "of the 2,150 prompts" in fewer.change
    # Then the cheaper judge, the batch and the golden examples are each worked out
    said = {way.change: way.usd for way in savings}
    judge = next(usd for change, usd in said.items() if HAIKU in change)
    assert judge == pytest.approx(replace(run, models=models(judge=HAIKU)).estimate().usd)
    assert any("'teacher_data.deadline_hours' to 24" in change for change in said)
    assert any("'teacher_data.mode'" in change for change in said)
    assert all(usd < estimate.usd for usd in said.values())


def test_a_budget_that_no_number_of_prompts_fits_says_so() -> None:
    # Given
    run = to_come(budget_usd=0.01)

    # When
    ways = ways_to_fit(run, run.estimate(), {})

    # Then
    fewest = next(way for way in ways if "the fewest that a run takes" in way.change)
    together = ways[-1]
    assert together.change == "all of these together"
    assert fewest.usd > together.usd > 0.01


def considered() -> list[dict[str, Any]]:
    judges = ("us.anthropic.claude-sonnet-4-6", HAIKU, "acme.without-a-price")
    return [{"role": "judge", "model": model, "usable": True, "reason": ""} for model in judges]


def test_an_estimate_leaves_out_what_has_been_bought() -> None:
    # Given every answer of the teacher, and those of the baseline
    run = to_come(500, 150)
    asked = [teacher_question(record, run.task) for record in [*run.train, *run.holdout]]
    models_asked = (run.models.teacher, run.models.baseline)
    paid = {question.key(model): "known" for question in asked for model in models_asked}

    # When
    lines = replace(run, paid=paid).estimate().lines

    # Then nothing is left to ask the teacher, and the baseline costs nothing
    assert all(line.stage not in ("RunTeacherBatch", "GenerateTeacherData") for line in lines)
    assert sum(line.usd for line in lines if line.what == "answers to the holdout" and line.model == HAIKU) == 0


def test_a_verdict_that_exists_is_not_bought_again_and_one_on_another_answer_is() -> None:
    # Given the teacher's and the baseline's answers to the holdout, and the verdicts on the teacher's
    run = to_come(200, 100)
    models, rubric = run.models, run.task.judge_rubric
    paid = {}
    for record in run.holdout:
        for model in (models.teacher, models.baseline):
            paid[teacher_question(record, run.task).key(model)] = "as good"
        paid[judge_question(record, "as good", "as good", rubric).key(models.judge)] = "5"
    known = replace(run, paid=paid)
    other = replace(run, paid={key: "better" if text == "as good" else text for key, text in paid.items()})

    # When
    counts = [
        next(line for line in each.estimate().lines if line.what == "verdicts on the holdout").usage["calls"]
        for each in (run, known, other)
    ]

    # Then both contestants said the same, so that the verdict on one is that on the other
    assert counts == [430, 300, 430]


def test_a_champions_answers_that_exist_are_not_bought_again() -> None:
    # Given a champion whose callers ask it with another prompt than the new student's
    served = TaskDefinition.from_document({"student_system_prompt": "as it was"})
    run = to_come(200, 100, changes={"champion": ChampionToCome("arn:champion", served)})
    paid = {student_question(record, served).key("arn:champion"): "known" for record in run.holdout}

    # When
    counts = [
        sum(line.usage["calls"] for line in each.estimate().lines if MICRO in line.model and "holdout" in line.what)
        for each in (run, replace(run, paid=paid))
    ]

    # Then the student, and its base with the short and with the long prompt, are asked
    assert counts == [400, 300]


@pytest.mark.parametrize(
    ("task", "chosen", "asked"),
    [
        ({}, {}, True),
        ({"measure_prompting": False}, {}, False),
        ({"student_system_prompt": LONG_PROMPT}, {}, False),
        ({}, {"baseline": f"us.{MICRO}"}, False),
    ],
    ids=["usual", "turned off", "one prompt for all", "the baseline is the base"],
)
def test_the_base_with_the_long_prompt_is_a_line_unless_another_contestant_is_that_rival(
    task: dict[str, Any], chosen: dict[str, Any], *, asked: bool
) -> None:
    # Given / When
    run = to_come(200, 100, changes={"models": models(**chosen)}, **task)
    lines = {line.what: line for line in run.estimate().lines}

    # Then answers and verdicts are counted
    rival = lines.get("answers to the holdout with the long prompt")
    assert (rival is not None and rival.usage["calls"] == 100) is asked
    assert lines["verdicts on the holdout"].usage["calls"] == (430 if asked else 330)


def test_what_exists_says_how_long_answers_and_verdicts_are() -> None:
    # Given a task whose schema would say otherwise
    run = to_come(200, 100, output_schema={"type": "object", "properties": {"why": {"type": "string"}}})
    measured = replace(run, answer_tokens=[400, 500, 600, 500, 500], verdict_tokens=[30] * 5)

    # When
    lines = {line.what: line for line in measured.estimate().lines}

    # Then
    assert lines["Bedrock's own calls to the teacher"].usage["output_tokens"] == 200 * 500
    assert lines["verdicts on the holdout"].usage["output_tokens"] == 430 * 30
    assert "exist" in measured.estimate().answer.source
    assert replace(measured, answer_tokens=[400] * 4).estimate().answer == run.estimate().answer


def test_a_judge_reads_its_tool_and_what_its_provider_adds_for_it() -> None:
    # Given
    question = judge_question(RECORDS[0], "r", "a", "5 is best, 1 is worst")
    tool = question.tool
    assert tool is not None
    texts = [question.system, tool.name, tool.description, tool.input_schema, question.turns[0].text]

    # When / Then
    sent = sum(len(text) for text in texts if text) / 4
    assert question_tokens(question, "us.anthropic.claude-sonnet-4-6") == sent + 313
    assert question_tokens(question, "us.amazon.nova-pro-v1:0") == sent
    assert question_tokens(replace(question, tool=None), HAIKU) < sent
