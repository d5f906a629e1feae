"""Group the sample and write the rules where the next query reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdas.domain.discovery import discovery_files
from lambdas.domain.discovery.discovery_plan import checked_generation
from lambdas.domain.discovery.grouping import rules_of
from lambdas.workflow.discovery import query_rows

if TYPE_CHECKING:
    from lambdas.workflow.stage import Pipeline, Result


def group_calls(pipeline: Pipeline, query: str, generation: str) -> Result:
    """Group the rows of a query.

    Returns
    -------
    dict
        How many ``lines`` the rules have.
    """
    lines = list(rules_of(query_rows(pipeline, query)).to_lines())
    key = discovery_files.rules(checked_generation(generation))
    pipeline.runs.write(key, "".join(f"{line}\n" for line in lines).encode())
    return {"lines": len(lines)}
