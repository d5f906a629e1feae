"""docs/report.md names every field of the sample reports, so that the samples cannot go beyond the document."""

from __future__ import annotations

import json

import pytest

from tests.report_fields import documented, names_in, section_of
from tests.unit.domain.report.page_reader import SAMPLES


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.glob("*.json")))
def test_every_field_of_a_sample_is_documented(name: str) -> None:
    # Given
    report = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))

    # When
    sections = documented()
    missing = {
        f"{field}: {inner}"
        for field, value in report.items()
        for inner in (field, *([] if field == "files" else names_in(value)))
        if inner not in sections[section_of(field)].names and inner != section_of(field)
    }

    # Then
    assert missing == set()
