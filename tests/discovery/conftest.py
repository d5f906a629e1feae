"""The seed of the accounts that are drawn at run time."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture(scope="session")
def discovery_seed() -> int:
    """Give the seed of this run; ``DISCOVERY_SEED`` repeats one."""
    return int(os.environ.get("DISCOVERY_SEED") or random.SystemRandom().randrange(10**6))


@pytest.fixture(autouse=True)
def _seed_is_told(discovery_seed: int) -> None:
    """Say the seed in every test: what a module's fixture printed is not shown where a later test fails."""
    print(f"DISCOVERY_SEED={discovery_seed}")
