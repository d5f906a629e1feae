"""The rules of discovery: which call belongs to which task, and how they are written and read."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from lambdas.domain.discovery.line_blocks import Features
    from lambdas.domain.discovery.sampled_call import SampledCall

UNASSIGNED = "unassigned"

Caller = tuple[str, str]
"""Principal and digest of the tools that it offers; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A call with this principal and these tools belongs to ``task`` if it has most features of every part.

    Of several rules that a call meets, the one with the smallest ``order`` decides. ``named`` says that the task is
    a value of the request metadata, which nearly all named calls of the rule have.
    """

    principal: str
    tools: str
    order: int
    task: str
    named: bool
    parts: tuple[Features, ...]

    def takes(self, features: frozenset[int]) -> bool:
        """Tell whether a call of this principal with these tools has most features of every part."""
        return all(sum(f in features for f in part) >= needed(part) for part in self.parts)


def needed(part: Features) -> int:
    """Give how many features of a part a call must have: more than half."""
    return len(part) // 2 + 1


class Rules:
    """The rules of one discovery run; ``by_caller`` has them in their order."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self.by_caller: defaultdict[Caller, list[Rule]] = defaultdict(list)
        for rule in sorted(self.rules, key=lambda rule: rule.order):
            self.by_caller[rule.principal, rule.tools].append(rule)

    def rule_of(self, principal: str, tools: str, features: Iterable[int]) -> Rule | None:
        """Give the rule that a call belongs to, as stage 3 finds it; ``None``: the call is unassigned."""
        known = frozenset(features)
        return next((rule for rule in self.by_caller.get((principal, tools), ()) if rule.takes(known)), None)

    def task_of(self, call: SampledCall) -> str:
        """Give the task of a call: what its metadata says, else its rule's, else ``unassigned``."""
        if call.named_task:
            return call.named_task
        rule = self.rule_of(call.principal, call.tools, call.features)
        return UNASSIGNED if rule is None else rule.task

    def to_lines(self) -> Iterator[str]:
        """Write table ``rules``: a line of JSON a feature."""
        for rule in self.rules:
            for number, part in enumerate(rule.parts):
                for feature in part:
                    row = {
                        "principal": rule.principal,
                        "tools": rule.tools,
                        "rule": rule.task,
                        "order": rule.order,
                        "part": number,
                        "feature": feature,
                        "need": needed(part),
                        "names": rule.named,
                    }
                    yield json.dumps(row, separators=(",", ":"))

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> Self:
        """Read what :meth:`to_lines` wrote.

        Raises
        ------
        KeyError, ValueError
            Where a line is not one of a rule.
        """
        parts: dict[tuple[str, str, int, str, bool], defaultdict[int, list[int]]] = {}
        for line in lines:
            row = json.loads(line)
            key = (row["principal"], row["tools"], row["order"], row["rule"], row["names"])
            parts.setdefault(key, defaultdict(list))[row["part"]].append(row["feature"])
        return cls(Rule(*key, tuple(tuple(found[number]) for number in sorted(found))) for key, found in parts.items())
