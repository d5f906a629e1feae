"""``init`` makes a task's folder of what an application has, and says what is still missing."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from cli.first_task import init as verb
from cli.first_task.draft import short_prompt
from cli.first_task.input_forms import read_csv, read_inputs, read_table
from lambdas.domain.dataset.records import Record, parse_line
from lambdas.domain.evaluation.judge_calibration import read_calibration
from lambdas.domain.task.task_definition import TaskDefinition
from tests.unit.cli.conftest import FakeAws, worded
from tests.unit.domain.text.secret_samples import SECRETS

Call = Callable[..., Result]
LONG = "Sort the ticket into one queue. Billing is about money; delivery is about parcels. Say nothing else."
SCHEMA = {"type": "object", "required": ["queue"], "properties": {"queue": {"enum": ["billing", "delivery"]}}}
SYSTEM = {"role": "system", "content": "Be short."}


def written(folder: Path, name: str = "prompts.jsonl") -> list[Record]:
    return [parse_line(line) for line in (folder / name).read_bytes().splitlines()]


def task_of(folder: Path) -> dict[str, Any]:
    TaskDefinition.from_text((folder / "task.json").read_bytes())
    found: dict[str, Any] = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    return found


def table(rows: int, *, answer: Callable[[int], str] = lambda at: ("billing", "delivery")[at % 2]) -> str:
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow(["id", "ticket", "label"])
    out.writerows([at, f"where is my parcel for {worded(at)}?", answer(at)] for at in range(rows))
    return text.getvalue()


FORMS: dict[str, tuple[str, str, list[tuple[str, str | None]]]] = {
    "csv": ("in.csv", 'question;answer\n"a; b?";yes\nc?;\n', [("a; b?", "yes"), ("c?", None)]),
    "tsv": ("in.tsv", "text\tmore\none two\tx\nthree\ty\n", [("one two", None), ("three", None)]),
    "lines": ("in.txt", "first one\n\nsecond one\r\n", [("first one", None), ("second one", None)]),
    "ours": (
        "in.jsonl",
        (
            '{"prompt": "one", "slices": {"kind": "x"}}\n{"schemaVersion": "bedrock-conversation-2024", "messages": '
            '[{"role": "user", "content": [{"text": "two"}]}, {"role": "assistant", "content": [{"text": "zwei"}]}]}\n'
        ),
        [("one", None), ("two", "zwei")],
    ),
    "answer beside the prompt": ("in.jsonl", '{"prompt": "one", "completion": "eins"}\n', [("one", "eins")]),
    "openai chat": (
        "in.jsonl",
        json.dumps({"messages": [SYSTEM, {"role": "user", "content": "one"}, {"role": "assistant", "content": "eins"}]})
        + "\n"
        + json.dumps({"messages": [SYSTEM, {"role": "user", "content": [{"type": "text", "text": "two"}]}]}),
        [("one", "eins"), ("two", None)],
    ),
    "openai batch": (
        "in.jsonl",
        json.dumps({"custom_id": "1", "body": {"model": "x", "messages": [{"role": "user", "content": "one"}]}}),
        [("one", None)],
    ),
    "bedrock batch, converse": (
        "in.jsonl",
        json.dumps(
            {
                "recordId": "1",
                "modelInput": {
                    "system": [{"text": "Be short."}],
                    "messages": [{"role": "user", "content": [{"text": "one"}]}],
                },
            }
        ),
        [("one", None)],
    ),
    "bedrock batch, claude": (
        "in.jsonl",
        json.dumps({"modelInput": {"anthropic_version": "x", "messages": [{"role": "user", "content": "one"}]}}),
        [("one", None)],
    ),
    "bedrock batch, one text": ("in.jsonl", '{"modelInput": {"inputText": "one"}}', [("one", None)]),
    "promptfoo": (
        "promptfooconfig.yaml",
        (
            "prompts: ['Translate to German: {{word}}']\ntests:\n  - vars: {word: one}\n    assert: "
            "[{type: equals, value: eins}]\n  - vars: {word: two}\n"
        ),
        [("one", "eins"), ("two", None)],
    ),
    "promptfoo, several variables": (
        "tests.yaml",
        "prompts: ['{{a}} or {{b}}?']\ntests: [{vars: {a: tea, b: milk}}]\n",
        [("tea or milk?", None)],
    ),
    "promptfoo, JSON": (
        "tests.json",
        '[{"vars": {"q": "one"}}, {"vars": {"q": "two"}}]',
        [("one", None), ("two", None)],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_becomes_records_of_the_pipeline(call: Call, tmp_path: Path, name: str) -> None:
    # Given
    file, text, expected = FORMS[name]
    (tmp_path / file).write_text(text, encoding="utf-8", newline="")
    # When
    result = call("init", str(tmp_path / "greetings"), "--inputs", str(tmp_path / file))
    # Then
    assert result.exit_code == 0, result.output
    found = [(record.turns[0].text, record.golden) for record in written(tmp_path / "greetings")]
    assert found == expected


def test_what_the_file_says_about_every_input_is_the_long_prompt(call: Call, tmp_path: Path) -> None:
    # Given
    (tmp_path / "chat.jsonl").write_text(FORMS["openai chat"][1])
    (tmp_path / "foo.yaml").write_text(FORMS["promptfoo"][1])
    # When
    for name in ("chat.jsonl", "foo.yaml"):
        assert call("init", str(tmp_path / name[:3]), "--inputs", str(tmp_path / name)).exit_code == 0
    # Then the records do not repeat it
    assert task_of(tmp_path / "cha")["teacher_system_prompt"] == "Be short."
    assert [record.system for record in written(tmp_path / "cha")] == [None, None]
    assert task_of(tmp_path / "foo")["teacher_system_prompt"] == "Translate to German:"


def test_people_s_answers_become_a_trusted_holdout_and_golden_answers(call: Call, tmp_path: Path) -> None:
    # Given
    (tmp_path / "in.csv").write_text(table(600))
    words = ("--inputs", str(tmp_path / "in.csv"), "--column", "ticket", "--answer-column", "label", "--prompt", LONG)
    # When
    result = call("init", str(tmp_path / "trusted"), *words, "--answers-by", "people", "--json")
    call("init", str(tmp_path / "model"), *words, "--answers-by", "model")
    # Then
    said = json.loads(result.stdout)
    assert (said["train"], said["holdout"], said["inputs"], said["unusable"]) == (500, 100, 600, [])
    assert all(record.golden for record in written(tmp_path / "trusted", "holdout.jsonl"))
    assert all(record.golden for record in written(tmp_path / "trusted"))
    assert not (tmp_path / "model" / "holdout.jsonl").exists()
    # And they are the same at the next time, whatever the order
    rows = table(600).splitlines()
    (tmp_path / "in.csv").write_text("\n".join([rows[0], *reversed(rows[1:])]))
    call("init", str(tmp_path / "again"), *words, "--answers-by", "people")
    held = [{record.id for record in written(tmp_path / name, "holdout.jsonl")} for name in ("trusted", "again")]
    assert held[0] == held[1]


def test_what_is_written_is_usable_and_an_editor_finds_its_schema(call: Call, aws: FakeAws, tmp_path: Path) -> None:
    # Given
    (tmp_path / "in.csv").write_text(table(600))
    folder = tmp_path / "tickets"
    # When
    made = call("init", str(folder), "--inputs", str(tmp_path / "in.csv"), "--prompt", LONG)
    # Then
    assert made.exit_code == 0, made.output
    checked = call("validate", str(folder))
    assert checked.exit_code == 0, checked.output
    assert "calibration.jsonl has no case with a score yet" in checked.output
    schema = json.loads((folder / task_of(folder)["$schema"]).read_text())
    assert "teacher_system_prompt" in schema["properties"]
    assert read_calibration((folder / "calibration.jsonl").read_bytes()) == []
    # And the cases count when they are scored
    cases = [json.loads(line) for line in (folder / "calibration.jsonl").read_text().splitlines()]
    text = "\n".join(json.dumps({**case, "expected_score": 1 + at % 5}) for at, case in enumerate(cases))
    assert len(read_calibration(text.encode())) == len(cases) >= 10
    assert f"Next: {'python -m cli'} validate {folder}" in made.output
    assert not aws.clients


def test_what_exists_is_never_overwritten(call: Call, tmp_path: Path) -> None:
    # Given
    (tmp_path / "in.csv").write_text(table(3))
    (tmp_path / "tickets").mkdir()
    (tmp_path / "tickets" / "task.json").write_text("mine")
    # When
    result = call("init", str(tmp_path / "tickets"), "--inputs", str(tmp_path / "in.csv"))
    # Then
    assert result.exit_code == 2
    assert "has task.json already, and nothing is overwritten" in result.output
    assert (tmp_path / "tickets" / "task.json").read_text() == "mine"
    assert len(list((tmp_path / "tickets").iterdir())) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("größe\nmaß\n".encode("cp1252"), "is not UTF-8: line 1 has the byte 0xf6. It looks like iso-8859-1"),
        ("“quoted” text\n".encode("cp1252"), "It looks like cp1252: add --encoding cp1252"),
        ("one\ntwo\n".encode("utf-16"), "is UTF-16: add --encoding utf-16"),
        ("one two\n".encode("utf-16-le"), "looks like utf-16-le: add --encoding utf-16-le"),
        ("one two\n".encode("utf-16-be"), "looks like utf-16-be"),
        (b"PK\x03\x04rest", "is a zip archive: unpack it first"),
        (b"one\0two\n" * 3, "it has NUL bytes"),
        (b"", "has no input that can be used"),
        (b'[{"prompt": "one"}, 5]', "begins like JSON, but its first line is not one whole object"),
    ],
)
def test_another_encoding_or_kind_is_named_and_nothing_is_written(
    call: Call, tmp_path: Path, content: bytes, said: str
) -> None:
    # Given
    (tmp_path / "in.txt").write_bytes(content)
    # When
    result = call("init", str(tmp_path / "tickets"), "--inputs", str(tmp_path / "in.txt"))
    # Then
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert not (tmp_path / "tickets").exists()


def test_a_named_encoding_is_read(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes("größe\n".encode("cp1252"))
    assert (
        call("init", str(tmp_path / "t1"), "--inputs", str(tmp_path / "in.txt"), "--encoding", "cp1252").exit_code == 0
    )
    assert written(tmp_path / "t1")[0].turns[0].text == "größe"
    wrong = call("init", str(tmp_path / "t2"), "--inputs", str(tmp_path / "in.txt"), "--encoding", "klingon")
    assert "--encoding klingon is not known" in wrong.output


@pytest.mark.parametrize("name", sorted(SECRETS)[:4])
def test_a_secret_is_named_by_its_place_and_nothing_is_written(call: Call, tmp_path: Path, name: str) -> None:
    # Given
    secret = SECRETS[name]
    (tmp_path / "in.txt").write_text(f"harmless\nmy key is {secret}\n")
    words = ("--inputs", str(tmp_path / "in.txt"))
    # When
    blocked = call("init", str(tmp_path / "blocked"), *words)
    dropped = call("init", str(tmp_path / "dropped"), *words, "--secrets", "drop")
    # Then
    assert blocked.exit_code == 1
    assert "1 inputs hold what looks like a secret: line 2" in blocked.output
    assert secret not in blocked.output + dropped.output
    assert not (tmp_path / "blocked").exists()
    assert [record.turns[0].text for record in written(tmp_path / "dropped")] == ["harmless"]
    assert task_of(tmp_path / "dropped")["secrets"] == "drop"


def test_what_the_pipeline_would_reject_is_left_out_and_told_with_its_place(call: Call, tmp_path: Path) -> None:
    # Given
    rows = ["text,answer", "fine,billing", '"User: hello",x', ",y", "also fine,nonsense"]
    (tmp_path / "in.csv").write_text("\n".join(rows))
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    lines = [line.replace("billing", '"{""queue"": ""billing""}"') for line in rows]
    (tmp_path / "in.csv").write_text("\n".join(lines))
    # When
    result = call(
        "init", str(tmp_path / "t1"), "--inputs", str(tmp_path / "in.csv"), "--schema", str(tmp_path / "schema.json")
    )
    # Then
    assert result.exit_code == 0, result.output
    assert [record.turns[0].text for record in written(tmp_path / "t1")] == ["fine"]
    assert "3 entries were left out:" in result.output
    assert "line 3: 'messages[0].content[0].text' contains 'User:'" in result.output
    assert "line 4: column 'text' is empty" in result.output
    assert "line 5: the golden answer does not keep" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--inputs is missing"),
        (("--inputs", "IN", "--column", "body"), "There is no column 'body'. There are: id, ticket, label."),
        (("--inputs", "IN", "--prompt", "x", "--prompt-file", "IN"), "exclude each other"),
        (("--inputs", "IN", "--schema", "IN"), "not JSON"),
        (("--inputs", "IN", "--prompt", "User: do it"), "'teacher_system_prompt'"),
    ],
)
def test_a_wrong_word_writes_nothing(call: Call, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "in.csv").write_text(table(3))
    result = call("init", str(tmp_path / "t1"), *(str(tmp_path / "in.csv") if word == "IN" else word for word in words))
    assert result.exit_code in (1, 2)
    assert said in result.output
    assert not (tmp_path / "t1").exists()


def test_a_folder_that_cannot_be_made_is_said(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(table(3))
    result = call("init", str(tmp_path / ("a" * 250) / ("b" * 1_000)), "--inputs", str(tmp_path / "in.csv"))
    assert result.exit_code == 1, result.output
    assert "cannot be written: File name too long" in result.output


def test_a_person_is_asked_for_what_no_option_says(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a person who takes what is proposed, and knows the volume
    (tmp_path / "in.csv").write_text(table(600))
    asked: list[str] = []
    answers = {"File with the inputs": str(tmp_path / "in.csv"), "Long prompt": LONG, "How many": "2,000,000"}

    def prompt(question: str, default: str = "", **_options: object) -> str:
        asked.append(question)
        return next((answer for begin, answer in answers.items() if question.startswith(begin)), default)

    monkeypatch.setattr("click.prompt", prompt)
    monkeypatch.setattr(verb, "somebody_can_be_asked", lambda: True)
    # When
    result = call("init", str(tmp_path / "tickets"))
    # Then
    assert result.exit_code == 0, result.output
    assert len(asked) <= 8
    task = task_of(tmp_path / "tickets")
    assert task["serving"] == {"mode": "on_demand", "expected_requests_per_month": 2_000_000}
    assert task["student_system_prompt"] == "Sort the ticket into one queue. Answer with one of: billing, delivery."
    assert "Proposed short prompt" in result.output


@pytest.mark.parametrize(
    ("long", "schema", "short"),
    [
        (
            LONG,
            SCHEMA,
            'Sort the ticket into one queue. Answer only with a JSON object: {"queue": "billing"|"delivery"}.',
        ),
        ("\n\nDo it\nwith care", None, "Do it"),
        ("Do it.", {"type": "array"}, "Do it. Answer only with JSON."),
        (
            "Rate.",
            {"properties": {"a": {"type": "number", "minimum": 0, "maximum": 1}, "b": {"type": ["string", "null"]}}},
            'Rate. Answer only with a JSON object: {"a": number 0-1, "b": string|null}.',
        ),
    ],
)
def test_the_short_prompt_is_the_first_sentence_and_the_form(
    long: str, schema: dict[str, Any] | None, short: str
) -> None:
    assert short_prompt(long, schema) == short


@given(st.text(), st.dictionaries(st.text(), st.one_of(st.none(), st.dictionaries(st.text(), st.integers()))))
def test_any_text_and_schema_give_a_short_prompt(long: str, properties: dict[str, Any]) -> None:
    assert len(short_prompt(long, {"properties": properties}).split("\n")) <= 1 + sum(
        name.count("\n") for name in properties
    )


@given(st.text())
def test_no_line_of_any_form_breaks_the_reader(text: str) -> None:
    for form in ("prompts", "openai-chat", "bedrock-batch", "lines"):
        found = read_inputs(form, text)
        assert all(example.turns[-1][0] == "user" for example in found.examples)


@given(st.lists(st.tuples(st.text(alphabet='ab,;"\n é', min_size=1), st.text(alphabet='xy,"\n')), min_size=1))
def test_what_a_table_program_writes_is_read_as_it_was(rows: list[tuple[str, str]]) -> None:
    # Given
    text = io.StringIO(newline="")
    out = csv.writer(text)
    out.writerow(["question", "answer"])
    out.writerows(rows)
    # When
    found = read_csv(read_table("x.csv", text.getvalue()), "question", "answer")
    # Then
    kept = [(question, answer.strip() or None) for question, answer in rows if question.strip()]
    assert [(example.turns[0][1], example.answer) for example in found.examples] == kept


def test_a_row_with_more_cells_than_names_is_told_and_not_cut(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("text,answer\nfine,a\nhello, you there,b\n")
    result = call("init", str(tmp_path / "t1"), "--inputs", str(tmp_path / "in.csv"))
    assert [record.turns[0].text for record in written(tmp_path / "t1")] == ["fine"]
    assert "line 3: more cells than the first line has" in result.output


def test_a_packed_file_is_read_and_a_damaged_one_is_named(call: Call, tmp_path: Path) -> None:
    packed = gzip.compress(b"text\none two\n")
    (tmp_path / "in.csv.gz").write_bytes(packed)
    assert call("init", str(tmp_path / "t1"), "--inputs", str(tmp_path / "in.csv.gz")).exit_code == 0
    assert written(tmp_path / "t1")[0].turns[0].text == "one two"
    (tmp_path / "in.csv.gz").write_bytes(packed[:-9])
    result = call("init", str(tmp_path / "t2"), "--inputs", str(tmp_path / "in.csv.gz"))
    assert result.exit_code == 2
    assert "the gzip data are damaged" in result.output


def test_what_is_left_out_is_in_no_file_of_the_folder(call: Call, tmp_path: Path) -> None:
    # Given half a character, which no file can hold, and a secret
    secret = SECRETS[min(SECRETS)]
    lines = ['{"prompt": "fine"}', '{"prompt": "half \\ud800"}', json.dumps({"prompt": f"key {secret}"})]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    # When
    result = call("init", str(tmp_path / "t1"), "--inputs", str(tmp_path / "in.jsonl"), "--secrets", "drop")
    # Then
    assert result.exit_code == 0, result.output
    everything = "".join(path.read_text() for path in (tmp_path / "t1").iterdir())
    assert secret not in everything
    assert "half" not in everything
    assert len((tmp_path / "t1" / "calibration.jsonl").read_text().splitlines()) == 1


def test_half_a_folder_is_taken_away_again(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a disk that is full at the second file
    (tmp_path / "in.txt").write_text("one two\n")
    opened: list[Path] = []
    real = Path.open

    def full(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode == "x":
            opened.append(path)
            if len(opened) == 2:
                raise OSError(28, "No space left on device", str(path))
        return real(path, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", full)
    # When
    result = call("init", str(tmp_path / "t1"), "--inputs", str(tmp_path / "in.txt"))
    # Then
    assert result.exit_code == 1
    assert "No space left on device" in result.output
    assert list((tmp_path / "t1").iterdir()) == []
