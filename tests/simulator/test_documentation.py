"""The page on the simulator names everything that can be set and ordered."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from local.bedrock_simulator.fault_kinds import OPTIONS
from local.bedrock_simulator.settings import Confidence, Durations, Errors, ModelState, Settings

PAGE = Path(__file__).parents[2] / "docs/simulator.md"


def test_every_setting_and_every_fault_is_on_the_page() -> None:
    # Given the words that the page sets as code
    named = set(re.findall(r"`(\w+)", PAGE.read_text(encoding="utf-8")))

    # When / Then
    settings = {field.name for kind in (Settings, Durations, ModelState, Errors, Confidence) for field in fields(kind)}
    options = {name for kind in OPTIONS.values() for name in kind}
    assert (settings | set(OPTIONS) | options) - named == set()
