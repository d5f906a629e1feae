"""Routing earns its place on records that did not choose it, or it is not adopted."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from lambdas.domain.evaluation.confidence_bounds import share_bounds
from lambdas.domain.evaluation.measurements import Measurement
from lambdas.domain.gate import routing
from lambdas.domain.gate.routing import (
    AdoptionLimits,
    RoutedPair,
    RoutingRule,
    adoption_lines,
    candidate_rules,
    dealt,
    judged_rule,
    pair_up,
    proposed,
    serving_usd_of_request,
)
from lambdas.domain.prices.price_book import PriceBook
from lambdas.domain.task.task_definition import CascadeRules

FIELD, MODELS = "sure", ("custom:amazon.nova-micro-v1:0", "us.amazon.nova-pro-v1:0")
BELOW_HALF = RoutingRule(on=("truncated", "breaks_schema", "low_confidence"), confidence_field=FIELD, below=0.5)
LIMITS = AdoptionLimits(min_gain=0.05, max_cost_share=0.5)
STUDENT_USD, FALLBACK_USD = 1e-5, 1e-4


def measured(number: int, role: str, score: int | None, sure: float | None = None, **more: object) -> Measurement:
    answer = "{}" if sure is None else f'{{"{FIELD}": {sure}}}'
    one = Measurement(
        record_id=f"{number:016x}", role=role, model="m", question="q", reference="r", answer=answer, problem=None,
        latency_ms=1.0, client_ms=1.0, input_tokens=100, output_tokens=10, score=score, explanation="",
        stop_reason="end_turn",
    )  # fmt: skip
    return replace(one, **more)  # type: ignore[arg-type]


def pair(number: int, student: int, fallback: int, sure: float | None = None, **more: object) -> RoutedPair:
    ours, theirs = measured(number, "student", student, sure, **more), measured(number, "teacher", fallback)
    return RoutedPair(ours, theirs, STUDENT_USD, FALLBACK_USD)


def population(records: int, seed: int, signal: float) -> list[RoutedPair]:
    """Make records of which a quarter are hard; with a signal of 1 the student says so, with 0 it says anything."""
    draw, pairs = Random(seed), []  # noqa: S311 - no secret
    for number in range(records):
        hard = draw.random() < 0.25
        said = (0.2 if hard else 0.8) if draw.random() < signal else draw.choice([0.2, 0.8, 0.8, 0.8])
        pairs.append(pair(seed * 10_000 + number, 3 if hard else 5, 5, said))
    return pairs


def conversations(groups: int, seed: int, *, turns: int = 4) -> list[RoutedPair]:
    """Make conversations whose turns are alike: all are hard or none, and the student is sure of all or of none."""
    draw, pairs = Random(seed), []  # noqa: S311 - no secret
    for group in range(groups):
        score, said = 3 if draw.random() < 0.25 else 5, draw.choice([0.2, 0.8, 0.8, 0.8])
        for turn in range(turns):
            number, name = seed * 10_000 + group * turns + turn, f"{seed:08x}{group:08x}"
            pairs.append(pair(number, score, 5, said, group=name))
    return pairs


def each_for_itself(pairs: list[RoutedPair]) -> list[RoutedPair]:
    """Forget the groups, as if every record were independent."""
    return [replace(one, student=replace(one.student, group="")) for one in pairs]


def passes(lines: list[routing.AdoptionLine]) -> bool:
    return all(line.passed for line in lines)


def adopted(pairs: list[RoutedPair], limits: AdoptionLimits = LIMITS) -> bool:
    """Go the whole way: propose on one part, test on the other."""
    choosing, testing = dealt(pairs)
    best = proposed(candidate_rules(choosing, CascadeRules(confidence_field=FIELD, below=0.5)), max_share=0.5)
    return best is not None and passes(adoption_lines(best.rule, best.share, testing, STUDENT_USD, limits))


class TestWhatIsAdopted:
    """The whole way, many times."""

    @pytest.fixture(autouse=True)
    def fewer_draws(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(routing, "PERMUTATIONS", 99)  # as exact, only coarser

    @pytest.mark.parametrize("trials", [80, pytest.param(2_000, marks=pytest.mark.thorough)])
    def test_a_signal_that_says_nothing_passes_in_at_most_a_twentieth(self, trials: int) -> None:
        limits = AdoptionLimits(min_gain=0.0, max_cost_share=1.0)
        assert sum(adopted(population(270, seed, signal=0.0), limits) for seed in range(trials)) <= trials / 20

    @pytest.mark.parametrize("trials", [80, pytest.param(2_000, marks=pytest.mark.thorough)])
    def test_conversations_whose_signal_says_nothing_pass_in_at_most_a_twentieth(self, trials: int) -> None:
        limits = AdoptionLimits(min_gain=0.0, max_cost_share=1.0)
        assert sum(adopted(conversations(135, seed), limits) for seed in range(trials)) <= trials / 20

    def test_turns_of_a_conversation_taken_for_independent_pass_far_too_often(self) -> None:
        # Given the fault that the groups prevent: four alike records count as four
        found = [each_for_itself(conversations(70, seed)) for seed in range(60)]
        assert sum(lines_of(pairs)["gain_over_random"] for pairs in found) >= 9, "a seventh, where a twentieth may"

    def test_chosen_by_the_records_that_judge_it_passes_far_too_often(self) -> None:
        # Given the fault that the two parts prevent: the best of twenty thresholds, judged where it was chosen
        limits, passed = AdoptionLimits(min_gain=0.0, max_cost_share=1.0), 0
        for seed in range(24):
            draw, pairs = Random(seed), population(135, seed, signal=0.0)  # noqa: S311 - no secret
            said = [
                replace(one, student=measured(n, "student", one.student.score, draw.random()))
                for n, one in enumerate(pairs)
            ]
            rules = candidate_rules(said, CascadeRules(confidence_field=FIELD, below=0.5))
            passed += any(passes(adoption_lines(one.rule, one.share, said, STUDENT_USD, limits)) for one in rules)
        assert passed >= 3, "an eighth and more, where a twentieth may"

    def test_a_signal_that_knows_is_adopted(self) -> None:
        assert sum(adopted(population(800, seed, signal=0.9)) for seed in range(20)) >= 14


def lines_of(pairs: list[RoutedPair], **changes: object) -> dict[str, bool]:
    share = judged_rule(BELOW_HALF, pairs).share
    given = {"expected_share": share, "serving_usd": STUDENT_USD, "limits": LIMITS, **changes}
    found = adoption_lines(BELOW_HALF, pairs=pairs, **given)  # type: ignore[arg-type]
    return {line.name: line.passed for line in found}


class TestEachLine:
    """Each of the conditions refuses alone."""

    def test_all_of_a_good_policy_pass(self) -> None:
        assert lines_of(population(200, 1, 1.0)) == dict.fromkeys(
            ["gain_over_random", "gain_over_student", "cost_share", "share"], True
        )

    @pytest.mark.parametrize(
        ("line", "changes"),
        [
            ("gain_over_student", {"limits": AdoptionLimits(min_gain=1.0)}),
            ("cost_share", {"limits": AdoptionLimits(max_cost_share=0.2)}),
            ("cost_share", {"serving_usd": FALLBACK_USD}),
            ("cost_share", {"serving_usd": None}),
            ("share", {"expected_share": 0.1}),
        ],
        ids=["gain", "cost", "throughput with little volume", "volume not known", "share"],
    )
    def test_one_is_broken(self, line: str, changes: dict[str, object]) -> None:
        found = lines_of(population(200, 1, 1.0), **changes)
        assert [name for name, passed in found.items() if not passed] == [line]

    def test_escalating_by_chance_gains_over_the_student_and_not_over_chance(self) -> None:
        found = lines_of(population(400, 3, 0.0))
        assert (found["gain_over_student"], found["gain_over_random"]) == (True, False)

    def test_few_records_say_nothing(self) -> None:
        assert lines_of(population(30, 1, 1.0)) == {"records": False}
        easy = [pair(number, 5, 5, 0.9) for number in range(200)]
        assert lines_of(easy) == {"records": False}

    def test_few_groups_say_nothing_however_many_records_they_have(self) -> None:
        few = conversations(40, 1, turns=10)
        assert lines_of(few) == {"records": False}
        assert "records" not in lines_of(each_for_itself(few))

    def test_groups_of_different_sizes_are_tested_too(self) -> None:
        # Given a signal that knows, in conversations of one to five turns
        pairs = [
            pair(10 * group + turn, 3 if hard else 5, 5, 0.2 if hard else 0.8, group=f"{group:016x}")
            for group in range(120)
            for hard in [group % 6 == 0]
            for turn in range(1 + group % 5)
        ]
        assert lines_of(pairs)["gain_over_random"]


@pytest.mark.parametrize(
    ("more", "sure", "reasons"),
    [
        ({"stop_reason": "max_tokens"}, 0.9, {"truncated"}),
        ({"problem": "not JSON", "repaired_problem": "not JSON"}, None, {"breaks_schema"}),
        ({"problem": "not JSON", "repaired_problem": None}, 0.9, set()),
        ({}, 0.4, {"low_confidence"}),
        ({}, 0.5, set()),
        ({}, None, {"low_confidence"}),
        ({"answered": False}, None, set()),
    ],
    ids=["cut off", "broken", "mended", "not sure", "just sure", "says nothing", "an outage"],
)
def test_a_rule_escalates_what_a_client_would(more: dict[str, object], sure: float | None, reasons: set[str]) -> None:
    one = measured(1, "student", 3, sure, **more)
    rules = {
        "truncated": RoutingRule(on=("truncated",)),
        "breaks_schema": RoutingRule(on=("breaks_schema",)),
        "low_confidence": RoutingRule(on=("low_confidence",), confidence_field=FIELD, below=0.5),
    }
    assert {name for name, rule in rules.items() if rule.escalates(one)} == reasons


def ids(part: list[RoutedPair]) -> set[str]:
    return {one.student.record_id for one in part}


def test_a_record_is_dealt_into_the_same_part_whatever_else_is_there() -> None:
    pairs = population(300, 1, 1.0)
    choosing, testing = dealt(pairs)
    assert {len(choosing) > 100, len(testing) > 100} == {True}
    again = dealt(list(reversed(pairs))[:150])
    assert ids(again[0]) <= ids(choosing)
    assert ids(again[1]) <= ids(testing)
    assert not ids(choosing) & ids(testing)


def test_a_group_is_dealt_into_one_part() -> None:
    parts = [{one.unit for one in part} for part in dealt(conversations(100, 1))]
    assert all(len(part) > 30 for part in parts)
    assert not parts[0] & parts[1]


def test_what_was_not_judged_or_answered_for_both_is_left_out() -> None:
    student = [measured(1, "student", 5), measured(2, "student", None), measured(3, "student", 1, answered=False)]
    fallback = [measured(number, "teacher", 5) for number in (1, 2, 3)]
    [only] = pair_up(student, fallback, MODELS, PriceBook.shipped())
    assert only.student.record_id == f"{1:016x}"
    assert 0 < only.student_usd < only.fallback_usd


def test_nothing_is_proposed_that_does_not_gain_or_escalates_too_much() -> None:
    worse = [pair(number, 5, 3, 0.2) for number in range(60)]
    assert proposed(candidate_rules(worse, CascadeRules(confidence_field=FIELD, below=0.5)), 1.0) is None
    better = [pair(number, 3, 5, 0.2) for number in range(60)]
    candidates = candidate_rules(better, CascadeRules(confidence_field=FIELD, below=0.5))
    assert proposed(candidates, 0.5) is None
    best = proposed(candidates, 1.0)
    assert best is not None
    assert (best.share, best.gain) == (1.0, 2.0)
    assert candidate_rules([], None) == []


def test_hours_of_a_throughput_are_shared_by_the_volume_that_is_known() -> None:
    pairs = [pair(1, 5, 5)]
    month = {"usd_per_month": {"student_provisioned_throughput": 730.0}, "expected_requests_per_month": 73_000.0}
    assert serving_usd_of_request("on_demand", pairs, month) == STUDENT_USD
    assert serving_usd_of_request("provisioned_throughput", pairs, month) == pytest.approx(0.01)
    assert serving_usd_of_request("provisioned_throughput", pairs, {"usd_per_month": None}) is None
    assert serving_usd_of_request("provisioned_throughput", pairs, None) is None


@pytest.mark.parametrize(("share", "records"), [(0.0, 10), (0.1, 100), (0.5, 1000), (1.0, 10)])
def test_bounds_of_a_share_hold_it(share: float, records: int) -> None:
    low, high = share_bounds(share, records)
    assert 0 <= low <= share <= high <= 1
    assert high - low > 0
