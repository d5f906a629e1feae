"""Stage 2: a sample of logged calls becomes rules that say which call belongs to which task.

Calls are parted by what is certain, the caller's role and the tools, then by templates. Later versions of a prompt and
the same template under another role keep its name. A value of the request metadata decides before any rule does; roles
and coarse tags never name a task.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from lambdas.domain.discovery.masking import PART_BIT
from lambdas.domain.discovery.prompt_versions import COMPARED_CALLS, usual_lines, versions_of
from lambdas.domain.discovery.rules import Rule, Rules
from lambdas.domain.discovery.sampled_call import SampledCall, sampled
from lambdas.domain.discovery.taught import taught
from lambdas.domain.discovery.templates import RuleDraft, templates_of

USUAL, KNOWN = 0.6, 0.25


def rules_of(rows: Iterable[Mapping[str, str]]) -> Rules:
    """Make the rules of a sample.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of ``queries.sample``.
    """
    return rules_of_calls([sampled(row) for row in rows])


def rules_of_calls(calls: Sequence[SampledCall]) -> Rules:
    """Make the rules of sampled calls."""
    parts: defaultdict[tuple[str, str], list[SampledCall]] = defaultdict(list)
    for call in calls:
        parts[call.principal, call.tools].append(call)
    drafts = [
        RuleDraft(principal, tools, order, template, members)
        for (principal, tools), of_part in sorted(parts.items())
        for order, (template, members) in enumerate(templates_of(of_part))
    ]
    made = Rules(
        Rule(
            principal=draft.principal,
            tools=draft.tools,
            order=draft.order,
            task=task,
            named=False,
            parts=tuple(block.telling() for block in draft.template),
        )
        for draft, task in zip(drafts, _ids(drafts), strict=True)
    )
    return taught(made, calls)


def _ids(drafts: Sequence[RuleDraft]) -> list[str]:
    """Name templates by a line that only they have, so that a later sample gives the same name; equal ones alike.

    Templates of two principals are the same where no line that nearly all calls of one have is missing in the other;
    a later version has the name of the first. The name is made of the smallest digest of the lines that are their
    own: digests are random, and a block that gains or loses some lines keeps its smallest with the share that stays.
    """
    before = versions_of(drafts)
    group_of: dict[int, int] = {}
    for number, draft in enumerate(drafts):
        if number in before:
            continue
        same = (earlier for earlier in range(number) if earlier in group_of and _same_template(draft, drafts[earlier]))
        group_of[number] = group_of[earlier] if (earlier := next(same, None)) is not None else number
    for number in before:
        first = number
        while first in before:
            first = before[first]
        group_of[number] = group_of[first]
    lines = {
        first: _own_lines(drafts, [n for n in group_of if group_of[n] == first]) for first in set(group_of.values())
    }
    common = Counter(f for own in lines.values() for f in own)
    marks = {first: [min((common[f], f & PART_BIT, f) for f in own)] for first, own in lines.items()}
    used = Counter(tuple(mark) for mark in marks.values())
    for first, mark in marks.items():
        if used[tuple(mark)] > 1:
            # The same line under two texts: what is above it belongs to the name.
            mark += [min((0, f & PART_BIT, f) for f in block.features) for block in drafts[first].template[:-1]]
    names = {first: "t-" + hashlib.sha256(_written(mark).encode()).hexdigest()[:10] for first, mark in marks.items()}
    return [names[group_of[number]] for number in range(len(drafts))]


def _written(marks: Sequence[tuple[int, int, int]]) -> str:
    return "|".join(map(str, marks))


def _own_lines(drafts: Sequence[RuleDraft], numbers: Sequence[int]) -> frozenset[int]:
    """Give the lines of the last blocks of drafts that are one task: those that all have, or the first one's."""
    blocks = [frozenset(drafts[number].template[-1].features) for number in sorted(numbers)]
    return blocks[0].intersection(*blocks) or blocks[0]


def _same_template(one: RuleDraft, other: RuleDraft) -> bool:
    if (one.principal, one.tools) == (other.principal, other.tools):
        return False
    return _all_known(usual_lines(one, USUAL), other.calls) and _all_known(usual_lines(other, USUAL), one.calls)


def _all_known(features: Iterable[int], calls: Sequence[SampledCall]) -> bool:
    """Tell whether none of the lines is missing in most of the calls; some of the calls are enough to see it."""
    seen = Counter(f for call in calls[:COMPARED_CALLS] for f in call.features)
    return all(seen[f] >= KNOWN * min(len(calls), COMPARED_CALLS) for f in features)
