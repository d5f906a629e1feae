"""What the simulator is told of a task, and that nothing of the held-out side reaches it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.errors import CHECK_FAILED, NOT_REACHED, CliError
from cli.simulated_task import simulated_task, tell_simulator
from cli.submission import check_folder
from local.bedrock_simulator.objects import MemoryObjectStore
from local.bedrock_simulator.server import SimulatorServer
from local.bedrock_simulator.simulator import Simulator
from local.bedrock_simulator.subjects import Subjects, TaskFacts, example_truths
from tests.unit.cli.conftest import worded

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
COUNT = 700


def line(number: int, answer: str | None) -> str:
    question = f"ticket {worded(number)} about {WORDS[number % 8]} and {WORDS[number // 8 % 8]}"
    messages = [{"role": "user", "content": [{"text": question}]}]
    if answer is not None:
        messages.append({"role": "assistant", "content": [{"text": answer}]})
    return json.dumps({"schemaVersion": "bedrock-conversation-2024", "messages": messages})


def right(number: int) -> str:
    return f"It is about {WORDS[number % 8]}."


def document(folder: Path) -> dict[str, Any]:
    submission = check_folder(folder, None)
    return simulated_task(submission.beside.task, submission.beside.definition(), submission.dataset)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    (made / "task.json").write_text(json.dumps({"student_system_prompt": "short", "teacher_system_prompt": "long"}))
    (made / "prompts.jsonl").write_text("\n".join(line(number, right(number)) for number in range(COUNT)))
    return made


@pytest.fixture
def simulator() -> Iterator[str]:
    server = SimulatorServer(Simulator(MemoryObjectStore(), Subjects(example_truths()))).start()
    yield server.url
    server.close()


def change_golden(folder: Path, held_out: set[str]) -> None:
    lines = [json.loads(text) for text in (folder / "prompts.jsonl").read_text().splitlines()]
    for entry in lines:
        if entry["messages"][0]["content"][0]["text"] in held_out:
            entry["messages"][1]["content"][0]["text"] = "It is about something else altogether."
    (folder / "prompts.jsonl").write_text("\n".join(map(json.dumps, lines)))


def change_trusted(folder: Path, _held_out: set[str]) -> None:
    answers = [line(number, "It is about something else altogether.") for number in range(COUNT, COUNT + 120)]
    (folder / "holdout.jsonl").write_text("\n".join(answers))


@pytest.mark.parametrize("change", [change_golden, change_trusted])
def test_no_simulated_model_changes_its_answers_with_the_held_out_ones(
    folder: Path, change: Callable[[Path, set[str]], None]
) -> None:
    # Given a task that is known to the simulator
    if change is change_trusted:
        trusted = [line(number, right(number)) for number in range(COUNT, COUNT + 120)]
        (folder / "holdout.jsonl").write_text("\n".join(trusted))
    held_out = {record.turns[-1].text for record in check_folder(folder, None).dataset.holdout}
    before = document(folder)
    assert len(held_out) >= 99

    # When every held-out answer changes
    change(folder, held_out)
    after = document(folder)

    # Then nothing else is told, so that what is right stays the same for every question
    assert (
        "something else"
        in (folder / "holdout.jsonl" if change is change_trusted else folder / "prompts.jsonl").read_text()
    )
    assert after == before
    assert not held_out & {pair["question"] for pair in before["examples"]}
    first, second = (Subjects().register(TaskFacts.from_document(told)) for told in (before, after))
    assert {first.answer(question) == second.answer(question) for question in held_out} == {True}


def test_a_told_task_is_answered(folder: Path, simulator: str) -> None:
    # Given / When
    source = tell_simulator(simulator, document(folder))

    # Then
    number, _, words = source.partition(" ")
    assert int(number) > 400
    assert words == "golden answers of its training side"


def test_a_task_that_nobody_knows_is_refused_before_anything_is_uploaded(folder: Path, simulator: str) -> None:
    # Given prompts without answers, and trusted ones for measuring only
    (folder / "prompts.jsonl").write_text("\n".join(line(number, None) for number in range(COUNT)))
    change_trusted(folder, set())

    # When / Then
    with pytest.raises(CliError) as refused:
        tell_simulator(simulator, document(folder))
    assert refused.value.exit_code == CHECK_FAILED
    assert str(refused.value).startswith("Nothing was uploaded. Nobody on this machine knows")
    assert "0 usable ones are there, and at least 20 are needed" in str(refused.value)
    assert "holdout.jsonl do not count" in str(refused.value)


def test_a_simulator_that_is_gone_is_said(folder: Path) -> None:
    # Given / When / Then
    with pytest.raises(CliError) as refused:
        tell_simulator("http://127.0.0.1:9", document(folder))
    assert refused.value.exit_code == NOT_REACHED


def test_records_with_a_system_text_of_their_own_are_asked_with_it(folder: Path) -> None:
    # Given no prompt of the task
    (folder / "task.json").unlink()
    entry = json.loads(line(0, right(0))) | {"system": [{"text": "their own"}]}
    with (folder / "prompts.jsonl").open("a") as file:
        file.write("\n" + json.dumps(entry))

    # When / Then
    assert document(folder)["prompts"] == ["", "their own"]
