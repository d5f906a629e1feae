"""The page under axe-core, in a real headless browser: what a screen reader or weak eyes would stumble over."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambdas.domain.report.render import render_report
from tests.unit.domain.report.page_reader import Page
from tests.unit.domain.report.test_in_browser import BROWSER, browse

Sample = Callable[[str], dict[str, Any]]
AXE = Path(__file__).resolve().parents[4] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: the page was NOT given to axe-core")

RUN = """
addEventListener("load", async () => {
  const found = await axe.run(document, {runOnly: RULES});
  const told = found.violations.map((one) => [one.id, one.impact, one.nodes.map((node) => node.html.slice(0, 120))]);
  const note = document.createElement("pre");
  note.id = "axe";
  note.textContent = JSON.stringify({passed: found.passes.length, violations: told});
  const scheme = document.createElement("pre");
  scheme.id = "scheme";
  scheme.textContent = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  document.body.append(note, scheme);
});
"""


FRAME = """<!doctype html><title></title><iframe src="page.html" width="WIDTH" height="900" style="border: 0"></iframe>
<script>
const asked = setInterval(() => {
  const seen = document.querySelector("iframe").contentDocument;
  if (!seen || !seen.querySelector("#scheme")) return;
  clearInterval(asked);
  for (const name of ["axe", "scheme"]) document.body.append(document.importNode(seen.getElementById(name), true));
}, 50);
</script>"""
"""A browser's window has a least width; a frame of the page's own has none."""


def violations(page: str, folder: Path, scheme: str = "light", width: int | None = None) -> list[list[Any]]:
    """Give what axe-core finds in a window, or in a frame of some width: rule, impact and the elements."""
    preferred = f"--blink-settings=preferredColorScheme={int(scheme == 'light')}"
    script = f"<script>{AXE.read_text()}</script><script>{RUN.replace('RULES', json.dumps(RULES))}</script></body>"
    path = folder / "page.html"
    # The page's own policy lets no script run, which is what its policy is for; this copy is looked at without it.
    page, policies = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    assert policies == 1
    path.write_text(page.replace("</body>", script), encoding="utf-8")
    if width is not None:
        path = folder / "frame.html"
        path.write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    seen = Page(browse(path, "--dump-dom", "--virtual-time-budget=20000", "--allow-file-access-from-files", preferred))
    assert next(element.text for element in seen.elements if element.attributes.get("id") == "scheme") == scheme
    told = json.loads(next(element.text for element in seen.elements if element.attributes.get("id") == "axe"))
    assert told["passed"] > 10, "axe-core has looked at next to nothing"
    found: list[list[Any]] = told["violations"]
    return found


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "image-alt"),
        ('<p style="color: #bbb; background: #fff">hardly to be read</p>', "color-contrast"),
        ("<button></button>", "button-name"),
        ("<ul><p>no item</p></ul>", "list"),
    ],
)
def test_a_planted_fault_is_found(sample: Sample, tmp_path: Path, broken: str, rule: str) -> None:
    page = render_report(sample("measured")).replace("</main>", f"{broken}</main>")
    assert broken in page
    assert rule in {found[0] for found in violations(page, tmp_path)}


@pytest.mark.parametrize("name", ["measured", "failed"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_has_no_violation(sample: Sample, tmp_path: Path, name: str, scheme: str) -> None:
    assert violations(render_report(sample(name)), tmp_path, scheme) == []


def test_the_page_of_a_telephone_has_no_violation_while_a_person_is_asked(sample: Sample, tmp_path: Path) -> None:
    waiting = sample("measured") | {"outcome": None, "answer_until": "2026-11-30T10:00:00Z", "endpoint": None}
    waiting["gate"][0] |= {"passed": False, "undecided": True}
    assert violations(render_report(waiting), tmp_path, width=390) == []
