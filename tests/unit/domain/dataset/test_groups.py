"""Records that are not independent lie on one side, or leave the training; what is counted adds up."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset import builder
from lambdas.domain.dataset.builder import Dataset, build_dataset
from lambdas.domain.dataset.line_errors import RejectedLine
from lambdas.domain.dataset.near_duplicates import count_groups, keep_apart, masked
from lambdas.domain.dataset.records import Record, from_json_lines, parse_line, to_json_lines
from lambdas.domain.task.sample_bounds import MOST_HELD_OUT
from lambdas.domain.task.task_definition import TaskDefinition

DAYS = ("Monday", "Tuesday", "Friday", "Sunday")
THINGS = ("parcel", "invoice", "refund", "ticket", "printer", "laptop", "order", "password", "account", "router")
DEEDS = ("has not arrived", "is wrong", "was lost again", "cannot be found", "needs a new owner", "looks broken")
PLACES = ("in Rome", "near the lake", "at the depot", "behind the school", "under the bridge")


def line(prompt: str, **more: Any) -> bytes:
    return json.dumps({"prompt": prompt, **more}).encode()


def conversation(*turns: str, **more: Any) -> bytes:
    messages = [
        {"role": ("user", "assistant")[index % 2], "content": [{"text": text}]} for index, text in enumerate(turns)
    ]
    return json.dumps({"schemaVersion": "bedrock-conversation-2024", "messages": messages, **more}).encode()


PLAIN = TaskDefinition.from_document({})


def build(lines: list[bytes], own_holdout: list[bytes] | None = None, task: TaskDefinition = PLAIN) -> Dataset:
    return build_dataset(lines, lambda _: None, own_holdout=own_holdout, task=task)


def adds_up(dataset: Dataset) -> bool:
    counts = dataset.counts
    left_out = counts.rejected + counts.duplicates + counts.leaked + counts.near_duplicates + counts.not_chosen
    return counts.lines == len(dataset.train) + (0 if dataset.own_holdout else len(dataset.holdout)) + left_out


def planted(random: Random) -> tuple[list[bytes], dict[str, str]]:
    """Write four copies of each of 200 questions, with another number, id, day and address, and whose copy each is."""
    lines, base = [], {}
    for number in range(200):
        about = f"{THINGS[number % 10]} {DEEDS[number // 10 % 6]} {PLACES[number // 60 % 5]}"
        for copy in range(4):
            ticket = f"AB-{random.randrange(10**6)}-{random.choice('XYZ')}"
            mail = f"user{random.randrange(10**6)}@example.org"
            text = f"Since {DAYS[copy]} the {about}, see {ticket} or {mail}, {random.randrange(9_999)} days"
            lines.append(line(text))
            base[parse_line(lines[-1]).id] = about
    return lines, base


@pytest.mark.parametrize("seed", range(5))
def test_no_held_out_record_has_a_planted_copy_in_the_training(seed: int) -> None:
    # Given
    lines, base = planted(Random(seed))  # noqa: S311 - the same copies each time

    # When
    dataset = build(lines)

    # Then
    held_out = {base[record.id] for record in dataset.holdout}
    assert held_out
    assert held_out.isdisjoint(base[record.id] for record in dataset.train)
    assert dataset.counts.near_duplicates > 0
    assert adds_up(dataset)
    # And the holdout proves as much as it has questions
    assert count_groups(dataset.holdout) == len(held_out) == dataset.summary()["holdout_groups"]
    assert any("kept out of the training because a held-out record differs" in said for said in dataset.warnings())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is order 17?", "where is order 23?"),
        ("Where is order 17 of Monday?", "Where is order 9,876.50 of next friday!".replace("next ", "")),
        ("call +49 170 1234567 about the flat", "call 0041-79-765 about the flat"),
        ("open https://a.example/x please and read", "open https://b.example/y/z please and read"),
        ("wo bleibt mein Paket vom Montag", "wo bleibt mein Paket vom Freitag"),
        ("dónde está mi pedido del lunes", "dónde está mi pedido del martes"),
        ("我的订单12345在哪里请告诉我", "我的订单98在哪里请告诉我"),
        ("月曜日の会議はどこですか教えて", "火曜日の会議はどこですか教えて"),
        ("show three cats on a beach", "show seven cats on a beach"),
        ("I was charged twenty-one dollars twice", "I was charged twenty-two dollars twice"),
        ("it broke on the twenty-first of May", "it broke on the third of June"),
        ("put it on Monday's agenda please", "put it on Friday\u2019s agenda please"),
        ("close the shop on Mondays please", "close the shop on Fridays please"),
        ("ist montags jemand im Haus", "ist freitags jemand im Haus"),
        ("user deadbeefcafe cannot log in today", "user 0123456789ab cannot log in yesterday"),
    ],
)
def test_what_differs_in_numbers_ids_and_days_alone_is_one_question(one: str, other: str) -> None:
    assert masked(one) == masked(other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("show red cats on a beach", "show blue cats on a beach"),
        ("the printer jams at noon", "the printer jams at night"),
        ("je veux bien mais pas ici", "je veux bien lundi pas ici"),
        ("我的订单在哪里请告诉我", "我的密码在哪里请告诉我"),
    ],
)
def test_other_words_are_another_question(one: str, other: str) -> None:
    assert masked(one) != masked(other)


@pytest.mark.parametrize("text", ["17 + 25", "cats 17", "cats number 17", "2024-11-29", "", "\u2800", "\U0001f600"])
def test_a_text_that_is_its_numbers_has_no_near_duplicates(text: str) -> None:
    assert masked(text) is None


@given(st.lists(st.sampled_from([None, "a", "b", "c", "d", 17, "17"]), min_size=1, max_size=30), st.randoms())
def test_a_group_lies_on_one_side_in_any_order_and_however_the_file_grows(groups: list[Any], random: Any) -> None:
    # Given records of a few groups
    lines = [
        line(f"w{index}") if group is None else line(f"w{index}", group=group) for index, group in enumerate(groups)
    ]
    grown = [*lines, *(line(f"x{index}") for index in range(10))]
    random.shuffle(grown)

    # When
    dataset, later = build(lines), build(grown)

    # Then
    for found in (dataset, later):
        assert not {r.group for r in found.train if r.group} & {r.group for r in found.holdout if r.group}
        assert adds_up(found)
    assert {r.id for r in dataset.train} <= {r.id for r in later.train}
    assert {r.id for r in dataset.holdout} <= {r.id for r in later.holdout}


def test_a_group_is_a_function_of_its_name_and_a_number_is_its_text() -> None:
    # Given / When
    one, other = parse_line(line("cats", group="17")), parse_line(conversation("dogs", group=17))

    # Then
    assert one.group == other.group is not None
    assert one.id == parse_line(line("cats")).id
    assert 0 <= one.split_position < 1
    assert one.split_position == other.split_position


def test_records_without_a_group_are_split_by_their_own_hash() -> None:
    # Given / When
    dataset = build([line(f"w{index}") for index in range(500)])

    # Then
    assert all(int(record.id, 16) < MOST_HELD_OUT * 2**64 for record in dataset.holdout)
    assert all(int(record.id, 16) >= MOST_HELD_OUT * 2**64 for record in dataset.train)


@pytest.mark.parametrize("group", ["", "  ", None, 1.5, True, [], {}, "x" * 257])
@pytest.mark.parametrize("make", [line, conversation])
def test_what_is_no_group_is_refused(make: Any, group: object) -> None:
    with pytest.raises(RejectedLine, match="'group' must be a text of 1 to 256 characters or a whole number"):
        parse_line(make("cats", group=group))


@pytest.mark.parametrize(
    "text", ['{"prompt": "cats", "group": "a", "group": "b"}', '{"group": 1, "prompt": "a", "group": 2}']
)
def test_a_group_that_stands_twice_is_refused(text: str) -> None:
    with pytest.raises(RejectedLine):
        parse_line(text.encode())


def test_a_group_goes_with_slices_and_a_golden_answer() -> None:
    # Given / When
    short = parse_line(line("cats", group="a", slices={"intent": "visual"}))
    long = parse_line(conversation("cats", "meow", group="a", slices={"intent": "visual"}))

    # Then, also after it was written and read
    assert short.slices == long.slices == {"intent": "visual"}
    assert short.group == long.group
    assert from_json_lines(to_json_lines([short, long])) == [short, long]
    assert Record.from_json(parse_line(line("cats")).to_json()).group is None


def test_what_shares_a_group_with_the_tasks_own_holdout_is_not_trained_on() -> None:
    # Given
    own = [conversation("what is a cat", "an animal", group="zoo"), conversation("Where is order 17 now?", "at home")]
    lines = [line("dogs", group="zoo"), line("mice", group="farm"), line("where is order 23 now?"), line("birds")]

    # When
    dataset = build(lines, own)

    # Then
    assert [record.turns[0].text for record in sorted(dataset.train)] == sorted(
        ["mice", "birds"], key=lambda t: parse_line(line(t)).identity
    )
    assert (dataset.counts.leaked, dataset.counts.near_duplicates) == (1, 1)
    assert adds_up(dataset)


def test_one_conversation_is_one_question_however_far_it_was_recorded() -> None:
    # Given the same conversation as it grew, and one that only begins like it
    turns = ("My printer jams all day", "Which one?", "The one on floor 3", "Restart it", "It still jams")
    grown = [conversation(*turns[:1]), conversation(*turns[:3]), conversation(*turns)]
    other = conversation(turns[0], "Which one is it?", "The large one", "Open it", "Done")

    # When its middle is held out
    dataset = build([grown[0], grown[2], other, line("birds")], [conversation(*turns[:3], "Restart it")])

    # Then
    assert dataset.counts.near_duplicates == 2
    assert len(dataset.train) == 2


@pytest.mark.parametrize("first", ["Order 40017", "17 + 25", "\U0001f600", "cats number 17"])
@pytest.mark.parametrize("task", [PLAIN, TaskDefinition.from_document({"student_system_prompt": "classify"})])
def test_a_conversation_that_begins_with_little_but_a_number_is_one_question(first: str, task: TaskDefinition) -> None:
    # Given one that was recorded as it grew, another system text where the student does not see it, and another one
    turns = (first, "Which question is it about?", "When does it come", "Soon", "2")
    systems = {} if not task.student_system_prompt else {"system": [{"text": "another instruction for this one"}]}
    grown = [conversation(*turns[:1]), conversation(*turns[:3], **systems), conversation(*turns)]
    other = conversation(first.replace("17", "18") + "1", *turns[1:3])

    # When each of them is held out
    for held_out in range(3):
        asked = [found for index, found in enumerate(grown) if index != held_out]
        golden = conversation(*(*turns[: 2 * held_out + 1], "the answer"))
        dataset = build([*asked, other], [golden], task)

        # Then
        assert dataset.counts.near_duplicates == 2
        assert len(dataset.train) == 1
        # And these are one group
        records = [parse_line(text) for text in [*grown, other]]
        assert count_groups(keep_apart([], records, own_system=not task.student_system_prompt)[1]) == 2


def test_a_grouped_name_depends_on_the_members_alone() -> None:
    # Given
    records = [parse_line(line(f"where is order {number} now")) for number in range(5)] + [parse_line(line("birds"))]

    # When
    grouped, turned = keep_apart([], records)[1], keep_apart([], records[::-1])[1][::-1]

    # Then
    assert grouped == turned
    assert {record.group for record in grouped[:5]} == {min(record.identity for record in records[:5])}
    assert grouped[5].group is None
    assert count_groups(grouped) == 2


@pytest.mark.parametrize("groups", [1, 7, 40, 1_000])
def test_a_planned_number_of_groups_is_held_out_the_first_by_their_hash(groups: int) -> None:
    # Given 60 groups of three, a file that grows, in any order
    lines = [line(f"w{index}", group=index // 3) for index in range(180)]
    grown = [*lines, *(line(f"x{index}", group=f"g{index}") for index in range(60))]
    Random(groups).shuffle(grown)  # noqa: S311 - the same order each time

    # When
    dataset = build_dataset(lines, lambda _: None, holdout_groups=groups)
    later = build_dataset(grown, lambda _: None, holdout_groups=groups)

    # Then
    for found in (dataset, later):
        below = {record.place for record in (*found.train, *found.holdout) if record.place < MOST_HELD_OUT * 2**64}
        assert count_groups(found.holdout) == min(groups, len(below))
        last = max(record.place for record in found.holdout)
        assert all(record.place > last for record in found.train)
        assert adds_up(found)
    # And nothing that was trained on is examined later
    assert {record.id for record in dataset.train}.isdisjoint(record.id for record in later.holdout)


_LINES = st.builds(
    lambda thing, number, group: line(f"where is the {thing} of case {number}", **({"group": group} if group else {})),
    st.sampled_from([*THINGS, "key", "bag", "hat", "map", "cup", "pen"]),
    st.integers(0, 3),
    st.sampled_from(["", "", "", "a", "b", "c"]),
)


@given(st.lists(_LINES, max_size=60), st.lists(_LINES, max_size=40), st.integers(1, 12))
def test_what_was_trained_on_is_never_held_out_however_the_file_grows(
    first: list[bytes], more: list[bytes], groups: int
) -> None:
    # Given near-duplicates and groups; of two equal texts that name two groups the first one of the file stays
    grown = [*first, *more]

    # When
    before = build_dataset(first, lambda _: None, holdout_groups=groups)
    after = build_dataset(grown, lambda _: None, holdout_groups=groups)

    # Then
    assert {record.id for record in before.train}.isdisjoint(record.id for record in after.holdout)
    for found in (before, after):
        assert adds_up(found)
        assert all(record.place < MOST_HELD_OUT * 2**64 for record in found.holdout)


def test_near_duplicates_do_not_count_as_what_was_planned() -> None:
    # Given four copies of each question, which differ in numbers
    lines, _ = planted(Random(7))  # noqa: S311 - the same copies each time

    # When
    dataset = build_dataset(lines, lambda _: None, holdout_groups=60)

    # Then there are as many independent groups as are planned, of more records
    assert count_groups(dataset.holdout) == 60 < len(dataset.holdout) < 120
    assert adds_up(dataset)


def test_the_holdout_takes_no_more_records_than_are_paid_for_however_large_its_groups_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given groups of 30 records, of which 100 are held at most
    monkeypatch.setattr(builder, "MAX_HOLDOUT_RECORDS", 100)
    lines = [line(f"w{index}", group=f"g{index % 40}") for index in range(1_200)]
    shuffled = Random(3).sample(lines, k=len(lines))  # noqa: S311 - the same order each time

    # When
    dataset, turned = (build_dataset(found, lambda _: None, holdout_groups=10) for found in (lines, shuffled))

    # Then whole groups are held out, the first ones, in any order of the file
    assert len(dataset.holdout) == 90
    assert count_groups(dataset.holdout) == 3
    assert [record.id for record in dataset.holdout] == [record.id for record in turned.holdout]
    assert max(record.place for record in dataset.holdout) < min(record.place for record in dataset.train)


def test_one_group_that_is_as_large_as_a_side_is_warned_of() -> None:
    # Given conversations that all begin with the same greeting, and as many that do not
    greeted = [line(f"w{index}", group="hullo") for index in range(30)]
    others = [line(f"x{index}", group=f"g{index}") for index in range(100)]

    # When / Then
    (said,) = build([*greeted, *others]).warnings()
    assert said.startswith("30 of 130 records are one group, which lies on one side of the split: give 'group' to what")
    assert build([*greeted[:20], *others]).warnings() == []
    dataset = build([*greeted, *others])
    dataset.logs = {}
    assert "--conversation names the request metadata that tells them apart" in dataset.warnings()[0]


_ASKED = "Where is my order from last Monday, it was 3 chairs"


@pytest.mark.parametrize(
    "copy",
    [
        "WHERE IS MY ORDER from last monday, it was 3 CHAIRS",
        "Where is my order from last Fri., it was seventeen chairs",
        "Where is my order from last Dec, it was XII chairs",
        "Where is my order from last Monday, it was \u0663 chairs \U0001f64f\U0001f3fd",
        "Where\u00a0is my or\u200bder \u2014 from last Monday \u2013 it was +\u00bd chairs!!!",
        "\uff37here is my order from last 21st, it was \uff13\u20ac chairs \u2764\ufe0f",
    ],
)
def test_a_copy_that_looks_the_same_to_a_person_is_a_near_duplicate(copy: str) -> None:
    assert masked(copy) == masked(_ASKED)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Don't you know where Anna's parcel is", "Don\u2019t you know where Anna\u02bcs parcel is"),
        ("Don't you know where Anna's parcel is", "Dont you know where Annas parcel is"),
        ("send the e-mail to the co-op", "send the e\u2011mail to the coop"),
        ("is the caf\u00e9 na\u00efve", "is the cafe naive"),
        ("am Sonntag im M\u00e4rz um 8", "am Montag im Mai um 9"),
        ("refund please", "Refund, please \U0001f44d"),
        ("wo ist \u0939\u093f\u0928\u094d\u0926\u0940", "wo ist \u0939\u093f\u0928\u094d\u0926\u0940!"),
    ],
)
def test_one_keyboard_s_way_of_writing_makes_no_other_question(one: str, other: str) -> None:
    assert masked(one) == masked(other) is not None


@pytest.mark.parametrize("group", ["Conv 1", " conv 1", "conv  1", "conv\u00a01", "co\u200bnv 1", "\uff43onv 1\n"])
def test_names_of_groups_that_look_alike_are_one_group(group: str) -> None:
    assert parse_line(line("x", group=group)).group == parse_line(line("y", group="conv 1")).group
    with pytest.raises(RejectedLine, match="'group' must be"):
        parse_line(line("x", group="\u200b \u2060"))


def test_the_same_request_about_another_document_is_another_question_where_the_student_sees_the_document() -> None:
    # Given documents in the system text
    lines = [
        conversation("summarise it", system=[{"text": f"The {thing} {deed} {place}"}])
        for thing in THINGS
        for deed in DEEDS
        for place in PLACES
    ]
    prompt = TaskDefinition.from_document({"student_system_prompt": "Summarise what you are given."})

    # When
    seen = build(lines)
    hidden = build_dataset(lines, lambda _: None, task=prompt)

    # Then
    assert count_groups(seen.holdout) == len(seen.holdout) > 50
    assert seen.counts.near_duplicates == 0
    assert (len(hidden.train) + len(hidden.holdout), hidden.counts.duplicates) == (1, len(lines) - 1)
