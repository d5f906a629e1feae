"""The reviewer's page under axe-core, at every size and in both schemes, and what it found there before."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from lambdas.domain.prices.price_book import PriceBook
from review.assembly import Assembly
from review.page import review_page
from tests.stacks.templates import build
from tests.unit.domain.report.page_reader import Page
from tests.unit.domain.report.test_accessibility import violations
from tests.unit.domain.report.test_in_browser import BROWSER, browse

if TYPE_CHECKING:
    from pathlib import Path

in_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: the page was NOT given to axe-core")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("assembly")
    build({"dev": {}}, folder).synth()
    return review_page(Assembly.read(folder, "dev"), PriceBook.shipped(), environment="dev")


def test_every_header_cell_says_what_it_heads_and_every_scroll_box_takes_the_keys(page: str) -> None:
    elements = Page(page).elements
    assert [cell for cell in elements if cell.tag == "th" and cell.attributes.get("scope") not in ("col", "row")] == []
    boxes = [box for box in elements if box.attributes.get("class") == "scroll"]
    assert boxes
    assert all(box.attributes.get("tabindex") == "0" and box.attributes.get("aria-label") for box in boxes)


def test_headings_go_down_one_level_at_a_time(page: str) -> None:
    levels = [int(element.tag[1]) for element in Page(page).elements if element.tag in ("h1", "h2", "h3", "h4")]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


@in_browser
@pytest.mark.parametrize(("scheme", "width"), [("dark", None), ("light", 390)])
def test_axe_core_finds_nothing(page: str, tmp_path: Path, scheme: str, width: int | None) -> None:
    assert violations(page, tmp_path, scheme, width) == []


@in_browser
def test_it_prints(page: str, tmp_path: Path) -> None:
    path, paper = tmp_path / "review.html", tmp_path / "review.pdf"
    path.write_text(page, encoding="utf-8")
    browse(path, f"--print-to-pdf={paper}")
    assert paper.read_bytes().startswith(b"%PDF")
    assert paper.stat().st_size > 20_000
