"""Each hard option by itself and all together, up to two hundred thousand calls: none must hide another's prompts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from lambdas.domain.discovery.grouping import rules_of_calls
from tests.discovery.account import Account, known_calls
from tests.discovery.account_logs import ADHOC, FAMILIES, Options
from tests.discovery.everyday_prompts import EVERYDAY_FAMILIES
from tests.discovery.other_styles import OTHER_FAMILIES
from tests.discovery.scores import pairwise

if TYPE_CHECKING:
    from pathlib import Path

    from tests.discovery.account_logs import Family

pytestmark = pytest.mark.thorough

SAMPLE = 20_000
GATEWAY = Options(calls=20_000, one_role=True)
HARD = dataclasses.replace(GATEWAY, tasks=50, variable_words=True, user_instructions=True, versions=True, adhoc=0.06)
EVERYTHING = FAMILIES + OTHER_FAMILIES + EVERYDAY_FAMILIES
CASES: dict[str, tuple[Options, tuple[Family, ...]]] = {
    "many roles": (Options(calls=20_000), FAMILIES),
    "one role": (GATEWAY, FAMILIES),
    "a variable word in most lines": (dataclasses.replace(GATEWAY, variable_words=True), FAMILIES),
    "instructions in the user's turn": (dataclasses.replace(GATEWAY, user_instructions=True), FAMILIES),
    "versions": (dataclasses.replace(GATEWAY, versions=True), FAMILIES),
    "nearly all lines shared": (dataclasses.replace(GATEWAY, shared_lines=0.85), FAMILIES),
    "other styles": (GATEWAY, OTHER_FAMILIES),
    "everyday prompts": (dataclasses.replace(GATEWAY, adhoc=0.05), EVERYDAY_FAMILIES),
    "everything": (HARD, EVERYTHING),
    "everything, 200,000 calls": (dataclasses.replace(HARD, calls=200_000), EVERYTHING),
}


@pytest.mark.parametrize("case", CASES)
def test_calls_are_grouped_by_their_task(tmp_path: Path, discovery_seed: int, case: str) -> None:
    # Given
    options, families = CASES[case]
    account = Account(tmp_path, options, discovery_seed, families)
    account.extract()
    columns = "request_id, principal, tools_digest, called_at, model, operation, json_answer, output_tokens, features"
    query = f"SELECT {columns} FROM logs.calls WHERE features IS NOT NULL ORDER BY md5(request_id)"
    found = account.duck.execute(query)
    pairs: list[tuple[str, str]] = []
    rules = None
    # When
    while rows := found.fetchmany(SAMPLE):
        calls = known_calls([dict(zip(columns.split(", "), row, strict=True)) for row in rows], named=False)
        rules = rules or rules_of_calls(list(calls.values()))
        truth = account.truth.tasks
        pairs += [(truth[i], rules.task_of(call)) for i, call in calls.items() if truth[i] != ADHOC]
    # Then
    assert pairwise(pairs)[2] >= 0.97
