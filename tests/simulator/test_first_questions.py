"""CheckRun asks each chosen model one question as the run asks it later, before anything else is paid."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.domain.errors import ModelUnavailable, QuotaTooLow, TeacherDataRefused
from lambdas.domain.training.hopeless import FEWEST
from lambdas.gateways.registry.runs import Run
from lambdas.gateways.registry.table import Table
from lambdas.states.check_run.stage import execute as check_run
from tests.simulator import toy
from tests.simulator.conftest import Account
from tests.simulator.teacher_stages import MODELS, TeacherStages
from tests.unit.gateways.registry.embedded_table import dynamodb, table

__all__ = ["dynamodb", "table"]

PROMPTS = list(dict.fromkeys(toy.queries(330, "stages")))[:300]
TASK = {
    "teacher_system_prompt": toy.LONG_PROMPT,
    "student_system_prompt": toy.SHORT_PROMPT,
    "serving": {"mode": "on_demand"},
    "gate": {"max_quality_drop": 0.5},
}
SECOND_JUDGE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
NO_TEMPERATURE = "The model returned the following errors: `temperature` is deprecated for this model."
NO_TOOL_CHOICE = "This model doesn't support the toolConfig.toolChoice.tool field."
LEGACY = "This Model is marked by provider as Legacy and you have not been actively using the model."


@pytest.fixture
def stages(account: Account, table: Table) -> Iterator[TeacherStages]:
    made = TeacherStages(account.url, account.objects, account.clock, table)
    with made.connected():
        yield made


def checked(stages: TeacherStages, run: Run) -> dict[str, Any]:
    check_run(stages.stage("CheckRun", run))
    plan: dict[str, Any] = stages.pipeline.runs.read_json(run.files.plan(run.attempt))
    return plan


def test_each_chosen_model_is_asked_once_in_the_form_that_the_run_uses(account: Account, stages: TeacherStages) -> None:
    # Given
    run = stages.prepare(PROMPTS, TASK)
    # When
    plan = checked(stages, run)
    # Then
    calls = {call.params["modelId"]: call.params for call in account.control.calls(operation="Converse")}
    assert set(calls) == {MODELS.teacher, MODELS.judge, MODELS.baseline, MODELS.student}
    assert all(asked["inferenceConfig"]["temperature"] == 0.0 for asked in calls.values())
    assert {model for model, asked in calls.items() if "toolChoice" in asked} == {MODELS.judge}
    # And they are a line of the estimate, and to the last digit one of the ledger
    lines = [line for line in plan["estimate"] if line["stage"] == "CheckRun"]
    assert Counter(line["model"] for line in lines) == Counter(calls.keys())
    entries = stages.pipeline.registry.ledger(run.run_id)
    actual = [
        entry for entry in entries if entry.stage == "CheckRun" and entry.kind == "actual" and entry.usage["calls"]
    ]
    assert {entry.model for entry in actual} == set(calls)
    billed = sum(charge.usd or 0.0 for charge in account.control.billing())
    assert sum(entry.usd for entry in actual) == pytest.approx(billed)
    assert sum(line["low_usd"] for line in lines) < billed < sum(line["high_usd"] for line in lines)


def test_a_lambda_that_is_tried_again_pays_no_question_twice(account: Account, stages: TeacherStages) -> None:
    run = stages.prepare(PROMPTS, TASK)
    checked(stages, run)
    checked(stages, run)
    assert len(account.control.billing()) == 4


@pytest.mark.parametrize("words", [NO_TEMPERATURE, NO_TOOL_CHOICE, LEGACY])
def test_the_next_judge_of_the_list_is_taken_where_the_first_refuses(
    account: Account, stages: TeacherStages, words: str
) -> None:
    # Given
    account.control.order("refuse_prompt", fraction=1.0, model="claude-sonnet-4-6", message=words)
    # When
    plan = checked(stages, stages.prepare(PROMPTS, TASK))
    # Then
    assert plan["models"]["judge"] == SECOND_JUDGE
    [first] = [one for one in plan["models"]["considered"] if one["model"] == MODELS.judge]
    assert not first["usable"]
    assert words in first["reason"]
    assert any(
        line["model"] == SECOND_JUDGE and line["what"] == "one question to the judge" for line in plan["estimate"]
    )


@pytest.mark.parametrize(
    ("role", "part"), [("baseline", "claude-haiku-4-5"), ("teacher", "nova-pro"), ("student", "nova-micro")]
)
def test_a_run_stops_unpaid_where_no_model_of_a_list_answers(
    account: Account, stages: TeacherStages, role: str, part: str
) -> None:
    # Given
    account.control.order("refuse_prompt", fraction=1.0, model=part, message=LEGACY)
    run = stages.prepare(PROMPTS, TASK)
    # When
    with pytest.raises(ModelUnavailable) as refused:
        checked(stages, run)
    # Then it names role, model and the service's words, and cost a cent at most
    said = str(refused.value)
    assert all(word in said for word in (f"as {role}", getattr(MODELS, role), LEGACY))
    assert sum(charge.usd or 0.0 for charge in account.control.billing()) < 0.01


def test_a_record_that_is_refused_for_its_content_is_not_the_models_refusal(
    account: Account, stages: TeacherStages
) -> None:
    # Given a service that refuses the first record of the holdout, whoever is asked
    run = stages.prepare(PROMPTS, TASK)
    holdout = stages.pipeline.runs.read(run.files.dataset("holdout.jsonl")).splitlines()
    first = PROMPTS[next(i for i, prompt in enumerate(PROMPTS) if prompt.encode() in holdout[0])]
    account.control.order("refuse_prompt", fraction=1.0, containing=first, message="blocked by policy")
    # When / Then
    assert checked(stages, run)["models"]["judge"] == MODELS.judge


NO_VERDICTS = {
    "six": "not a whole number from 1 to 5",
    "no_tool_call": "it did not call record_score",
    "two_calls": "it made 2 calls",
    "other_tool": "it called 'record_opinion'",
    "words_beside": "it said something beside its call",
    "malformed_call": "ended with 'malformed_tool_use'",
}


@pytest.mark.parametrize(("how", "said"), NO_VERDICTS.items())
def test_a_judge_that_gives_no_verdict_is_not_taken(
    account: Account, stages: TeacherStages, how: str, said: str
) -> None:
    # Given models of which no judgement is one call of the scoring tool with a score
    account.control.order("wrong_judge", how=how, fraction=1.0)
    # When / Then
    with pytest.raises(ModelUnavailable, match=rf"no model can be used as judge: .*{said}"):
        checked(stages, stages.prepare(PROMPTS, TASK))


@pytest.mark.parametrize("how", NO_VERDICTS)
def test_a_judge_that_gives_no_verdict_once_is_asked_again(account: Account, stages: TeacherStages, how: str) -> None:
    # Given
    account.control.order("wrong_judge", how=how, count=1)
    # When
    chosen = checked(stages, stages.prepare(PROMPTS, TASK))["models"]["judge"]
    # Then
    assert chosen == MODELS.judge
    calls = [call.params["modelId"] for call in account.control.calls(operation="Converse")]
    assert calls.count(MODELS.judge) == 2


def test_another_attempt_asks_again(account: Account, stages: TeacherStages) -> None:
    # Given a baseline that refuses, and is put in order by a person
    order = account.control.order("refuse_prompt", fraction=1.0, model="claude-haiku-4-5", message=LEGACY)
    run = stages.prepare(PROMPTS, TASK)
    with pytest.raises(ModelUnavailable):
        checked(stages, run)
    del order
    account.control.withdraw()
    registry, now = stages.pipeline.registry, "2026-11-29T12:00:00.000Z"
    registry.end(run.run_id, run.attempt, "FAILED", "why", now, None)
    registry.free_slot(run.run_id)
    registry.begin_retry(run.run_id, now)
    assert registry.take_slot(run.run_id, 100, now)
    again = registry.run(run.run_id)
    # When / Then
    assert again.attempt == 2
    assert checked(stages, again)["models"]["baseline"] == MODELS.baseline


def test_a_model_whose_quota_of_the_day_is_zero_is_passed_over_unasked(account: Account, stages: TeacherStages) -> None:
    # Given
    account.control.change(quotas={"SIM-TPD-ClaudeSonnet4-6": 0})
    # When
    plan = checked(stages, stages.prepare(PROMPTS, TASK))
    # Then
    assert plan["models"]["judge"] == SECOND_JUDGE
    [first] = [one for one in plan["models"]["considered"] if one["model"] == MODELS.judge]
    assert "quota of 0 tokens a day, which never resets" in first["reason"]


def test_an_estimate_that_takes_more_days_than_are_waited_for_stops_unpaid(
    account: Account, stages: TeacherStages
) -> None:
    # Given
    account.control.change(quotas={"SIM-TPD-ClaudeSonnet4-6": 5_000})
    # When / Then
    with pytest.raises(QuotaTooLow, match=r"claude-sonnet-4-6 is needed for about .* 5,000 a day.*Nothing was paid"):
        checked(stages, stages.prepare(PROMPTS, TASK))
    assert account.control.billing() == []


def test_a_quota_of_the_day_is_reset_by_the_next_day(account: Account, stages: TeacherStages) -> None:
    # Given a quota that the first questions have used up
    run = stages.prepare(PROMPTS, TASK)
    account.control.change(quotas={"SIM-TPD-ClaudeSonnet4-6": 1_000_000})
    checked(stages, run)
    account.control.change(quotas={"SIM-TPD-ClaudeSonnet4-6": 1})
    # When
    question: Any = {"modelId": MODELS.judge, "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
    with pytest.raises(ClientError, match="Too many tokens per day"):
        account.runtime.converse(**question)
    # Then the next day has its own
    account.clock.advance(86_400)
    assert account.runtime.converse(**question)["stopReason"] == "end_turn"


def test_a_teacher_that_is_always_cut_off_is_given_up_before_a_batch_is_paid(
    account: Account, stages: TeacherStages
) -> None:
    # Given a teacher whose every answer is longer than the token limit
    account.control.order("bad_ending", fraction=1.0, model="nova-pro", reason="max_tokens")
    run = stages.prepare(PROMPTS, TASK)

    # When
    with pytest.raises(TeacherDataRefused, match=r"truncated.*raise 'max_answer_tokens', which is 1000"):
        checked(stages, run)

    # Then twenty answers were looked at, and no more paid for
    calls = [call.params["modelId"] for call in account.control.calls(operation="Converse")]
    assert FEWEST <= calls.count(MODELS.teacher) < 2 * FEWEST

    # When a Lambda is tried again / Then nothing is paid twice
    with pytest.raises(TeacherDataRefused):
        checked(stages, run)
    assert len(account.control.calls(operation="Converse")) == len(calls)


@pytest.mark.parametrize("needed", [True, False])
def test_a_holdout_with_golden_answers_is_no_proof_of_a_teacher_that_is_always_cut_off(
    account: Account, stages: TeacherStages, *, needed: bool
) -> None:
    # Given golden answers to the whole holdout, and none to the training or all of them
    account.control.order("bad_ending", fraction=1.0, model="nova-pro", reason="max_tokens")
    golden = [trusted(f"golden {prompt} of another kind") for prompt in PROMPTS]
    stages.pipeline.uploads.write("video/holdout.jsonl", b"".join(golden))
    run = stages.prepare(PROMPTS, TASK)
    if not needed:
        file = run.files.dataset("train.jsonl")
        lines = [json.loads(line) | {"golden": "right"} for line in stages.pipeline.runs.read(file).splitlines()]
        stages.pipeline.runs.write(file, b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    # When / Then the teacher is given up where somebody learns from it
    if needed:
        with pytest.raises(TeacherDataRefused, match="truncated"):
            checked(stages, run)
    else:
        checked(stages, run)
    calls = [call.params["modelId"] for call in account.control.calls(operation="Converse")]
    assert (FEWEST <= calls.count(MODELS.teacher) < 2 * FEWEST) is needed


def trusted(prompt: str) -> bytes:
    """Write a prompt with the answer that is right."""
    turns = [{"role": role, "content": [{"text": text}]} for role, text in (("user", prompt), ("assistant", "right"))]
    return json.dumps({"schemaVersion": "bedrock-conversation-2024", "messages": turns}).encode() + b"\n"


@pytest.mark.parametrize("reason", ["max_tokens", "thoughts", "refusal"])
def test_a_first_answer_of_no_use_costs_a_few_more_and_ends_nothing(
    account: Account, stages: TeacherStages, reason: str
) -> None:
    # Given
    account.control.order("bad_ending", fraction=1.0, model="nova-pro", reason=reason, count=1)
    run = stages.prepare(PROMPTS, TASK)

    # When
    checked(stages, run)

    # Then their answers are kept for the later stages
    calls = [call.params["modelId"] for call in account.control.calls(operation="Converse")]
    assert calls.count(MODELS.teacher) == 1 + FEWEST
