"""Secrets in prompts: found by kind, never repeated, and handled as the task says; ordinary prompts pass."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lambdas.domain.dataset.builder import Dataset, build_dataset, rejection_line
from lambdas.domain.dataset.records import SCHEMA_VERSION, to_json_lines
from lambdas.domain.errors import InvalidTaskDefinition, SecretsFound
from lambdas.domain.evaluation.dataset_checks import check_secrets
from lambdas.domain.task.task_definition import TaskDefinition
from lambdas.domain.text.secret_scan import _DETECTORS, _beginnings_of_jwts, _detector, may_hold_secret, secret_kinds
from tests.unit.domain.text.secret_samples import ENCRYPTED_KEY, HARMLESS, SECRETS

KEY = SECRETS["AWS Access Key"]
KINDS = pytest.mark.parametrize("kind", SECRETS)


def build(*lines: dict[str, Any], secrets: str = "block", **task: Any) -> tuple[Dataset, list[dict[str, Any]]]:
    rejected: list[dict[str, Any]] = []
    rules = TaskDefinition.from_document({"secrets": secrets, **task})
    return build_dataset([json.dumps(line).encode() for line in lines], rejected.append, task=rules), rejected


def conversation(system: str = "be short", question: str = "cats", answer: str = "meow", **more: Any) -> dict[str, Any]:
    messages = [
        {"role": role, "content": [{"text": text}]} for role, text in (("user", question), ("assistant", answer))
    ]
    return {"schemaVersion": SCHEMA_VERSION, "system": [{"text": system}], "messages": messages, **more}


@KINDS
def test_each_kind_is_found_in_the_middle_of_a_prompt(kind: str) -> None:
    # Given / When / Then
    assert kind in secret_kinds(f"please look at this: {SECRETS[kind]} and tell me what is wrong")


def test_an_encrypted_private_key_is_one_too() -> None:
    # Given / When / Then
    assert secret_kinds(ENCRYPTED_KEY) == ["Private Key"]


@pytest.mark.parametrize("text", HARMLESS, ids=range(len(HARMLESS)))
def test_ordinary_prompts_with_long_words_pass(text: str) -> None:
    # Given / When / Then
    assert secret_kinds(text) == []


@pytest.mark.parametrize(("module", "name", "marks"), _DETECTORS, ids=[name for _, name, _ in _DETECTORS])
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_cheap_steps_let_through_what_the_library_finds(
    module: str, name: str, marks: tuple[str, ...], data: st.DataObject
) -> None:
    # Given a text that a detector of the library is made to find
    detector = _detector(module, name)
    pattern = data.draw(st.sampled_from(list(detector.denylist)))
    text = data.draw(st.from_regex(pattern, fullmatch=True, alphabet=st.characters(codec="ascii")))
    # The library looks into a JWT, and nearly no text of the pattern is a valid one: all of them must pass the marks
    assume(name == "JwtTokenDetector" or list(detector.analyze_string(text)))

    # When / Then
    assert any(mark in text or mark in text.lower() for mark in marks)
    if name not in ("JwtTokenDetector", "PrivateKeyDetector", "SlackDetector"):  # as patterns shorter than any key is
        assert may_hold_secret(text.encode())


@pytest.mark.parametrize(
    "line",
    [
        pytest.param({"prompt": f"use {KEY} to log in"}, id="prompt"),
        pytest.param({"prompt": f"line one\nuse {KEY}"}, id="behind an escape"),
        pytest.param({"prompt": "cats", "slices": {"from": KEY}}, id="slice"),
        pytest.param({"prompt": "cats", "slices": {KEY: "x"}}, id="name of a slice"),
        pytest.param(conversation(question=KEY), id="user turn"),
        pytest.param(conversation(system=KEY), id="system text"),
        pytest.param(conversation(answer=KEY), id="golden answer"),
        # Lines that are rejected for another reason, which would repeat a part of them
        pytest.param({"prompt": "cats", KEY: 1}, id="unknown key"),
        pytest.param({"prompt": [KEY]}, id="wrong type"),
        pytest.param(conversation(schemaVersion=KEY), id="version"),
        pytest.param({**conversation(), "messages": [{"role": KEY, "content": []}]}, id="role"),
        pytest.param({**conversation(), "system": [{KEY: "x"}]}, id="block"),
    ],
)
@pytest.mark.parametrize("secrets", ["block", "drop"])
def test_a_line_with_a_secret_is_rejected_and_nothing_repeats_it(line: dict[str, Any], secrets: str) -> None:
    # Given / When
    dataset, rejected = build({"prompt": "dogs"}, line, secrets=secrets)

    # Then the reason has line and kind; neither the rejections nor the dataset have any part of the secret
    assert [item["line"] for item in rejected] == [2]
    assert "it holds what looks like a secret (AWS Access Key)" in rejected[0]["reason"]
    assert dataset.counts.secrets == dataset.counts.rejected == 1
    kept = b"".join(map(rejection_line, rejected)) + to_json_lines(dataset.train + dataset.holdout)
    written = kept.decode() + json.dumps(dataset.summary()) + str(dataset.counts)
    assert not any(KEY[at : at + 8] in written for at in range(len(KEY) - 7))


def test_a_secret_written_with_escapes_is_found() -> None:
    # Given
    line = b'{"prompt": "' + b"".join(b"\\u%04x" % ord(character) for character in KEY) + b'"}'

    # When
    rejected: list[dict[str, Any]] = []
    build_dataset([line], rejected.append)

    # Then
    assert "AWS Access Key" in rejected[0]["reason"]


def test_block_stops_the_run_with_lines_kinds_and_what_to_do() -> None:
    # Given thirty prompts, of which 25 hold keys
    dataset, _ = build(*({"prompt": f"{number} {KEY if number >= 5 else 'cats'}"} for number in range(30)))

    # When
    with pytest.raises(SecretsFound) as stopped:
        check_secrets(dataset, TaskDefinition.default())

    # Then
    said = str(stopped.value)
    assert said.startswith("25 lines hold what looks like a secret: line 6 (AWS Access Key), line 7 ")
    assert ", and 5 more. Nothing was paid. Revoke what is real" in said
    assert '"drop"' in said
    assert '"allow"' in said
    assert KEY not in said


def test_drop_goes_on_without_such_lines_and_says_so() -> None:
    # Given / When
    dataset, _ = build({"prompt": "dogs"}, {"prompt": KEY}, secrets="drop")

    # Then
    check_secrets(dataset, TaskDefinition.from_document({"secrets": "drop"}))
    assert len(dataset.train) + len(dataset.holdout) == 1
    assert dataset.summary()["secrets"] == 1
    assert "1 lines are left out because they hold what looks like a secret" in dataset.warnings()


def test_allow_takes_such_lines_and_warns() -> None:
    # Given / When
    dataset, rejected = build({"prompt": "dogs"}, {"prompt": KEY}, secrets="allow")

    # Then
    check_secrets(dataset, TaskDefinition.from_document({"secrets": "allow"}))
    assert rejected == []
    assert len(dataset.train) + len(dataset.holdout) == 2
    assert (dataset.summary()["secrets"], dataset.summary()["secrets_allowed"]) == (0, 1)
    assert any("'secrets' of task.json allows it" in warning for warning in dataset.warnings())


def test_the_holdout_file_is_searched_too() -> None:
    # Given
    lines = [json.dumps({"prompt": "dogs"}).encode()]
    own = [json.dumps(conversation(answer=KEY)).encode()]

    # When
    dataset = build_dataset(lines, lambda _: None, own_holdout=own)

    # Then
    with pytest.raises(SecretsFound, match=r"1 lines .*: holdout\.jsonl line 1 \(AWS Access Key\)"):
        check_secrets(dataset, TaskDefinition.default())


@pytest.mark.parametrize("name", ["teacher_system_prompt", "student_system_prompt", "judge_rubric"])
@pytest.mark.parametrize("secrets", ["block", "drop"])
def test_a_secret_in_the_task_definition_is_refused_without_repeating_it(name: str, secrets: str) -> None:
    # Given / When
    with pytest.raises(InvalidTaskDefinition) as refused:
        TaskDefinition.from_document({name: f"log in with {KEY}", "secrets": secrets})

    # Then
    assert f"'{name}' holds what looks like a secret (AWS Access Key)" in str(refused.value)
    assert KEY not in str(refused.value)
    TaskDefinition.from_document({name: f"log in with {KEY}", "secrets": "allow"})


def test_the_library_is_imported_only_when_a_line_may_hold_a_secret() -> None:
    # Given a fresh process that reads an ordinary prompt, then one with a key
    code = f"""
import sys
from lambdas.domain.dataset.builder import build_dataset
import lambdas.states.prepare_dataset.handler
for prompt in (b"red cats running along the beach", {KEY.encode()!r}):
    build_dataset([b'{{"prompt": "' + prompt + b'"}}'], lambda _: None)
    print("detect_secrets" in sys.modules)
"""

    # When
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603

    # Then
    assert done.stdout.split() == ["False", "True"]


def test_a_jwt_is_found_wherever_it_stands_in_a_long_run() -> None:
    # Given a token behind what could begin one, glued to other characters, and in the middle of dots
    token = SECRETS["JSON Web Token"]

    # When / Then
    for text in (f"eyJ.eyJ..{token}", f"token={token}", f"x.{token}", "eyJ" * 5_000 + f" {token}", f"{token}.eyJ"):
        assert "JSON Web Token" in secret_kinds(text), text[:40]
    assert secret_kinds("eyJ" * 20_000 + ".") == []


def test_a_hostile_line_takes_steps_in_proportion_to_its_length() -> None:
    # Given what starts a token again and again and never ends one / When
    pieces = [_beginnings_of_jwts("eyJ" * number + "." + "eyJ" * number) for number in (10, 1_000)]

    # Then the detector is given each character at most twice
    assert [len(piece) for piece in pieces] == [61, 6_001]
    assert secret_kinds("sk-aT3BlbkFJ" * 5_000) == []
