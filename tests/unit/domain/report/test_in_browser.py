"""The page in a real headless browser: it shows the figures of report.json, and fetches nothing."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.report.figures import milliseconds, percent, score, usd
from lambdas.domain.report.render import render_report
from tests.unit.domain.report.page_reader import Page

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
        if "score" in line["rule"] or line["rule"] == "max_quality_drop":
            shown = [score(line[name]) for name in ("threshold", "measured", "bound") if line[name] is not None]
            assert all(figure in row for figure in shown), line["rule"]
    for stage, dollars in dollars_by_stage(report).items():
        assert any(row.startswith(stage) and row.endswith(usd(dollars)) for row in rows), stage
    for worst in report["worst_answers"]:
        assert worst["question"] in text
        assert worst["explanation"] in text
        assert json.loads(worst["answer"])["reasoning"] in text
    for fact in (report["total_usd"], report["estimate_usd"], report["budget_usd"]):
        assert usd(fact) in text
    assert report["endpoint"]["arn"] in text
    assert all(uri in text for uri in report["files"].values())


def dollars_by_stage(report: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for line in report["ledger"]:
        found[line["stage"]] = found.get(line["stage"], 0.0) + line["usd"]
    return found


MEASURE = """
const page = document.querySelector("iframe").contentDocument;
const box = (element) => element.getBoundingClientRect();
const middle = (element) => (box(element).left + box(element).right) / 2;
const chart = (name) => page.querySelector(`svg[aria-labelledby^="${name}-title"]`);
const dots = (name, what) => Object.fromEntries(
  [...chart(name).querySelectorAll("g")].map((group) => [group.classList[0], middle(group.querySelector(what))]));
const lines = (name) => {
  const found = [...chart(name).querySelectorAll(":scope > line.grid")];
  return [middle(found[0]), middle(found[found.length - 1])];
};
const wide = page.documentElement.clientWidth;
document.title = JSON.stringify({
  quality: dots("quality", "circle"), quality_axis: lines("quality"),
  latency: dots("latency", "line.median"), latency_axis: lines("latency"),
  cost: dots("cost", "circle"), cost_axis: lines("cost"),
  wide, needed: page.documentElement.scrollWidth,
  outside: [...page.querySelectorAll("body *")].filter((element) => box(element).width && box(element).right > wide + 1
    && !element.closest("svg svg, .scroll")).map((element) => element.outerHTML.slice(0, 90)),
  pushed: [...page.querySelectorAll(".scroll")].filter((element) => element.scrollWidth > element.clientWidth + 1)
    .map((element) => element.textContent.trim().slice(0, 90)),
  clipped: [...page.querySelectorAll(".cards td, .cards th, .cards tr, .tile, .verdict, .answer")]
    .filter((element) => element.clientHeight && element.scrollHeight > element.clientHeight + 2)
    .map((element) => element.outerHTML.slice(0, 90)),
});
"""


def measured_by_the_browser(report: dict[str, Any], folder: Path, width: int) -> dict[str, Any]:
    """Lay the page out in a frame of some width, as a window of that width would, and measure it."""
    (folder / "report.html").write_text(render_report(report), encoding="utf-8")
    frame, script = (
        '<iframe src="report.html" width="{}" height="900" style="border: 0"></iframe>',
        "<script>{}</script>",
    )
    outer = folder / "frame.html"
    onload = f"addEventListener('load', () => {{ {MEASURE} }});"
    outer.write_text("<!doctype html><title></title>" + script.format(onload) + frame.format(width), encoding="utf-8")
    dom = browse(outer, "--dump-dom", "--allow-file-access-from-files", "--window-size=1600,1000")
    found: dict[str, Any] = json.loads(next(element.text for element in Page(dom).elements if element.tag == "title"))
    return found


def test_the_charts_are_drawn_where_the_json_says(sample: Sample, tmp_path: Path) -> None:
    # Given
    report = sample("measured")

    # When
    seen = measured_by_the_browser(report, tmp_path, 1280)

    # Then a mark stands between the first and the last line of its axis as the figure does between theirs
    for contestant in report["contestants"]:
        role, usd_per_1k = contestant["role"], contestant["usd_per_1k_requests"]
        places = {
            "quality": (contestant["judge_score"]["mean"] - 1) / 4,
            "latency": contestant["latency_ms"]["p50"] / 3_000,
            "cost": (math.log10(usd_per_1k) + 3) / 3,
        }
        for name, place in places.items():
            first, last = seen[f"{name}_axis"]
            assert (seen[name][role] - first) / (last - first) == pytest.approx(place, abs=0.005), (name, role)


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_nothing_is_wider_than_the_page_or_cut_off(sample: Sample, tmp_path: Path, width: int) -> None:
    # Given long names, texts without a break, empty cells, and a job that failed before
    report = sample("measured")
    report["task"], report["run_id"] = "a-very-long-task-name-" * 3, "a-very-long-task-name-" * 4
    report["training"]["failed_tries"] = [
        {"job_name": "dev-" + "x" * 56, "at": report["created_at"], "reason": "no progress for 12 h, so it was stopped"}
    ]
    report["worst_answers"][0] |= {"answer": "x" * 3_000, "explanation": "y" * 400, "problem": "z" * 200}
    report["gate"].append({**report["gate"][0], "rule": "slices.topic=" + "v" * 100})
    report["reconciliation"] = [{"stage": "EvaluateStudent", "actual_usd": 1.0}]

    # When
    seen = measured_by_the_browser(report, tmp_path, width)

    # Then
    assert seen["wide"] > width - 20
    assert seen["needed"] <= seen["wide"]
    assert seen["outside"] == []
    assert seen["pushed"] == []
    assert seen["clipped"] == []


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

    # Then what is folded on the screen is on the paper
    assert paper.read_bytes().startswith(b"%PDF")
    assert paper.stat().st_size > 20_000
    sizes = {}
    for name, put in (("open", '<details class="passed" open>'), ("left out", '<details class="passed" hidden>')):
        page.write_text(page.read_text().replace('<details class="passed">', put), encoding="utf-8")
        browse(page, f"--print-to-pdf={paper}.{name[:4]}")
        sizes[name] = Path(f"{paper}.{name[:4]}").stat().st_size
        page.write_text(page.read_text().replace(put, '<details class="passed">'), encoding="utf-8")
    folded = paper.stat().st_size
    assert abs(folded - sizes["open"]) < 0.1 * abs(folded - sizes["left out"])
