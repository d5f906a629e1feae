"""What a job costs follows from its training file: prompts, answers, and answers that Bedrock's teacher gives."""

from __future__ import annotations

import json

import pytest

from lambdas.domain.costs.training_cost import TrainingVolume
from lambdas.domain.dataset.records import parse_line
from lambdas.domain.questions.prompts import training_line
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.domain.samples import BOOK, models

TASK = TaskDefinition.from_document({"student_system_prompt": "s" * 40})


def line(prompt: str, answer: str | None) -> str:
    return training_line(parse_line(json.dumps({"prompt": prompt}).encode()), TASK, answer)


def test_texts_count_and_the_marks_around_them_do_not() -> None:
    # Given / When
    volume = TrainingVolume.of([line("p" * 60, "a" * 80), line("p" * 20, "b" * 41)])

    # Then a request has whole tokens, and a line end between its texts
    assert volume == TrainingVolume(records=2, prompt_tokens=26 + 16, answer_tokens=20 + 11)


def test_a_record_without_an_answer_counts_the_mean_of_the_others() -> None:
    # Given / When / Then
    assert TrainingVolume.of([line("p", "a" * 80), line("q", None)]).answer_tokens == 40
    assert TrainingVolume.of([line("p", None)]).answer_tokens == 80


def test_training_is_paid_an_epoch_and_bedrocks_own_calls_on_demand() -> None:
    # Given a million tokens of each
    volume = TrainingVolume(records=10, prompt_tokens=1e6, answer_tokens=1e6)

    # When
    training = volume.training_entry("t", "LaunchDistillation", models(), BOOK)
    own = volume.own_calls_entry("o", "LaunchDistillation", models(), BOOK)

    # Then: 2 epochs at $1.00; Premier at $2.50 in and $12.50 out
    assert training.usd == pytest.approx(4.0)
    assert own.usd == pytest.approx(15.0)
    assert (training.kind, own.kind, own.usage["calls"]) == ("derived", "derived", 10)
