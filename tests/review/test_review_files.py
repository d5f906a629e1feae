"""What is made of the templates and committed is up to date: a pull request shows what changes in the account."""

from __future__ import annotations

from pathlib import Path

import pytest

from review.files import RENEW, REPOSITORY, differing, write
from review.nist import POSITIONS, findings, page, without_position
from review.snapshots import snapshots
from tests.stacks.templates import Deployment, build


def test_the_snapshots_are_what_the_templates_are_now(deployment: Deployment) -> None:
    assert differing(snapshots(deployment.templates)) == [], f"run '{RENEW}', look at the difference and commit it"


def test_a_snapshot_says_nothing_that_changes_with_every_line_of_code(deployment: Deployment) -> None:
    # Given the same template with another asset and another version of a Lambda
    plain = snapshots(deployment.templates)
    before = str(deployment.templates["pipeline"])
    assert "CurrentVersion" in before
    # Then
    for text in plain.values():
        assert str(REPOSITORY) not in text
    pipeline = plain["docs/templates/pipeline.yaml"]
    assert "S3Key: <asset>.zip" in pipeline
    assert "CurrentVersion<code>" in pipeline
    assert "StartAt: BeginRun" in pipeline


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    folder: Path = tmp_path_factory.mktemp("nist")
    return findings(build({"dev": {}}, folder), folder)


def test_each_finding_of_nist_800_53_has_a_written_position_and_no_position_is_left_over(
    found: dict[str, list[str]],
) -> None:
    assert without_position(found) == []
    assert set(POSITIONS) == set(found)
    assert all(len(position.split()) > 12 for position in POSITIONS.values())


def test_a_finding_without_a_position_is_named() -> None:
    assert without_position({"LambdaDLQ": ["a"], "SomethingNew": ["b"]}) == ["SomethingNew"]


def test_the_page_names_every_construct_that_is_found(found: dict[str, list[str]]) -> None:
    assert differing(page(found)) == [], f"run '{RENEW}'"


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    assert write({"a/one.txt": "1", "two.txt": "2"}, tmp_path) == ["a/one.txt", "two.txt"]
    (tmp_path / "two.txt").write_text("changed by hand")
    assert write({"a/one.txt": "1", "two.txt": "2"}, tmp_path) == ["two.txt"]
    assert (tmp_path / "two.txt").read_text() == "2"
