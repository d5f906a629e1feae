"""What calls with a name teach: where metadata names the task of some calls, the others are found by what those share.

Rules are made of texts alone. A rule whose named calls agree gets their name. Where they do not, or where too few calls
of a task were in the sample to make a template, the task's own calls say which lines tell it from its neighbours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdas.domain.discovery.line_blocks import CLOSE, FEW_SHARED, length_of, telling_first
from lambdas.domain.discovery.rules import Rule, Rules
from lambdas.domain.discovery.sampled_call import SampledCall

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lambdas.domain.discovery.rules import Caller

NAMED_CALLS = 5
"""Named calls of the sample that teach."""

NAMED_SHARE, NAMED_PART = 0.9, 0.2
"""A rule has the name that this share of its named calls has, if it takes that part of the name's calls there are."""

RIGHT_SHARE = 0.98
"""Share of its own named calls of which the rules of a task may miss the rest: below it they are taught."""

TOLD_CHARACTERS = 12
"""Least length of the lines that tell a task, in characters."""

Taken = tuple[Rule, list[SampledCall]]
"""A rule, and the calls of the sample that it takes."""


def taught(rules: Rules, calls: Sequence[SampledCall]) -> Rules:
    """Give the rules the names of their calls, and each named task that they miss a rule of its own, which goes first.

    Parameters
    ----------
    rules : Rules
        As texts alone make them.
    calls : sequence of SampledCall
        All calls of the sample.
    """
    calls_of: defaultdict[Caller, list[SampledCall]] = defaultdict(list)
    for call in calls:
        calls_of[call.principal, call.tools].append(call)
    callers = sorted({*rules.by_caller, *calls_of})
    return Rules(rule for caller in callers for rule in _of_caller(rules, caller, calls_of[caller]))


def _of_caller(rules: Rules, caller: Caller, calls: Sequence[SampledCall]) -> list[Rule]:
    of_rule: defaultdict[Rule | None, list[SampledCall]] = defaultdict(list)
    of_name: defaultdict[str, list[SampledCall]] = defaultdict(list)
    for call in calls:
        of_rule[rules.rule_of(*caller, call.features)].append(call)
        if call.named_task:
            of_name[call.named_task].append(call)
    before = rules.by_caller.get(caller, ())
    taken = [(_named(rule, of_rule[rule], of_name), of_rule[rule]) for rule in before]
    made = (_rule_for(name, own, calls, taken) for name, own in sorted(of_name.items()) if len(own) >= NAMED_CALLS)
    new = [rule for rule in made if rule is not None]
    taken = [(_named(rule, _left(of_rule[rule], new), of_name), of_rule[rule]) for rule in before]
    # What has a name is known better than what has none: it goes first where that takes nothing from the others.
    first = [rule for rule, _ in taken if rule.named and _leaves_others(rule, taken)]
    last = [rule for rule, _ in taken if rule not in first]
    return [replace(rule, order=order) for order, rule in enumerate([*new, *first, *last])]


def _left(calls: Iterable[SampledCall], new: Sequence[Rule]) -> list[SampledCall]:
    """Give the calls that rules which go first leave."""
    return [call for call in calls if not any(rule.takes(frozenset(call.features)) for rule in new)]


def _named(rule: Rule, calls: Sequence[SampledCall], of_name: Mapping[str, Sequence[SampledCall]]) -> Rule:
    """Give a rule the name that its named calls have, where its other calls are like those of that name."""
    names = Counter(call.named_task for call in calls if call.named_task)
    [(name, most)] = names.most_common(1) or [("", 0)]
    if not name or most < max(NAMED_CALLS, NAMED_SHARE * names.total(), NAMED_PART * len(of_name[name])):
        return rule
    usual = telling_first(_common(of_name[name]))
    if length_of(usual) >= TOLD_CHARACTERS:
        has_them = replace(rule, parts=(usual,))
        unnamed = [has_them.takes(frozenset(call.features)) for call in calls if not call.named_task]
        if sum(unnamed) < len(unnamed) / 2:
            return rule
    return replace(rule, task=name, named=True)


def _rule_for(
    name: str, own: Sequence[SampledCall], calls: Iterable[SampledCall], taken: Iterable[Taken]
) -> Rule | None:
    """Give a rule of lines that nearly all named calls of a task have, and hardly a call that is named otherwise."""
    right = sum(call.named_task == name for rule, of_rule in taken if rule.task == name for call in of_rule)
    if right >= RIGHT_SHARE * len(own):
        return None
    lines = _telling(own, [call for call in calls if call.named_task not in (None, name)])
    if length_of(lines) < TOLD_CHARACTERS:
        return None
    made = Rule(own[0].principal, own[0].tools, 0, name, named=True, parts=(telling_first(lines),))
    return made if _leaves_others(made, taken) else None


def _common(calls: Sequence[SampledCall]) -> list[int]:
    seen = Counter(feature for call in calls for feature in call.features)
    return [feature for feature, count in seen.items() if count >= CLOSE * len(calls)]


def _telling(own: Sequence[SampledCall], others: Iterable[SampledCall]) -> list[int]:
    common = _common(own)
    known = frozenset(common)
    elsewhere = Counter(feature for call in others for feature in call.features if feature in known)
    return [feature for feature in common if elsewhere[feature] <= FEW_SHARED * len(own)]


def _leaves_others(made: Rule, taken: Iterable[Taken]) -> bool:
    """Tell whether a rule takes of each other rule's calls without a name about the share that has its name."""
    for rule, calls in taken:
        named = [call.named_task == made.task for call in calls if call.named_task]
        unnamed = [made.takes(frozenset(call.features)) for call in calls if not call.named_task]
        if rule.task == made.task or sum(unnamed) < NAMED_CALLS:
            continue
        share = sum(named) / len(named) if named else 0.0
        if sum(unnamed) / len(unnamed) > FEW_SHARED + 2 * share:
            return False
    return True
