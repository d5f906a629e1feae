"""Each lever is worked out from the figures, each hindrance is found, and what is saved is counted once."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.domain.discovery.levers import KINDS
from lambdas.domain.discovery.opportunities import Opportunities, rank
from lambdas.domain.discovery.spend import priced_name
from lambdas.domain.errors import DocumentTooNew
from lambdas.domain.task.settings import Settings
from tests.unit.domain.discovery.found_tasks import (
    HAIKU,
    MICRO,
    PRICES,
    PRO,
    SETTINGS,
    TODAY,
    found,
    lever,
    opportunity,
    stopped_by,
    traffic,
)

PROFILE = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123"


@pytest.mark.parametrize(
    ("model", "profiles", "name"),
    [
        (PROFILE, {}, None),
        (PROFILE, {PROFILE: PRO}, PRO),
        (PROFILE, {"abc123": f"arn:aws:bedrock:us-east-1::foundation-model/{MICRO}"}, MICRO),
        (PROFILE, {PROFILE: PROFILE}, None),
        ("arn:aws:bedrock:us-east-1:111122223333:provisioned-model/xyz", {}, None),
        (f"arn:aws:bedrock:us-east-1:111122223333:inference-profile/{PRO}", {}, PRO),
        ("", {}, None),
    ],
)
def test_what_a_call_named_is_priced_under_its_model_or_not_at_all(
    model: str, profiles: dict[str, str], name: str | None
) -> None:
    assert priced_name(model, profiles) == name


def test_a_price_that_nobody_knows_is_said_and_is_never_zero() -> None:
    # Given a task of an unresolved profile, and one of which only a part has a price
    dark = opportunity(found(traffic(PROFILE)))
    part = opportunity(found(traffic(PRO, 1_000), traffic("acme.unheard-of-v1:0", 500)))

    # Then the first has no dollars, and the second those of the part, with the rest named
    assert dark.usd is None
    assert [use.calls for use in dark.unpriced] == [300_000]
    assert dark.best.name == "nothing"
    # 1,000 calls of 2,000 and 100 tokens in 30 days, at $0.8 and $3.2 a million
    assert part.usd == pytest.approx(Decimal("1.92") * 365 / 30)
    assert "acme.unheard-of-v1:0" in part.unpriced[0].why


def test_what_a_task_costs_a_year_is_its_tokens_at_the_prices_of_the_book() -> None:
    # Given calls that read a cache
    use = replace(traffic(PRO, 1_000), cache_read_tokens=1_000_000)

    # Then dollars are input, output and reads by hand, the thirty days taken for a year
    assert opportunity(found(use)).usd == pytest.approx(Decimal("2.12") * 365 / 30)


def test_a_year_is_not_worked_out_from_days_that_no_source_could_read() -> None:
    # Given a range of thirty days, five of which could not be read of any source, and one of one source of two
    two = Settings.from_mapping({"log_sources": [{"bucket": "one"}, {"bucket": "two"}]})
    both = [{"day": f"2026-11-0{day}", "source": source} for day in range(1, 6) for source in (0, 1)]
    one = {"day": "2026-11-09", "source": 1}

    # When a task of 25 days is ranked
    task = found(traffic(PRO, 1_000), days=25)
    ranked = rank([task], PRICES, two, TODAY, not_read=[*both, one])

    # Then the year is of the 25 days, which the document keeps, and both kinds of days are named
    assert ranked.found[0].usd == pytest.approx(Decimal("1.92") * 365 / 25)
    again = Opportunities.from_document(json.loads(json.dumps(ranked.to_document())))
    assert again.found[0].task.unread_days == 5
    assert [note.split(":")[0] for note in ranked.notes] == [
        "Not read, and left out of the days that a year is worked out from",
        "Not read of every log source, so a year is worked out from too few calls",
    ]
    assert "2026-11-01, 2026-11-02, 2026-11-03, 2026-11-04, 2026-11-05." in ranked.notes[0]
    assert "2026-11-09" in ranked.notes[1]


def test_a_document_of_before_has_no_days_that_were_not_read() -> None:
    told = found().to_document()
    del told["unread_days"]
    assert type(found()).from_document(told) == found()


def test_a_log_that_begins_within_the_range_is_said_with_how_much_too_low_dollars_may_be() -> None:
    # Given calls on eight of thirty days, as where logging was switched on late
    (note,) = rank([found(days=8)], PRICES, SETTINGS, TODAY).notes
    assert "on more than 8 of the 30 days" in note
    assert "up to 3.8 times too low" in note
    # And a log of every day says nothing
    assert rank([found(days=8), found(days=30)], PRICES, SETTINGS, TODAY).notes == ()


@pytest.mark.parametrize(
    ("unread", "offloaded", "said"),
    [
        (100, 0, "100 calls were not read: they are of a form that nothing here reads, as those of Titan and Llama."),
        (100, 40, "100 calls were not read: the bodies of up to 40 lie beside the log, the others are of a form"),
        (100, 900, "100 calls were not read: their bodies lie beside the log, or they are of a form"),
    ],
)
def test_requests_that_were_not_read_are_not_all_said_to_lie_beside_the_log(
    unread: int, offloaded: int, said: str
) -> None:
    task = found(task="unassigned", named_by="none", unread_calls=unread, offloaded_calls=offloaded)
    (note,) = rank([task], PRICES, SETTINGS, TODAY).notes
    assert said in note


def test_caching_is_refused_with_its_reason_where_it_cannot_work() -> None:
    # A beginning that is too short, calls that are too far apart, a model that keeps none, and one that is read already
    shared = {"prefix_characters": 6_000, "gap_seconds_p50": 5.0}
    assert stopped_by("cache", found(prefix_characters=2_000, gap_seconds_p50=5.0)) == {"no stable prompt": True}
    assert stopped_by("cache", found(**{**shared, "gap_seconds_p50": 4_000.0})) == {"gaps": True}
    assert stopped_by("cache", found(traffic("anthropic.claude-opus-4-6-v1"), **shared)) == {"no cache": True}
    read = replace(traffic(), input_tokens=300_000 * 400, cache_read_tokens=300_000 * 1_600)
    assert stopped_by("cache", found(read, **shared, prompt_characters=8_000.0)) == {"cached": True}


def test_caching_saves_what_is_read_for_less() -> None:
    # Given 300,000 calls in 30 days that begin with 1,500 of their 2,000 tokens, some seconds apart
    cache = lever("cache", found(prefix_characters=6_000, gap_seconds_p50=5.0))

    # Then nearly every call reads them for $0.2 and not $0.8 a million
    right = Decimal(300_000 * 1_500) * Decimal("0.6") / 1_000_000 * 365 / 30
    assert cache.low_usd < right < cache.high_usd * Decimal("1.02")
    assert cache.low_usd > right * Decimal("0.7")
    assert "6,000 characters" in cache.do


def test_a_cache_that_is_written_too_often_saves_less_for_a_model_that_bills_writes() -> None:
    often = lever("cache", found(traffic(HAIKU, sent=8_000), prefix_characters=24_000, gap_seconds_p50=5.0))
    seldom = lever("cache", found(traffic(HAIKU, sent=8_000), prefix_characters=24_000, gap_seconds_p50=1_000.0))
    assert seldom.high_usd < often.high_usd / 5


def test_a_prompt_that_begins_with_a_variable_is_told_to_move_it() -> None:
    # Given calls that share much, but not at their beginning
    task = found(prefix_characters=60, shared_characters=6_000, gap_seconds_p50=5.0)

    # Then caching as it is does not work, moving does, and it is not proposed where nothing has to move
    assert stopped_by("cache", task)["no stable prompt"]
    assert lever("move_and_cache", task).high_usd > 0
    same = found(prefix_characters=6_000, shared_characters=6_000, gap_seconds_p50=5.0)
    assert stopped_by("move_and_cache", same) == {"cached": True}


NIGHTLY = {"batchable_share": 1.0, "peak_calls_a_minute": 1_000, "gap_seconds_p50": 0.1}


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        (found(**{**NIGHTLY, "stream_share": 0.9}), "streaming"),
        (found(traffic(calls=60), **NIGHTLY), "too few calls"),
        (found(**{**NIGHTLY, "tool_use_share": 0.9}), "tools"),
        (found(batchable_share=0.0), "steady"),
        (found(traffic("us.anthropic.claude-sonnet-4-6"), **NIGHTLY), "no price"),
    ],
)
def test_batch_is_refused_with_its_reason(task: Any, kind: str) -> None:
    assert stopped_by("batch", task)[kind]


def test_a_nightly_burst_costs_half_in_a_batch() -> None:
    task = found(**NIGHTLY)
    batch, spent = lever("batch", task), opportunity(task).usd
    assert spent is not None
    assert spent * Decimal("0.45") < batch.low_usd <= batch.high_usd <= spent / 2


def test_an_agent_loop_is_offered_neither_a_batch_nor_a_cascade() -> None:
    # Given nine of ten answers that call a tool, in bursts, on a model with batch prices alone and on one with flex
    loop = {**NIGHTLY, "tools_share": 1.0, "tool_use_share": 0.9}
    for model in (HAIKU, PRO):
        ranked = opportunity(found(traffic(model), **loop))
        assert {one.name for one in ranked.levers if one.high_usd} <= {"cheaper_model"}


def test_tools_that_are_offered_are_to_be_settled_where_a_batch_job_is_the_only_discount() -> None:
    # Given calls that all offer tools and seldom use one
    offered = {**NIGHTLY, "tools_share": 1.0}

    # Then a job may have to be written in the model's own form, and the low saving does not count on it
    job = lever("batch", found(traffic(HAIKU), **offered))
    assert [(block.kind, block.stops) for block in job.blocks] == [("tools", False)]
    assert job.low_usd == 0 < job.high_usd

    # And the flex tier takes tools as they are
    flex = lever("batch", found(traffic(PRO), **offered))
    assert flex.blocks == ()
    assert flex.low_usd > 0


def test_answers_that_repeat_are_given_again_and_not_where_they_act() -> None:
    task, spent = found(duplicate_share=0.4), opportunity(found()).usd
    assert spent is not None
    assert lever("reuse", task).high_usd == pytest.approx(spent * Decimal("0.4"))
    assert stopped_by("reuse", found(duplicate_share=0.005)) == {"unique": True}
    assert stopped_by("reuse", found(duplicate_share=0.4, tool_use_share=0.8))["tools"]


NO_STUDENT = [
    (found(tools_share=0.9), "tools"),
    (found(image_share=0.9), "images"),
    (found(traffic(calls=90)), "too few calls"),
    (found(shared_characters=100), "no stable prompt"),
]
"""Tasks of which no student can be made, and why."""


@pytest.mark.parametrize(("task", "kind"), [*NO_STUDENT, (found(traffic(calls=500)), "payback")])
def test_distillation_is_refused_with_its_reason(task: Any, kind: str) -> None:
    assert stopped_by("distillation", task)[kind]
    assert lever("distillation", task).added_high_usd == 0


@pytest.mark.parametrize(("task", "kind"), NO_STUDENT)
def test_a_cascade_is_barred_by_what_bars_the_student_that_it_begins_with(task: Any, kind: str) -> None:
    assert stopped_by("cascade", task)[kind]
    assert lever("cascade", task).high_usd == 0


def test_a_cascade_leaves_calls_that_a_student_cannot_answer_to_the_model_of_today() -> None:
    task = found(tools_share=0.4)
    assert lever("cascade", task).high_usd == pytest.approx(lever("cascade", found()).high_usd * Decimal("0.6"))


def test_no_cascade_is_added_to_what_a_student_leaves_since_it_begins_with_that_student() -> None:
    levers = {one.name: one for one in opportunity(found(tools_share=0.4)).levers}
    assert levers["distillation"].added_high_usd > 0
    assert levers["cascade"].high_usd > 0 == levers["cascade"].added_high_usd


def test_what_must_be_settled_first_is_told_and_stops_nothing() -> None:
    # Given answers of a third party in the log, and an environment whose teacher is of one
    third = Settings.from_mapping({"teacher_models": ["us.anthropic.claude-sonnet-4-6"]})
    assert stopped_by("distillation", found(traffic(HAIKU))) == {"terms": False}
    assert stopped_by("distillation", found(), third) == {"terms": False}
    assert stopped_by("distillation", found(tools_share=0.2)) == {"tools": False}
    assert stopped_by("distillation", found(named_by="metadata", shared_characters=0)) == {}


def test_distillation_is_net_of_the_run_and_its_upkeep() -> None:
    # Given a task of $7,000 a year
    task = found()
    distilled, spent = lever("distillation", task), opportunity(task).usd
    assert spent is not None

    # Then the saving is below what the student's answers save, by the run that is named with its cost
    assert distilled.measure_usd is not None
    assert distilled.measure_usd > 5
    assert Decimal("0.8") * spent < distilled.high_usd < spent - distilled.measure_usd / 2
    assert float(distilled.figures["months to recover"]) > 0
    assert distilled.do == "python -m cli distil t-0123456789"


def test_a_cheaper_model_is_said_to_be_unmeasured_with_the_cost_of_measuring_it() -> None:
    cheaper = lever("cheaper_model", found(traffic("us.anthropic.claude-sonnet-4-6")))
    assert cheaper.unmeasured
    assert HAIKU in cheaper.do
    assert cheaper.measure_usd is not None
    assert 0 < cheaper.measure_usd < 10
    assert lever("cheaper_model", found(traffic(MICRO))).blocks[0].kind == "no cheaper model"
    # The student's base model, undistilled, is what a run measures
    assert lever("cheaper_model", found()).blocks[0].kind == "no cheaper model"
    assert opportunity(found()).best.name == "distillation"


def test_a_lever_that_counts_on_those_above_is_shown_as_it_was_taken() -> None:
    # Given calls of Claude that begin alike and offer tools: too little for its cache, enough for the cheaper model's
    sonnet = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    task = found(traffic(sonnet, sent=1_500), tools_share=1.0, tool_use_share=0.9, prefix_characters=5_600)

    # When its levers are ranked
    cheaper, cache = opportunity(task).levers[:2]

    # Then caching adds to the other model, saves nothing alone, and nothing stops it
    assert (cheaper.name, cache.name) == ("cheaper_model", "cache")
    assert cache.high_usd == 0 < cache.added_high_usd
    assert cache.blocks == ()
    assert cache.figures["shared characters"] == "5,600"
    # And of today's model it would be stopped
    assert stopped_by("cache", found(traffic(HAIKU, sent=1_500), prefix_characters=5_600))["no stable prompt"]


def test_where_nothing_is_worth_it_the_reason_is_given() -> None:
    nothing = opportunity(found(traffic(MICRO, calls=2_000))).best
    assert nothing.name == "nothing"
    assert "Prompt caching: the calls begin with" in nothing.blocks[0].text
    unassigned = opportunity(found(task="unassigned", named_by="none", duplicate_share=0.9))
    assert [one.name for one in unassigned.levers] == ["nothing"]
    assert unassigned.usd is not None


def test_documents_are_read_as_they_were_written_and_later_ones_are_refused() -> None:
    ranked = rank([found(), found(traffic(PROFILE), task="dark")], PRICES, SETTINGS, TODAY, generation="d-1")
    written = json.loads(json.dumps(ranked.to_document()))
    again = Opportunities.from_document(written)
    assert json.loads(json.dumps(again.to_document())) == written
    assert again.named("t-01") == [again.found[0]]
    assert again.named("x") == []
    with pytest.raises(DocumentTooNew):
        Opportunities.from_document({**written, "schema_version": 2})


SHARE = st.floats(0, 1)
TASKS = st.builds(
    lambda models, calls, sent, answered, cached, **figures: found(
        *(
            replace(traffic(model, calls, sent, answered), cache_read_tokens=cached * calls, cache_write_tokens=cached)
            for model in models
        ),
        **figures,
    ),
    models=st.lists(st.sampled_from([PRO, MICRO, HAIKU, PROFILE, "amazon.nova-2-lite-v1:0"]), min_size=1, max_size=3),
    calls=st.integers(0, 3_000_000),
    sent=st.integers(0, 20_000),
    answered=st.integers(0, 4_000),
    cached=st.integers(0, 4_000),
    tools_share=SHARE,
    tool_use_share=SHARE,
    image_share=SHARE,
    stream_share=SHARE,
    multi_turn_share=SHARE,
    json_share=SHARE,
    duplicate_share=SHARE,
    batchable_share=SHARE,
    busiest_hours_share=SHARE,
    prompt_characters=st.floats(0, 100_000),
    prefix_characters=st.integers(0, 100_000),
    shared_characters=st.integers(0, 100_000),
    gap_seconds_p50=st.floats(0, 1_000_000),
    peak_calls_a_minute=st.integers(0, 10_000),
    named_by=st.sampled_from(["metadata", "rule", "none"]),
)


@settings(max_examples=25)
@given(TASKS)
def test_no_saving_is_negative_and_all_together_are_at_most_what_is_spent(task: Any) -> None:
    ranked = opportunity(task)
    assert ranked.levers
    for one in ranked.levers:
        assert 0 <= one.low_usd <= one.high_usd
        assert 0 <= one.added_low_usd <= one.added_high_usd
        assert not (one.stopped and one.saves)
    assert ranked.high_usd <= (ranked.usd or 0)
    if task.named_by != "none":
        assert {one.name for one in ranked.levers} - {"nothing"} == {kind.name for kind in KINDS}


@settings(max_examples=15)
@given(TASKS, st.sampled_from(["cache", "move_and_cache", "batch", "reuse"]), st.integers(2, 5))
def test_more_of_the_same_calls_never_save_less(task: Any, name: str, factor: int) -> None:
    # Given the same traffic, so many times over, with nothing else changed
    models = tuple(
        replace(use, **{key: getattr(use, key) * factor for key in use.__slots__ if key != "model"})
        for use in task.models
    )
    if task.named_by == "none":
        return
    more = replace(task, models=models)
    assert lever(name, more).high_usd >= lever(name, task).high_usd


@settings(max_examples=15)
@given(TASKS, st.floats(0, 1))
def test_more_repeated_calls_never_save_less_by_giving_answers_again(task: Any, share: float) -> None:
    if task.named_by == "none":
        return
    more = replace(task, duplicate_share=max(share, task.duplicate_share))
    assert lever("reuse", more).high_usd >= lever("reuse", task).high_usd


def test_the_ranking_follows_savings_that_are_known_by_construction() -> None:
    # Given forty tasks, drawn at random, each with one lever whose saving follows from how its calls were made
    random_source = random.Random(random.randrange(1 << 30))  # noqa: S311 - a test's draw
    made = [_drawn(random_source, f"t-{number:010x}") for number in range(40)]
    truth = {task.task: saving for task, saving in made}

    # When they are ranked
    ranked = rank([task for task, _ in made], PRICES, SETTINGS, TODAY)

    # Then the order is that of the true savings
    order = [one.task.task for one in ranked.found]
    right = sorted(truth, key=lambda name: -truth[name])
    distance = sum((order.index(name) - right.index(name)) ** 2 for name in truth)
    spearman = 1 - 6 * distance / (len(made) * (len(made) ** 2 - 1))
    assert spearman >= 0.9, random_source


def _drawn(source: random.Random, name: str) -> tuple[Any, float]:
    """Make calls one by one, by one of four ways, and price what its lever saves call by call."""
    way = source.choice(["cache", "batch", "reuse", "distil"])
    model, price_in, price_out, price_read = (PRO, 0.8, 3.2, 0.2) if way == "distil" else (MICRO, 0.035, 0.14, 0.00875)
    sent, answered = source.randrange(2_000, 6_000), source.randrange(20, 200)
    calls = round(10 ** source.uniform(4.5, 7))
    each = (sent * price_in + answered * price_out) / 1e6
    use, changes = traffic(model, calls, sent, answered), {"task": name, "shared_characters": 0}
    if way == "cache":
        gap = source.uniform(0.5, 200)
        kept = sent - 200
        gaps = [source.expovariate(0.693 / gap) for _ in range(2_000)]
        warm = sum(one <= 300 for one in gaps) / len(gaps)
        saved = calls * kept * warm * (price_in - price_read) / 1e6
        changes |= {"prefix_characters": 4 * kept, "shared_characters": 4 * kept, "gap_seconds_p50": gap}
    elif way == "batch":
        minutes = source.randrange(5, 60)
        saved = calls * each / 2
        changes |= {"batchable_share": 1.0, "peak_calls_a_minute": round(calls / 25 / minutes)}
    elif way == "reuse":
        asked = [source.randrange(500) for _ in range(source.randrange(600, 3_000))]
        share = 1 - len(set(asked)) / len(asked)
        saved = calls * each * share
        changes |= {"duplicate_share": share}
    else:
        saved = calls * (each - (400 * 0.035 + answered * 0.14) / 1e6)
        changes |= {"shared_characters": 4 * (sent - 400), "gap_seconds_p50": 5_000.0}
    return found(use, **changes), saved
