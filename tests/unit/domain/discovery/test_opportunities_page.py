"""The page of opportunities: its figures, what it never has, and what axe-core and a narrow window say of it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from lambdas.domain.discovery.coverage import Coverage, CoveredDay
from lambdas.domain.discovery.opportunities import rank
from lambdas.domain.discovery.opportunities_page import MOST_DAYS, opportunities_page
from tests.unit.cli.discovery_on_a_terminal import opportunities_of
from tests.unit.cli.test_discovery import LAST
from tests.unit.domain.discovery.found_tasks import PRICES, SETTINGS, TODAY, found, traffic
from tests.unit.domain.report.test_accessibility import violations
from tests.unit.domain.report.test_in_browser import BROWSER, browse

HOSTILE = "<script>alert(1)</script> & $(rm)"
FOUND = replace(opportunities_of(HOSTILE), simulated=True)
NOVA = "amazon.nova-pro-v1:0"

in_browser = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: the page was NOT given to axe-core")


def covered(days: int = 3) -> Coverage:
    made = [
        CoveredDay(day=LAST - timedelta(days=at), model=NOVA, calls=9, log_usd=Decimal(log), bill_usd=Decimal(312))
        for at in range(days)
        for log in ("310", "100")
    ]
    unread = ["Bedrock delivers to s3://another-bucket-with-a-long-name/prefix, which is not in 'log_sources'"]
    return Coverage(days=made, gaps=[f"{LAST}: no line of {NOVA} in the hours 10:00 (UTC)"], unread=unread)


def page(coverage: Coverage | None = None, proven: Decimal | None = Decimal("1834.2")) -> str:
    acted = {"search-intent": "PROMOTED search-intent-0a1b2c3d4e5f"}
    return opportunities_page(FOUND, environment="dev", acted=acted, proven_usd=proven, coverage=coverage or covered())


def test_names_that_others_gave_are_text_and_commands_are_quoted() -> None:
    made = page()
    assert "<script>" not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $(rm)" in made
    assert "opportunity &#x27;&lt;script&gt;alert(1)&lt;/script&gt; &amp; $(rm)&#x27; --lever cache" in made


def test_what_is_not_known_is_said_and_is_never_a_zero() -> None:
    made = page(proven=None)
    assert "nothing of calls without a known price" in made
    assert ">not read</b>proven this month" in made
    assert "60,000 calls have no known price" in made
    assert "Not held against the bill" in opportunities_page(
        FOUND, environment="dev", acted={}, proven_usd=Decimal(), coverage=None
    )


def test_figures_are_marked_as_simulated_only_where_they_are() -> None:
    assert "Every figure is simulated." in page()
    real = opportunities_page(
        replace(FOUND, simulated=False), environment="dev", acted={}, proven_usd=Decimal(), coverage=None
    )
    assert "simulated" not in real


def test_a_lever_that_saves_only_after_another_says_what_to_do() -> None:
    # Given calls that the cheaper model caches and today's does not
    sonnet = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    task = found(traffic(sonnet, sent=1_500), tools_share=1.0, tool_use_share=0.9, prefix_characters=5_600)
    ranked = rank([task], PRICES, SETTINGS, TODAY)
    made = opportunities_page(ranked, environment="dev", acted={}, proven_usd=None, coverage=None)

    # Then the cheaper model is no hindrance of the cache, and the cache's place is told
    assert "($0 alone)" in made
    assert "Set a cache point after the first 5,600 characters" in made
    assert "--lever cache" in made


def test_bars_are_on_one_scale_whose_marks_are_written() -> None:
    made = page()
    marks = re.findall(r'<span style="left:([\d.]+)%">(\$[\d,]+)</span>', made)
    assert marks[: len(marks) // 2] == marks[len(marks) // 2 :]
    ends = [float(at) * 150_000 / 100 for at, _ in marks]
    assert ends == pytest.approx([float(usd.strip("$").replace(",", "")) for _, usd in marks], abs=10)
    # The widest bar ends at the dollars of its task
    parts = re.search(r'<span class="plot">(.*?)</span>', made)
    assert parts is not None
    width = sum(float(found) for found in re.findall(r"width:([\d.]+)%", parts[1]))
    assert width * 1_500 == pytest.approx(float(FOUND.found[0].usd or 0), rel=0.01)


def test_a_long_bill_is_shown_by_what_differs_most() -> None:
    made = page(covered(days=MOST_DAYS + 5))
    assert made.count("<td>partly</td>") == MOST_DAYS
    assert "5 more are not shown" in made
    assert "<td>seen</td>" not in made


@in_browser
@pytest.mark.parametrize(("scheme", "width"), [("light", None), ("dark", None), ("dark", 390)])
def test_axe_core_finds_nothing(tmp_path: Path, scheme: str, width: int | None) -> None:
    assert violations(page().replace("<details>", "<details open>", 3), tmp_path, scheme, width) == []


FRAME = """<!doctype html><title></title><iframe src="page.html" width="390" height="900"></iframe><script>
addEventListener("load", () => {
  const seen = document.querySelector("iframe").contentDocument;
  const wide = seen.documentElement.clientWidth;
  const out = [...seen.querySelectorAll("main *")].filter((one) => one.getBoundingClientRect().right > wide + 1
    && !one.closest(".wide, .plot, .axis"));
  const note = document.createElement("pre");
  note.textContent = `needs ${seen.documentElement.scrollWidth} of ${wide}; outside: ${out.length}`;
  document.body.append(note);
});</script>"""


@in_browser
def test_nothing_reaches_out_of_the_window_of_a_telephone(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page().replace("<details>", "<details open>"))
    (tmp_path / "frame.html").write_text(FRAME)
    seen = browse(tmp_path / "frame.html", "--dump-dom", "--allow-file-access-from-files", "--virtual-time-budget=9000")
    told = re.search(r"needs (\d+) of (\d+); outside: (\d+)", seen)
    assert told is not None
    assert int(told[1]) <= int(told[2])
    assert told[3] == "0"
