"""The first model that can still be used is taken, and whoever was not is told why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.domain.errors import ModelUnavailable
from lambdas.domain.model_ids import foundation_model_id, model_family
from lambdas.domain.task.model_choice import ModelChoice, ModelFacts, choose_models
from tests.unit.domain.samples import HAIKU, MICRO, PREMIER

NOW = datetime(2026, 9, 14, 12, tzinfo=UTC)
PRO, SONNET, MICRO_BASE = "us.amazon.nova-pro-v1:0", "us.anthropic.claude-sonnet-4-6", f"{MICRO}:128k"
BOTH = ("DISTILLATION", "FINE_TUNING")
FACTS = {
    model: ModelFacts(model=model, customizations=BOTH if model == MICRO_BASE else ())
    for model in (PREMIER, PRO, HAIKU, SONNET, MICRO, MICRO_BASE)
}


def choose(
    *, training: str = "auto", judges: tuple[str, ...] = (SONNET, HAIKU), **changes: dict[str, Any]
) -> ModelChoice:
    names = {"premier": PREMIER, "pro": PRO, "haiku": HAIKU, "sonnet": SONNET, "micro": MICRO, "base": MICRO_BASE}
    facts = {**FACTS, **{names[name]: replace(FACTS[names[name]], **change) for name, change in changes.items()}}
    return choose_models(
        facts.values(),
        {"teacher": [PREMIER, PRO], "judge": list(judges), "baseline": [HAIKU]},
        student=MICRO,
        student_customization=MICRO_BASE,
        training=training,
        now=NOW,
    )


def test_no_usable_teacher_names_each_with_its_problem() -> None:
    # Given / When
    with pytest.raises(ModelUnavailable) as unavailable:
        choose(premier={"end_of_life": NOW}, pro={"access_problem": "needs its agreement"})

    # Then
    message = str(unavailable.value)
    assert f"{PREMIER} has reached its end of life on 2026-09-14" in message
    assert f"{PRO} needs its agreement" in message
    assert "'teacher_models'" in message


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"exists": False}, "is not known in this Region"),
        ({"on_demand": False}, "name one of its inference profiles"),
        ({"access_problem": "is not allowed"}, "is not allowed"),
    ],
)
def test_a_student_that_cannot_be_called_stops_the_run(facts: dict[str, Any], words: str) -> None:
    # Given / When / Then
    with pytest.raises(ModelUnavailable, match=words):
        choose(micro=facts)


def test_a_teacher_past_its_end_of_life_is_passed_over_and_one_shortly_before_it_is_not() -> None:
    # Given / When
    after = choose(premier={"end_of_life": NOW - timedelta(seconds=1)})
    before = choose(premier={"end_of_life": NOW + timedelta(seconds=1)})

    # Then
    assert (after.teacher, before.teacher) == (PRO, PREMIER)
    reasons = {item["model"]: item["reason"] for item in after.considered if item["role"] == "teacher"}
    assert "end of life" in reasons[PREMIER]
    assert reasons[PRO] == "first of the list that can be used"


def test_a_student_learns_of_any_teacher_by_fine_tuning_where_no_pair_is_open() -> None:
    # Given a teacher of another family
    facts = [replace(FACTS[SONNET], model=model) if model == SONNET else FACTS[model] for model in FACTS]

    # When
    choice = choose_models(
        facts,
        {"teacher": [SONNET], "judge": [HAIKU], "baseline": [HAIKU]},
        student=MICRO,
        student_customization=MICRO_BASE,
        training="auto",
        now=NOW,
    )

    # Then it is taken, and what the provider's terms say of such training is told
    assert (choice.teacher, choice.training) == (SONNET, "fine_tuning")
    assert any("terms" in warning for warning in choice.warnings)
    assert not choose().warnings


def test_what_is_legacy_is_taken_and_told_with_its_dates_and_its_price() -> None:
    # Given a judge that is Legacy: still answering, at the prices of extended access
    life = {
        "lifecycle": "LEGACY",
        "legacy_since": NOW - timedelta(days=90),
        "extended_access_from": NOW,
        "end_of_life": NOW + timedelta(days=90),
    }

    # When
    choice = choose(sonnet=life)

    # Then
    assert choice.judge == SONNET
    assert choice.extended_access == [SONNET]
    (warning,) = choice.warnings
    assert "LEGACY since 2026-06-16" in warning
    assert "costs the prices of extended access" in warning
    assert "ends on 2026-12-13" in warning
    (said,) = [item["reason"] for item in choice.considered if item["model"] == SONNET]
    assert "LEGACY since" in said


def test_extended_access_that_is_to_come_costs_nothing_yet() -> None:
    # Given / When
    choice = choose(sonnet={"lifecycle": "LEGACY", "extended_access_from": NOW + timedelta(seconds=1)})

    # Then
    assert choice.extended_access == []
    assert "will cost the prices of extended access" in choice.warnings[0]


def test_a_plan_of_another_version_is_read() -> None:
    # Given what an earlier and a later version wrote
    document = choose().to_document()
    earlier = {name: value for name, value in document.items() if name not in ("extended_access", "warnings")}

    # When / Then
    assert ModelChoice.from_document({**earlier, "of_tomorrow": 1}) == choose()


def test_a_judge_of_the_students_own_family_is_refused() -> None:
    # Given / When
    choice = choose(judges=(PRO, HAIKU))

    # Then
    assert choice.judge == HAIKU
    (refused,) = [item for item in choice.considered if item["role"] == "judge" and not item["usable"]]
    assert "favour" in refused["reason"]
    with pytest.raises(ModelUnavailable, match="no model can be used as judge"):
        choose(judges=(PRO,))


@pytest.mark.parametrize(
    ("changes", "way"),
    [
        ({}, "distillation"),
        ({"base": {"customizations": ("FINE_TUNING",)}}, "fine_tuning"),
        ({"premier": {"lifecycle": "LEGACY"}}, "fine_tuning"),
    ],
)
def test_auto_falls_back_to_fine_tuning_where_no_pair_is_open(changes: dict[str, Any], way: str) -> None:
    # Given / When / Then
    assert choose(**changes).training == way


def test_distillation_that_was_asked_for_is_not_replaced_in_silence() -> None:
    # Given / When / Then
    with pytest.raises(ModelUnavailable, match="no distillation pair is open"):
        choose(training="distillation", base={"customizations": ("FINE_TUNING",)})


def test_distillation_from_a_legacy_teacher_is_not_replaced_either() -> None:
    # Given / When / Then
    with pytest.raises(ModelUnavailable, match="the teacher is legacy"):
        choose(training="distillation", premier={"lifecycle": "LEGACY"})


@pytest.mark.parametrize(("premier", "hint"), [("LEGACY", True), ("ACTIVE", False)])
def test_where_another_teacher_of_the_list_has_an_open_pair_that_is_said(premier: str, hint: bool) -> None:
    # Given a list whose second teacher could be distilled from, and a student that may be
    says = f"with {PRO} of 'teacher_models' a pair is open: name it first"
    student = {"customizations": BOTH if premier == "LEGACY" else ("FINE_TUNING",)}

    # When / Then
    teacher = {"lifecycle": premier}
    with pytest.raises(ModelUnavailable) as refused:
        choose(training="distillation", premier=teacher, base=student)
    assert (says in str(refused.value)) == hint
    assert (says in choose(premier=teacher, base=student).training_reason) == hint
    if hint:
        with pytest.raises(ModelUnavailable) as without:
            choose(training="distillation", premier={"lifecycle": "LEGACY"}, pro={"exists": False})
        assert says not in str(without.value)


def test_fine_tuning_that_is_forced_but_impossible_is_named() -> None:
    # Given / When / Then
    with pytest.raises(ModelUnavailable, match=r"the task wants fine-tuning, but .* cannot be fine-tuned"):
        choose(training="fine_tuning", base={"customizations": ("DISTILLATION",)})


@pytest.mark.parametrize(
    ("training", "changes", "why"),
    [
        ("auto", {}, "the pair is open"),
        ("distillation", {}, "the task wants it"),
        ("fine_tuning", {}, "the task wants fine-tuning"),
        ("auto", {"premier": {"lifecycle": "LEGACY"}}, "the teacher is legacy"),
        ("auto", {"base": {"customizations": ("FINE_TUNING",)}}, "the student cannot be distilled in this account"),
    ],
)
def test_the_choice_says_why_it_trains_so(training: str, changes: dict[str, Any], why: str) -> None:
    # Given / When / Then
    assert why in choose(training=training, **changes).training_reason


def test_fine_tuning_that_was_asked_for_is_taken_although_a_pair_is_open() -> None:
    # Given / When / Then
    assert choose(training="fine_tuning").training == "fine_tuning"


@pytest.mark.parametrize("facts", [{"exists": False}, {"end_of_life": NOW}, {"customizations": ()}])
def test_a_student_that_cannot_be_customized_stops_the_run(facts: dict[str, Any]) -> None:
    # Given / When / Then
    with pytest.raises(ModelUnavailable, match="student"):
        choose(base=facts)


@pytest.mark.parametrize("training", ["auto", "distillation", "fine_tuning"])
def test_a_legacy_student_stops_the_run_and_names_the_settings(training: str) -> None:
    # Given a model of which new customization jobs are refused, though it lists their types and answers
    says = "is legacy, .* 'student_model' and 'student_customization_model' .*, deploy and retry"
    with pytest.raises(ModelUnavailable, match=says):
        choose(training=training, base={"lifecycle": "LEGACY"})


def test_a_choice_survives_the_plan() -> None:
    # Given
    choice = choose()

    # When / Then
    assert ModelChoice.from_document(choice.to_document()) == choice


@pytest.mark.parametrize(
    ("called", "model", "family"),
    [
        ("us.amazon.nova-pro-v1:0", "amazon.nova-pro-v1:0", "amazon"),
        ("global.anthropic.claude-sonnet-4-6", "anthropic.claude-sonnet-4-6", "anthropic"),
        ("amazon.nova-micro-v1:0:128k", "amazon.nova-micro-v1:0", "amazon"),
        ("amazon.nova-micro-v1:0", "amazon.nova-micro-v1:0", "amazon"),
    ],
)
def test_what_lies_behind_an_identifier(called: str, model: str, family: str) -> None:
    # Given / When / Then
    assert (foundation_model_id(called), model_family(called)) == (model, family)
