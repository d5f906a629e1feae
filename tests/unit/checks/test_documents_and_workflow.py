"""A dead link, a property without a description and a weak workflow are found before anybody meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checks import links, schemas, workflows

WORKFLOW = """
name: ci
on: [push]
permissions: {}
jobs:
  check:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: make check
"""


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("[gone](gone.md)", "gone.md: no such file"),
        ("[gone](docs/../gone.md#part)", "docs/../gone.md#part: no such file"),
        ("[part](other.md#third-part)", "other.md#third-part: no heading '#third-part' in that file"),
        ("[here](#nowhere)", "#nowhere: no heading '#nowhere' in that file"),
        ("![image](gone.png)", "gone.png: no such file"),
        ("[by name]: gone.md", "gone.md: no such file"),
        ("[file](other.txt)", "other.txt: no such file"),
    ],
)
def test_a_dead_link_is_found_with_its_line(tmp_path: Path, link: str, found: str) -> None:
    # Given
    (tmp_path / "docs").mkdir()
    (tmp_path / "other.md").write_text("# Other\n\n## Second part\n")
    (tmp_path / "page.md").write_text(
        f"# Page\n\nSee {link}.\n" if link[0] in "[!" and "]:" not in link else f"\n\n{link}\n"
    )
    # When, Then
    assert links.problems(tmp_path, ["page.md"]) == [f"page.md:3: {found}"]


@pytest.mark.parametrize(
    "link",
    [
        "[part](other.md#second-part)",
        "[twice](other.md#second-part-1)",
        "[code](other.md#the-make-target-with-a-dash)",
        "[folder](docs/)",
        "[elsewhere](https://example.com/gone.md)",
        "[mail](mailto:team@example.com)",
        "`[not a link](gone.md)`",
        "```\n[not a link](gone.md)\n```",
        "[title](other.md \"a title\")",
        "[blank](with%20blank.md)",
    ],
)  # fmt: skip
def test_what_leads_somewhere_is_no_problem(tmp_path: Path, link: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "with blank.md").write_text("")
    (tmp_path / "other.md").write_text(
        "# Other\n## Second part\n## Second part\n## The `make` target, with a [dash](x.md)\n```\n# no heading\n```\n"
    )
    (tmp_path / "page.md").write_text(f"See\n{link}\n")
    assert links.problems(tmp_path, ["page.md"]) == []


def test_a_heading_in_a_code_block_is_no_anchor() -> None:
    assert links.anchors("# One\n```bash\n# two\n```\n") == {"one"}


def test_the_links_of_this_repository_lead_somewhere() -> None:
    assert links.check() == []


def test_a_property_without_a_description_is_found_at_any_depth() -> None:
    inner = {"type": "object", "properties": {"known": {"description": "what"}, "bare": {"type": "string"}}}
    schema = {
        "properties": {"list": {"description": " ", "items": inner}},
        "oneOf": [{"properties": {"either": {}}}],
        "default": {"properties": {"no": {}}},
    }
    assert schemas.undescribed(schema) == ["either", "list", "list.bare"]


def test_a_schema_and_a_document_that_are_wrong_are_found(tmp_path: Path) -> None:
    # Given
    schema, document = tmp_path / "one.schema.json", tmp_path / "one.json"
    document.write_text('{"count": "three"}')
    # When, Then
    schema.write_text(json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "type": "objekt"}))
    assert any("objekt" in line for line in schemas.not_kept(schema, []))
    schema.write_text(json.dumps({"properties": {"count": {"type": "integer"}}}))
    assert any("'three' is not of type 'integer'" in line for line in schemas.not_kept(schema, [document]))


def test_the_schemas_of_this_repository_are_whole() -> None:
    assert schemas.check() == []


def test_a_workflow_that_is_right_passes(tmp_path: Path) -> None:
    (tmp_path / "ci.yml").write_text(WORKFLOW)
    assert workflows.schema_problems([tmp_path / "ci.yml"]) == []
    assert workflows.weaknesses([tmp_path / "ci.yml"]) == []


def test_a_workflow_against_githubs_schema_is_found(tmp_path: Path) -> None:
    (tmp_path / "ci.yml").write_text(WORKFLOW.replace("runs-on", "run-on"))
    assert any("run-on" in line for line in workflows.schema_problems([tmp_path / "ci.yml"]))


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ("- run: echo ${{ github.event.head_commit.message }}", "template-injection"),
        ("- uses: actions/checkout@v5", "unpinned-uses"),
    ],
)
def test_a_weakness_of_a_workflow_is_found(tmp_path: Path, step: str, found: str) -> None:
    (tmp_path / "ci.yml").write_text(WORKFLOW.replace("- run: make check", step))
    assert any(found in line for line in workflows.weaknesses([tmp_path / "ci.yml"]))


def test_the_workflow_of_this_repository_is_right() -> None:
    assert workflows.check() == []
