"""Counts the state transitions of an execution, for which Step Functions asks money."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

Json = dict[str, Any]


class Transitions(NamedTuple):
    """States entered; retries of a state are not among them.

    Attributes
    ----------
    own : int
        StateEntered events in the history of the execution itself.
    in_maps : int
        States of the child executions that its Distributed Maps started.
    """

    own: int
    in_maps: int


def count_transitions(states: SFNClient, execution_arn: str) -> Transitions:
    """Count the transitions of an execution that has succeeded.

    The embedded AWS lists the child executions of a map but writes no states into their histories. A child is
    therefore counted with the states of the map's processor, which it went through one after the other.

    Parameters
    ----------
    states : SFNClient
        Where the execution was.
    execution_arn : str
        Of the parent.

    Raises
    ------
    LookupError
        If a processor branches, so that the states that a child went through are not known.
    """
    described = states.describe_state_machine_for_execution(executionArn=execution_arn)
    processors = {
        state["Label"]: state["ItemProcessor"]
        for state in json.loads(described["definition"])["States"].values()
        if state.get("ItemProcessor", {}).get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
    }
    in_maps = 0
    for page in states.get_paginator("list_map_runs").paginate(executionArn=execution_arn):
        for run in page["mapRuns"]:
            # arn:aws:states:<region>:<account>:mapRun:<state machine>/<label>:<id>
            label = run["mapRunArn"].split("/")[1].split(":")[0]
            children = states.describe_map_run(mapRunArn=run["mapRunArn"])["executionCounts"]["total"]
            in_maps += children * states_of_chain(processors[label])
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution_arn)
    own = sum(event["type"].endswith("StateEntered") for page in pages for event in page["events"])
    return Transitions(own, in_maps)


def states_of_chain(processor: Json) -> int:
    """Count the states from the first to the last of a processor without branches.

    Parameters
    ----------
    processor : dict
        ``ItemProcessor`` of the Amazon States Language.

    Raises
    ------
    LookupError
        If it has a state that is not on the way: then it branches.
    """
    name, length = processor["StartAt"], 1
    while "Next" in processor["States"][name]:
        name, length = processor["States"][name]["Next"], length + 1
    if length != len(processor["States"]):
        message = f"the processor that starts at {processor['StartAt']} branches: read its children's histories instead"
        raise LookupError(message)
    return length
