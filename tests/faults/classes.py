"""Which faults are the same to the pipeline, so that a run of ``make faults`` need not strike each of them.

Two faults of one state are the same where nothing of ours can tell them apart: errors of a Lambda that the same Retry
and the same Catch of the state match, and errors of an operation whose codes no line of the Lambdas names. Both are
read from the definition and from the sources, so that a new Catch and a new ``if`` open their classes by themselves. No
state, no operation, no kill, no lost answer and no crash is ever left out.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.faults.machine import UNCATCHABLE, Json, matching
from tests.faults.strikes import LAMBDA, RESULT, SERVICE, Fault
from tests.stacks.templates import REPOSITORY, Deployment, all_states


def one_of_each_class(deployment: Deployment) -> Callable[[list[Fault]], Iterator[Fault]]:
    """Make what chooses the first fault of each class."""
    states = dict(all_states(deployment.definition()))

    def choose(faults: Iterable[Fault]) -> Iterator[Fault]:
        seen: set[Hashable] = set()
        for fault in faults:
            kind = class_of(fault, states.get(fault.state, {}))
            if kind not in seen:
                seen.add(kind)
                yield fault

    return choose


def class_of(fault: Fault, state: Json) -> Hashable:
    """Give what distinguishes a fault.

    Parameters
    ----------
    fault : Fault
    state : dict
        The fault's state as the definition has it.
    """
    where = (fault.scenario, fault.state, fault.kind, fault.service, fault.operation, fault.count)
    if fault.kind == SERVICE:
        return (*where, fault.error if fault.error in named_codes() else None)
    if fault.kind == LAMBDA:
        rules = [matching(state.get(name, []), fault.error)[0] for name in ("Retry", "Catch")]
        return (*where, *rules, fault.error in UNCATCHABLE)
    if fault.kind == RESULT:  # to read a field of nothing is an error of JSONata; of anything else it gives nothing
        return (*where, fault.error == "nothing")
    return fault


@cache
def named_codes() -> frozenset[str]:
    """List every text in the sources of the Lambdas: an error's code that is none of them is told from no other."""
    found: set[str] = set()
    for path in Path(REPOSITORY, "lambdas").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return frozenset(found)
