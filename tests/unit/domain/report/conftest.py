"""Sample reports for the tests of the report page."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.domain.report.page_reader import SAMPLES


@pytest.fixture
def sample() -> Callable[[str], dict[str, Any]]:
    """Read a sample report by name, a fresh copy each time."""

    def read(name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
        return document

    return read
