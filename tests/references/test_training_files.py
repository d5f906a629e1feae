"""Our training files in every mode under the rules of AWS's dataset validators; docs/data.md says where we differ."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.dataset.builder import build_dataset
from lambdas.domain.dataset.line_reader import read_lines
from lambdas.domain.dataset.records import Record
from lambdas.domain.errors import TeacherDataRefused
from lambdas.domain.logs.log_writer import log_entry, why_not_logged
from lambdas.domain.questions.prompts import training_line
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.training.training_file import check_training_file, record_problem
from tests.end_to_end.account import example_lines
from tests.references.aws_validators import (
    distillation_refuses,
    distillation_takes,
    fine_tuning_refuses,
    fine_tuning_takes,
    log_refuses,
)
from tests.stacks.templates import REPOSITORY
from tests.unit.domain.logs.test_log_writer import PLACE, logged

SHORT = TaskDefinition.from_document({"student_system_prompt": "Be short."})
TAKEN, REFUSED = "taken", "refused"


def message(role: str, *texts: str) -> dict[str, Any]:
    return {"role": role, "content": [{"text": text} for text in texts or ("red cats",)]}


def line(**changes: Any) -> str:
    """A record that everybody takes, changed."""
    document: dict[str, Any] = {
        "schemaVersion": "bedrock-conversation-2024",
        "system": [{"text": "Be short."}],
        "messages": [message("user"), message("assistant", "yes")],
    }
    return json.dumps({name: value for name, value in {**document, **changes}.items() if value is not ...})


PAIR = [message("user"), message("assistant", "yes")]
FILES = {
    "a prompt with its answer": [line()] * 100,
    "without a system text": [line(system=...)] * 100,
    "a prompt without an answer": [line(messages=PAIR[:1])] * 100,
    "several turns": [line(messages=PAIR * 2)] * 100,
    "two system texts": [line(system=[{"text": "a"}, {"text": "b"}])] * 100,
    "two texts in a message": [line(messages=[message("user", "a", "b"), PAIR[1]])] * 100,
    "a key that is unknown": [line(slices={})] * 100,
    "`bedrock-conversion-2024`": [line(schemaVersion="bedrock-conversion-2024")] * 100,
    "the assistant first": [line(messages=PAIR[::-1])] * 100,
    "`User:` in a prompt": [line(messages=[message("user", "User: cats"), PAIR[1]])] * 100,
    "`Thought:` in an answer": [line(messages=[PAIR[0], message("assistant", "Thought: cats")])] * 100,
    "`<unk>` in a prompt": [line(messages=[message("user", "<unk> cats"), PAIR[1]])] * 100,
    "99 records": [line()] * 99,
    "15,001 records": [line()] * 15_001,
    "20,001 records": [line()] * 20_001,
}


def verdict(*, taken: bool) -> str:
    return TAKEN if taken else REFUSED


def here(lines: list[str], training: str) -> str:
    try:
        check_training_file(lines, training=training)
    except TeacherDataRefused:
        return REFUSED
    return TAKEN


def row(name: str) -> tuple[str, ...]:
    lines = FILES[name]
    theirs = verdict(taken=distillation_takes(lines)), verdict(taken=fine_tuning_takes(lines))
    return (name, theirs[0], here(lines, "distillation"), theirs[1], here(lines, "fine_tuning"))


def test_the_agreement_table_of_the_page_is_what_both_sides_say() -> None:
    page = (REPOSITORY / "docs" / "data.md").read_text()
    for name in FILES:
        assert f"| {' | '.join(row(name))} |" in page


def test_what_an_aws_validator_refuses_is_refused_here_but_for_several_turns() -> None:
    for name in FILES:
        _, their_distillation, our_distillation, their_fine_tuning, our_fine_tuning = row(name)
        if name != "several turns":  # user guide, prepare data for distillation: Nova takes them
            assert (our_distillation, their_distillation) != (TAKEN, REFUSED), name
        assert (our_fine_tuning, their_fine_tuning) != (TAKEN, REFUSED), name


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([PAIR[0], PAIR[1], message("user", "a", "b"), message("user", "BOT: x")]), max_size=4),
    st.sampled_from([..., [], [{"text": "a"}], [{"text": "SYSTEM: a"}], [{"text": "a"}, {"text": "b"}]]),
    st.sampled_from(["bedrock-conversation-2024", "bedrock-conversion-2024", ...]),
)
def test_no_record_is_taken_here_that_aws_refuses(messages: list[Any], system: Any, version: Any) -> None:
    made = line(messages=messages, system=system, schemaVersion=version)
    if record_problem(made, training="fine_tuning") is None:
        assert fine_tuning_refuses(made) is None
    if record_problem(made, training="distillation") is None and len(messages) <= 2:
        assert distillation_refuses(made) is None


def records() -> list[Record]:
    """The example's prompts, as PrepareDataset makes them: some with a system text, some with a golden answer."""
    lines = []
    for number, raw in enumerate(example_lines()[:400]):
        prompt = json.loads(raw)["prompt"]
        golden = [message("assistant", '{"visual": 1.0}')] if number % 10 == 0 else []
        system = ... if number % 3 else [{"text": "As recorded."}]
        lines.append(line(system=system, messages=[message("user", prompt), *golden]).encode() + b"\n")
    return build_dataset(read_lines(io.BytesIO(b"".join(lines))), lambda _: None).train


@pytest.mark.parametrize("task", [TaskDefinition.default(), SHORT], ids=["own system texts", "short prompt"])
@pytest.mark.parametrize("mode", ["label", "golden", "prompts_only"])
def test_the_file_of_each_mode_passes_the_validators(task: TaskDefinition, mode: str) -> None:
    # Given what each mode trains on (docs/data.md): all answers, the golden ones alone, none
    answers = {record.identity: record.golden for record in records()} if mode == "golden" else {}
    missing = "{}" if mode == "label" else None
    # When
    lines = [training_line(record, task, answers.get(record.identity, missing)) for record in records()]
    # Then
    assert len(lines) > 200
    assert [distillation_refuses(one) for one in lines if distillation_refuses(one)] == []
    check_training_file(lines, training="distillation")
    if mode == "label":
        assert fine_tuning_takes(lines)
        check_training_file(lines, training="fine_tuning")


def test_the_log_of_mode_logged_passes_the_validator_and_several_turns_are_left_out() -> None:
    # Given
    single = records()[:50]
    entries = [log_entry(record, SHORT, logged(number), PLACE) for number, record in enumerate(single)]
    # When, Then
    assert [log_refuses(entry) for entry in entries if log_refuses(entry)] == []
    several = single[0]._replace(turns=single[0].turns * 2)
    assert log_refuses(log_entry(several, SHORT, logged(1), PLACE)) == "one turn"
    assert "several turns" in why_not_logged(several)
