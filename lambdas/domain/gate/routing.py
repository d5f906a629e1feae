"""Routing as a policy that is tested: which answers go to the fallback, and whether that earns its place.

A policy that is chosen on the records that judge it looks good by chance: with a signal that says nothing, the best of
twenty thresholds passes in a third of the cases and the best of many signals nearly always. So the records of the
holdout are dealt into two parts by their groups, as the split deals them. One proposes, the other, which neither
trained the student nor chose the policy, tests the one policy that was proposed.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Self

from lambdas.domain.evaluation.confidence_bounds import percentile, student_quantile
from lambdas.domain.evaluation.served_price import request_usd
from lambdas.domain.gate.cascade import BREAKS_SCHEMA, LOW_CONFIDENCE, TRUNCATED, stated_confidence, was_cut_off
from lambdas.domain.identity import digest

if TYPE_CHECKING:
    from lambdas.domain.evaluation.measurements import Measurement
    from lambdas.domain.prices.price_book import PriceBook
    from lambdas.domain.task.task_definition import CascadeRules

PERMUTATIONS = 2_000
"""Random escalations of as many records, with which the chosen ones are compared."""

ERROR = 0.05
"""Share of policies that gain nothing and pass all the same."""

SHARE_TOLERANCE = 0.05
"""How far the share of the testing part may be from that of the proposing part."""

FEWEST_GROUPS, FEWEST_ESCALATED = 50, 5
"""Groups of the testing part, and those of them with an escalated record, below which nothing is said."""

STEPS = 20
"""Thresholds of the confidence field that are tried: quantiles of what the student said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoutingRule:
    """Reasons for which the fallback is asked, in the words of a client's policy."""

    on: tuple[str, ...]
    confidence_field: str | None = None
    below: float | None = None

    def escalates(self, answer: Measurement) -> bool:
        """Tell whether a client would pass an answer on: it repairs first, and an outage is another matter."""
        if not answer.answered:
            return False
        if was_cut_off(answer):
            return TRUNCATED in self.on
        if answer.repaired_problem is not None:
            return BREAKS_SCHEMA in self.on
        if self.confidence_field is None or self.below is None or LOW_CONFIDENCE not in self.on:
            return False
        said = stated_confidence(answer, self.confidence_field)
        return said is None or said < self.below

    def to_document(self) -> dict[str, Any]:
        """Give the rule as a map."""
        return {"on": list(self.on), "confidence_field": self.confidence_field, "below": self.below}


@dataclass(frozen=True, slots=True)
class RoutedPair:
    """Student and fallback on one record that was judged for both; dollars of one request, on demand."""

    student: Measurement
    fallback: Measurement
    student_usd: float
    fallback_usd: float

    @property
    def difference(self) -> int:
        """Judge points that the fallback is better by."""
        return (self.fallback.score or 0) - (self.student.score or 0)

    @property
    def unit(self) -> str:
        """Name what is independent of every other: the record's group, or the record where it has none."""
        return self.student.unit


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedRule:
    """What a rule would have done on some records.

    Attributes
    ----------
    records, groups : int
        How many, and how many of them are independent of each other.
    share : float
        Escalated, 0 to 1.
    gain : float
        Judge points over the student alone, mean over all records.
    usd_per_1k_requests : float
        Of student and fallback by token, on demand.
    """

    rule: RoutingRule
    records: int
    groups: int
    share: float
    score: float
    gain: float
    usd_per_1k_requests: float

    def to_document(self) -> dict[str, Any]:
        """Give it as a map."""
        names = ("records", "groups", "share", "score", "gain", "usd_per_1k_requests")
        return {**self.rule.to_document(), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptionLimits:
    """What a person asks of a policy.

    Attributes
    ----------
    min_gain : float
        Judge points over the student alone.
    max_cost_share : float
        Dollars against the fallback's, in the mode that is served.
    """

    min_gain: float = 0.05
    max_cost_share: float = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class RoutingTest:
    """What is proposed, and on what it is tested.

    Attributes
    ----------
    max_share : float
        Most answers that may be escalated, 0 to 1; also the cap that clients keep.
    limits : AdoptionLimits or None
        ``None`` only proposes: the records that test are not looked at.
    fresh_run : str
        Later run whose records test what is proposed on all of the champion's own; empty to test on a half of those.
    """

    max_share: float
    limits: AdoptionLimits | None = None
    fresh_run: str = ""

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Self:
        """Read what a person asks."""
        known, limits = AdoptionLimits(), None
        if event.get("adopt"):
            limits = AdoptionLimits(
                min_gain=float(event.get("min_gain", known.min_gain)),
                max_cost_share=float(event.get("max_cost_share", known.max_cost_share)),
            )
        return cls(max_share=float(event["route"]), limits=limits, fresh_run=str(event.get("fresh") or ""))

    @property
    def proven(self) -> str:
        """What the proof of who adopts it is bound to, beside task and run."""
        return " ".join([f"{self.max_share:g}", *filter(None, [self.fresh_run])])


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptionLine:
    """One condition with what was measured; ``None`` where nothing could be."""

    name: str
    limit: float
    measured: float | None
    passed: bool
    explanation: str

    def to_document(self) -> dict[str, Any]:
        """Give it as a map."""
        return {name: getattr(self, name) for name in ("name", "limit", "measured", "passed", "explanation")}


def pair_up(
    student: Sequence[Measurement],
    fallback: Sequence[Measurement],
    models: tuple[str, str],
    prices: PriceBook,
) -> list[RoutedPair]:
    """Pair the records that were judged for both and answered by both; ``models`` are those whose prices hold."""
    others = {item.record_id: item for item in fallback if item.score is not None and item.answered}
    return [
        RoutedPair(
            item,
            others[item.record_id],
            request_usd(item, models[0], prices),
            request_usd(others[item.record_id], models[1], prices),
        )
        for item in student
        if item.score is not None and item.answered and item.record_id in others
    ]


def dealt(pairs: Sequence[RoutedPair]) -> tuple[list[RoutedPair], list[RoutedPair]]:
    """Deal records into the part that proposes and the part that tests; those of a group are always in the same one."""
    parts: tuple[list[RoutedPair], list[RoutedPair]] = ([], [])
    for pair in pairs:
        parts[int(digest("routing", pair.unit, length=8), 16) % 2].append(pair)
    return parts


def count_groups(pairs: Sequence[RoutedPair]) -> int:
    """Count what is independent of each other."""
    return len({pair.unit for pair in pairs})


def judged_rule(rule: RoutingRule, pairs: Sequence[RoutedPair]) -> JudgedRule:
    """Work out what a rule would have done."""
    escalated = [rule.escalates(pair.student) for pair in pairs]
    gains = [pair.difference * asks for pair, asks in zip(pairs, escalated, strict=True)]
    usd = [pair.student_usd + pair.fallback_usd * asks for pair, asks in zip(pairs, escalated, strict=True)]
    return JudgedRule(
        rule=rule,
        records=len(pairs),
        groups=count_groups(pairs),
        share=statistics.fmean(escalated),
        score=statistics.fmean((pair.student.score or 0) + gain for pair, gain in zip(pairs, gains, strict=True)),
        gain=statistics.fmean(gains),
        usd_per_1k_requests=1000 * statistics.fmean(usd),
    )


def candidate_rules(pairs: Sequence[RoutedPair], confidence: CascadeRules | None) -> list[JudgedRule]:
    """Judge each rule that the evaluation can, on the part that proposes."""
    if not pairs:
        return []
    rules = [RoutingRule(on=on) for on in ((TRUNCATED,), (BREAKS_SCHEMA,), (TRUNCATED, BREAKS_SCHEMA))]
    if confidence is not None:
        field = confidence.confidence_field
        said = sorted(one for pair in pairs if (one := stated_confidence(pair.student, field)) is not None)
        tried = {percentile(said, step / STEPS) for step in range(1, STEPS)} if said else set()
        on = (TRUNCATED, BREAKS_SCHEMA, LOW_CONFIDENCE)
        rules += [
            RoutingRule(on=on, confidence_field=field, below=below) for below in sorted({*tried, confidence.below})
        ]
    return [judged_rule(rule, pairs) for rule in rules]


def proposed(candidates: Sequence[JudgedRule], max_share: float) -> JudgedRule | None:
    """Choose the rule that gains most within a share, the cheaper one of equals; ``None`` where none gains."""
    fitting = [one for one in candidates if 0 < one.share <= max_share and one.gain > 0]
    return max(fitting, key=lambda one: (one.gain, -one.share), default=None)


def adoption_lines(
    rule: RoutingRule,
    expected_share: float,
    pairs: Sequence[RoutedPair],
    serving_usd: float | None,
    limits: AdoptionLimits,
) -> list[AdoptionLine]:
    """Test one policy on the part that did not choose it; it is adopted where every line has passed.

    Parameters
    ----------
    rule : RoutingRule
    expected_share : float
        Of the part that proposed it.
    pairs : sequence of RoutedPair
        The part that tests.
    serving_usd : float or None
        US dollars of one request of the student in the mode that is served; ``None`` where the volume is not known
        that shares a throughput's hours.
    limits : AdoptionLimits
    """
    escalated = [rule.escalates(pair.student) for pair in pairs]
    groups, count = count_groups(pairs), len({pair.unit for pair, asks in zip(pairs, escalated, strict=True) if asks})
    if groups < FEWEST_GROUPS or count < FEWEST_ESCALATED:
        text = (
            f"{count} of {groups} independent groups of records of the testing part would be escalated: too few to say"
        )
        few = f"{text} anything; at least {FEWEST_ESCALATED} of {FEWEST_GROUPS} are needed, so upload more prompts"
        return [AdoptionLine(name="records", limit=FEWEST_ESCALATED, measured=count, passed=False, explanation=few)]
    share = statistics.fmean(escalated)
    gain = statistics.fmean(pair.difference * asks for pair, asks in zip(pairs, escalated, strict=True))
    low, chance = _over_random(escalated, pairs)
    return [
        AdoptionLine(
            name="gain_over_random",
            limit=0.0,
            measured=low,
            passed=low > 0 and chance <= ERROR,
            explanation=f"lower 95 % bound of the gain over escalating as many records by chance, in judge points; "
            f"chance does as well in {chance:.1%} of {PERMUTATIONS:,} draws",
        ),
        AdoptionLine(
            name="gain_over_student",
            limit=limits.min_gain,
            measured=gain,
            passed=gain >= limits.min_gain,
            explanation="judge points over the student alone, mean over all records",
        ),
        _cost_line(pairs, share, serving_usd, limits),
        AdoptionLine(
            name="share",
            limit=SHARE_TOLERANCE,
            measured=share - expected_share,
            passed=abs(share - expected_share) <= SHARE_TOLERANCE,
            explanation=f"share escalated of {len(pairs)} records, {share:.1%}, against {expected_share:.1%} proposed",
        ),
    ]


def _over_random(escalated: Sequence[bool], pairs: Sequence[RoutedPair]) -> tuple[float, float]:
    """Bound the gain over random escalation of the same share; give how often chance does as well.

    The bound is that of a covariance by its influence function, summed over each group, since its records are not
    independent (Liang and Zeger 1986). The draws hold whatever the number of groups: what is escalated in a group is
    given to another one of its size, and each such choice is as likely as any other where the signal says nothing.
    """
    records = len(pairs)
    share, mean = statistics.fmean(escalated), statistics.fmean(pair.difference for pair in pairs)
    parts = [(asks - share) * (pair.difference - mean) for pair, asks in zip(pairs, escalated, strict=True)]
    measured = statistics.fmean(parts)
    sums: dict[str, float] = defaultdict(float)
    for pair, part in zip(pairs, parts, strict=True):
        sums[pair.unit] += part - measured
    groups = len(sums)
    error = math.sqrt(groups / (groups - 1) * math.fsum(one**2 for one in sums.values())) / records
    return measured - student_quantile(groups) * error, _by_chance(escalated, pairs)


def _by_chance(escalated: Sequence[bool], pairs: Sequence[RoutedPair]) -> float:
    """Tell how often escalating as many records in other groups gains as much."""
    together: dict[str, list[tuple[bool, int]]] = defaultdict(list)
    for pair, asks in zip(pairs, escalated, strict=True):
        together[pair.unit].append((asks, pair.difference))
    by_size: dict[int, list[list[tuple[bool, int]]]] = defaultdict(list)
    for group in together.values():
        by_size[len(group)].append(group)
    asked = {size: [one for one in groups if any(asks for asks, _ in one)] for size, groups in by_size.items()}
    given = {size: [[difference for _, difference in one] for one in groups] for size, groups in by_size.items()}
    reached = sum(pair.difference for pair, asks in zip(pairs, escalated, strict=True) if asks)
    draws = Random(digest([[len(one), *map(list, one)] for one in together.values()]))  # noqa: S311 - seeded by the data

    def drawn() -> int:
        return sum(
            difference
            for size, groups in asked.items()
            for one, other in zip(groups, draws.sample(given[size], len(groups)), strict=True)
            for (asks, _), difference in zip(one, other, strict=True)
            if asks
        )

    return (sum(drawn() >= reached for _ in range(PERMUTATIONS)) + 1) / (PERMUTATIONS + 1)


def _cost_line(
    pairs: Sequence[RoutedPair], share: float, serving_usd: float | None, limits: AdoptionLimits
) -> AdoptionLine:
    fallback = statistics.fmean(pair.fallback_usd for pair in pairs)
    text = "dollars of a request, student in the mode that is served and fallback by its share, against the fallback's"
    if serving_usd is None or fallback <= 0:
        text += "; not known without a volume: set 'serving.expected_requests_per_month' in task.json"
        return AdoptionLine(
            name="cost_share", limit=limits.max_cost_share, measured=None, passed=False, explanation=text
        )
    measured = (serving_usd + share * fallback) / fallback
    passed = measured <= limits.max_cost_share
    return AdoptionLine(
        name="cost_share", limit=limits.max_cost_share, measured=measured, passed=passed, explanation=text
    )


def serving_usd_of_request(
    mode: str, pairs: Sequence[RoutedPair], break_even: Mapping[str, Any] | None
) -> float | None:
    """Price one request of the student as it is served; ``None`` for a throughput whose volume is not known."""
    if mode == "on_demand":
        return statistics.fmean(pair.student_usd for pair in pairs) if pairs else None
    monthly = (break_even or {}).get("usd_per_month") or {}
    volume = (break_even or {}).get("expected_requests_per_month")
    usd = monthly.get("student_provisioned_throughput")
    return usd / volume if usd is not None and volume else None
