"""A dataset is a pure function of its prompts: counts add up, nothing straddles, growth moves no record."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset import builder, records
from lambdas.domain.dataset.builder import Dataset, build_dataset
from lambdas.domain.dataset.line_reader import read_lines
from lambdas.domain.dataset.records import MAX_LINE_BYTES, from_json_lines, to_json_lines
from lambdas.domain.dataset.strict_json import decoded, quickly_decoded
from lambdas.domain.errors import InvalidUpload
from lambdas.domain.task.task_definition import TaskDefinition

GOOD = b'{"prompt": "red cats"}'
WORDS = st.text("abcdefgh", min_size=1, max_size=6)
LINES = st.lists(
    WORDS.map(lambda word: json.dumps({"prompt": word}).encode())
    | st.binary(max_size=20).filter(lambda b: b"\n" not in b),
    max_size=40,
)


def build(lines: list[bytes], own_holdout: list[bytes] | None = None) -> tuple[Dataset, list[dict[str, Any]]]:
    rejected: list[dict[str, Any]] = []
    return build_dataset(lines, rejected.append, own_holdout=own_holdout), rejected


def prompts(count: int) -> list[bytes]:
    return [json.dumps({"prompt": f"cats number {number}"}).encode() for number in range(count)]


def ids(dataset: Dataset) -> tuple[list[str], list[str]]:
    return [record.id for record in dataset.train], [record.id for record in dataset.holdout]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"prompt": "a"}\n'.encode("utf-16"), "UTF-16"),
        ('\ufeff{"prompt": "a"}\n'.encode("utf-16-be"), "UTF-16"),
        (gzip.compress('{"prompt": "a"}\n'.encode("utf-16"), mtime=0), "UTF-16"),
        ('{"prompt": "a"}\n'.encode("utf-32"), "UTF-32"),
        ('\ufeff{"prompt": "a"}\n'.encode("utf-32-be"), "UTF-32"),
        ('{"prompt": "a"}\n'.encode("utf-32-le"), "UTF-32 without byte order mark"),
        (bz2.compress(b'{"prompt": "a"}\n'), "bzip2"),
        (lzma.compress(b'{"prompt": "a"}\n'), "xz"),
        (b"\x28\xb5\x2f\xfd and so on", "zstd"),
        (gzip.compress(gzip.compress(b'{"prompt": "a"}\n', mtime=0), mtime=0), "gzip inside gzip"),
        (gzip.compress(bz2.compress(b'{"prompt": "a"}\n'), mtime=0), "bzip2"),
        (b'[{"prompt": "a"},\n {"prompt": "b"}]', "one JSON array"),
        (b'\xef\xbb\xbf [\n  {"prompt": "a"}]', "one JSON array"),
        (b"PAR1 and so on", "Parquet"),
        (b"<!DOCTYPE html><html>404</html>\n", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "a Git LFS pointer"),
        (b"PK\x03\x04 and so on", "a zip archive"),
        (b"\x89PNG\r\n\x1a\n", "an image"),
    ],
    ids=[
        "utf-16",
        "utf-16-be",
        "utf-16 in gzip",
        "utf-32",
        "utf-32-be",
        "utf-32 without mark",
        "bzip2",
        "xz",
        "zstd",
        "gzip in gzip",
        "bzip2 in gzip",
        "array",
        "array with mark",
        "parquet",
        "web page",
        "lfs",
        "zip",
        "png",
    ],
)
def test_another_kind_of_file_is_named(content: bytes, kind: str) -> None:
    # Given a file that is no JSON Lines / When / Then
    with pytest.raises(InvalidUpload, match=f"the file is {kind}; upload JSON Lines in UTF-8"):
        list(read_lines(io.BytesIO(content)))


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_lines_that_end_with_a_carriage_return_alone_are_named(zipped: bool) -> None:
    # Given an old Mac's file, far longer than a line may be
    content = b"\r".join(prompts(5_000)) + b"\r"

    # When / Then
    with pytest.raises(InvalidUpload, match=r"carriage return alone.*line feed"):
        list(read_lines(io.BytesIO(gzip.compress(content, mtime=0) if zipped else content)))


def test_one_line_may_end_with_a_carriage_return() -> None:
    assert list(read_lines(io.BytesIO(b'{"prompt": "a"}\r'))) == [b'{"prompt": "a"}']


@pytest.mark.parametrize(
    ("joined", "said"),
    [
        (b"\xef\xbb\xbf" + b"\n".join(prompts(2)) + b"\n\xef\xbb\xbf" + b"\n".join(prompts(2)), "byte order mark"),
        (b"\xef\xbb\xbf\xef\xbb\xbf" + b"\n".join(prompts(2)), "byte order mark"),
        (b"\n".join(prompts(2)) + b"\n" + b"\0" * 64, "NUL byte"),
        (b"\n".join(prompts(2)) + b"\n\x1a", "Ctrl-Z"),
        (b"\n".join(prompts(2)) + b"\n" + b"\r".join(prompts(2)) + b"\n", "carriage return without a line feed"),
        (b"\n".join(prompts(2)) + b"\n" + b"\r".join(prompts(5_000)) + b"\n", "carriage return without a line feed"),
        (b"\n".join(prompts(2)) + b'\n{"prompt":\xc2\xa0"a"}', "no-break space"),
        (b"\n".join(prompts(2)) + '\n{"prompt": "ä"}'.encode("utf-16-le"), "save all of it as UTF-8"),
    ],
    ids=["two marks", "two marks in a row", "padded", "dos", "short returns", "long returns", "space", "utf-16"],
)
def test_what_nobody_sees_is_named_with_its_cure(joined: bytes, said: str) -> None:
    # Given files joined or padded: an editor shows nothing wrong
    dataset, rejected = build(list(read_lines(io.BytesIO(joined))))

    # When / Then
    assert dataset.counts.damaged
    assert said in rejected[0]["reason"]
    assert said in dataset.counts.first_damage


def test_what_nobody_sees_is_taken_where_a_text_has_it() -> None:
    # Given invisible characters within a text, where they are text
    signs = "\ufeff\xa0\u200b"
    lines = [json.dumps({"prompt": f"cats{sign}and dogs"}, ensure_ascii=False).encode() for sign in signs]
    dataset, rejected = build(lines)

    assert not rejected
    assert dataset.counts.lines == 3


def test_a_reserved_word_in_another_case_is_taken_and_warned_of() -> None:
    # Given
    lines = [*prompts(3), b'{"prompt": "the user: Bob; his thought: none"}', b'{"prompt": "<IMAGE> of a cat"}']

    # When
    dataset, rejected = build(lines)

    # Then
    assert not rejected
    assert dataset.counts.other_case == 2
    (warning,) = dataset.warnings()
    assert "2 usable lines hold a reserved word in another case, first 'user:'" in warning


def test_damaged_gzip_data_are_named_wherever_the_damage_is() -> None:
    # Given a gzip file with one byte changed, or cut off, at every place behind its sign
    whole = gzip.compress(b"".join(line + b"\n" for line in prompts(200)), mtime=0)
    damaged = [whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :] for place in range(2, len(whole), 7)]
    damaged += [whole[:place] for place in range(2, len(whole), 97)]

    # When / Then: the lines come through, or the damage is named; never another error
    named = 0
    for content in damaged:
        try:
            list(read_lines(io.BytesIO(content)))
        except InvalidUpload as problem:
            named += "damaged" in str(problem)
    assert named > len(damaged) * 0.9


def test_a_line_far_over_the_limit_is_rejected_in_bounded_memory_and_the_next_one_is_read() -> None:
    # Given 64 MB on one line, compressed, then a good line
    content = gzip.compress(b"x" * 64_000_000 + b"\n" + GOOD, compresslevel=1)
    build([GOOD])  # what is loaded at first use is no memory of this line
    tracemalloc.start()

    # When
    dataset, rejected = build(list(read_lines(io.BytesIO(content))))

    # Then
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000
    assert [item["line"] for item in rejected] == [1]
    assert "at most" in rejected[0]["reason"]
    assert len(dataset.train) + len(dataset.holdout) == 1


@pytest.mark.parametrize("extra", [-2, -1, 0, 1, 2, MAX_LINE_BYTES])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_line_around_the_limit_never_runs_into_the_next_one(extra: int, end: bytes) -> None:
    # Given a valid line of nearly the longest length, then a good one
    frame = b'{"prompt": ""}'
    long = frame[:-2] + b"a" * (MAX_LINE_BYTES - len(frame) + extra) + frame[-2:]
    content = long + end + (GOOD if end else b"")

    # When
    lines = list(read_lines(io.BytesIO(content)))

    # Then
    dataset, rejected = build(lines)
    assert lines[1:] == ([GOOD] if end else [])
    assert len(rejected) == (extra > 0)
    assert dataset.counts.lines == len(lines)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte order mark"])
def test_plain_and_gzip_with_any_line_end_and_mark_are_the_same_lines(pack: Any, end: bytes, mark: bytes) -> None:
    # Given a blank line in the middle and no line end at the end
    content = pack(mark + GOOD + end + end + b'{"prompt": "b"}')

    # When
    lines = list(read_lines(io.BytesIO(content)))

    # Then
    assert lines == [GOOD, b"", b'{"prompt": "b"}']
    assert build(lines)[0].counts.lines == 2


def test_an_empty_file_has_no_lines() -> None:
    # Given / When / Then
    assert list(read_lines(io.BytesIO(b""))) == []
    assert build([])[0].counts.lines == 0


def test_one_broken_line_among_a_thousand_is_rejected_with_its_number() -> None:
    # Given
    lines = prompts(1_000)
    lines[499] = b'{"prompt": '

    # When
    dataset, rejected = build(lines)

    # Then
    assert [item["line"] for item in rejected] == [500]
    assert dataset.counts.rejected == 1
    assert len(dataset.train) + len(dataset.holdout) == 999


@given(LINES)
def test_the_counts_add_up(lines: list[bytes]) -> None:
    # Given any lines / When
    dataset, rejected = build(lines)

    # Then every line that is not blank is somewhere, once
    counts = dataset.counts
    parts = len(dataset.train) + len(dataset.holdout) + counts.rejected + counts.duplicates + counts.not_chosen
    assert counts.lines == parts == sum(bool(line.strip()) for line in lines)
    assert counts.rejected == len(rejected)


@given(st.binary(max_size=400) | st.lists(st.binary(max_size=30) | st.just(GOOD), max_size=12).map(b"\n".join))
def test_any_bytes_are_read_to_their_end_or_refused_as_a_file(content: bytes) -> None:
    # Given any bytes at all, as a file
    # When
    try:
        dataset, rejected = build(list(read_lines(io.BytesIO(content))))
    except InvalidUpload:
        return

    # Then no other error gets out, and the counts add up
    counts = dataset.counts
    assert counts.lines == len(dataset.train) + len(dataset.holdout) + counts.rejected + counts.duplicates
    assert counts.rejected == len(rejected)


def test_the_same_prompts_in_another_order_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given more prompts than the holdout takes
    monkeypatch.setattr(builder, "MAX_HOLDOUT_RECORDS", 1_000)
    lines = prompts(6_000)

    # When
    forwards, backwards = build(lines)[0], build(lines[::-1])[0]

    # Then
    assert len(forwards.holdout) == builder.MAX_HOLDOUT_RECORDS
    assert to_json_lines(forwards.train) == to_json_lines(backwards.train)
    assert to_json_lines(forwards.holdout) == to_json_lines(backwards.holdout)
    assert forwards.summary() == backwards.summary()


@given(LINES, LINES, st.randoms(use_true_random=False))
def test_growth_and_reordering_move_no_record(lines: list[bytes], more: list[bytes], random: Any) -> None:
    # Given a file, and the same file grown and shuffled
    grown = lines + more
    random.shuffle(grown)

    # When
    (train, holdout), (later_train, later_holdout) = ids(build(lines)[0]), ids(build(grown)[0])

    # Then
    assert set(train) <= set(later_train)
    assert set(holdout) <= set(later_holdout)
    assert not set(later_train) & set(later_holdout)
    assert later_train == sorted(later_train)


def test_near_duplicates_are_merged_into_the_first_one() -> None:
    # Given
    lines = [b'{"prompt": "Red cats"}', b'{"prompt": "red  CATS!"}', b'{"prompt": "blue cats"}']

    # When
    dataset, _ = build(lines)

    # Then
    assert dataset.counts.duplicates == 1
    assert {record.turns[0].text for record in [*dataset.train, *dataset.holdout]} == {"Red cats", "blue cats"}


def test_at_most_about_a_third_becomes_the_holdout() -> None:
    # Given / When
    dataset, _ = build(prompts(2_500))

    # Then: within 62 of 833, which is 2.6 standard deviations of a binomial
    assert 771 <= len(dataset.holdout) <= 895
    assert len(dataset.holdout) + len(dataset.train) == 2_500


def trusted(question: str, answer: str) -> bytes:
    messages = [
        {"role": role, "content": [{"text": text}]} for role, text in (("user", question), ("assistant", answer))
    ]
    return json.dumps({"schemaVersion": "bedrock-conversation-2024", "messages": messages}).encode()


def test_an_own_holdout_replaces_the_split_and_keeps_its_prompts_out_of_the_training() -> None:
    # Given a holdout with two trusted answers, one line without an answer, and one broken
    own = [trusted("cats number 1", "one"), GOOD, b"{", trusted("dogs", "none")]

    # When
    dataset, rejected = build(prompts(50), own)

    # Then
    assert {record.golden for record in dataset.holdout} == {"one", "none"}
    assert len(dataset.train) == 49
    assert (dataset.counts.leaked, dataset.counts.duplicates) == (1, 0)
    assert [(item["file"], item["line"]) for item in rejected] == [("holdout.jsonl", 2), ("holdout.jsonl", 3)]
    assert "must end with the trusted answer" in rejected[0]["reason"]
    assert dataset.summary()["split_rule"] == "the task's own holdout.jsonl"


@given(LINES, LINES)
def test_the_counts_add_up_with_an_own_holdout_too(lines: list[bytes], own: list[bytes]) -> None:
    # Given any lines, and a holdout of which every prompt has an answer
    texts = [line[12:-2].decode() for line in own if line.startswith(b'{"prompt": "')]
    held = [*(trusted(text, "yes") for text in texts), *own]

    # When
    dataset, rejected = build(lines, held)

    # Then
    counts, of_holdout = dataset.counts, dataset.holdout_counts
    assert of_holdout is not None
    assert counts.lines == len(dataset.train) + counts.rejected + counts.duplicates + counts.leaked
    assert of_holdout.lines == len(dataset.holdout) + of_holdout.rejected + of_holdout.duplicates
    assert counts.rejected + of_holdout.rejected == len(rejected)
    assert not {item.id for item in dataset.train} & {item.id for item in dataset.holdout}


def with_system(system: str, question: str, answer: str | None = None) -> bytes:
    document = json.loads(trusted(question, answer or "yes"))
    return json.dumps({**document, "system": [{"text": system}]}).encode()


@pytest.mark.parametrize(("prompt", "merged"), [("Be short.", 1), (None, 0)])
def test_where_the_task_has_a_system_prompt_records_that_differ_in_their_own_are_one(
    prompt: str | None, merged: int
) -> None:
    # Given one question under two system texts, of which the student sees neither where the task has one
    task = TaskDefinition.from_document({} if prompt is None else {"student_system_prompt": prompt})
    lines = [with_system("talk like a pirate", "Cats?"), with_system("be kind", "cats")]

    # When
    dataset = build_dataset(lines, lambda _: None, task=task)

    # Then it cannot be trained on under one of them and examined under the other
    taken = [*dataset.train, *dataset.holdout]
    assert dataset.counts.duplicates == merged
    assert [item.system for item in taken if merged] == ["talk like a pirate"] * merged
    assert len(taken) == 2 - merged


@pytest.mark.parametrize(("prompt", "leaked"), [("Be short.", 1), (None, 0)])
def test_where_the_task_has_a_system_prompt_the_records_own_hides_no_leak(prompt: str | None, leaked: int) -> None:
    # Given the same question with another system text, which counts for nothing where the task has one
    task = TaskDefinition.from_document({} if prompt is None else {"student_system_prompt": prompt})
    lines, own = [with_system("talk like a pirate", "Cats?"), GOOD], [with_system("be kind", "cats")]

    # When
    dataset = build_dataset(lines, lambda _: None, own_holdout=own, task=task)

    # Then
    assert dataset.counts.leaked == leaked
    assert len(dataset.train) == 2 - leaked


def test_what_is_left_out_of_the_holdout_is_said() -> None:
    # Given one trusted answer, the same question again, and one line without an answer
    dataset, _ = build(prompts(5), [trusted("dogs", "a"), trusted("DOGS", "b"), GOOD, trusted("cats number 1", "c")])

    # When / Then
    leaked, left_out = dataset.warnings()
    assert leaked.startswith("1 lines ask what holdout.jsonl asks, or are in a group with it; they are kept out of the")
    assert left_out == "4 lines of holdout.jsonl: 1 rejected, 1 merged as duplicates"


def test_golden_answers_are_kept_and_explained() -> None:
    # Given
    none, some = build(prompts(10))[0], build([*prompts(10), trusted("dogs", "a"), trusted("mice", "b")])[0]

    # When / Then
    golden = sum(record.golden is not None for record in [*some.train, *some.holdout])
    assert golden == 2
    assert "about 10 that a person has checked are enough to steer the teacher" in none.advice()[0]
    assert some.advice()[0].startswith(f"{some.golden} of {len(some.train)} training records bring a golden answer")
    assert build([])[0].advice() == []


@given(LINES)
def test_a_dataset_survives_being_written_and_read(lines: list[bytes]) -> None:
    # Given
    dataset, _ = build(lines)

    # When / Then
    assert from_json_lines(to_json_lines(dataset.train)) == dataset.train


@given(LINES)
def test_without_the_quick_reader_the_same_bytes_come_out(lines: list[bytes]) -> None:
    # Given a machine for which orjson was not compiled
    assert quickly_decoded is not decoded
    hurried, hurried_rejections = build(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "quickly_decoded", decoded)

        # When
        exact, rejections = build(lines)

    # Then
    assert to_json_lines(exact.train) == to_json_lines(hurried.train)
    assert to_json_lines(exact.holdout) == to_json_lines(hurried.holdout)
    assert exact.summary() == hurried.summary()
    assert rejections == hurried_rejections
