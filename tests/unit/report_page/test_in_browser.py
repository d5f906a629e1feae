"""The page in a real headless browser: it shows the figures of report.json, and fetches nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.report_page.figures import milliseconds, percent, score, usd
from lambdas.domain.report_page.render import render_report
from tests.unit.report_page.page_reader import Page

Sample = Callable[[str], dict[str, Any]]
BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no chromium is installed: the page was NOT opened in a browser"
)


def browse(page: Path, *arguments: str) -> str:
    """Open a page without a network and give the document that the browser made of it."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += [f"--user-data-dir={page.parent / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND", *arguments]
    ended = subprocess.run(  # noqa: S603 - our own file, in a browser of this machine
        [*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return ended.stdout


def test_the_figures_that_a_person_sees_are_those_of_the_json(sample: Sample, tmp_path: Path) -> None:
    # Given
    report = sample("measured")
    page = tmp_path / "report.html"
    page.write_text(render_report(report), encoding="utf-8")

    # When
    seen = Page(browse(page, "--dump-dom"))
    text = " ".join(next(element.text for element in seen.elements if element.tag == "body").split())
    rows = {" ".join(row.text.split()) for row in seen.elements if row.tag == "tr"}

    # Then
    assert "PROMOTED" in text
    for contestant in report["contestants"]:
        shown = [
            score(contestant["judge_score"]["mean"]),
            percent(contestant["schema_validity"]),
            milliseconds(contestant["latency_ms"]["p50"]),
            usd(contestant["usd_per_1k_requests"]),
        ]
        assert any(all(figure in row for figure in shown) for row in rows), contestant["role"]
    for line in report["gate"]:
        [row] = [row for row in rows if line["rule"] in row]
        assert "✓ passed" in row
    assert usd(report["total_usd"]) in text
    assert report["endpoint"]["arn"] in text


@pytest.mark.parametrize("scheme", [0, 1], ids=["dark", "light"])
def test_the_page_is_painted_in_its_own_colours(sample: Sample, tmp_path: Path, scheme: int) -> None:
    # Given
    page, picture = tmp_path / "report.html", tmp_path / "page.png"
    page.write_text(render_report(sample("measured")), encoding="utf-8")

    # When
    browse(
        page, f"--screenshot={picture}", "--window-size=1280,2000", f"--blink-settings=preferredColorScheme={scheme}"
    )

    # Then an empty page of this size would be a few thousand bytes
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 100_000


def test_it_prints(sample: Sample, tmp_path: Path) -> None:
    # Given
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(render_report(sample("measured")), encoding="utf-8")

    # When
    browse(page, f"--print-to-pdf={paper}")

    # Then
    assert paper.read_bytes().startswith(b"%PDF")
    assert paper.stat().st_size > 20_000
