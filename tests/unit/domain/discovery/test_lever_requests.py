"""What levers make of logged requests: forms, cache points, moved lines, keys and records of a batch job."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.domain.dataset.line_errors import RejectedLine
from lambdas.domain.discovery.batch_records import GUARDRAIL_CALLS, MEDIA_CALLS, STREAMED_CALLS, TOOLS_CALLS, batch_file
from lambdas.domain.discovery.changed_requests import answer_keys, converse_requests, on_flex_tier, to_model
from lambdas.domain.discovery.logged_request import LeverNotWritten, LoggedRequest
from lambdas.domain.discovery.shared_prompt import (
    CACHE_POINT,
    cached_after_beginning,
    cached_after_moving,
    common_beginning,
)
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.training.batch_inference import BatchLimits
from tests.unit.domain.logs.log_samples import CLAUDE, NOVA, claude, converse, entry, nova_stream

Json = dict[str, Any]
PRICES = PriceBook.shipped()
RULES = "".join(f"Rule {number}: a word of kind {number} is a thing of kind {number}.\n" for number in range(40))


def logged(made: Json) -> LoggedRequest:
    found = LoggedRequest.of(made, made["input"]["inputBodyJson"])
    assert found is not None
    return found


def asked(system: str | None, user: str) -> Json:
    """Give parameters of Converse."""
    said = {"modelId": NOVA, "messages": [{"role": "user", "content": [{"text": user}]}]}
    return said if system is None else {**said, "system": [{"text": system}]}


def numbered(count: int, form: Any = converse, **fields: object) -> list[LoggedRequest]:
    """Give as many calls, each with a prompt and an id of its own."""
    made = []
    for number in range(count):
        one = form() if form is not converse else converse(f"prompt {number}")
        made.append(logged({**one, "requestId": f"id-{number}", **fields}))
    return made


def said(request: Json) -> str:
    """Give all texts of a request, one after the other."""
    blocks = [*request.get("system", ()), *request["messages"][0]["content"]]
    return "".join(block.get("text", "") for block in blocks)


def before_point(request: Json) -> str:
    """Give the texts before the cache point; there is exactly one."""
    blocks = [*request.get("system", ()), *request["messages"][0]["content"]]
    assert blocks.count(CACHE_POINT) == 1
    return "".join(block["text"] for block in blocks[: blocks.index(CACHE_POINT)])


class TestForms:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ({"prompt": "<s>[INST] hello [/INST]", "max_gen_len": 64}, "neither Converse nor InvokeModel"),
            ({"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "look"}]}, "offers tools"),
            ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, "only 'text'"),
        ],
    )
    def test_a_body_that_is_not_told_in_converse_is_refused_with_its_reason(self, body: Json, reason: str) -> None:
        with pytest.raises(RejectedLine, match=reason):
            logged(entry("InvokeModel", CLAUDE, body, {})).as_converse()
        with pytest.raises(LeverNotWritten, match="none of 1 requests"):
            converse_requests([logged(entry("InvokeModel", CLAUDE, body, {}))])

    def test_a_body_that_is_no_object_is_no_request(self) -> None:
        assert LoggedRequest.of(converse(), "text") is None
        assert LoggedRequest.of(converse(), None) is None

    def test_bodies_of_nova_and_claude_are_told_with_their_limits(self) -> None:
        assert logged(claude()).as_converse()["inferenceConfig"] == {"maxTokens": 300}
        assert logged(claude()).as_converse()["system"] == [{"text": "Sort the search."}]
        told = logged(nova_stream()).as_converse()
        assert told["messages"] == [{"role": "user", "content": [{"text": "blue dogs"}]}]
        assert told["inferenceConfig"] == {"maxTokens": 512}

    def test_a_converse_call_stays_as_it_was(self) -> None:
        one = logged(converse())
        assert one.as_converse() == one.as_logged() == {"modelId": NOVA, **converse()["input"]["inputBodyJson"]}


class TestBeginnings:
    def test_requests_that_share_no_beginning_are_refused(self) -> None:
        with pytest.raises(LeverNotWritten, match="no beginning is the same in 80% of 3 calls"):
            cached_after_beginning([asked(None, word) for word in ("apple", "birch", "cedar")])

    def test_the_point_follows_a_system_text_that_all_share(self) -> None:
        made = cached_after_beginning([asked(RULES, f"word {number}") for number in range(9)])
        assert made.request["system"] == [{"text": RULES}, CACHE_POINT]
        assert made.characters == len(RULES)

    def test_a_system_text_that_goes_on_otherwise_is_parted_at_the_end_of_a_line(self) -> None:
        # Given a system text whose last line has the day
        made = cached_after_beginning([asked(f"{RULES}Today is day {day}.", "word") for day in range(9)])

        # Then the part that is the same stands before the point, and nothing is lost
        assert made.request["system"] == [{"text": RULES}, CACHE_POINT, {"text": "Today is day 0."}]
        assert before_point(made.request) == RULES

    def test_what_the_users_turns_begin_with_is_kept_too(self) -> None:
        made = cached_after_beginning([asked(None, f"{RULES}Word: {word}") for word in ("apple", "birch", "cedar")])
        assert before_point(made.request) == RULES
        assert made.request["messages"][0]["content"][-1] == {"text": "Word: apple"}

    def test_points_that_were_there_are_taken_away(self) -> None:
        one = asked(RULES, "word")
        one["system"].insert(0, copy.deepcopy(CACHE_POINT))
        one["messages"][0]["content"].append(copy.deepcopy(CACHE_POINT))
        before_point(cached_after_beginning([one, one]).request)
        assert one["system"][0] == CACHE_POINT

    def test_a_block_that_is_not_text_ends_what_is_compared(self) -> None:
        requests = [asked(RULES, f"word {number}") for number in range(5)]
        for one in requests:
            one["system"].append({"guardContent": {"text": {"text": "same"}}})
        made = cached_after_beginning(requests)
        assert made.request["system"][:2] == [{"text": RULES}, CACHE_POINT]
        assert made.request["system"][2] == {"guardContent": {"text": {"text": "same"}}}

    @given(st.lists(st.text("ab", max_size=8), min_size=1, max_size=12))
    def test_the_beginning_is_the_longest_that_enough_texts_have(self, texts: list[str]) -> None:
        found = common_beginning(texts)
        enough = [
            text[:size]
            for text in texts
            for size in range(len(text) + 1)
            if sum(other.startswith(text[:size]) for other in texts) >= 0.8 * len(texts)
        ]
        assert len(found) == max(map(len, enough))
        assert found in enough

    @given(st.lists(st.tuples(st.text("ab \n", max_size=30), st.text("ab \n", min_size=1, max_size=9)), min_size=1))
    def test_a_point_changes_no_text(self, prompts: list[tuple[str, str]]) -> None:
        requests = [asked(system or None, user) for system, user in prompts]
        try:
            made = cached_after_beginning(requests)
        except LeverNotWritten:
            return
        assert said(made.request) == said(requests[made.number])
        assert len(before_point(made.request)) == made.characters


class TestMoving:
    def test_requests_without_a_common_line_are_refused(self) -> None:
        with pytest.raises(LeverNotWritten, match="no line is the same in 90% of 3 calls"):
            cached_after_moving([asked(None, word) for word in ("apple", "birch", "cedar")])

    def test_requests_in_which_nothing_changes_are_refused(self) -> None:
        with pytest.raises(LeverNotWritten, match="nothing changes"):
            cached_after_moving([asked(RULES, "word.")] * 3)

    def test_a_variable_at_the_beginning_goes_behind_what_is_shared(self) -> None:
        # Given a system text that begins with the customer's name
        requests = [asked(f"You help {name}.\n{RULES}", f"Word: {name[::-1]}") for name in ("Anna", "Ben", "Carla")]
        made = cached_after_moving(requests)

        # Then the rules come first, and the name comes before what the user wrote
        assert made.request["system"] == [{"text": RULES.strip()}, CACHE_POINT]
        assert made.request["messages"][0]["content"] == [{"text": "You help Anna.\nWord: annA"}]

    def test_instructions_around_a_text_of_the_user_come_before_it(self) -> None:
        turns = [f"{RULES}<text>\n{word}\n</text>\n{RULES[:200]}" for word in ("apple", "birch", "cedar")]
        made = cached_after_moving([asked(None, turn) for turn in turns])
        assert before_point(made.request) == f"{RULES}{RULES[:200]}".strip()
        assert made.request["messages"][0]["content"][-1] == {"text": "<text>\napple\n</text>"}
        assert "system" not in made.request

    @given(st.lists(st.lists(st.sampled_from(["One.\n", "Two. ", "Three;\n", "x", "y"]), min_size=1), min_size=1))
    def test_no_word_is_lost(self, prompts: list[list[str]]) -> None:
        requests = [asked("".join(parts), "word") for parts in prompts]
        try:
            made = cached_after_moving(requests)
        except LeverNotWritten:
            return
        assert sorted("".join(said(made.request).split())) == sorted("".join(said(requests[made.number]).split()))


class TestKeys:
    def test_without_a_repeated_request_there_is_no_key_to_tell(self) -> None:
        with pytest.raises(LeverNotWritten, match="no request is repeated among 5 calls"):
            answer_keys(numbered(5))

    def test_the_key_is_made_as_the_file_says_and_only_of_what_is_asked(self) -> None:
        # Given two calls that ask the same, with other metadata, and one that asks at another temperature
        one, same, other = (converse() for _ in range(3))
        same["input"]["inputBodyJson"]["requestMetadata"] = {"run": "second"}
        other["input"]["inputBodyJson"]["inferenceConfig"]["temperature"] = 0.9
        found = answer_keys([logged(one), logged(same), logged(other)])

        # Then the key in the file is the digest that its words describe
        written = json.dumps(
            found["example"]["request"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
        assert found["example"]["key"] == hashlib.sha256(written).hexdigest()
        assert found["repeated_most"] == [{"key": logged(one).key, "calls": 2}]
        assert logged(other).key != logged(one).key
        assert (found["calls_read"], found["different_requests"]) == (3, 2)


class TestOtherWays:
    def test_another_model_gets_no_fields_of_the_first_and_no_cache_point(self) -> None:
        request = {**asked(RULES, "word"), "additionalModelRequestFields": {"top_k": 5}}
        request["system"].append(CACHE_POINT)
        changed = to_model(request, "amazon.nova-lite-v1:0")
        assert changed == {**asked(RULES, "word"), "modelId": "amazon.nova-lite-v1:0"}

    def test_the_flex_tier_is_one_field(self) -> None:
        assert on_flex_tier(asked(None, "word")) == {**asked(None, "word"), "serviceTier": {"type": "flex"}}


class TestBatch:
    def test_too_few_calls_make_no_job(self) -> None:
        with pytest.raises(LeverNotWritten, match="99 calls could be records, and a batch job takes at least 100"):
            batch_file(numbered(99), PRICES, {}, BatchLimits())

    def test_calls_that_no_job_takes_are_counted_by_their_reason(self) -> None:
        # Given calls of each kind, beside enough that a job takes
        tools, media, guarded, unknown = (converse() for _ in range(4))
        tools["input"]["inputBodyJson"]["toolConfig"] = {"tools": [{"toolSpec": {"name": "look"}}]}
        media["input"]["inputBodyJson"]["messages"][0]["content"].append({"image": {"format": "png"}})
        guarded["input"]["inputBodyJson"]["guardrailConfig"] = {"guardrailIdentifier": "g"}
        unknown["modelId"] = "mistral.unheard-of-v1:0"
        odd = [converse(operation="ConverseStream"), tools, media, guarded, unknown, claude()]
        made = batch_file([*numbered(100), *map(logged, odd)], PRICES, {}, BatchLimits())

        # Then each is told, and none is in the file
        assert made.left_out == {
            STREAMED_CALLS: 1,
            TOOLS_CALLS: 1,
            MEDIA_CALLS: 1,
            GUARDRAIL_CALLS: 1,
            "of mistral.unheard-of-v1:0: no batch prices": 1,
            "of another model or form": 1,
        }
        assert len(made.lines) == 100

    def test_a_call_that_was_logged_twice_is_one_record(self) -> None:
        made = batch_file([*numbered(120), *numbered(5)], PRICES, {}, BatchLimits())
        assert len(made.lines) == 120
        assert made.left_out == {"logged twice": 5}

    def test_a_record_is_the_request_without_what_a_job_has_no_field_for(self) -> None:
        calls = numbered(100)
        for one in calls:
            one.body["system"].append(CACHE_POINT)
            one.body.update(requestMetadata={"task": "x"}, serviceTier={"type": "flex"})  # type: ignore[attr-defined]
        record = json.loads(batch_file(calls, PRICES, {}, BatchLimits()).lines[0])
        assert record == {"recordId": "id-0", "modelInput": converse("prompt 0")["input"]["inputBodyJson"]}

    def test_bodies_of_a_third_partys_model_stay_in_its_own_form(self) -> None:
        made = batch_file(numbered(100, claude), PRICES, {}, BatchLimits())
        assert (made.form, made.model) == ("InvokeModel", CLAUDE)
        assert json.loads(made.lines[0])["modelInput"] == claude()["input"]["inputBodyJson"]

    def test_half_of_the_price_is_told_for_the_job(self) -> None:
        made = batch_file(numbered(100), PRICES, {}, BatchLimits())
        assert made.in_batch.usd(PRICES) * 2 == made.flow.usd(PRICES) > 0

    def test_calls_through_a_profile_are_priced_by_its_model_and_sent_through_it(self) -> None:
        profile = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"
        calls = numbered(100, modelId=profile)
        with pytest.raises(LeverNotWritten, match="no batch prices"):
            batch_file(calls, PRICES, {}, BatchLimits())
        made = batch_file(calls, PRICES, {profile: NOVA}, BatchLimits())
        assert made.model == profile
        assert made.flow.model == NOVA
