"""The Distributed Map."""

from __future__ import annotations

from typing import Any

from ministack.services import stepfunctions as states

# What the stock function reads from a state whose items are already chosen and whose output is not yet shaped.
_KEPT = ("Type", "Label", "End", "Next")
_NUMBERS = ("MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount")


def distributed_map_evaluates_jsonata() -> None:
    """Evaluate the JSONata fields of a Distributed Map, and hide the parent's variables from its children.

    The emulator takes ``Items``, ``ItemSelector``, ``Output`` and ``Assign`` of a Distributed Map literally, where
    those of an inline Map work. And it lets children read the parent's variables, which under AWS they cannot.
    """
    stock = states._run_distributed_map

    def run_distributed_map(
        state: dict[str, Any],
        raw_input: Any,
        effective: Any,
        iterator: dict[str, Any],
        execution: dict[str, Any],
        ctx: dict[str, Any],
    ) -> tuple[Any, str | None]:
        if states._state_query_language(state, ctx) != "JSONata":
            return stock(state, raw_input, effective, iterator, execution, ctx)  # type: ignore[no-any-return]
        items = _items(state, raw_input, ctx)
        plain = {name: state[name] for name in _KEPT if name in state}
        plain |= {
            name: states._jsonata_state_field(state, name, "number", raw_input, ctx)
            for name in _NUMBERS
            if name in state
        }
        results, following = stock(plain, items, items, iterator, execution, {**ctx, "variables": {}})
        output = states._apply_jsonata_output(state, raw_input, ctx, result=results, default=results)
        states._apply_state_assign(state, raw_input, ctx, result=results)
        return output, following

    states._run_distributed_map = run_distributed_map


def _items(state: dict[str, Any], raw_input: Any, ctx: dict[str, Any]) -> list[Any]:
    """Evaluate what each child gets as its input."""
    if "ItemReader" in state:
        reader = state["ItemReader"]
        arguments = states._apply_jsonata_template(reader.get("Arguments", {}), raw_input, ctx)
        items = states._read_map_items({**reader, "Arguments": arguments}, raw_input, ctx)
    elif "Items" in state:
        items = states._jsonata_state_field(state, "Items", "array", raw_input, ctx)
    else:
        items = raw_input
    if "ItemSelector" not in state:
        return list(items)
    return [
        states._apply_jsonata_template(
            state["ItemSelector"], raw_input, {**ctx, "Map": {"Item": {"Index": index, "Value": item}}}
        )
        for index, item in enumerate(items)
    ]
